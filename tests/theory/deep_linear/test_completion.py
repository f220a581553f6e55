"""Completions: closed forms against search and against an independent solver; certificates; errors."""

import clarabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from theory.core.arrays import EPS
from theory.core.validation import InvalidArgument
from theory.deep_linear.completion import (
    Completion,
    corner,
    duality_gap,
    nuclear_fill,
    planted,
    rank_one_fill,
    schatten_fill,
)
from theory.deep_linear.minnorm import least_norm

entries = st.floats(0.2, 3).map(lambda x: round(x, 2))
signs = st.sampled_from([-1.0, 1.0])
KNOWN = np.add.outer(np.arange(4), np.arange(5)) % 3 > 0


def nuclear_optimum(problem: Completion) -> float:
    """Least nuclear norm by clarabel: min (tr A + tr B) / 2, [[A, W], [W^T, B]] positive semidefinite, W known."""
    K, d = problem.Y.shape
    size = K + d
    columns = [(i, j) for j in range(size) for i in range(j + 1)]  # of the upper triangle, as the cone stacks them
    cost = np.array([0.5 * (i == j) for i, j in columns])
    fixed = [(k, (i, j - K)) for k, (i, j) in enumerate(columns) if i < K <= j and problem.known[i, j - K]]
    equalities = sparse.csc_matrix(
        (np.ones(len(fixed)), (range(len(fixed)), [k for k, _ in fixed])), (len(fixed), len(cost))
    )
    cone = -sparse.diags([1.0 if i == j else 2**0.5 for i, j in columns])
    A = sparse.vstack([equalities, cone]).tocsc()
    b = np.concatenate([[problem.Y[at] for _, at in fixed], np.zeros(len(cost))])
    cones = [clarabel.ZeroConeT(len(fixed)), clarabel.PSDTriangleConeT(size)]
    options = clarabel.DefaultSettings()
    options.verbose = False
    empty = sparse.csc_matrix((len(cost), len(cost)))
    return clarabel.DefaultSolver(empty, cost, A, b, cones, options).solve().obj_val


@settings(deadline=None, max_examples=25)
@given(entries, entries, entries, signs, signs, signs)
def test_one_entry_is_filled_in_at_least_norm(a: float, b: float, c: float, s1: float, s2: float, s3: float) -> None:
    a, b, c = s1 * a, s2 * b, s3 * c
    norm = lambda x, L: least_norm(np.array([[a, b], [c, x]]), L)  # noqa: E731
    assert schatten_fill(a, b, c, 1) == pytest.approx(0, abs=1e-6 * abs(b * c / a) + 1e-6)
    assert schatten_fill(a, b, c, 2) == pytest.approx(nuclear_fill(a, b, c), abs=1e-4 * (1 + abs(b * c / a)))
    for L in (2, 3, 4):
        best = norm(schatten_fill(a, b, c, L), L)
        # At the kink b c / a the second singular value is the rounding of b c / a, and counts by its power 2 / L.
        rounding = (4 * EPS * abs(b * c / a)) ** (2 / L)
        assert all(norm(x, L) >= best - 1e-9 - rounding for x in np.linspace(-20, 20, 81))


@settings(deadline=None, max_examples=25)
@given(entries, entries, entries, signs, signs, signs, st.integers(3, 6))
def test_rank_one_is_a_local_minimum(a: float, b: float, c: float, s1: float, s2: float, s3: float, L: int) -> None:
    a, b, c = s1 * a, s2 * b, s3 * c
    x = rank_one_fill(a, b, c)
    assert np.linalg.det([[a, b], [c, x]]) == pytest.approx(0, abs=1e-12 * abs(b * c))
    at, below, above = (least_norm(np.array([[a, b], [c, k * x]]), L) for k in (1, 1 - 1e-6, 1 + 1e-6))
    assert at < min(below, above)


def test_depth_decides_between_small_and_simple() -> None:
    fills = [schatten_fill(1.0, 2.0, 3.0, L) for L in (1, 2, 3, 4, 5)]
    assert fills == pytest.approx([0, 1, 2.2947494, 6, 6], abs=1e-6)


