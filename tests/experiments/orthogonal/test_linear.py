"""Linear OPT in torch: its gradient, its Hessian in the metric of the theory, and its determinant."""

import numpy as np
import pytest
import torch

from experiments.orthogonal.linear import curvatures, derivatives, descent, minimised, squared_loss
from theory.claims.study import Study
from theory.orthogonal import procrustes
from theory.orthogonal.procrustes import component, random_problem, start_near
from theory.orthogonal.rotations import random_rotation

S = np.array([1.7, 1.2, 0.5])
STUDY = Study("test.linear", "smoke")


def test_the_loss_and_its_gradient_are_those_of_theory() -> None:
    rng = np.random.default_rng(0)
    spread = np.linspace(1.4, 0.6, 3)
    problem = random_problem(rng, S, N=4, n=5, runs=2, inputs=spread, neurons=spread)
    R = random_rotation(rng, 3, 2)
    leaf = torch.tensor(R, requires_grad=True)
    losses = squared_loss(problem, "cpu")({"R": leaf})
    (G,) = torch.autograd.grad(losses.sum(), leaf)
    assert np.allclose(losses.detach(), procrustes.loss(problem, R))
    assert np.allclose(-R @ procrustes.skew(R.mT @ G.numpy()), procrustes.velocity(problem, R))


def test_curvatures_are_rates() -> None:
    problem = random_problem(np.random.default_rng(1), S, N=4, n=5)
    optimum = component(problem, np.eye(3)[None]).optimum
    loss = squared_loss(problem, "cpu")
    measured = curvatures(lambda R: loss({"R": R}).sum(), optimum[:, None], "cpu")
    assert np.allclose(measured, [[0.85, 1.1, 1.45]])


def test_derivatives_of_two_rotations_stack() -> None:
    R = random_rotation(np.random.default_rng(2), 3, 4).reshape(2, 2, 3, 3)
    first, second = derivatives(lambda R: (R[0] @ R[1]).trace(), R, "cpu")
    assert first.shape == (2, 6)
    assert second.shape == (2, 6, 6)
    assert np.allclose(second, second.mT)


@pytest.mark.parametrize("determinant", [1.0, -1.0])
def test_steps_keep_the_determinant(determinant: float) -> None:
    rng = np.random.default_rng(3)
    problem = random_problem(rng, S, N=4, n=5)
    R = start_near(component(problem, np.diag([1, 1, determinant])[None]), rng, 0.8)
    run = descent(STUDY, squared_loss(problem, "cpu"), R).train(learning_rate=0.2, steps=50, record=[0, 25, 50])
    assert np.allclose(np.linalg.det(run["R"]), determinant)
    end, within = minimised(STUDY, problem, R)
    assert np.abs(end - procrustes.optimal_loss(problem, component(problem, R))) <= within.value
