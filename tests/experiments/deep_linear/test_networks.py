"""Stacks in torch: the constraint, the rules' steps, runs that do not see each other, and interrupted training."""

import numpy as np
import pytest
import torch

from experiments.deep_linear.networks import (
    Constraint,
    ControlledDescent,
    MinnormDescent,
    layers,
    product,
    squared_loss,
    train_stack,
)
from experiments.deep_linear.race import product_and_gain
from experiments.training.batches import layers_of, state_of
from experiments.training.updates import GradientDescent
from theory.claims.study import Study
from theory.core.linear_networks import end_to_end, gaussian_stack, layer_gradients
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning

STUDY = Study("tests.deep_linear", "smoke")
WIDTHS = (6, 4, 3, 2)
PROBLEM = draw(Ensemble(6, 4, K=2, noise=0.3), np.random.default_rng(0), 3)
W = gaussian_stack(np.random.default_rng(1), WIDTHS, 0.6, runs=3)
CONSTRAINT = Constraint(PROBLEM, WIDTHS, "cpu")


def stepped(rule, steps: int = 1, problem: TeacherStudent = PROBLEM, start=W, study: Study = STUDY):
    return train_stack(
        study,
        "step",
        Constraint(problem, WIDTHS, "cpu"),
        start,
        rule,
        learning_rate=0.02,
        steps=steps,
        record=[steps],
        observe=layers,
    )


def test_the_constraint_is_what_is_left_of_the_labels() -> None:
    state = {name: torch.tensor(layer) for name, layer in state_of(W).items()}
    h = CONSTRAINT(state).numpy()
    assert np.allclose(np.swapaxes(h, 1, 2), PROBLEM.Y - end_to_end(W) @ PROBLEM.X)
    assert squared_loss(CONSTRAINT)(state).numpy() == pytest.approx(0.5 * (h**2).sum((1, 2)))
    seen = product_and_gain(state)
    assert np.allclose(seen["W"], end_to_end(W)) and np.allclose(product(state)["W"], end_to_end(W))


def test_the_gain_is_that_of_the_last_layers() -> None:
    single = [W[0], W[1], W[2][:, :1]]
    state = {name: torch.tensor(layer) for name, layer in state_of(single).items()}
    assert product_and_gain(state)["gain"].numpy() == pytest.approx(np.linalg.norm(end_to_end(single[1:]), axis=(1, 2)))


def test_a_minnorm_step_descends_the_lagrangian_and_integrates_the_error() -> None:
    a, b, c = np.array([1.0, 0.5, 2.0]), 0.7, 0.4
    multiplier = np.random.default_rng(2).standard_normal((3, 4, 2))
    run = stepped(MinnormDescent(CONSTRAINT, Tuning(a, b, c), multiplier))
    R = PROBLEM.Y - end_to_end(W) @ PROBLEM.X
    force = (np.swapaxes(multiplier, 1, 2) + c * R) @ np.swapaxes(PROBLEM.X, 1, 2)
    for before, pull, after in zip(W, layer_gradients(W, force), layers_of(run.arrays)):
        assert np.allclose(after[0], before + 0.02 * a[:, None, None] * (pull - before), atol=1e-14)


def test_runs_do_not_see_each_other() -> None:
    together = stepped(ControlledDescent(PROBLEM, np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.0, 0.5]), 1.0), 30)
    last = TeacherStudent(PROBLEM.X[2:], PROBLEM.teacher[2:], PROBLEM.noise[2:])
    alone = stepped(ControlledDescent(last, 1.0, 0.5, 1.0), 30, last, [layer[2:] for layer in W])
    for a, b in zip(layers_of(together.arrays), layers_of(alone.arrays)):
        assert np.allclose(a[:, 2:], b, atol=1e-13)


@pytest.mark.parametrize(
    "make", [lambda: GradientDescent(squared_loss(CONSTRAINT)), lambda: ControlledDescent(PROBLEM, 1.0, 1.0, 0.5)]
)
def test_an_interrupted_training_ends_with_the_same_bits(make, tmp_path) -> None:
    study = Study("tests.deep_linear", "smoke", scratch=tmp_path)
    first, again, plain = stepped(make(), 20, study=study), stepped(make(), 20, study=study), stepped(make(), 20)
    for name in ("W1", "W2", "W3"):
        assert np.array_equal(first[name], plain[name]) and np.array_equal(again[name], plain[name])
