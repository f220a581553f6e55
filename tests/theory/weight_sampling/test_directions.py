"""Many directions: the closed forms of one, sums over powers, and what the limit does not see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.weight_sampling import averages, directions
from theory.weight_sampling.descent import Descent, heavy_ball_variance, variance

ONE = np.eye(1)


def random_covariance(rng: np.random.Generator, d: int, least: float, most: float) -> np.ndarray:
    Q, _ = np.linalg.qr(rng.standard_normal((d, d)))
    return Q * rng.uniform(least, most, d) @ Q.T


@given(st.floats(0.2, 3), st.floats(0.01, 0.6), st.floats(0, 0.9), st.integers(1, 20), st.integers(1, 9))
def test_one_direction_has_its_closed_forms(h: float, eta: float, beta: float, K: int, P: int) -> None:
    M, N = directions.recursion(h * ONE, ONE, ONE, eta, beta)
    S = directions.stationary_covariance(M, N)
    assert S[0, 0] == pytest.approx(heavy_ball_variance(Descent(h, eta), beta), rel=1e-9)
    M, N = (1 - eta * h) * ONE, eta**2 * ONE
    assert directions.stationary_covariance(M, N)[0, 0] == pytest.approx(variance(Descent(h, eta)))
    average = directions.covariance_of_average(M, N, K, P)[0, 0]
    assert average == pytest.approx(averages.averaged_variance(Descent(h, eta), K, P), rel=1e-8, abs=1e-14)


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 7), st.integers(1, 4))
def test_averages_are_sums_over_pairs(seed: int, d: int, K: int, P: int) -> None:
    rng = np.random.default_rng(seed)
    M, N = directions.recursion(random_covariance(rng, d, 0.5, 2), random_covariance(rng, d, 0, 1), np.eye(d), 0.4, 0.3)
    S = directions.stationary_covariance(M, N)
    assert np.allclose(S, M @ S @ M.T + N)
    lagged = {lag: np.linalg.matrix_power(M, P * lag) @ S for lag in range(K)}
    pairs = sum(lagged[i - j] if i >= j else lagged[j - i].T for i in range(K) for j in range(K))
    assert np.allclose(directions.covariance_of_average(M, N, K, P), pairs / K**2, atol=1e-10)


@given(st.integers(0, 10**6), st.floats(0, 0.9), st.floats(0.05, 0.3))
def test_the_limit_sees_neither_preconditioner_nor_step_nor_momentum(seed: int, beta: float, eta: float) -> None:
    rng = np.random.default_rng(seed)
    H, noise, D = (random_covariance(rng, 3, 0.4, 1.6) for _ in range(3))
    M, N = directions.recursion(H, noise, D, eta, beta)
    n = 10**7
    found = n * directions.covariance_of_average(M, N, n)[:3, :3]
    assert np.allclose(found, directions.averaging_limit(H, noise), rtol=1e-4, atol=1e-4)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"M = a matrix with an eigenvalue of size 1: expected"):
        directions.stationary_covariance(np.eye(2), np.eye(2))
    with pytest.raises(InvalidArgument, match="noise = a matrix that is no covariance"):
        directions.averaging_limit(np.eye(2), np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(InvalidArgument, match="H = a matrix of condition"):
        directions.averaging_limit(np.diag([1.0, 0.0]), np.eye(2))
    with pytest.raises(InvalidArgument, match="beta = 1"):
        directions.recursion(np.eye(2), np.eye(2), np.eye(2), 0.1, 1.0)


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1.0, 1e3, 1e12])
def test_noise_of_any_size_in_one_direction_is_a_covariance(size: float) -> None:
    """Its other eigenvalues are rounding, of either sign; one below 0 by more is refused."""
    along = np.linspace(0.3, 1.7, 7)
    noise = size * np.outer(along, along)
    assert directions.averaging_limit(2 * np.eye(7), noise) == pytest.approx(noise / 4, rel=1e-12)
    with pytest.raises(InvalidArgument, match="noise = a matrix that is no covariance"):
        directions.averaging_limit(2 * np.eye(7), noise - 1e-6 * size * np.eye(7))
