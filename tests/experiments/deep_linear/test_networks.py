"""Stacks in torch: the constraint, the rules' steps, runs that do not see each other, and interrupted training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.deep_linear.networks import (
    Constraint,
    ControlledDescent,
    by_descent,
    by_minnorm,
    by_weight_decay,
    isometries,
    product,
    product_and_gain,
    squared_loss,
    students,
)
from experiments.training import Trainee
from experiments.training.batches import layers_of, state_of
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack, layer_gradients
from theory.core.trajectory import Trajectory
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning

STUDY = Study("tests.deep_linear", "smoke")
WIDTHS = (6, 4, 3, 2)
PROBLEM = draw(Ensemble(6, 4, K=2, noise=0.3), np.random.default_rng(0), 3)
W = gaussian_stack(np.random.default_rng(1), WIDTHS, 0.6, runs=3)
CONSTRAINT = Constraint(PROBLEM, W, "cpu")


def fused(study: Study, problem: TeacherStudent, W: Layers, **numbers: Array | float) -> Trainee:
    return students(study, Constraint(problem, W, "cpu"), W, ControlledDescent(problem, **numbers))


def stepped(trainee: Trainee, steps: int = 1) -> Trajectory:
    return trainee.train(learning_rate=0.02, steps=steps, record=[steps])


def test_the_constraint_is_what_is_left_of_the_labels() -> None:
    state = {name: torch.tensor(layer) for name, layer in state_of(W).items()}
    h = CONSTRAINT(state).numpy()
    assert np.allclose(h.mT, PROBLEM.Y - end_to_end(W) @ PROBLEM.X)
    assert squared_loss(CONSTRAINT)(state).numpy() == pytest.approx(0.5 * (h**2).sum((1, 2)))
    seen = product_and_gain(state)
    assert np.allclose(seen["W"], end_to_end(W)) and np.allclose(product(state)["W"], end_to_end(W))


def test_the_gain_is_that_of_the_last_layers() -> None:
    single = [W[0], W[1], W[2][:, :1]]
    state = {name: torch.tensor(layer) for name, layer in state_of(single).items()}
    assert product_and_gain(state)["gain"].numpy() == pytest.approx(np.linalg.norm(end_to_end(single[1:]), axis=(1, 2)))


def test_a_minnorm_step_descends_the_lagrangian_and_integrates_the_error() -> None:
    a, b, c = np.array([1.0, 0.5, 2.0]), 0.7, 0.4
    multipliers = np.random.default_rng(2).standard_normal((3, 4, 2))
    run = stepped(by_minnorm(STUDY, PROBLEM, W, Tuning(a, b, c), multipliers))
    R = PROBLEM.Y - end_to_end(W) @ PROBLEM.X
    forces = layer_gradients(W, (multipliers.mT + c * R) @ PROBLEM.X.mT)
    for before, force, after in zip(W, forces, layers_of(run.arrays)):
        assert np.allclose(after[0], before + 0.02 * a[:, None, None] * (force - before), atol=1e-14)
    assert np.allclose(run["multipliers"][0], multipliers + 0.02 * b * R.mT, atol=1e-14)


def test_weight_decay_shrinks_what_descent_moves() -> None:
    gamma = np.array([0.0, 0.1, 0.4])
    plain, decayed = (
        layers_of(stepped(trainee).arrays)
        for trainee in (by_descent(STUDY, PROBLEM, W), by_weight_decay(STUDY, PROBLEM, W, gamma))
    )
    for before, moved, shrunk in zip(W, plain, decayed):
        assert np.allclose(shrunk[0], moved[0] - 0.02 * gamma[:, None, None] * before, atol=1e-14)


def test_runs_do_not_see_each_other() -> None:
    numbers = {"gamma": np.array([0.0, 0.2, 1.0]), "b": np.array([0.0, 0.0, 0.5])}
    together = stepped(fused(STUDY, PROBLEM, W, **numbers), 30)
    last = TeacherStudent(PROBLEM.X[2:], PROBLEM.teacher[2:], PROBLEM.noise[2:])
    alone = stepped(fused(STUDY, last, [layer[2:] for layer in W], gamma=1.0, b=0.5), 30)
    for a, b in zip(layers_of(together.arrays), layers_of(alone.arrays)):
        assert np.allclose(a[:, 2:], b, atol=1e-13)


@pytest.mark.parametrize(
    "make",
    [
        lambda study: by_descent(study, PROBLEM, W),
        lambda study: by_minnorm(study, PROBLEM, W, Tuning(1.0, 1.0, 0.5)),
        lambda study: fused(study, PROBLEM, W, gamma=1.0, b=1.0, c=0.5),
    ],
)
def test_an_interrupted_training_ends_with_the_same_bits(make: Callable[[Study], Trainee], tmp_path: Path) -> None:
    first, again, plain = (
        stepped(make(Study("tests.deep_linear", "smoke", scratch=folder)), 20) for folder in (tmp_path, tmp_path, None)
    )
    for name in ("W1", "W2", "W3"):
        assert np.array_equal(first[name], plain[name]) and np.array_equal(again[name], plain[name])


def test_isometries_keep_lengths_up_to_a_number() -> None:
    for layer, (after, before) in zip(isometries(np.random.default_rng(0), [5, 3, 4], 2), ((3, 5), (4, 3))):
        assert layer.shape == (2, after, before)
        singular_values = np.linalg.svd(layer, compute_uv=False)
        assert np.allclose(singular_values, singular_values[:, :1]) and (abs(singular_values - 1) <= 0.3).all()
