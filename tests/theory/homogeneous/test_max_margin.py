"""Crammer and Singer's examples, bounds on layers, and closed forms of other losses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.flows import flow
from theory.core.linear_networks import gaussian_stack
from theory.core.separable import Separable, planted
from theory.core.validation import InvalidArgument
from theory.homogeneous import max_margin

seeds = st.integers(0, 1000)


@given(seeds, st.integers(2, 5))
def test_pairs_of_classes_give_differences_of_outputs(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    X, labels = rng.standard_normal((2, 6, 3)), rng.integers(0, classes, (2, 6))
    W = rng.standard_normal((classes, 3))
    margins = max_margin.crammer_singer(X, labels, classes) @ W.ravel()
    f = X @ W.T
    expected = np.take_along_axis(f, labels[..., None], -1) - f
    others = np.arange(classes) != labels[..., None]
    assert margins.shape == (2, 6 * (classes - 1))
    for run in range(2):
        assert np.allclose(np.sort(margins[run]), np.sort(expected[run][others[run]]))


def test_two_classes_are_the_binary_problem() -> None:
    """W = (-w, w) / 2: twice the margin at half the squared norm."""
    Z = planted(np.random.default_rng(0), np.array([0.5, 0.3, 0.2]), d=4)[0]
    binary = Separable(Z).w
    pairs = Separable(max_margin.crammer_singer(Z, np.ones(len(Z), dtype=int), 2)).w.reshape(2, 4)
    assert np.allclose(pairs, [-binary / 2, binary / 2], atol=1e-9)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [([0, 3], 3, "labels = 3"), ([-1, 0], 3, "labels = -1"), ([0, 0], 1, "classes - 1 = 0")],
)
def test_bad_classes_are_refused(labels: list, classes: int, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        max_margin.crammer_singer(np.ones((2, 2)), np.array(labels), classes)


def test_the_unseen_part_falls_with_depth() -> None:
    start, growth = np.array([0.5, 0.1]), np.array([[1.0, 1.0], [8.0, 8.0]])
    assert np.allclose(max_margin.unseen(start, growth, 3), [[0.5, 0.1], [0.25, 0.05]])
    assert np.allclose(max_margin.unseen(start, growth, 1)[1], start / 8)
    with pytest.raises(InvalidArgument, match="depth = 0"):
        max_margin.unseen(start, growth, 0)


def test_the_approach_constant_by_hand() -> None:
    """Two support vectors in the plane, a third direction that no example sees."""
    Z = np.array([[1.0, 0.6, 0.0], [1.0, -0.2, 0.0]])
    problem = Separable(Z)
    offset = np.array([*np.linalg.solve(Z[:, :2], -np.log(problem.duals)), 0.7])
    best = problem.w / np.linalg.norm(problem.w)
    expected = np.linalg.norm(offset - (offset @ best) * best)
    assert max_margin.approach_constant(problem, np.array([3.0, -2.0, 0.7])) == pytest.approx(expected)


@settings(deadline=None)
@given(seeds, st.integers(2, 4), st.floats(0.1, 5))
def test_bounds_hold_at_the_start_whatever_it_is(seed: int, L: int, scale: float) -> None:
    W = gaussian_stack(np.random.default_rng(seed), [3, *[4] * (L - 1), 1], scale, runs=5)
    svds = [np.linalg.svd(layer, full_matrices=False) for layer in W]
    for svd, bound in zip(svds, max_margin.second_singular_bound(W)):
        assert (svd.S[:, 1] ** 2 <= bound * (1 + 1e-9)).all()
    sizes = np.stack([svd.S[:, 0] for svd in svds], axis=-1)
    seconds = np.stack([svd.S[:, 1] if svd.S.shape[1] > 1 else 0 * svd.S[:, 0] for svd in svds], axis=-1)
    for before, after, bound in zip(svds, svds[1:], max_margin.misalignment_bound(W, sizes, seconds)):
        assert (bound <= 1).all()
        assert (1 - (before.U[..., 0] * after.Vh[..., 0, :]).sum(-1) ** 2 <= bound + 1e-9).all()


def test_bounds_of_the_second_singular_values_add_up_from_the_last() -> None:
    sizes = [np.diag([3.0, 1.0]), np.diag([2.5, 1.6]), np.diag([2.0, 0.9]), np.array([[1.1, 0.0]])]
    W = [size[None] for size in sizes]
    # Of diagonal layers, the largest difference of the squares.
    norms = [max(abs(2.5**2 - 9), 1.6**2 - 1), max(2.5**2 - 4, 1.6**2 - 0.81), max(4 - 1.21, 0.81)]
    found = [float(bound[0]) for bound in max_margin.second_singular_bound(W)]
    assert found == pytest.approx([sum(norms), norms[1] + norms[2], norms[2]])


@pytest.mark.parametrize("angle", [0.1, 0.5, -0.4])
def test_layers_of_the_same_sizes_are_turned_as_far_as_the_bound_allows(angle: float) -> None:
    """Neighbours of singular values 1.5 and 0.6, one turned against the other, and then two of rank one."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sizes = np.diag([1.5, 0.6])
    W = [(turn @ sizes)[None], sizes[None], np.array([[[0.9, 0.0]]])]
    first, second = np.array([[1.5, 1.5, 0.9]]), np.array([[0.6, 0.6, 0.0]])
    bounds = max_margin.misalignment_bound(W, first, second)
    assert bounds[0][0] == pytest.approx(np.sin(angle) ** 2)
    # D_2 = diag(0.81 - 2.25, -0.36), and the gap is 0.81 - 0.36.
    assert bounds[1][0] == 1
    grown = max_margin.misalignment_bound(W, np.array([[1.5, 1.5, 3.0]]), second)
    assert grown[1][0] == pytest.approx((1.44 / (9 - 0.36)) ** 2)


