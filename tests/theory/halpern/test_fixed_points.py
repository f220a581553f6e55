"""Lieder's bound, and the residual of affine maps."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import random_regression
from theory.halpern import fixed_points, least_squares

PROBLEM = random_regression(np.random.default_rng(0), D=7, n=4, m=2, singular_values=np.array([1.4, 0.9, 0.5]))
ETA = 0.4 * least_squares.largest_step(PROBLEM)
W, V = np.random.default_rng(1).standard_normal((2, 3, 7, 2))


@given(st.integers(0, 60), st.floats(0.05, 1.0))
@settings(deadline=None)
def test_the_residual_is_that_of_the_iterate_and_within_the_bound(k: int, share: float) -> None:
    eta = share * least_squares.largest_step(PROBLEM)
    at = np.array([k])
    w = least_squares.solution(PROBLEM, eta, W, V, at)
    residual = fixed_points.residual(PROBLEM, eta, W, V, at)
    assert np.allclose(residual, eta * PROBLEM.X.T @ (PROBLEM.X @ w - PROBLEM.Y), atol=1e-13)
    own = np.linalg.norm(fixed_points.residual(PROBLEM, eta, W, W, at), axis=(-2, -1))
    distance = np.linalg.norm(W - least_squares.nearest_solution(PROBLEM, W), axis=(-2, -1))
    bound = fixed_points.residual_bound(distance, at)
    assert bound.shape == (1, 3) and (own <= bound * (1 + 1e-12)).all()


def test_a_single_run_needs_no_batch_dimension() -> None:
    k = np.arange(5)
    one = fixed_points.residual(PROBLEM, ETA, W[0], V[0], k)
    assert one.shape == (5, 7, 2)
    assert np.allclose(one, fixed_points.residual(PROBLEM, ETA, W, V, k)[:, 0])


def test_rotations_are_rotations_and_attain_the_bound() -> None:
    n = np.array([1, 2, 7])
    R = fixed_points.attaining_rotation(n)
    assert R.shape == (3, 2, 2)
    assert np.allclose(R @ R.mT, np.eye(2)) and np.allclose(np.linalg.det(R), 1)
    assert np.allclose(np.diagonal(fixed_points.rotation_ratio(n, n)), 1)


def test_the_bound_is_twice_the_distance_over_the_step() -> None:
    both = fixed_points.residual_bound(np.array([3.0, 0.5]), np.array([0, 4]))
    assert np.allclose(both, [[6.0, 1.0], [1.2, 0.2]], rtol=1e-14)
    assert fixed_points.residual_bound(3.0, 2) == 2.0


def test_rotations_leave_what_is_said() -> None:
    """Halpern's iteration around each rotation, step by step."""
    n, k = np.array([1, 2, 7]), np.arange(12)
    R, x = fixed_points.attaining_rotation(n), np.tile([0.6, 0.8], (3, 1))
    assert np.allclose(np.arctan2(R[:, 1, 0], R[:, 0, 0]), np.pi / (n + 1))
    anchor, seen = x, []
    for step in k:
        moved = (R @ x[..., None])[..., 0]
        seen.append(np.linalg.norm(x - moved, axis=-1) * (step + 1) / 2)
        x = anchor / (step + 2) + (step + 1) / (step + 2) * moved
    assert np.allclose(fixed_points.rotation_ratio(n, k), seen, atol=1e-14)
