"""Certificates of convergence, and normalised margins."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.images.solutions import Convergence, normalised_margin

RNG = np.random.default_rng(0)
SOLVED = Convergence(*(np.array([value]) for value in (4.0, 2.0, 0.02, 0.01, 1.0, 0.004, 0.001)))


@given(st.floats(0.1, 10), st.integers(1, 4))
def test_the_normalised_margin_does_not_see_the_scale(r: float, degree: int) -> None:
    margin, squared_norm = np.array([0.3, -1.0]), np.array([2.0, 5.0])
    scaled = normalised_margin(r**degree * margin, r**2 * squared_norm, degree)
    assert scaled == pytest.approx(normalised_margin(margin, squared_norm, degree), rel=1e-9)


@pytest.mark.parametrize("name", ["gradient", "radius", "gap", "violation"])
def test_nothing_may_be_left_over(name: str) -> None:
    assert SOLVED.certified.all()
    assert not replace(SOLVED, **{name: np.array([1.0])}).certified.any()


def test_eulers_identity_holds_up_to_what_is_left() -> None:
    """A linear model: f = w . x, h = 1 - f, any states, any multipliers."""
    w = RNG.normal(size=(20, 3)) * 0.01 + [1.0, 2.0, -1.0]
    x = RNG.normal(size=(5, 3))
    multipliers = RNG.random((20, 5))
    h = 1 - w @ x.T
    gradients = w - multipliers @ x
    left = Convergence(
        squared_norm=np.array((w[-1] ** 2).sum()),
        multipliers=np.array(multipliers.mean(0).sum()),
        gradient=np.array(np.linalg.norm(gradients.mean(0))),
        radius=np.array(np.linalg.norm(w - w[-1], axis=1).max()),
        steepness=np.array(np.linalg.norm(gradients, axis=1).mean()),
        gap=np.array((multipliers * np.abs(h)).sum(1).mean()),
        violation=np.array(h[-1].max()),
    )
    assert abs(left.euler_ratio(1) - 1) <= left.euler_error(1)


def test_what_is_left_of_eulers_identity_term_by_term() -> None:
    left = Convergence(*(np.array(value) for value in (4.0, 1.8, 0.3, 0.2, 0.7, 0.05, 0.001)))
    assert left.stationarity == pytest.approx(0.15)
    assert left.euler_ratio(3) == pytest.approx(3 * 1.8 / 4)
    assert left.euler_error(3) == pytest.approx((2 * 0.3 + 0.2 * 0.7 + 3 * 0.05 + 2 * 0.2 * 2 + 0.2**2) / 4)


@pytest.mark.parametrize(
    ("name", "limit"), [("gradient", 0.1 * 3), ("radius", 0.05 * 3), ("gap", 0.01 * 9), ("violation", 0.02)]
)
def test_certified_up_to_each_threshold(name: str, limit: float) -> None:
    """|theta| = 3: the radius scales with it, the gap with its square, the violation with neither."""
    clean = Convergence(np.array(9.0), *np.zeros((6, 1)))
    assert replace(clean, **{name: np.array([0.999 * limit])}).certified.all()
    assert not replace(clean, **{name: np.array([1.001 * limit])}).certified.any()


def test_the_normalised_margin_in_numbers() -> None:
    assert normalised_margin(np.array(0.6), np.array(4.0), 3) == pytest.approx(0.6 / 8)
