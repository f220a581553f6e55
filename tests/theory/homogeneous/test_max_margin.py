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
