"""Complexities by enumeration, test errors by angle, margins of interpolants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.generalisation import complexity, interpolants
from theory.homogeneous.max_margin import interpolant

seeds = st.integers(0, 1000)


def test_signs_are_all_there_once() -> None:
    found = complexity.signs(3)
    assert found.shape == (8, 3)
    assert len(np.unique(found, axis=0)) == 8
    with pytest.raises(InvalidArgument, match="n = 17"):
        complexity.signs(17)


@given(seeds, st.integers(1, 7))
def test_complexity_lies_between_its_bounds_and_scales_with_the_norms(seed: int, n: int) -> None:
    X = np.random.default_rng(seed).standard_normal((n, 3))
    unit = complexity.linear_rademacher(X, np.ones(2))
    lower, upper = complexity.rademacher_bounds(X)
    assert lower * (1 - 1e-12) <= unit <= upper * (1 + 1e-12)
    assert complexity.linear_rademacher(X, np.array([2.0, 1.5, 0.5])) == pytest.approx(1.5 * unit)


def test_orthogonal_examples_reach_jensens_bound() -> None:
    X = np.diag([1.0, 2.0, 3.0])
    assert complexity.linear_rademacher(X, np.ones(1)) == pytest.approx(np.sqrt(14) / 3)


def test_two_equal_examples_reach_khintchines_bound() -> None:
    X = np.ones((2, 1))
    assert complexity.linear_rademacher(X, np.ones(1)) == pytest.approx(complexity.rademacher_bounds(X)[0])


def test_the_margin_bound_is_empty_at_a_hundred_examples() -> None:
    assert complexity.margin_bound(0.556, 1.37, 100) == pytest.approx(2 * 0.556 / 1.37 + 0.4074, abs=1e-4)
    for arguments in ((1.0, 0.0, 10), (1.0, 1.0, 10, 1.0)):
        with pytest.raises(InvalidArgument):
            complexity.margin_bound(*arguments)


def test_the_margin_bound_by_hand() -> None:
    assert complexity.margin_bound(0.3, 0.5, 8, 1 - 2 / np.e) == pytest.approx(1.2 + 3 * 0.25)
    assert complexity.margin_bound(0.3, 0.5, 8) == pytest.approx(1.2 + 0.75 * np.sqrt(np.log(40)))


def test_bounds_of_the_complexity_by_hand() -> None:
    X = np.array([[3.0, 0.0], [0.0, 4.0], [5.0, 12.0], [0.0, 0.0]])
    lower, upper = complexity.rademacher_bounds(X)
    assert upper == pytest.approx(np.sqrt(9 + 16 + 169) / 4)
    assert lower == pytest.approx(np.sqrt(97) / 4)
    assert complexity.linear_rademacher(X[:1], np.array([2.0, 0.7])) == pytest.approx(1.4 * 3)


def test_as_many_signs_as_are_allowed() -> None:
    assert np.array_equal(complexity.signs(1), [[-1], [1]])
    assert complexity.signs(complexity.MOST_EXAMPLES).shape == (2**16, 16)


def test_test_errors_are_angles() -> None:
    w = np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0]])
    assert np.allclose(interpolants.gaussian_test_error(w, np.array([5.0, 0.0])), [0, 0.5, 1, 0.25])


@given(seeds)
def test_margins_of_interpolants(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Z, w0 = rng.standard_normal((3, 8)), rng.standard_normal((4, 8))
    size = np.linalg.norm(interpolant(Z, w0), axis=-1)
    assert np.allclose(interpolants.interpolant_margin(Z, w0), 1 / size)
    assert interpolants.interpolant_margin(Z, w0[0]) == pytest.approx(1 / size[0])


def test_angles_that_are_small() -> None:
    w, teacher = np.array([1.0, 0.0]), np.array([1.0, 1e-12])
    assert interpolants.gaussian_test_error(w, teacher) == pytest.approx(1e-12 / np.pi, rel=1e-12)
    assert interpolants.gaussian_test_error(w, -w) == 1
    assert interpolants.gaussian_test_error(w * 1e200, w) == 0
    with pytest.raises(InvalidArgument, match="teacher = a classifier of length 0"):
        interpolants.gaussian_test_error(w, np.zeros(2))


@given(st.integers(1, 10))
def test_signs_come_with_their_negatives(n: int) -> None:
    found = complexity.signs(n)
    assert found.shape == (2**n, n) and (np.abs(found) == 1).all() and (found.sum(0) == 0).all()
    assert (found.T @ found == 2**n * np.eye(n)).all()


@given(st.floats(0, 10), st.floats(0.01, 10), st.integers(1, 10**6), st.floats(0.5, 0.999))
def test_the_margin_bound_falls_with_margin_and_examples(R: float, margin: float, n: int, confidence: float) -> None:
    found = complexity.margin_bound(R, margin, n, confidence)
    assert found >= 2 * R / margin and found <= complexity.margin_bound(R, margin / 2, n, confidence)
    assert complexity.margin_bound(R, margin, 4 * n, confidence) - 2 * R / margin == pytest.approx(
        (found - 2 * R / margin) / 2, rel=1e-9, abs=1e-12 * (1 + 2 * R / margin)
    )


@given(seeds, st.floats(1e-3, 1e3))
def test_the_error_is_how_often_two_classifiers_differ(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    w, teacher = rng.standard_normal(2), rng.standard_normal(2)
    found = interpolants.gaussian_test_error(w, teacher)
    angles = 2 * np.pi * (np.arange(20_000) + 0.5) / 20_000
    circle = np.stack([np.cos(angles), np.sin(angles)])
    assert found == pytest.approx((np.sign(w @ circle) != np.sign(teacher @ circle)).mean(), abs=3e-4)
    assert interpolants.gaussian_test_error(scale * w, teacher) == pytest.approx(found, abs=1e-12)
    assert interpolants.gaussian_test_error(-w, teacher) == pytest.approx(1 - found, abs=1e-12)
