"""The normalised step: where it has no normaliser, zeta where there is no curvature, errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.manifolds import steps


@given(st.integers(0, 1000))
def test_small_gradients_have_no_normaliser(seed: int) -> None:
    R = np.random.default_rng(seed).uniform(0, 0.1, (2, 3))
    assert np.array_equal(steps.normaliser(R, 1.0, 1.0), np.ones((2, 3)))
    assert steps.normaliser(0.0, 1.0, 1.0) == 1


def test_zeta_without_curvature_or_distance_is_one() -> None:
    rho = np.array([0.0, 0.5, 3.0])
    assert steps.zeta(0.0, rho) == pytest.approx(1)
    assert steps.zeta(1.0, rho)[0] == pytest.approx(1)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="rho = -0.1"):
        steps.largest_step(-0.1, 1.0)
    with pytest.raises(InvalidArgument, match="c = -0.1"):
        steps.largest_step(1.0, -0.1)
    with pytest.raises(InvalidArgument, match="k = -0.1"):
        steps.zeta(-0.1, np.ones(1))


@pytest.mark.parametrize(
    ("R", "rho", "c", "expected"),
    [
        (0.5, 1.0, 1.0, 1.25),  # 0.5 (2 + 0.5)
        (1.0, 0.0, 3.0, 2.0),  # (1 + 3)^(1/2)
        (1.5, 0.2, 2.0, 1.5 * 4.4**0.5),  # 1 + 2 (0.2 + 1.5) above (0.4 + 1.5)^2
        (0.3, 1.0, 1.0, 1.0),
        (10.0, 0.7, 0.5, 114.0),  # 10 (1.4 + 10)
    ],
)
def test_the_normaliser_by_hand(R: float, rho: float, c: float, expected: float) -> None:
    assert steps.normaliser(R, rho, c) == pytest.approx(expected)
    assert steps.normaliser(np.array([R, 0.0]), rho, c) == pytest.approx([expected, 1])


@pytest.mark.parametrize(("rho", "c"), [(0.0, 0.0), (0.0, 1.0), (0.3, 0.8), (1.0, 1.0), (2.0, 5.0)])
def test_the_cap_is_the_longest_of_all_steps(rho: float, c: float) -> None:
    R = np.linspace(0.01, 3, 30_000)
    assert steps.largest_step(rho, c) == pytest.approx((R / steps.normaliser(R, rho, c)).max(), abs=2e-4)


def test_caps_by_hand() -> None:
    assert steps.largest_step(0.0, 0.0) == pytest.approx(1)
    assert steps.largest_step(0.0, 1.0) == pytest.approx(0.754877666246693)
    assert steps.largest_step(1.0, 1.0) == pytest.approx(2**0.5 - 1)


def test_zeta_by_hand_and_the_law_of_cosines_in_the_plane() -> None:
    x = 2.3**0.5 * 0.7
    assert steps.zeta(2.3, np.array([0.7])) == pytest.approx(x * np.cosh(x) / np.sinh(x))
    y, v = np.random.default_rng(0).standard_normal((2, 5, 2))
    rho, size = np.linalg.norm(y, axis=-1), np.linalg.norm(v, axis=-1)
    bound = steps.squared_distance_bound(rho, (v * y).sum(-1), size, 1.0)
    assert bound == pytest.approx(((v - y) ** 2).sum(-1))
    assert steps.squared_distance_bound(rho, 0 * rho, size, 1.6) == pytest.approx(rho**2 + 1.6 * size**2)
