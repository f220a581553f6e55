"""The slope that a curve settles at: transients, noise, and curves that settle at none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.claims.limit_slope import limit_slope, limit_slope_without_noise
from theory.core.validation import InvalidArgument

T = np.linspace(0, 12, 60)


@given(st.floats(0.5, 3), st.floats(0.2, 3), st.floats(-0.9, 9))
def test_the_limit_is_inside_or_not_in_sight(rate: float, gap: float, size: float) -> None:
    """The slower mode's rate, however large the faster one is at first. A third is 4 long, log 2 / 0.17."""
    found = limit_slope(T, -rate * T + np.log1p(size * np.exp(-gap * T)), 1e-3)
    assert -rate in found
    if -0.5 < size < 0.5:
        assert found.half_width < 0.2 * gap


def test_what_the_line_through_all_of_a_curve_misses() -> None:
    y = -T + np.log1p(3 * np.exp(-0.5 * T))
    slope = np.polyfit(T, y, 1)[0]
    found = limit_slope(T, y)
    assert abs(slope + 1) > 0.09
    assert -1 in found and found.half_width < 0.07


@pytest.mark.parametrize("y", [-(T**2), np.exp(T / 4), -np.exp(T / 12)])
def test_a_curve_that_settles_at_no_slope(y: np.ndarray) -> None:
    found = limit_slope(T, y)
    assert found.half_width == np.inf and found.left == np.inf
    assert "no limit is in sight" in found.reason


def test_parts_of_the_width() -> None:
    rng = np.random.default_rng(0)
    y = -np.multiply.outer(T, 1 + 0.01 * rng.standard_normal(6)) + np.log1p(3 * np.exp(-0.7 * T))[:, None]
    found = limit_slope(T, y, 1e-3)
    assert found.chance + found.left == pytest.approx(found.half_width)
    assert found.runs == 6 and len(found.each) == 6 and len(found.local) == 3
    assert found.local[2] == pytest.approx(np.mean(found.each))
    assert found.left == pytest.approx(abs(found.local[2] - found.local[1]))


def test_without_noise_slopes_are_read_between_neighbours() -> None:
    h = np.log(0.1 / 2.0 ** np.arange(4))
    found = limit_slope_without_noise(h, 2 * h + np.log1p(0.5 * np.exp(h)))
    assert 2 in found and found.half_width < 0.015 and found.chance == 0
    assert limit_slope_without_noise(h, 2 * h).half_width < 1e-13
    assert limit_slope_without_noise(h, 2 * h, finest=0.02).half_width == pytest.approx(0.02)
    assert limit_slope_without_noise(h, 2 * h, off_by=0.01).half_width == pytest.approx(0.06 / np.log(2))


def test_a_change_that_vanishes_by_chance_is_not_taken_for_none() -> None:
    h = np.log(0.4 / 2.0 ** np.arange(4))
    slopes = np.array([2.2, 2.1, 2.1])
    y = np.concatenate([[0], np.cumsum(slopes * np.diff(h))])
    assert limit_slope_without_noise(h, y).half_width >= 0.1 / 4


WRONG = [
    (np.arange(9.0), np.arange(9.0), "points = 9: expected at least 10 of one run"),
    (np.arange(3.0), np.ones((3, 3)), "points = 3: expected at least 4"),
    (np.arange(9.0), np.ones((9, 2)), "runs = 2: expected one curve"),
    (np.array([0.0, 2, 1, 3]), np.ones((4, 3)), "x = numbers in no order"),
    (np.arange(4.0), np.ones((5, 3)), r"y.shape = \(5, 3\): expected"),
]


@pytest.mark.parametrize(("x", "y", "line"), WRONG)
def test_what_it_refuses(x: np.ndarray, y: np.ndarray, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        limit_slope(x, y)


def test_what_it_refuses_without_noise() -> None:
    with pytest.raises(InvalidArgument, match="points = 2: expected at least 3"):
        limit_slope_without_noise(np.arange(2.0), np.arange(2.0))
