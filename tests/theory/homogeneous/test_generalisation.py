"""Complexities by enumeration, test errors by angle, and entropies of small outputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.linear_networks import gaussian_stack
from theory.core.validation import InvalidArgument
from theory.homogeneous import generalisation as theory
from theory.homogeneous.max_margin import interpolant

seeds = st.integers(0, 1000)


def test_signs_are_all_there_once() -> None:
    found = theory.signs(3)
    assert found.shape == (8, 3)
    assert len(np.unique(found, axis=0)) == 8
    with pytest.raises(InvalidArgument, match="n = 17"):
        theory.signs(17)


@given(seeds, st.integers(1, 7))
def test_complexity_lies_between_its_bounds_and_scales_with_the_norms(seed: int, n: int) -> None:
    X = np.random.default_rng(seed).standard_normal((n, 3))
    unit = theory.linear_rademacher(X, np.ones(2))
    lower, upper = theory.rademacher_bounds(X)
    assert lower * (1 - 1e-12) <= unit <= upper * (1 + 1e-12)
    assert theory.linear_rademacher(X, np.array([2.0, 1.5, 0.5])) == pytest.approx(1.5 * unit)


def test_orthogonal_examples_reach_jensens_bound() -> None:
    X = np.diag([1.0, 2.0, 3.0])
    assert theory.linear_rademacher(X, np.ones(1)) == pytest.approx(np.sqrt(14) / 3)


def test_two_equal_examples_reach_khintchines_bound() -> None:
    X = np.ones((2, 1))
    assert theory.linear_rademacher(X, np.ones(1)) == pytest.approx(theory.rademacher_bounds(X)[0])


def test_the_margin_bound_is_empty_at_a_hundred_examples() -> None:
    assert theory.margin_bound(0.556, 1.37, 100) == pytest.approx(2 * 0.556 / 1.37 + 0.4074, abs=1e-4)
    for arguments in ((1.0, 0.0, 10), (1.0, 1.0, 10, 1.0)):
        with pytest.raises(InvalidArgument):
            theory.margin_bound(*arguments)


def test_the_margin_bound_by_hand() -> None:
    assert theory.margin_bound(0.3, 0.5, 8, 1 - 2 / np.e) == pytest.approx(1.2 + 3 * 0.25)
    assert theory.margin_bound(0.3, 0.5, 8) == pytest.approx(1.2 + 0.75 * np.sqrt(np.log(40)))


def test_bounds_of_the_complexity_by_hand() -> None:
    X = np.array([[3.0, 0.0], [0.0, 4.0], [5.0, 12.0], [0.0, 0.0]])
    lower, upper = theory.rademacher_bounds(X)
    assert upper == pytest.approx(np.sqrt(9 + 16 + 169) / 4)
    assert lower == pytest.approx(np.sqrt(97) / 4)
    assert theory.linear_rademacher(X[:1], np.array([2.0, 0.7])) == pytest.approx(1.4 * 3)


def test_as_many_signs_as_are_allowed() -> None:
    assert np.array_equal(theory.signs(1), [[-1], [1]])
    assert theory.signs(theory.MOST_EXAMPLES).shape == (2**16, 16)


def test_test_errors_are_angles() -> None:
    w = np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0]])
    assert np.allclose(theory.gaussian_test_error(w, np.array([5.0, 0.0])), [0, 0.5, 1, 0.25])


@given(seeds)
def test_margins_of_interpolants(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Z, w0 = rng.standard_normal((3, 8)), rng.standard_normal((4, 8))
    size = np.linalg.norm(interpolant(Z, w0), axis=-1)
    assert np.allclose(theory.interpolant_margin(Z, w0), 1 / size)
    assert theory.interpolant_margin(Z, w0[0]) == pytest.approx(1 / size[0])


@given(seeds, st.floats(0.01, 3), st.integers(2, 6))
def test_entropies_are_of_first_order_in_small_outputs(seed: int, scale: float, classes: int) -> None:
    rng = np.random.default_rng(seed)
    f, labels = scale * rng.standard_normal((2, 5, classes)), rng.integers(0, classes, (2, 5))
    beyond = theory.cross_entropy(f, labels) - theory.first_order(f, labels)
    assert (beyond >= -1e-12).all()
    assert (beyond <= theory.second_order_bound(f) + 1e-12).all()


def test_entropies_by_hand() -> None:
    f, labels = np.array([[[0.0, np.log(3)], [np.log(2), 0.0], [np.log(7), 0.0]]]), np.array([[1, 1, 0]])
    assert theory.cross_entropy(f, labels)[0] == pytest.approx(-np.log(3 / 4 * 1 / 3 * 7 / 8) / 3)
    expected = np.log(2) - (np.log(3) - np.log(2) + np.log(7)) / 6
    assert theory.first_order(f, labels)[0] == pytest.approx(expected)
    assert theory.second_order_bound(f)[0] == pytest.approx((np.log(3) ** 2 + np.log(2) ** 2 + np.log(7) ** 2) / 24)


def test_of_small_outputs_entropies_are_linear() -> None:
    rng = np.random.default_rng(0)
    f, labels = 1e-4 * rng.standard_normal((2, 5, 4)), rng.integers(0, 4, (2, 5))
    assert theory.cross_entropy(f, labels) == pytest.approx(theory.first_order(f, labels), abs=1e-8)
    assert np.ptp(theory.first_order(f, labels)) > 1e-6


def test_a_gap_ratio_is_of_what_is_left_of_log_k() -> None:
    log = np.log(3)
    assert theory.gap_ratio(np.array([log - 0.5]), np.array([log - 0.2]), 3)[0] == pytest.approx(0.4)
    assert theory.gap_ratio(np.array([np.log(2) / 2]), np.array([0.0]), 2)[0] == pytest.approx(2)
    with pytest.raises(InvalidArgument, match="classes - 1 = 0"):
        theory.gap_ratio(np.array([1.0]), np.array([1.0]), 1)


@pytest.mark.parametrize("labels", [[[0, 3]], [[-1, 0]]])
def test_labels_that_are_no_classes_are_refused(labels: list) -> None:
    with pytest.raises(InvalidArgument, match="expected classes 0 ... 2"):
        theory.margins(np.zeros((1, 2, 3)), np.array(labels))


def test_entropies_of_nothing_are_log_k() -> None:
    f, labels = np.zeros((1, 4, 10)), np.array([[0, 3, 9, 9]])
    assert theory.cross_entropy(f, labels)[0] == pytest.approx(np.log(10))
    assert theory.gap_ratio(np.array([1.0]), np.array([1.0]), 10)[0] == 1
    assert theory.gap_ratio(np.array([1.0]), np.array([np.log(10)]), 10)[0] == 0
    with pytest.raises(InvalidArgument, match="labels = 0 ... 9: expected classes 0 ... 2"):
        theory.cross_entropy(f[..., :3], labels)


def test_margins_are_against_the_best_other_class() -> None:
    f = np.array([[[3.0, 1.0, 2.0], [0.0, 5.0, 6.0]]])
    assert np.allclose(theory.margins(f, np.array([[0, 1]])), [[1, -1]])


def test_rectified_networks_are_homogeneous_in_each_layer() -> None:
    rng = np.random.default_rng(0)
    W, X = gaussian_stack(rng, (4, 5, 5, 3), 1.0, runs=2), rng.standard_normal((6, 4))
    f = theory.rectified_outputs(W, X)
    assert f.shape == (2, 6, 3)
    scaled = theory.rectified_outputs([2 * W[0], W[1], 3 * W[2]], X)
    assert np.allclose(scaled, 6 * f)
    x = np.maximum(X @ W[0].mT, 0.3 * (X @ W[0].mT))
    x = np.maximum(x @ W[1].mT, 0.3 * (x @ W[1].mT))
    assert np.allclose(theory.rectified_outputs(W, X, 0.3), x @ W[2].mT)
    assert np.allclose(f, theory.rectified_outputs(W, X, 0.0))
    linear = theory.rectified_outputs(W, X, leak=1.0)
    assert np.allclose(linear, X @ (W[2] @ W[1] @ W[0]).mT)
