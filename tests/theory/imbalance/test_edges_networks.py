"""Edges of the domain, networks and their limits: starts, projections, infinite width, scalings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import convergence, invariant_set, rescaling, wide_limit
from theory.imbalance import problem as setting
from theory.imbalance.compression import gaussian_compressed
from theory.imbalance.problem import coordinates, gaussian

few = settings(max_examples=20, deadline=None)


def regression(seed: int = 0, r: int = 3, m: int = 2, unit: float = 1.0) -> Regression:
    values = np.linspace(1.4, 0.7, r)
    problem = random_regression(np.random.default_rng(seed), D=r + 3, n=r + 1, m=m, singular_values=values)
    return Regression(problem.X, unit * problem.Y)


@few
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 5), st.integers(0, 3))
def test_a_start_is_balanced_in_place(seed: int, r: int, m: int, extra: int) -> None:
    """Lambda = 0 and the same U1 V^T; with at most r outputs the same U V^T altogether."""
    rng, problem = np.random.default_rng(seed), regression(seed, r, m)
    start = gaussian(problem, m + extra, rng, scales=(0.7, 1.2), runs=2)
    network = setting.rebalanced(problem, start, rng)
    Z = coordinates(problem, network)
    assert network.h == start.h and np.abs(convergence.imbalance(problem, Z)).max() < 1e-10 * (Z**2).sum()
    same = problem.Phi1.T if m > r else np.eye(problem.D)
    np.testing.assert_allclose(same @ network.end_to_end, same @ start.end_to_end, atol=1e-9)


def test_a_start_that_the_data_do_not_see_is_balanced_at_zero() -> None:
    problem, rng = Regression(np.eye(1, 3), np.ones((1, 1))), np.random.default_rng(0)
    network = setting.rebalanced(problem, setting.Network(np.zeros((1, 3, 4)), np.ones((1, 1, 4))), rng)
    assert not network.U.any() and not network.V.any()


def test_starts_name_what_has_no_answer() -> None:
    problem, rng = regression(), np.random.default_rng(0)
    refused = {
        "hidden = -1": lambda: setting.orthogonal_rows(problem, np.array([1.0, 2.0, -1.0]), np.ones(2), rng, 8),
        "output.shape = ": lambda: setting.orthogonal_rows(problem, np.ones(3), np.ones(1), rng, 8),
        "exponent = 2": lambda: setting.fan_in_scale(10, 2.0),
        "h = 0": lambda: setting.fan_in_scale(0, 0.5),
        "network = U": lambda: setting.rebalanced(regression(0, 2), gaussian(problem, 4, rng), rng),
        "runs = 0": lambda: gaussian_compressed(problem, 9, rng, runs=0),
        "exponent = 400": lambda: rescaling.speedup(1000, 400.0),
    }
    for message, call in refused.items():
        with pytest.raises(InvalidArgument, match=message):
            call()


def test_projected_off_no_more_than_what_is_spanned() -> None:
    problem, rng = regression(), np.random.default_rng(0)
    network = gaussian(problem, 5, rng)
    row = rng.standard_normal((1, 5))
    once = invariant_set.without_overlap(problem, network, row)
    for rows in (np.concatenate([row, row]), np.concatenate([row, 0 * row]), 1e-200 * row):
        np.testing.assert_allclose(invariant_set.without_overlap(problem, network, rows).U, once.U, atol=1e-13)
    short = np.concatenate([row, 1e-30 * np.eye(1, 5)])
    U2 = setting.frozen_weights(problem, invariant_set.without_overlap(problem, network, short))
    np.testing.assert_allclose(U2 @ short.T / np.abs(short).max(1), 0, atol=1e-13)
    none = invariant_set.without_overlap(problem, network, 0 * row)
    np.testing.assert_array_equal(none.U, network.U)
    with pytest.raises(InvalidArgument, match="rows.shape"):
        invariant_set.without_overlap(problem, network, row[:, :4])


@pytest.mark.parametrize("t", [[1.0, 0.0], [0.0, np.inf]])
def test_growth_is_of_increasing_times(t: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="finite times in increasing order"):
        invariant_set.growth_bound(regression(), np.array(t), np.ones((2, 3, 2)))


@pytest.mark.parametrize("unit", [1e-12, 1e6])
def test_infinite_width_in_other_units(unit: float) -> None:
    """p in units of Y: k and p are squares of weights, time is in 1 / squares."""
    t = np.array([0.0, 0.3, 2.0, np.inf])
    expected = unit * wide_limit.product(regression(), 0.3, t, relative_tolerance=1e-7)
    found = wide_limit.product(regression(unit=unit), unit * 0.3, t / unit, relative_tolerance=1e-7)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * unit)


def test_infinite_width_at_the_end_of_times() -> None:
    problem = regression()
    limit = wide_limit.limit(problem)
    path = wide_limit.product(problem, 1.0, np.array([[0.0, 1e9], [1e300, np.inf]]))
    assert not path[0, 0].any()
    np.testing.assert_allclose(path[0, 1], limit, rtol=1e-10)
    np.testing.assert_array_equal(path[1], [limit, limit])
    np.testing.assert_array_equal(wide_limit.product(problem, 1.0, 5.0, start=limit), limit)


def test_the_grams_of_infinite_width_keep_their_smallest_eigenvalue() -> None:
    """p of rank one: k in every other direction, however small beside |p|."""
    p = np.outer([3.0, 4.0], [1.0, 2.0, 2.0])  # one singular value, 15
    for k in (1e-6, 1e-12, 1e-200, 0.0):
        V, U = wide_limit.output_gram(p, k), wide_limit.hidden_gram(p, k)
        np.testing.assert_allclose(V, k * np.eye(3) + (np.hypot(k, 15) - k) * np.outer([1, 2, 2], [1, 2, 2]) / 9)
        other = np.array([4.0, -3.0]) / 5
        np.testing.assert_allclose(U @ other, k * other, atol=1e-14)
    for k in (1e-200, 0.0):
        np.testing.assert_array_equal(wide_limit.output_gram(0 * p, k), k * np.eye(3))
    with pytest.raises(InvalidArgument, match="k = -1"):
        wide_limit.output_gram(p, -1.0)


@pytest.mark.parametrize("start", [np.zeros((2, 2)), np.full((3, 2), np.nan)])
def test_infinite_width_starts_at_numbers(start: np.ndarray) -> None:
    with pytest.raises(InvalidArgument, match="start"):
        wide_limit.product(regression(), 1.0, 1.0, start=start)


@few
@given(st.integers(0, 1000), st.integers(1, 5))
def test_units_and_turns_of_the_level(seed: int, h: int) -> None:
    """c is in squares of the weights, and a turn of the hidden layer does not change it."""
    rng, problem = np.random.default_rng(seed), regression(seed)
    network = gaussian(problem, h, rng)
    level = convergence.imbalance_level(problem, network)
    Q = np.linalg.qr(rng.standard_normal((h, h)))[0]
    turned = setting.Network(1e-60 * network.U @ Q, 1e-60 * network.V @ Q)
    np.testing.assert_allclose(convergence.imbalance_level(problem, turned), 1e-120 * level, rtol=1e-9, atol=1e-133)
