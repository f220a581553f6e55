"""Overflow, coincidences and thin directions of homogeneous networks."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.separable import Separable
from theory.core.validation import InvalidArgument
from theory.homogeneous import (
    balance,
    critical_points,
    dynamics,
    margin_growth,
    max_margin,
    normalisation,
)
from theory.homogeneous.decomposition import Examples, Polar, exponential_slope
from theory.homogeneous.margin_growth import Aligned, TwoPoints


@settings(max_examples=10, deadline=None)
@given(
    st.integers(1, 6),
    st.sampled_from([1e-10, 0.02, 1.0, 20.0, 49.5, 300.0, 600.0]),
    st.sampled_from([1e-12, 1e-6, 1e-2, 0.3, 0.68, 0.72, 3.0]),
)
def test_times_between_margins(depth: int, start: float, growth: float) -> None:
    """int e^x x^-a dx in log x, to 25 digits; close margins and those of late training."""
    network, end = Aligned(depth, 0.7, 3), min(start * np.exp(growth), 650.0)
    with mpmath.workdps(25):
        rest = mpmath.mpf(2) / depth - 1
        logs = mpmath.linspace(mpmath.log(start), mpmath.log(end), 8)
        exact = mpmath.quad(lambda u: mpmath.exp(mpmath.exp(u) + rest * u), logs)
        early = mpmath.quad(lambda u: mpmath.exp(rest * u), logs)
    assert margin_growth.growth_time(network, start, end) * network.rate == pytest.approx(float(exact), rel=1e-11)
    both = margin_growth.logistic_growth_time(network, start, end) * network.rate
    assert both == pytest.approx(float(exact + early), rel=1e-11)


def test_margins_that_overflow_no_more() -> None:
    """m = log(e^800 + 1) at depth 1, and any other depth moves no further."""
    for depth in (1, 2, 3):
        assert margin_growth.solution(Aligned(depth, 1.0, 1), 800.0, 1.0) == pytest.approx(800, rel=1e-14)
        assert margin_growth.growth_time(Aligned(depth, 1.0, 1), 800.0, 800.0) == 0
        assert margin_growth.growth_time(Aligned(depth, 1.0, 1), 800.0, np.inf) == np.inf
    assert margin_growth.solution(Aligned(1, 1.0, 1), 700.0, np.exp(700.0)) == pytest.approx(700 + np.log(2), rel=1e-14)
    assert margin_growth.solution(Aligned(1, 1.0, 1), 1e-12, 1e-13) == pytest.approx(1.1e-12, rel=1e-10)
    with pytest.raises(InvalidArgument, match="start = inf: expected finite margins"):
        margin_growth.growth_time(Aligned(2, 1.0, 1), np.inf, np.inf)


@pytest.mark.parametrize("product", [0.0, 0.3, 0.95, 0.999, 0.9999999])
@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-8, 1e-3, 1.0, 40.0, 2000.0])
def test_clocks_of_points_that_are_close(product: float, apart: float) -> None:
    """2 e^(min m) F / ((1 + kappa)(a + b)), F = (c - 1) int ((1 - x)(1 - z x))^(c - 2) dx."""
    points = TwoPoints(1.0, product)
    kappa = points.kappa
    found = margin_growth.two_point_log_clock(points, np.array([[3.0 + apart, 3.0], [3.0, 3.0 + apart]]))
    apart = (3.0 + apart) - 3.0
    with mpmath.workdps(30):
        c, z = mpmath.mpf(1.5) + 1 / (2 * mpmath.mpf(kappa)), mpmath.exp(-apart)
        # In y, x = 1 - e^-y: the integrand falls as e^-(c - 1) y.
        ends = [0, *(k / c for k in (1, 3, 8, 20, 80))]
        F = (c - 1) * mpmath.quad(
            lambda y: mpmath.exp(-(c - 1) * y) * (1 - z * (1 - mpmath.exp(-y))) ** (c - 2), [*ends, mpmath.inf]
        )
        exact = 3 + mpmath.log(2 * F / ((1 + kappa) * (1 + product)))
    assert np.allclose(found, float(exact), rtol=1e-13, atol=1e-12)


def test_equal_points_at_every_angle() -> None:
    for product in (0.0, 0.5, 0.999999):
        points = TwoPoints(1.0, product)
        assert margin_growth.two_point_log_clock(points, np.full(2, 900.0)) == pytest.approx(900 - np.log1p(product))
        assert margin_growth.two_point_invariant(points, np.full(2, 900.0)) == 0


def test_large_margins_of_two_points_do_not_overflow_on_the_way() -> None:
    points = TwoPoints(1.0, 0.5)  # kappa = 1/3
    assert margin_growth.two_point_difference(points, np.array([0.0, -1500.0])) == pytest.approx(
        np.exp(750 - 250 - np.log(1.5) / 3), rel=1e-10
    )


def test_the_norm_at_rest() -> None:
    """|w|^4 = (eta g)^2 / (1 - (1 - s)^2), about eta g^2 / (2 lambda)."""
    tiny = normalisation.equilibrium_norm(1.0, 1e-9, 1e-9)
    assert tiny == pytest.approx(0.5**0.25, rel=1e-14)
    assert normalisation.equilibrium_norm(1e200, 0.1, 0.1) == pytest.approx(1e100 * (0.01 / 0.0199) ** 0.25, rel=1e-14)
    with pytest.raises(InvalidArgument, match="learning_rate = -1.0"):
        normalisation.equilibrium_norm(1.0, -1.0, -0.5)


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1.0, 1e6])
def test_whitening_does_not_know_the_units_of_a_feature(unit: float) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 3)), np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    X = X + 2 * y[:, None]
    once = normalisation.whitened(Examples(X, y))
    again = normalisation.whitened(Examples(X * np.array([1.0, unit, 1.0]), y))
    assert again.margin == pytest.approx(float(once.margin), rel=1e-5)


def test_nothing_to_normalise() -> None:
    with pytest.raises(InvalidArgument, match="w = a direction without variance"):
        normalisation.normalised_outputs(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([1.0, 0.0]), 0.0)
    with pytest.raises(InvalidArgument, match="X = examples that are all equal"):
        normalisation.whitened_direction(np.ones((3, 2)), np.ones(2))


def test_orbits_of_frozen_sizes_are_refused() -> None:
    examples = Examples(np.array([[1.0, 0.2], [0.9, -0.3]]), np.ones(2))
    start = Polar(np.array([1.3]), [np.array([[0.6, 0.8]])])
    for frozen in (dynamics.lagrange_multiplier, dynamics.tangent_gradient):
        with pytest.raises(InvalidArgument, match="dynamics = one that leaves the sizes as they are"):
            dynamics.orbit(frozen, examples, start, np.array([0.0, 1.0]), exponential_slope)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_dependent_examples_have_no_interpolant(unit: float) -> None:
    Z = np.array([[1.0, 0.0, 0.0], [unit, 1.0 * unit, 0.0]])
    w = max_margin.interpolant(Z, np.array([0.3, 0.2, 0.7]))
    assert np.allclose(w, [1, 1 / unit - 1, 0.7], rtol=1e-7)
    with pytest.raises(InvalidArgument, match="Z = 3 examples in 3 dimensions: expected linearly independent"):
        max_margin.interpolant(np.vstack([Z, 2 * Z[:1]]), np.zeros(3))


def test_polynomial_losses_at_both_ends() -> None:
    found = max_margin.polynomial_solution(np.eye(1), np.array([1e200]), np.array([0.0, 1.0, np.inf]), 2.0)
    assert np.allclose(found[:2, 0], 1e200, rtol=1e-10)
    assert found[2, 0] == np.inf
    with pytest.raises(InvalidArgument, match="pairwise orthogonal"):
        max_margin.polynomial_solution(np.array([[1e7, 0.0], [0.0, 1.0], [0.0, 1.0]]), np.ones(2), 1.0, 2.0)
    with pytest.raises(InvalidArgument, match="decay = -1.0"):
        balance.solution(-1.0, 1.0)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_critical_directions_from_size_0_to_infinity(unit: float) -> None:
    """The mean example at 0, the max-margin direction at infinity; rho |z| decides between."""
    problem = Separable(unit * np.array([[1.0, 0.2], [0.8, -0.3], [1.5, 0.4]]))
    sizes = np.array([0.0, 3.0, 1e12, np.inf]) / unit
    found = critical_points.equilibrium(problem, sizes)
    assert np.allclose(found[0], np.array([1.1, 0.1]) / np.hypot(1.1, 0.1))
    assert np.allclose(found[1], [0.99730659, -0.07334551], atol=1e-8)
    assert np.allclose(found[2:], problem.w * problem.margin, atol=1e-10)
    with pytest.raises(InvalidArgument, match="rho = nan"):
        critical_points.equilibrium(problem, np.array(np.nan))
