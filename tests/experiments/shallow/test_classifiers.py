"""Losses against their definitions, and the trainings of classifiers against what their steps are by hand."""

import numpy as np
import pytest
import torch

from experiments.methods.minnorm.descent import AlternatingMinnormDescent, SimultaneousMinnormDescent
from experiments.shallow.classifiers import (
    exponential_loss,
    log_loss,
    logistic_loss,
    minnorm_classifier,
    normalised_classifier,
    refined,
    states,
)
from theory.claims import Study
from theory.minnorm.tuning import Tuning

STUDY = Study("test.shallow")
RNG = np.random.default_rng(0)
Z = RNG.standard_normal((3, 6, 4))
W = RNG.standard_normal((3, 4))
MULTIPLIERS = RNG.exponential(size=(3, 6)) * (RNG.random((3, 6)) < 0.6)
MARGINS = np.einsum("rnd,rd->rn", Z, W)


def test_losses_are_their_definitions() -> None:
    state = {"w": torch.tensor(W)}
    exponential = np.exp(-MARGINS).sum(-1)
    assert np.allclose(exponential_loss(Z, "cpu")(state), exponential, rtol=1e-13)
    assert np.allclose(log_loss(Z, "cpu")(state), np.log(exponential), rtol=1e-13)
    assert np.allclose(logistic_loss(Z, "cpu")(state), np.log1p(np.exp(-MARGINS)).sum(-1), rtol=1e-13)


def test_examples_may_be_shared() -> None:
    state = {"w": torch.tensor(W)}
    own = exponential_loss(np.repeat(Z[:1], 3, axis=0), "cpu")(state)
    assert torch.equal(exponential_loss(Z[0], "cpu")(state), own)


@pytest.mark.parametrize("c", [0.0, 0.4])
def test_one_step_of_minnorm(c: float) -> None:
    eta, a, b = 0.1, np.array([0.5, 1.0, 2.0]), 0.7
    violation = 1 - MARGINS
    effective = np.maximum(MULTIPLIERS + c * violation, 0)
    after = W - eta * a[:, None] * (W - np.einsum("rnd,rn->rd", Z, effective))
    seen = {
        SimultaneousMinnormDescent: violation,
        AlternatingMinnormDescent: 1 - np.einsum("rnd,rd->rn", Z, after),
    }
    for kind, violated in seen.items():
        trainee = minnorm_classifier(STUDY, Z, Tuning(a, b, c), W, MULTIPLIERS, kind)
        run = trainee.train(learning_rate=eta, steps=1, record=[0, 1])
        expected = np.concatenate([after, np.maximum(MULTIPLIERS + eta * b * violated, 0)], axis=-1)
        assert np.array_equal(states(run)[0], np.concatenate([W, MULTIPLIERS], axis=-1))
        assert np.allclose(states(run)[1], expected, atol=1e-14)


def test_normalised_descent_keeps_the_time_of_gradient_descent() -> None:
    """Its steps are gradient descent's with learning rates eta / L, and 1 + their sum is e^tau."""
    eta = 0.05
    run = normalised_classifier(STUDY, Z, W).train(learning_rate=eta, steps=20, record=range(21))
    w, total = W.copy(), np.zeros(3)
    for step in range(20):
        shares = np.exp(-np.einsum("rnd,rd->rn", Z, w))
        rate = eta / shares.sum(-1)
        w = w + rate[:, None] * np.einsum("rnd,rn->rd", Z, shares)
        total += rate
        assert np.allclose(run["w"][step + 1], w, rtol=1e-12)
        assert np.allclose(run["tau"][step + 1], np.log1p(total), rtol=1e-12)


def test_refined_runs_are_recorded_at_the_same_times() -> None:
    """Also where the records do not divide the steps: 10 steps, records at 0, 3, 7 and 10 of them."""
    runs = refined(normalised_classifier(STUDY, Z, W), horizon=1.0, steps=10, records=4)
    assert [run.facts["recorded"].tolist() for run in runs] == [[0, 3, 7, 10], [0, 6, 14, 20], [0, 12, 28, 40]]
    for run in runs:
        assert np.allclose(run.t, [0, 0.3, 0.7, 1.0])
