"""The methods that race on chains are the rules that their settings say, and each is counted at its best."""

import numpy as np
import pytest
import torch

from experiments.chain.networks import decayed_descent, minnorm_descent
from experiments.chain.race import FIXED, METHODS, RANGES, TWO_PHASES, USUAL, Settings, Steps, gradients_to
from theory.chain.problem import Chain
from theory.claims import Study
from theory.minnorm.tuning import Tuning

STUDY = Study("minnorm.race_test", "smoke")
W = np.array([[1.8, 1.0, 0.9]])


def after(steps: int, **setting: float) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
    """Weights of the chain with target 1.7."""
    each = Settings(**{name: np.array([value]) for name, value in (USUAL | setting).items()})
    rule = Steps(np.array([1.7]), each, "cpu")
    state = {"w": torch.tensor(W, dtype=torch.float32)}
    rule.begin(state)
    for _ in range(steps):
        rule.apply(state, rule.evaluate(state)[1], torch.ones(1))
    return state["w"].numpy(), state


def test_weight_decay_is_the_projects() -> None:
    eta, gamma = 0.1, 0.3
    run = decayed_descent(STUDY, Chain(1.7, 3), W, gamma).train(learning_rate=eta, steps=20, record=[20])
    assert after(20, rate=eta, decay=gamma)[0] == pytest.approx(run["w"][-1], rel=1e-5)


def test_minnorm_is_the_projects() -> None:
    A, B, c = 0.08, 0.4, 1.2
    trainee = minnorm_descent(STUDY, Chain(1.7, 3), W, Tuning(A, B, c))
    run = trainee.train(learning_rate=1.0, steps=20, record=[20])
    found, state = after(20, rate=A, integration=B, augmentation=c)
    assert found == pytest.approx(run["w"][-1], rel=1e-5)
    assert state["multiplier"].numpy() == pytest.approx(run["multipliers"][-1].ravel(), rel=1e-4)


def test_after_the_switch_there_is_no_decay_and_another_rate() -> None:
    early, _ = after(5, rate=0.2, decay=0.5)
    late, state = after(6, rate=0.2, decay=0.5, switch=5, late_rate=0.1)
    p = early.prod()
    assert late == pytest.approx(early + 0.1 * (1.7 - p) * p / early, rel=1e-5)
    assert state["count"].item() == 6


def test_momentum_is_heavy_ball() -> None:
    first, _ = after(1, rate=0.1, decay=0.0, momentum=0.5)
    p = first.prod()
    expected = first + 0.5 * (first - W) + 0.1 * (1.7 - p) * p / first
    assert after(2, rate=0.1, decay=0.0, momentum=0.5)[0] == pytest.approx(expected, rel=1e-4)


def test_a_setting_that_diverges_stays_finite() -> None:
    w, state = after(50, rate=5.0, integration=5.0, augmentation=5.0, momentum=0.9)
    assert np.isfinite(w).all() and torch.isfinite(state["multiplier"]).all()


def test_all_methods_have_as_many_settings_within_their_ranges() -> None:
    counts = gradients_to(STUDY, (0.3, 0.1), draws=4, settings=8, steps=30)
    assert tuple(counts) == METHODS == tuple(RANGES)
    for count in counts.values():
        assert count.shape == (4, 2) and (count[:, 0] <= count[:, 1]).all() and count.max() <= 31
    assert "momentum" not in RANGES[FIXED] and "switch" in RANGES[TWO_PHASES]
