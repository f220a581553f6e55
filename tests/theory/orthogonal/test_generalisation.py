"""Risks of OPT and of free weights: their parts by other means, limits, and what has no answer."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.orthogonal import generalisation as law
from theory.orthogonal.generalisation import Teacher
from theory.orthogonal.procrustes import expressivity_gap

few = settings(deadline=None, max_examples=25)
seeds, sizes = st.integers(0, 10_000), st.integers(2, 5)
sides = st.sampled_from([-1.0, 1.0])


def teacher(seed: int, d: int, N: int, side: float = 1.0, misfit: float = 1.0, noise: float = 0.7) -> Teacher:
    """A rotation of random neurons, and so much beside it."""
    rng = np.random.default_rng(seed)
    W0 = rng.standard_normal((d, N))
    R = np.linalg.qr(rng.standard_normal((d, d)))[0]
    R[:, 0] *= np.sign(np.linalg.det(R)) * side
    return Teacher(W0, R @ W0 + misfit * rng.standard_normal((d, N)), noise, side)


def by_matrices(given: Teacher) -> float:
    """tr(H^+ J) / 2 over a basis of skew matrices, from the definitions."""
    d, W = given.d, given.R @ given.W0
    K, S = W @ (W - given.target).T, W @ given.target.T
    basis = np.zeros((d * (d - 1) // 2, d, d))
    for n, (i, j) in enumerate(combinations(range(d), 2)):
        basis[n, i, j], basis[n, j, i] = 1, -1
    H, J = (np.zeros((len(basis),) * 2) for _ in range(2))
    for a, A in enumerate(basis):
        for b, B in enumerate(basis):
            H[a, b] = -np.trace((A @ B + B @ A) @ S)
            J[a, b] = 4 * (given.noise**2 * np.sum(A @ W * (B @ W)) + np.sum(A @ K * (B @ K)) + np.trace(A @ K @ B @ K))
    return float(np.trace(np.linalg.pinv(H, rcond=1e-10) @ J) / 2)


@few
@given(seeds, sizes, st.integers(1, 7), sides)
def test_the_cost_is_that_of_the_definition_in_any_basis(seed: int, d: int, N: int, side: float) -> None:
    drawn = teacher(seed, d, N, side, misfit=0.2)
    assert law.learning_cost(drawn) == pytest.approx(by_matrices(drawn), rel=1e-6)


@few
@given(seeds, sizes, st.integers(1, 7), sides)
def test_what_a_rotation_reaches_costs_the_noise_once_a_dimension(seed: int, d: int, N: int, side: float) -> None:
    reached = teacher(seed, d, N, side, misfit=0.0)
    assert law.gap(reached) == pytest.approx(0, abs=1e-20)
    assert law.learning_cost(reached) == pytest.approx(0.49 * law.dimension(d, N), rel=1e-9)
    assert law.opt_risk(reached, 50) == pytest.approx(law.learning_cost(reached) / 50)
    assert law.crossing(reached) > 1e9
    assert law.dimension(d, N) <= min(d * (d - 1) // 2, d * N)


@few
@given(seeds, sizes, st.integers(1, 7))
def test_the_gap_is_the_least_of_both_components(seed: int, d: int, N: int) -> None:
    with_, against = (teacher(seed, d, N), teacher(seed, d, N))
    against = Teacher(with_.W0, with_.target, with_.noise, -1.0)
    least, other = expressivity_gap(with_.W0, with_.target)
    assert sorted([law.gap(with_), law.gap(against)]) == pytest.approx([2 * least, 2 * other], rel=1e-6, abs=1e-9)
    R = with_.R
    assert R @ R.T == pytest.approx(np.eye(d), abs=1e-12) and np.linalg.det(R) == pytest.approx(1)
    assert np.linalg.det(against.R) == pytest.approx(-1)


@few
@given(seeds, sizes, st.integers(1, 7), st.floats(0.01, 2))
def test_both_risks_are_the_same_at_the_crossing_and_nowhere_else(seed: int, d: int, N: int, misfit: float) -> None:
    drawn = teacher(seed, d, N, misfit=misfit)
    n = law.crossing(drawn)
    assert n > d + 1
    difference = lambda n: law.opt_risk(drawn, n) / law.least_squares_risk(drawn, n) - 1  # noqa: E731
    assert difference(n) == pytest.approx(0, abs=1e-5)
    assert difference(d + 1 + (n - d - 1) / 1.01) < 0 < difference(1.01 * n)


def test_least_squares_is_what_it_is_for_one_input_on_average() -> None:
    """E 1 / (sum of n squares of normal numbers) = 1 / (n - 2): per output s^2 times that, for d = 1; twice for 2."""
    rng, n = np.random.default_rng(0), 8
    X = rng.standard_normal((40_000, n, 2))
    exact = np.trace(np.linalg.inv(X.mT @ X), axis1=1, axis2=2).mean()
    assert law.least_squares_risk(teacher(0, 2, 3), n) == pytest.approx(0.49 * 3 * exact, rel=0.03)


def test_limits() -> None:
    drawn = teacher(1, 4, 3)
    assert law.opt_risk(drawn, np.inf) == law.gap(drawn)
    assert law.least_squares_risk(drawn, np.inf) == 0
    assert law.dimension(1, 1) == 0 and law.dimension(5, 1) == 4 and law.dimension(5, 4) == law.dimension(5, 9) == 10
    quiet = Teacher(drawn.W0, drawn.target, 1e-8)
    assert law.crossing(quiet) == pytest.approx(drawn.d + 1, rel=1e-6)


def _same(d: int) -> Array:
    return np.eye(d)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: Teacher(np.eye(2), np.eye(3), 1.0), "target"),
        (lambda: Teacher(np.eye(2), np.eye(2), 0.0), "noise = 0.0: expected a finite number above 0"),
        (lambda: Teacher(np.eye(2), np.eye(2), 1.0, 0.5), "determinant = 0.5: expected 1 or -1"),
        (lambda: Teacher(np.ones((1, 3)), np.ones((1, 3)), 1.0), r"d = 1: expected a number in \[2, inf\)"),
        (lambda: Teacher(np.eye(2), np.full((2, 2), np.nan), 1.0), "target"),
        (lambda: law.least_squares_risk(teacher(0, 3, 2), 4), r"n = 4: expected a number in \(4, inf\]"),
        (lambda: law.learning_cost(Teacher(np.eye(3), np.zeros((3, 3)), 1.0)), "target = .*single R W0"),
        (lambda: law.learning_cost(Teacher(_same(3), _same(3), 1.0, -1.0)), "target = .*single R W0"),
        (lambda: law.dimension(0, 3), "d = 0: expected a whole number of at least 1"),
    ],
)
def test_what_has_no_answer_is_refused_in_a_line(call, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        call()
