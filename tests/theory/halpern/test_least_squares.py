"""Norm-minimising descent on least squares: starts, limits, composition, shapes, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.halpern import least_squares, schedules

PROBLEM = random_regression(np.random.default_rng(0), D=7, n=4, m=2, singular_values=np.array([1.4, 0.9, 0.5]))
ETA = 0.4 * least_squares.largest_step(PROBLEM)
RNG = np.random.default_rng(1)
W, V = RNG.standard_normal((2, 3, 7, 2))


def step(w: np.ndarray) -> np.ndarray:
    return w - ETA * PROBLEM.X.T @ (PROBLEM.X @ w - PROBLEM.Y)


@given(st.integers(0, 40))
@settings(deadline=None)
def test_one_step_more_is_one_step_of_the_iteration(k: int) -> None:
    now, following = least_squares.solution(PROBLEM, ETA, W, V, np.array([k, k + 1]))
    assert np.allclose(following, V / (k + 2) + (k + 1) / (k + 2) * step(now), atol=1e-13)


@given(st.integers(0, 30), st.integers(0, 30))
@settings(deadline=None)
def test_gradient_descent_composes(first: int, second: int) -> None:
    middle = least_squares.descent_solution(PROBLEM, ETA, W, np.array(first))
    assert np.allclose(
        least_squares.descent_solution(PROBLEM, ETA, middle, np.array(second)),
        least_squares.descent_solution(PROBLEM, ETA, W, np.array(first + second)),
        atol=1e-13,
    )


def test_starts_and_limits() -> None:
    for weights in (least_squares.solution(PROBLEM, ETA, W, V, np.array([0]))[0], V):
        assert weights.shape == W.shape
    assert np.allclose(least_squares.solution(PROBLEM, ETA, W, V, np.array(0)), W)
    late = np.array(10**6)
    solution = least_squares.nearest_solution(PROBLEM, V)
    scaled = (late + 1) * (least_squares.solution(PROBLEM, ETA, W, V, late) - solution)
    assert np.allclose(scaled, least_squares.scaled_error_limit(PROBLEM, ETA, W, V), atol=1e-7)
    assert np.allclose(PROBLEM.X.T @ (PROBLEM.X @ solution - PROBLEM.Y), 0, atol=1e-13)
    kept = least_squares.null_part(PROBLEM, solution - V)
    assert np.allclose(kept, 0, atol=1e-13)


@pytest.mark.parametrize(
    ("left", "weight"),
    [
        (schedules.none, lambda k: 0.0),
        (schedules.harmonic, lambda k: 1 / (k + 2)),
        (schedules.inverse_square, lambda k: 1 / (k + 2) ** 2),
        (lambda k: schedules.constant(0.3, k), lambda k: 0.3),
    ],
)
def test_any_weights(left: Callable, weight: Callable[[int], float]) -> None:
    k = np.arange(12)
    assert np.allclose(left(k), np.cumprod([1.0, *(1 - weight(j) for j in k[:-1])]))
    seen = [W]
    for j in k[:-1]:
        seen.append((1 - weight(j)) * step(seen[-1]))
    assert np.allclose(least_squares.scheduled_solution(PROBLEM, ETA, left, W, k), seen, atol=1e-13)


@pytest.mark.parametrize("k", [3, 0, np.inf, np.array([[0, 1, 2], [3, 4, 5]])], ids=str)
def test_steps_of_any_shape_come_first(k: Any) -> None:
    shape = (*np.shape(k), *W.shape)
    anchored, plain = (
        least_squares.solution(PROBLEM, ETA, W, V, k),
        least_squares.descent_solution(PROBLEM, ETA, W, k),
    )
    assert anchored.shape == plain.shape == shape
    if np.ndim(k):
        assert np.allclose(anchored[1, 0], least_squares.solution(PROBLEM, ETA, W, V, 3))
        scheduled = least_squares.scheduled_solution(PROBLEM, ETA, schedules.harmonic, W, k)
        assert np.allclose(scheduled, least_squares.solution(PROBLEM, ETA, W, 0 * W, k))
    elif k == 0:
        assert np.allclose(anchored, W) and np.allclose(plain, W)
    elif k == np.inf:
        assert np.allclose(anchored, least_squares.nearest_solution(PROBLEM, V))
        assert np.allclose(plain, least_squares.nearest_solution(PROBLEM, W))


def test_a_single_run_needs_no_batch_dimension() -> None:
    k = np.arange(5)
    batch = least_squares.solution(PROBLEM, ETA, W, V, k)
    assert np.allclose(least_squares.solution(PROBLEM, ETA, W[0], V[0], k), batch[:, 0])
    assert least_squares.scheduled_solution(PROBLEM, ETA, schedules.harmonic, W[0], k).shape == (5, 7, 2)


@given(st.floats(0.01, 0.9))
def test_constant_weights_rest_at_ridge_regression(weight: float) -> None:
    rest = least_squares.ridge(PROBLEM, least_squares.ridge_of_constant_weight(ETA, weight))
    assert np.allclose((1 - weight) * step(rest), rest, atol=1e-13)


@given(st.integers(0, 300), st.floats(0.05, 0.5))
@settings(deadline=None)
def test_ridge_regression_is_within_its_bound(k: int, share: float) -> None:
    eta = share * least_squares.largest_step(PROBLEM)
    zero = np.zeros((7, 2))
    w = least_squares.solution(PROBLEM, eta, zero, zero, np.array(k))
    distance = np.linalg.norm(w - least_squares.ridge(PROBLEM, 1 / (eta * (k + 1))))
    assert distance <= least_squares.distance_to_ridge(PROBLEM, eta, np.array(k)) + 1e-14


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="eta = 0"):
        least_squares.solution(PROBLEM, 0.0, W, V, np.arange(3))
    with pytest.raises(InvalidArgument, match="mu = -1"):
        least_squares.ridge(PROBLEM, -1.0)
    with pytest.raises(InvalidArgument, match=r"weight = 1.0: expected a number in \(0, 1\)"):
        least_squares.ridge_of_constant_weight(ETA, 1.0)


def test_data_without_a_null_space() -> None:
    square = Regression(np.diag([1.0, 0.5]), np.ones((2, 1)))
    w = np.ones((2, 1))
    assert np.allclose(least_squares.null_part(square, w), 0)
    assert np.allclose(least_squares.nearest_solution(square, w), [[1.0], [2.0]])


def test_gradient_descent_takes_its_steps() -> None:
    seen = [W]
    for _ in range(4):
        seen.append(step(seen[-1]))
    assert np.allclose(least_squares.descent_solution(PROBLEM, ETA, W, np.arange(5)), seen, atol=1e-13)


def test_what_the_data_see_is_what_pinv_says() -> None:
    H = PROBLEM.X.T @ PROBLEM.X
    unseen = np.eye(7) - np.linalg.pinv(PROBLEM.X) @ PROBLEM.X
    assert least_squares.largest_step(PROBLEM) == pytest.approx(2 / np.linalg.eigvalsh(H)[-1])
    assert np.allclose(least_squares.null_part(PROBLEM, W), unseen @ W)
    nearest = np.linalg.pinv(PROBLEM.X) @ PROBLEM.Y + unseen @ V
    assert np.allclose(least_squares.nearest_solution(PROBLEM, V), nearest)
    assert np.allclose(least_squares.factors(PROBLEM, 0.3), 1 - 0.3 * np.linalg.eigvalsh(H)[:-4:-1])


@pytest.mark.parametrize("mu", [0.07, 1.9])
def test_ridge_regression_is_what_solve_says(mu: float) -> None:
    by_hand = np.linalg.solve(PROBLEM.X.T @ PROBLEM.X + mu * np.eye(7), PROBLEM.X.T @ PROBLEM.Y)
    assert np.allclose(least_squares.ridge(PROBLEM, mu), by_hand)


def test_the_distance_to_ridge_regression_is_attained_late() -> None:
    k, zero = np.array([2, 20_000]), np.zeros((7, 2))
    H = np.linalg.pinv(PROBLEM.X.T @ PROBLEM.X)
    bound = np.linalg.norm(H @ H @ PROBLEM.minimum_norm_solution) / (ETA * (k + 1)) ** 2
    assert np.allclose(least_squares.distance_to_ridge(PROBLEM, ETA, k), bound)
    apart = least_squares.solution(PROBLEM, ETA, zero, zero, k[1]) - least_squares.ridge(
        PROBLEM, 1 / (ETA * (k[1] + 1))
    )
    assert np.linalg.norm(apart) == pytest.approx(bound[1], rel=1e-3)
