"""The loss on new examples against its integral, at sizes from 0 to infinity, and the size at which it is least."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.generalisation import log_loss as theory

sizes = st.floats(0, 1e6)
angles = st.floats(0, np.pi)


def loss(size: float, angle: float) -> float:
    return float(theory.log_loss(np.array(size), np.array(angle)))


@given(st.floats(0, 50), st.floats(0.01, 3.1))
@settings(max_examples=8, deadline=None)
def test_against_the_integral_over_margins(size: float, angle: float) -> None:
    """The margin of a size of 1 has the density 2 phi(t) Phi(t cot angle)."""

    def integrand(t: mpmath.mpf) -> mpmath.mpf:
        return 2 * mpmath.npdf(t) * mpmath.ncdf(t / mpmath.tan(angle)) * mpmath.log1p(mpmath.exp(-size * t))

    around = sorted({-12, -3, -1, 0, 1, 3, 12, *(sign * k / (size + 1) for sign in (1, -1) for k in (1, 4, 12))})
    assert loss(size, angle) == pytest.approx(float(mpmath.quad(integrand, around)), rel=1e-9)


@given(sizes, angles, angles)
def test_the_angle_enters_linearly_in_the_size(size: float, one: float, other: float) -> None:
    apart = size * (np.cos(one) - np.cos(other)) / np.sqrt(2 * np.pi)
    assert loss(size, other) - loss(size, one) == pytest.approx(apart, rel=1e-6, abs=1e-9 * (1 + size))
    slope = theory.slope_of_angle(np.array([one]))
    assert slope * np.sqrt(2 * np.pi) == pytest.approx(1 - np.cos(one), abs=1e-12)


@given(st.floats(30, 1e8), angles)
def test_large_sizes(size: float, angle: float) -> None:
    found = float(theory.large_log_loss(np.array(size), np.array(angle)))
    third = 7 * np.pi**4 / 360 / np.sqrt(2 * np.pi) / size**3
    assert found - loss(size, angle) == pytest.approx(third, rel=0.03, abs=1e-13 * found)


@given(st.floats(1e-6, 1.5))
@settings(max_examples=40)
def test_the_best_size_is_where_the_loss_turns(angle: float) -> None:
    best = theory.best_size(angle)
    there = loss(best, angle)
    assert there <= loss(best * 1.001, angle) * (1 + 1e-14)
    assert there <= loss(best / 1.001, angle) * (1 + 1e-14)
    assert there < loss(best * 1.1, angle)
    assert best < theory.large_best_size(angle)


@given(st.floats(1e-6, 0.01))
@settings(max_examples=40)
def test_the_best_size_of_small_angles(angle: float) -> None:
    assert theory.best_size(angle) == pytest.approx(theory.large_best_size(angle), rel=angle**2)
    assert theory.large_best_size(angle) == pytest.approx(np.pi / np.sqrt(3) / angle, rel=angle**2)


def test_at_the_edges() -> None:
    assert loss(0.0, 1.0) == pytest.approx(np.log(2), rel=1e-14)
    assert loss(1e50, 0.0) == pytest.approx(np.pi**2 / 6 / np.sqrt(2 * np.pi) * 1e-50)
    assert loss(1e50, np.pi / 2) == pytest.approx(1e50 / np.sqrt(2 * np.pi))
    assert theory.best_size(np.pi / 2 - 1e-9) == pytest.approx(0, abs=1e-7)
    for angle in (0.0, np.pi / 2, np.nan):
        with pytest.raises(InvalidArgument, match="angle = "):
            theory.best_size(angle)
    with pytest.raises(InvalidArgument, match="size = -1.0"):
        loss(-1.0, 0.1)
    with pytest.raises(InvalidArgument, match=r"angle = 4.0: expected a number in \[0, 3.14159\]"):
        loss(1.0, 4.0)
