"""Theorem 1 as a predictor: shapes, limits, the semigroup, and inequalities that hold at every state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS
from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import convergence, dynamics
from theory.imbalance.problem import Network, coordinates, gaussian, orthogonal_rows

seeds = st.integers(0, 10_000)


def setup(seed: int, *, runs: int = 3, h: int = 6, m: int = 2, rank: int = 3) -> tuple[Regression, Network]:
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=5, n=5, m=m, singular_values=rng.uniform(0.5, 1.6, rank))
    return problem, gaussian(problem, h, rng, runs=runs)


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(1, 8), st.integers(1, 3), st.integers(1, 4))
def test_the_spectrum_is_that_of_the_imbalance(seed: int, h: int, m: int, rank: int) -> None:
    """The m + r values are the spectrum of Lambda with |h - m - r| zeros taken away or put in."""
    problem, network = setup(seed, h=h, m=m, rank=rank)
    Z = coordinates(problem, network)
    full = np.linalg.eigvalsh(convergence.imbalance(problem, Z))
    found = convergence.imbalance_spectrum(problem, Z)
    assert found.shape == (3, m + rank)
    assert (np.diff(found) <= 0).all()
    larger, smaller = (full, found) if h >= m + rank else (found, full)
    padding = np.zeros((3, larger.shape[1] - smaller.shape[1]))
    padded = np.sort(np.concatenate([smaller, padding], axis=1))
    assert np.allclose(padded, np.sort(larger), atol=1e-12 * (Z**2).sum())


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(1, 8), st.integers(1, 3), st.integers(1, 4))
def test_the_level_is_its_definition(seed: int, h: int, m: int, rank: int) -> None:
    """c = [lambda_r(Lambda)]_+ + [lambda_m(-Lambda)]_+, and lambda_k = 0 beyond the width."""
    problem, network = setup(seed, h=h, m=m, rank=rank, runs=1)
    V, U1 = network.V[0], problem.Phi1.T @ network.U[0]
    decreasing = np.linalg.eigvalsh(U1.T @ U1 - V.T @ V)[::-1]
    hidden = max(decreasing[rank - 1], 0) if h >= rank else 0.0
    output = max(-decreasing[h - m], 0) if h >= m else 0.0
    assert convergence.imbalance_level(problem, network)[0] == pytest.approx(hidden + output, abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_rotation_of_the_hidden_layer_changes_nothing(seed: int) -> None:
    problem, network = setup(seed)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((network.h, network.h)))[0]
    turned = Network(network.U @ Q, network.V @ Q)
    assert np.allclose(
        convergence.imbalance_level(problem, turned), convergence.imbalance_level(problem, network), atol=1e-11
    )
    Z, turned_Z = coordinates(problem, network), coordinates(problem, turned)
    assert np.allclose(
        convergence.imbalance(problem, turned_Z), Q.T @ convergence.imbalance(problem, Z) @ Q, atol=1e-11
    )
    assert np.allclose(
        convergence.pointwise_rate(problem, turned_Z), convergence.pointwise_rate(problem, Z), rtol=1e-10
    )
    assert np.allclose(
        convergence.slowest_rate(problem, turned_Z), convergence.slowest_rate(problem, Z), rtol=1e-8, atol=1e-11
    )


def test_the_imbalance_sees_only_what_the_data_see() -> None:
    problem, network = setup(0)
    other = Network(network.U + problem.Phi2 @ np.ones((problem.D - problem.r, network.h)), network.V)
    first, second = (convergence.imbalance(problem, coordinates(problem, n)) for n in (network, other))
    assert np.allclose(first, second, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(seeds, st.integers(1, 8), st.integers(1, 3), st.integers(1, 4))
def test_every_state_decays_at_least_at_the_stated_rate(seed: int, h: int, m: int, rank: int) -> None:
    problem, network = setup(seed, h=h, m=m, rank=rank)
    rate = convergence.pointwise_rate(problem, coordinates(problem, network))
    assert (rate >= convergence.convergence_rate(problem, network) * (1 - 1e-12) - 1e-12).all()


def test_the_rate_is_attained_with_orthogonal_rows() -> None:
    """All singular values, all a_i and all b_i equal, U1 V^T = 0: rate 2 sigma^2 (a + b), exactly."""
    problem = random_regression(np.random.default_rng(0), D=6, n=4, m=2, singular_values=np.full(3, 1.5))
    network = orthogonal_rows(problem, np.full(3, 2.0), np.full(2, 0.5), np.random.default_rng(1), 7)
    assert convergence.convergence_rate(problem, network)[0] == pytest.approx(2 * 1.5**2 * 2.5, rel=1e-12)
    Z = coordinates(problem, network)
    assert convergence.pointwise_rate(problem, Z)[0] == pytest.approx(2 * 1.5**2 * 2.5, rel=1e-12)


def test_pointwise_rate_is_the_slope_of_the_log_loss() -> None:
    problem, network = setup(1)
    Z, step = coordinates(problem, network), 1e-6
    velocity = dynamics.velocity(problem, Z)
    losses = [np.log(dynamics.excess_loss(problem, Z + s * velocity)) for s in (-step, step)]
    assert np.allclose(convergence.pointwise_rate(problem, Z), (losses[0] - losses[1]) / (2 * step), rtol=1e-6)


def test_slowest_rate_is_the_least_curvature_of_the_end_to_end_residual() -> None:
    """E' = -(S U1 U1^T S E + S^2 E V V^T) near E = 0: apply the map to every unit residual."""
    problem, network = setup(2, runs=1)
    Z = coordinates(problem, network)
    V, U1 = dynamics.split(problem, Z[0])
    S = np.diag(problem.S)
    units = np.eye(problem.r * problem.m).reshape(-1, problem.r, problem.m)
    images = S @ U1 @ U1.T @ S @ units + S @ S @ units @ V @ V.T
    eigenvalues = np.linalg.eigvals(images.reshape(len(units), -1).T).real
    assert convergence.slowest_rate(problem, Z)[0] == pytest.approx(2 * eigenvalues.min(), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0, 2), st.floats(0, 2))