@pytest.mark.parametrize("abc", [(1.0, 2.0, 3.0), (2.0, 1.0, 1.5), (1.0, -2.0, 3.0)])
def test_the_closed_form_against_an_independent_solver(abc: tuple[float, float, float]) -> None:
    W = np.array([[abc[0], abc[1]], [abc[2], nuclear_fill(*abc)]])
    assert least_norm(W, 2) / 2 == pytest.approx(nuclear_optimum(corner(*abc)), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_planted_completions_are_optimal(seed: int) -> None:
    problem, W = planted(KNOWN, 1.5, np.random.default_rng(seed))
    assert least_norm(W, 2) / 2 == pytest.approx(1.5)
    assert nuclear_optimum(problem) == pytest.approx(1.5, abs=1e-6)
    assert not problem.violation(W).any()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_gap_is_never_below_the_distance_to_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem, best = planted(KNOWN, 1.5, rng)
    W = np.where(KNOWN, best, rng.standard_normal((3, 4, 5)))
    multiplier = np.where(KNOWN, rng.standard_normal((3, 4, 5)), 0.0)
    gap = duality_gap(problem, W, multiplier)
    assert gap.shape == (3,)
    assert (gap >= least_norm(W, 2) / 2 - 1.5 - 1e-12).all()


def test_what_is_no_completion_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"known = float64 of shape \(2, 2\): expected bool of shape \(2, 2\)"):
        Completion(np.eye(2), np.eye(2))
    with pytest.raises(InvalidArgument, match="known = False everywhere"):
        Completion(np.eye(2), np.zeros((2, 2), dtype=bool))
    with pytest.raises(InvalidArgument, match=r"Y\[0, 0\] = nan: expected a finite number"):
        Completion(np.full((2, 2), np.nan), np.ones((2, 2), dtype=bool))
    with pytest.raises(InvalidArgument, match="known = 2 entries: expected entries that connect"):
        planted(np.eye(2, dtype=bool), 1.0, np.random.default_rng(0))
    with pytest.raises(InvalidArgument, match=r"size = -1\.0"):
        planted(KNOWN, -1.0, np.random.default_rng(0))
    with pytest.raises(InvalidArgument, match="a = nan"):
        schatten_fill(np.nan, 1.0, 1.0, 2)
    with pytest.raises(InvalidArgument, match="expected 0 there"):
        duality_gap(corner(1.0, 2.0, 3.0), np.ones((2, 2)), np.ones((2, 2)))


@pytest.mark.parametrize("size", [0.05, 3.0])
def test_the_gap_is_the_norm_less_what_is_certified(size: float) -> None:
    rng = np.random.default_rng(0)
    problem, W = planted(KNOWN, 1.5, rng)
    multiplier = np.where(KNOWN, size * rng.standard_normal((4, 5)), 0.0)
    largest = np.linalg.svd(multiplier, compute_uv=False)[0]
    assert (largest < 1) == (size < 1)
    certified = (multiplier * problem.Y).sum() / (largest if largest > 1 else 1)
    assert duality_gap(problem, 2 * W, multiplier) == pytest.approx(3.0 - certified)


def test_only_known_entries_are_violated() -> None:
    problem = corner(1.0, 2.0, 3.0)
    assert problem.violation(np.full((2, 2), 0.5)).tolist() == [[0.5, 1.5], [2.5, 0.0]]
    assert problem.known.tolist() == [[True, True], [True, False]]


def test_a_planted_completion_has_its_certificate() -> None:
    problem, W = planted(KNOWN, 1.5, np.random.default_rng(0))
    multiplier = np.where(KNOWN, np.random.default_rng(0).uniform(0.5, 1.5, KNOWN.shape), 0.0)
    multiplier /= np.linalg.norm(multiplier, ord=2)
    assert duality_gap(problem, W, multiplier) == pytest.approx(0, abs=1e-12)