def test_the_misalignment_bound_says_nothing_where_there_is_no_gap() -> None:
    W = [np.eye(2)[None], np.array([[[0.5, 0.0]]])]
    for first in (0.5, 1.0):
        assert max_margin.misalignment_bound(W, np.array([[1.0, first]]), np.array([[1.0, 0.0]]))[0][0] == 1


def test_bounds_need_one_output() -> None:
    W = gaussian_stack(np.random.default_rng(0), [3, 4, 2], 1.0)
    with pytest.raises(InvalidArgument, match="expected one output"):
        max_margin.second_singular_bound(W)


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0.5, 4), st.floats(0, 50), st.floats(0, 1e6))
def test_polynomial_margins_are_a_semigroup(seed: int, power: float, first: float, second: float) -> None:
    rng = np.random.default_rng(seed)
    Z, w0 = np.diag([1.0, 4.0]), rng.uniform(0.1, 2, (3, 2))
    middle = max_margin.polynomial_solution(Z, w0, np.array(first), power) / np.diag(Z)
    twice = max_margin.polynomial_solution(Z, middle, np.array(second), power)
    assert np.allclose(twice, max_margin.polynomial_solution(Z, w0, np.array(first + second), power), rtol=1e-9)
    assert np.allclose(max_margin.polynomial_solution(Z, w0, np.array(0.0), power), w0 @ Z)
    assert np.isposinf(max_margin.polynomial_solution(Z, w0, np.inf, power)).all()
    assert max_margin.polynomial_solution(Z, w0, np.ones((4, 5)), power).shape == (4, 5, 3, 2)


def test_polynomial_margins_solve_their_flow() -> None:
    Z, w0, t = np.diag([1.0, 4.0]), np.array([[0.5, 0.2]]), np.array([0.3, 10.0])
    solution = flow(lambda _, s: {"w": 3 * (s["w"] @ Z) ** -4 @ Z}, {"w": w0}, t, relative_tolerance=1e-12)["w"]
    assert np.allclose(solution @ Z, max_margin.polynomial_solution(Z, w0, t, 3.0), rtol=1e-8)


@pytest.mark.parametrize(
    ("Z", "w0", "power", "message"),
    [
        (np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones(2), 2.0, "expected pairwise orthogonal examples"),
        (np.eye(2), np.array([1.0, -1.0]), 2.0, "w0 = a start of margin -1: expected margins above 0"),
        (np.eye(2), np.array([[1.0, 1.0], [1.0, 0.0]]), 2.0, "w0 = a start of margin 0: expected margins above 0"),
        (np.array([[1.0, 1e-11], [0.0, 1.0]]), np.ones(2), 2.0, "expected pairwise orthogonal examples"),
        (np.eye(2), np.ones(2), 0.0, "power = 0.0: expected a finite number above 0"),
    ],
)
def test_polynomial_margins_out_of_range_are_refused(Z, w0, power: float, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        max_margin.polynomial_solution(Z, w0, np.array(1.0), power)


@given(seeds)
def test_interpolants_fit_and_keep_what_is_not_seen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Z, w0 = rng.standard_normal((3, 6)), rng.standard_normal((2, 6))
    w = max_margin.interpolant(Z, w0)
    assert np.allclose(w @ Z.T, 1)
    null = np.eye(6) - np.linalg.pinv(Z) @ Z
    assert np.allclose(w @ null, w0 @ null)


def test_interpolants_are_the_ends_of_descent() -> None:
    Z, w0 = np.array([[1.0, 0.5, 0.0], [0.2, 1.0, 0.3]]), np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5]])
    w = w0.copy()
    for _ in range(2000):
        w += 0.5 * (1 - w @ Z.T) @ Z
    assert max_margin.interpolant(Z, w0) == pytest.approx(w, abs=1e-10)
