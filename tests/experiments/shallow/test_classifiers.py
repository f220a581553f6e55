"""Losses, and Minnorm's steps against what they are by hand; devices."""

import numpy as np
import pytest
import torch

from experiments.shallow.classifiers import (
    AlternatingMinnorm,
    NormalisedDescent,
    SimultaneousMinnorm,
    exponential_loss,
    log_loss,
    logistic_loss,
    train_classifier,
    train_minnorm,
)
from theory.claims.study import Study

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
    seen = {SimultaneousMinnorm: violation, AlternatingMinnorm: 1 - np.einsum("rnd,rd->rn", Z, after)}
    for kind, violated in seen.items():
        run = train_minnorm(
            STUDY, "step", kind(Z, a, b, "cpu", c), W, MULTIPLIERS, learning_rate=eta, steps=1, record=[1]
        )
        assert np.allclose(run["w"][-1], after, atol=1e-14)
        assert np.allclose(run["multipliers"][-1], np.maximum(MULTIPLIERS + eta * b * violated, 0), atol=1e-14)


def test_normalised_descent_keeps_the_time_of_gradient_descent() -> None:
    """Its steps are gradient descent's with learning rates eta / L, and 1 + their sum is e^tau."""
    eta, loss = 0.05, log_loss(Z, "cpu")
    run = train_classifier(
        STUDY, "time", loss, W, learning_rate=eta, steps=20, record=list(range(21)), update=NormalisedDescent(loss)
    )
    w, total = W.copy(), np.zeros(3)
    for step in range(20):
        pulls = np.exp(-np.einsum("rnd,rd->rn", Z, w))
        rate = eta / pulls.sum(-1)
        w = w + rate[:, None] * np.einsum("rnd,rn->rd", Z, pulls)
        total += rate
        assert np.allclose(run["w"][step + 1], w, rtol=1e-12)
        assert np.allclose(run["tau"][step + 1], np.log1p(total), rtol=1e-12)


def test_a_held_run_does_not_move() -> None:
    rule = AlternatingMinnorm(Z, 1.0, 1.0, "cpu")
    state = {"w": torch.tensor(W), "multipliers": torch.tensor(MULTIPLIERS)}
    rule.begin(state)
    _, work = rule.evaluate(state)
    rule.apply(state, work, torch.tensor([0.0, 0.1, 0.0], dtype=torch.float64))
    assert np.array_equal(state["w"][[0, 2]], W[[0, 2]])
    assert np.array_equal(state["multipliers"][[0, 2]], MULTIPLIERS[[0, 2]])
    assert not np.array_equal(state["w"][1], W[1])