def test_the_bound_is_a_semigroup(seed: int, first: float, second: float) -> None:
    """bound(t1 + t2) from the start is bound(t2) from anywhere with the same imbalance and the loss bound(t1)."""
    problem, network = setup(seed)
    one, two, both = (convergence.loss_bound(problem, network, np.array(t)) for t in (first, second, first + second))
    start = convergence.loss_bound(problem, network, np.array(0.0))
    assert np.allclose(both * start, one * two, rtol=1e-10)


def test_the_bound_at_zero_and_infinity() -> None:
    problem, network = setup(3, h=8)
    bound = convergence.loss_bound(problem, network, np.array([0.0, np.inf]))
    excess = dynamics.excess_loss(problem, coordinates(problem, network))
    assert np.allclose(bound[0], excess, rtol=1e-13)
    assert (convergence.imbalance_level(problem, network) > 0).all()
    assert np.array_equal(bound[1], np.zeros(3))


def test_without_imbalance_the_bound_never_falls() -> None:
    """m = r = 1, u = v: Lambda = 0 exactly."""
    problem = random_regression(np.random.default_rng(0), D=3, n=2, m=1, singular_values=np.array([1.0]))
    V = np.array([[[1.0, 2.0]]])
    network = Network(problem.Phi1 @ V, V)
    level = convergence.imbalance_level(problem, network)[0]
    assert 0 <= level <= 100 * EPS
    still = Network(np.zeros((1, 3, 2)), np.zeros((1, 1, 2)))
    bound = convergence.loss_bound(problem, still, np.array([0.0, 1.0, np.inf]))
    assert np.array_equal(bound, np.full((3, 1), bound[0, 0])) and bound[0, 0] > 0


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_times_of_any_shape_come_before_the_runs(shape: tuple[int, ...]) -> None:
    problem, network = setup(4)
    t = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    bound = convergence.loss_bound(problem, network, t)
    assert bound.shape == (*shape, 3)
    single = convergence.loss_bound(problem, Network(network.U[1], network.V[1]), t)
    assert single.shape == shape
    assert np.allclose(bound[..., 1], single, rtol=1e-12)


@pytest.mark.parametrize("t", [-1.0, np.nan])
def test_bad_times_are_refused(t: float) -> None:
    with pytest.raises(InvalidArgument, match="t = .*: expected times of at least 0"):
        convergence.loss_bound(*setup(5), np.array([0.0, t]))


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(1e-3, 0.2))
def test_descent_drift_is_the_change_of_one_step(seed: int, learning_rate: float) -> None:
    problem, network = setup(seed)
    Z = coordinates(problem, network)
    after = Z + learning_rate * dynamics.velocity(problem, Z)
    change = convergence.imbalance(problem, after) - convergence.imbalance(problem, Z)
    drift = convergence.descent_drift(problem, Z, learning_rate)
    size = np.abs(after).max() ** 2 + np.abs(Z).max() ** 2
    assert np.abs(change - drift).max() <= 64 * (problem.m + problem.r) * EPS * size
