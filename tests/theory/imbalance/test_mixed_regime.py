"""Times of the modes between lazy and rich: inverse to the solution, digits of mpmath, both ends, the wide limit."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression
from theory.core.validation import InvalidArgument
from theory.imbalance import mixed_regime, wide_limit

few = settings(max_examples=40, deadline=None)
sizes = st.floats(0.05, 5)


@few
@given(sizes, sizes, st.floats(1e-6, 0.999), st.sampled_from([1e-80, 1.0, 1e80]), st.sampled_from([-1, 1]))
def test_passage_times_are_inverse_to_the_solution(y: float, k: float, share: float, unit: float, sign: int) -> None:
    y, k = sign * unit * y, unit * k
    T = mixed_regime.passage_time(y, k, share * y)
    assert mixed_regime.solution(y, k, T) == pytest.approx(share * y, rel=1e-9)


@few
@given(sizes, st.floats(1e-6, 50), st.floats(1e-9, 0.999999))
def test_passage_times_against_quadrature(y: float, k: float, share: float) -> None:
    """int_0^p dq / (2 (k^2 + q^2)^(1/2) (y - q)), by the formula in 50 digits and by the integral itself."""
    p = share * y
    with mpmath.workdps(50):
        big_y, big_k, big_p = map(mpmath.mpf, (y, k, p))
        s = 2 * mpmath.sqrt(big_k**2 + big_y**2)
        w, upper = 2 * big_p + 2 * mpmath.sqrt(big_k**2 + big_p**2), 2 * big_y + s
        lower = -4 * big_k**2 / upper
        wanted = mpmath.log((upper - 2 * big_k) * (w - lower) / ((upper - w) * (2 * big_k - lower))) / s
    assert mixed_regime.passage_time(y, k, p) == pytest.approx(float(wanted), rel=1e-12)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    # k sinh x = q takes the root away
    end = np.arcsinh(p / k)
    x = end * (nodes + 1) / 2
    integral = end / 2 * (weights / (2 * (y - k * np.sinh(x)))).sum()
    if share < 0.9:
        assert integral == pytest.approx(float(wanted), rel=1e-6)


@few
@given(sizes, st.floats(0.05, 5))
def test_both_ends_and_the_kernel(y: float, k: float) -> None:
    assert mixed_regime.half_time(1e-7 * k, k) == pytest.approx(mixed_regime.lazy_half_time(k), rel=1e-6)
    assert mixed_regime.half_time(y, 1e-7 * y) == pytest.approx(mixed_regime.rich_half_time(y, 1e-7 * y), rel=1e-6)
    assert mixed_regime.half_time(y, k) < mixed_regime.lazy_half_time(k)
    assert mixed_regime.half_time(-y, k) == mixed_regime.half_time(y, k)
    grown = wide_limit.hidden_gram(np.array([[y]]), k)[0, 0] - k
    assert mixed_regime.kernel_movement(y, k) == pytest.approx(grown, rel=1e-9)


def test_modes_are_those_of_the_wide_limit() -> None:
    """The equation of infinite width on whitened data, integrated: the same product."""
    rng, k = np.random.default_rng(3), 0.3
    data = Regression(np.eye(3), rng.standard_normal((3, 2)))
    t = np.array([0.0, 0.4, 1.5, np.inf])
    a, y, bT = np.linalg.svd(data.targets, full_matrices=False)
    solved = (a * mixed_regime.solution(y, k, t)[:, None, :]) @ bT
    assert solved == pytest.approx(wide_limit.product(data, k, t), abs=1e-8)


def test_ends_and_refusals() -> None:
    assert mixed_regime.passage_time(2.0, 0.1, np.array([0.0, 2.0])).tolist() == [0.0, np.inf]
    assert mixed_regime.passage_time(2.0, 0.1, 2.0 * (1 - 1e-15)) < 12
    for y, k, p, said in (
        (1.0, 1.0, 1.5, r"p = 1.5: expected products from 0 to the target 1"),
        (1.0, 1.0, -0.5, r"p = -0.5: expected products from 0 to the target 1"),
        (1.0, 0.0, 0.5, r"k = 0.0: expected a number in \(0, "),
        (np.nan, 1.0, 0.5, r"y = nan: expected a number"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            mixed_regime.passage_time(y, k, p)
    for function in (mixed_regime.half_time, mixed_regime.rich_half_time):
        with pytest.raises(InvalidArgument, match=r"y = 0.0: expected targets other than 0"):
            function(0.0, 1.0)
