"""Methods that find the largest margin, against what is written out beside them."""

import numpy as np
import pytest
import torch

from experiments.minnorm.classifiers import BOX, BoxedMinnorm, MomentumDescent, Steps, away_from, grouped_margins
from theory.core.separable import Separable, planted

Z = planted(np.random.default_rng(0), np.array([0.5, 0.3, 0.2]), d=4, margin=0.8, runs=2)
MARGINS = grouped_margins(Z, "cpu")


def rows(*numbers: float) -> np.ndarray:
    """The same setting of two runs on each of the two problems."""
    return np.tile(numbers, 2)


def trained(rule, steps: int) -> dict[str, torch.Tensor]:
    state = {"w": torch.zeros(4, 4, dtype=torch.float64)}
    rule.begin(state)
    for _ in range(steps):
        _, work = rule.evaluate(state)
        rule.apply(state, work, torch.ones(4, dtype=torch.float64))
    return state


def test_each_problem_serves_its_own_runs() -> None:
    w = np.random.default_rng(1).normal(size=(4, 4))
    found = MARGINS({"w": torch.tensor(w)}).numpy()
    assert found == pytest.approx(np.stack([Z[i // 2] @ w[i] for i in range(4)]))


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_momentum_descent_is_what_it_says(power: float) -> None:
    """Constant and accelerating momentum, annealed decay: 6 steps, written out."""
    steps, rate, decay = 6, 0.3, 0.2
    rule = MomentumDescent(MARGINS, Steps(rows(rate, rate), rows(power, power), rows(0.7, np.inf), rows(decay, 0.0)))
    found = trained(rule, steps)["w"].numpy()
    for i in range(4):
        w, g = np.zeros(4), np.zeros(4)
        for t in range(steps):
            weights = np.exp(-Z[i // 2] @ w)
            u = -weights @ Z[i // 2] / weights.sum() ** (1 - power) + (decay / (1 + t) * w if i % 2 == 0 else 0)
            beta = 0.7 if i % 2 == 0 else t / (t + 1)
            g = beta * (g + u)
            w = w - rate * (g + u)
        assert found[i] == pytest.approx(w)


def test_minnorm_alternates_or_does_not() -> None:
    A, B, steps = 0.3, 0.5, 8
    rule = BoxedMinnorm(MARGINS, rows(A, A), rows(B, B), rows(True, False).astype(bool))
    found = trained(rule, steps)["w"].numpy()
    for i in range(4):
        examples = Z[i // 2]
        w, multipliers = np.zeros(4), np.zeros(len(examples))
        # The multipliers that alternate have moved after the weights: before the first step, from w = 0.
        for _ in range(steps):
            h = 1 - examples @ w
            moved = np.maximum(multipliers + B * h, 0)
            w = (1 - A) * w + A * examples.T @ (moved if i % 2 == 0 else multipliers)
            multipliers = moved
        assert found[i] == pytest.approx(w)


def test_errors_are_of_the_direction_and_1_at_the_start() -> None:
    problem = Separable(Z)
    error = away_from(problem.w * problem.margin[:, None], 2, "cpu")
    assert error({"w": torch.zeros(4, 4, dtype=torch.float64)}).tolist() == pytest.approx([1.0] * 4)
    assert error({"w": torch.tensor(7 * problem.w).repeat_interleave(2, 0)}).tolist() == pytest.approx([0.0] * 4)


def test_what_diverges_is_held_in_its_box() -> None:
    rule = BoxedMinnorm(MARGINS, rows(1.0, 1.0), rows(50.0, 50.0), rows(True, False).astype(bool))
    state = trained(rule, 60)
    assert torch.isfinite(state["w"]).all() and state["w"].abs().max() == BOX
    rule = MomentumDescent(MARGINS, Steps(rows(1e6, 1e6), rows(1.0, 1.0), rows(0.9, np.inf), rows(3.0, 0.0)))
    assert torch.isfinite(trained(rule, 60)["w"]).all()
