"""Chains that jump: products, their limits, sums of squares, and what a normaliser leaves of a jump."""

import re

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.manifolds import escape
from theory.manifolds.schedules import Schedule
from theory.manifolds.steps import normaliser

few = settings(deadline=None, max_examples=30)
starts = st.floats(1, 50)
shares = st.floats(0.01, 0.99)  # of the largest first step, 1
powers = st.sampled_from([0.0, 0.5, 1.0])


def schedule(a: float, share: float, q: float) -> Schedule:
    return Schedule(share * a**q, a, q)


@few
@given(starts, shares, powers, st.integers(0, 60), st.floats(0, 1))
def test_who_stays_by_the_product(a: float, share: float, q: float, t: int, v: float) -> None:
    steps = schedule(a, share, q)
    product = np.prod(1 - v * steps(np.arange(t, dtype=float)) ** 2)
    assert escape.stays(steps, t, v) == pytest.approx(product, rel=1e-11)


@few
@given(starts, shares)
def test_some_stay_for_ever_where_squares_sum_up(a: float, share: float) -> None:
    harmonic, slow = schedule(a, share, 1), schedule(a, share, 0.5)
    c = harmonic.c
    with mpmath.workdps(40):
        exact = mpmath.gammaprod([a, a], [mpmath.mpf(a) - c, mpmath.mpf(a) + c])
    for_ever = float(escape.stays(harmonic, np.inf))
    assert for_ever == pytest.approx(float(exact), rel=1e-10)
    assert for_ever >= 1 - escape.sum_of_squares(harmonic, np.inf) - 1e-12
    assert escape.stays(slow, np.inf) == 0
    assert escape.stays(slow, 10**12) < escape.stays(slow, 10**6) < 1
    late = escape.stays(Schedule(c, 1e6 * a, 1), np.inf)
    assert 1 - late == pytest.approx(escape.sum_of_squares(Schedule(c, 1e6 * a, 1), np.inf), rel=1e-4)


@few
@given(starts, shares, st.floats(0.55, 3))
def test_sums_of_squares(a: float, share: float, q: float) -> None:
    steps = schedule(a, share, q)
    whole, part = escape.sum_of_squares(steps, np.inf), escape.sum_of_squares(steps, 40)
    assert part == pytest.approx(sum(steps(float(t)) ** 2 for t in range(40)))
    assert whole - part == pytest.approx(
        escape.sum_of_squares(Schedule(steps.c, a + 40, q), np.inf), rel=1e-9, abs=1e-13
    )


@few
@given(st.floats(0, 10), st.integers(1, 20), st.floats(0, 3), st.floats(0.1, 5))
def test_a_bound_is_no_more_than_1(squares: float, k: int, sigma: float, radius: float) -> None:
    found = escape.leaving_bound(squares, k, sigma, radius)
    assert found == pytest.approx(min(1, k * sigma**2 * squares / radius**2))


@few
@given(st.floats(1e-6, 1), st.floats(0, 10), st.floats(0, 10))
def test_the_normaliser_makes_a_square_of_a_jump(g: float, rho: float, c: float) -> None:
    left = float(escape.normalised_jump(g, rho, c))
    assert left <= g * g * (1 + 1e-12)
    assert left == pytest.approx(g * (1 / g) / normaliser(1 / g, rho, c))
    assert float(escape.normalised_jump(1e-5, rho, c)) == pytest.approx(1e-10, rel=1e-3)


def test_a_jump_for_sure() -> None:
    assert np.asarray(escape.stays(Schedule(2.0, 2.0, 1), np.array([0.0, 1.0, 9.0]))).tolist() == [1, 0, 0]
    assert escape.sum_of_squares(Schedule(1.0, 1.0, 0.5), np.inf) == np.inf
    assert escape.leaving_bound(np.inf, 3, 0.0, 1.0) == 0
    assert escape.leaving_bound(np.inf, 3, 0.1, 1.0) == 1


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: escape.stays(Schedule(1.0, 2.0, 0.75), 3), "q = 0.75: expected 0, 1/2 or 1"),
        (lambda: escape.stays(Schedule(3.0, 2.0, 1), 3), "v g_0^2 = 2.25: expected a number in [0, 1]"),
        (lambda: escape.stays(Schedule(1.0, 2.0, 1), 3, -1.0), "v = -1.0: expected"),
        (lambda: escape.sum_of_squares(Schedule(1.0), 2.5), "t = 2.5: expected a whole number of steps"),
        (lambda: escape.sum_of_squares(Schedule(1.0), 1e9), "t = 1000000000.0: expected"),
        (lambda: escape.leaving_bound(-1.0, 2, 1.0, 1.0), "squares = -1.0: expected"),
        (lambda: escape.leaving_bound(1.0, 2, 1.0, 0.0), "radius = 0.0: expected a finite number above 0"),
        (lambda: escape.normalised_jump(0.0, 1.0, 1.0), "g = 0.0: expected a number in (0, inf)"),
    ],
)
def test_refusals(call: object, line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        call()  # type: ignore[operator]
