"""Tolerances of students that are not quite at their limit, and derivatives by central differences."""

import numpy as np
import pytest

from experiments.deep_linear.convergence import (
    central_differences,
    change_of_error,
    integrated,
    left_of_minnorm,
    settled,
)
from theory.claims import Tolerance
from theory.core.linear_networks import end_to_end, gaussian_stack
from theory.deep_linear.problem import Ensemble, draw, generalisation_error

RNG = np.random.default_rng
NOTHING = Tolerance(0.0, "nothing else")


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_paths_settle_if_they_converge_as_fast_as_said(rate: float) -> None:
    t = np.linspace(2, 4, 9)
    paths = 3 + np.multiply.outer(np.exp(-rate * t), [1.0, -2.0])
    assert settled("paths", t, paths, NOTHING, case="both").equals(3.0).passed
    assert not settled("paths", t, paths, NOTHING).equals(3.2).passed


def test_the_error_changes_by_no_more_than_is_said() -> None:
    ensemble = Ensemble(7, 4, noise=0.2)
    problem = draw(ensemble, RNG(0), 50)
    W, step = RNG(1).standard_normal((2, 50, 1, 7))
    moved = np.linalg.norm(step, axis=(-2, -1))
    change = generalisation_error(ensemble, problem, W + step) - generalisation_error(ensemble, problem, W)
    assert (np.abs(change) <= change_of_error(ensemble, problem.teacher, W, moved)).all()


def test_what_minnorm_has_left_bounds_the_distance_to_its_limit() -> None:
    problem = draw(Ensemble(7, 4, noise=0.2), RNG(0), 50)
    W = gaussian_stack(RNG(1), [7, 3, 1], 1.0, runs=50)
    product = end_to_end(W)
    kept = np.linalg.norm(W[1], axis=(-2, -1)) * np.linalg.norm(W[0] @ problem.unseen, axis=(-2, -1))
    distance = np.linalg.norm(product - problem.minimum_norm_solution, axis=(-2, -1))
    assert (distance <= left_of_minnorm(problem, product, kept) * (1 + 1e-12)).all()


def test_an_integration_may_be_off_by_what_a_looser_one_changes() -> None:
    flow, within = integrated(lambda tolerance: np.array([1.0, 2.0]) + tolerance, 1e-6)
    assert np.allclose(flow, [1 + 1e-6, 2 + 1e-6], rtol=1e-12) and within.value == pytest.approx(99e-6)


def test_central_differences_of_a_cubic_map() -> None:
    matrix = RNG(0).standard_normal((4, 3))
    rest, directions = np.array([0.3, -0.5, 0.8]), np.eye(3)
    derivative, error, displacement = central_differences(lambda z: (z**3) @ matrix.T, rest, directions)
    assert np.allclose(derivative, (3 * rest[:, None] ** 2) * matrix.T, atol=1e-10)
    assert (error < 1e-8).all() and displacement == pytest.approx(2.5e-4)
