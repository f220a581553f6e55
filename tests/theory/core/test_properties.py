"""Directions of classifiers of any size, and domains as they are written."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core import validation
from theory.core.separable import Separable, apply, direction_error, margin_gap
from theory.core.validation import InvalidArgument

few = settings(max_examples=25, deadline=None)
numbers = st.one_of(st.floats(), st.integers(-3, 3).map(float))


@few
@given(st.integers(0, 9999), st.integers(-290, 290), st.sampled_from([1e-5, 1.0, 1e5]))
def test_directions_and_margins_do_not_know_sizes(seed: int, exponent: int, unit: float) -> None:
    """|w/|w| - w*/|w*|| = 2 sin(angle / 2), gamma* - min z.w / |w| in 60 digits; examples in units c: c times that."""
    rng = np.random.default_rng(seed)
    Z, w = np.abs(rng.standard_normal((3, 2))) + 0.1, rng.standard_normal(2)
    problem, scaled = Separable(Z), Separable(unit * Z)
    large = w * 10.0**exponent
    with mpmath.workdps(60):
        x, y = (mpmath.mpf(float(number)) for number in w)
        a, b = (mpmath.mpf(float(number)) for number in problem.w)
        angle = mpmath.acos((x * a + y * b) / mpmath.hypot(x, y) / mpmath.hypot(a, b))
        least = min(mpmath.mpf(float(p)) * x + mpmath.mpf(float(q)) * y for p, q in Z) / mpmath.hypot(x, y)
        gap = 1 / mpmath.hypot(a, b) - least
    assert direction_error(problem, large) == pytest.approx(float(2 * mpmath.sin(angle / 2)), rel=1e-8, abs=1e-12)
    assert margin_gap(problem, large) == pytest.approx(float(gap), rel=1e-8, abs=1e-12)
    assert margin_gap(scaled, large) == pytest.approx(unit * float(gap), rel=1e-7, abs=1e-10 * unit)
    assert np.allclose(apply(np.stack([Z, 2 * Z]), w), [Z @ w, 2 * Z @ w])


@few
@given(numbers, st.integers(-2, 0), st.integers(1, 3), st.sampled_from(["[]", "[)", "(]", "()"]))
def test_intervals_are_read_as_they_are_written(x: float, low: int, high: int, brackets: str) -> None:
    belongs = low < x < high or (x == low and brackets[0] == "[") or (x == high and brackets[1] == "]")
    if belongs:
        assert validation.inside("a", x, low, high, brackets) == x
        assert validation.entries_inside("a", [x, x], low, high, brackets).tolist() == [x, x]
        return
    for check, value in ((validation.inside, x), (validation.entries_inside, [0.5 * (low + high), x])):
        with pytest.raises(InvalidArgument, match=r"^a.* = .*: expected a number in "):
            check("a", value, low, high, brackets)


@few
@given(st.lists(numbers, min_size=1, max_size=4))
def test_times_are_not_negative_and_grids_increase(values: list[float]) -> None:
    proper = all(x >= 0 for x in values)
    rising = proper and np.isfinite(values).all() and all(a < b for a, b in zip(values, values[1:]))
    for check, fits in ((validation.times, proper), (validation.increasing_times, rising)):
        if fits:
            assert check(values).tolist() == values
        else:
            with pytest.raises(InvalidArgument, match="^t = .*: expected .*times"):
                check(values)


@few
@given(st.one_of(st.integers(-3, 5), st.floats(), st.booleans()))
def test_sizes_are_whole_numbers(value: object) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        assert validation.positive_integer("n", value) == value
        return
    with pytest.raises(InvalidArgument, match="^n = .*: expected a whole number of at least 1"):
        validation.positive_integer("n", value)


def test_a_refusal_is_one_line_whatever_it_shows() -> None:
    with pytest.raises(InvalidArgument) as refused:
        validation.reject("w", np.full((9, 9), 1.23456789e-200), "other numbers")
    assert "\n" not in str(refused.value)
