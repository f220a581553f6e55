"""Rules of descent against their recursions, and problems on which they settle."""

import numpy as np
import pytest
from scipy.special import softmax

from experiments.shallow import descents
from theory.claims import Study
from theory.core.separable import Separable, apply, planted
from theory.core.validation import InvalidArgument
from theory.shallow import transients

RATE, STEPS = np.array([0.3, 0.1, 0.2]), 12
STUDY = Study("shallow.descents", "smoke")


@pytest.fixture(scope="module")
def problem() -> Separable:
    return Separable(planted(np.random.default_rng(0), np.array([0.5, 0.3, 0.2]), d=4, margin=0.4, runs=3))


def downhill(problem: Separable, w: np.ndarray) -> np.ndarray:
    return apply(problem.Z.mT, softmax(-apply(problem.Z, w), axis=-1))


def test_momentum_and_acceleration_are_their_recursions(problem: Separable) -> None:
    start = np.zeros_like(problem.w)
    plain = descents.momentum_classifier(STUDY, problem.Z, start)
    quick = descents.accelerated_classifier(STUDY, problem.Z, start)
    w, before, v, g = start, start, start, start
    for t in range(STEPS):
        w, before = w + t / (t + 1) * (w - before) + RATE[:, None] * downhill(problem, w), w
        u = downhill(problem, v)
        g = t / (t + 1) * (g + u)
        v = v + RATE[:, None] * (g + u)
    for trainee, expected in ((plain, w), (quick, v)):
        run = trainee.train(learning_rate=RATE, steps=STEPS, record=[STEPS])
        assert np.allclose(run["w"][-1], expected, atol=1e-12)


def test_weights_are_rescaled_before_the_first_of_each_cycle(problem: Separable) -> None:
    start, factor, between = np.zeros_like(problem.w), np.array([1.5, 2.0, 3.0]), np.array([1.0, 2.0, 5.0])
    w = start
    for t in range(STEPS):
        w = np.where((t % between == 0)[:, None], factor[:, None], 1.0) * w
        w = w + RATE[:, None] * downhill(problem, w)
    trainee = descents.rescaled_classifier(STUDY, problem.Z, start, factor, between)
    assert np.allclose(trainee.train(learning_rate=RATE, steps=STEPS, record=[STEPS])["w"][-1], w, atol=1e-12)


def test_weights_of_which_steps_are_rounding_are_left(problem: Separable) -> None:
    start, ones = 1e15 * problem.w / np.abs(problem.w).max(-1, keepdims=True), np.ones(3)
    trainee = descents.rescaled_classifier(STUDY, problem.Z, start, 2 * ones, ones)
    run = trainee.train(learning_rate=RATE, steps=2, record=[2])
    assert np.allclose(run["w"][-1], start, rtol=1e-12)


def test_problems_are_conditioned_as_asked(problem: Separable) -> None:
    shares = np.array([0.4, 0.35, 0.25])
    chosen = descents.conditioned(
        np.random.default_rng(1), shares, 3, inputs=4, margin=0.35, condition=(2.0, 8.0), slack=(0.5,)
    )
    low, high = transients.support_curvature(chosen)
    assert ((high / low > 2) & (high / low < 8)).all()
    with pytest.raises(InvalidArgument, match="problems fit"):
        descents.conditioned(np.random.default_rng(1), shares, 3, inputs=4, margin=0.35, condition=(1.0, 1.001))


def test_places_along_and_across(problem: Separable) -> None:
    beside = descents.across(problem, np.ones_like(problem.w))
    assert np.allclose((beside * problem.w).sum(-1), 0, atol=1e-12)
    w = 3 * problem.w + beside
    assert np.allclose(descents.along(problem, w), 3)
    assert np.allclose(descents.across(problem, w), beside, atol=1e-12)


def test_minnorm_in_a_box_moves_its_multipliers_first(problem: Separable) -> None:
    A, B = np.array([0.5, 0.7, 0.9]), np.array([0.3, 0.2, 0.1])
    w, multipliers = np.zeros_like(problem.w), np.zeros_like(problem.duals)
    for _ in range(STEPS):
        multipliers = np.maximum(multipliers + B[:, None] * (1 - apply(problem.Z, w)), 0)
        w = (1 - A[:, None]) * w + A[:, None] * apply(problem.Z.mT, multipliers)
    run = descents.boxed_minnorm(STUDY, problem.Z, A, B).train(learning_rate=1.0, steps=STEPS, record=[STEPS])
    assert np.allclose(run["w"][-1], w, atol=1e-12)


def test_what_diverges_is_held_in_the_box(problem: Separable) -> None:
    steps = np.full(3, 0.9), np.full(3, 1e3)
    run = descents.boxed_minnorm(STUDY, problem.Z, *steps).train(learning_rate=1.0, steps=200, record=[200])
    assert np.isfinite(run["w"]).all()
