"""Bounds of errors on the example left out, against the classifiers of the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.separable import Separable, labelled_by_a_teacher
from theory.core.validation import InvalidArgument
from theory.generalisation import leave_one_out as theory

seeds = st.integers(0, 10**6)


def drawn(seed: int) -> Separable:
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(3, 14)), int(rng.integers(2, 10))
    return Separable(labelled_by_a_teacher(rng, n=n, d=d, runs=2, least=0.1) * rng.uniform(0.5, 2, (2, n, 1)))


def margins_left_out(problem: Separable) -> np.ndarray:
    runs, n, _ = problem.Z.shape
    others = [[Separable(np.delete(problem.Z[r], i, 0)).w @ problem.Z[r, i] for i in range(n)] for r in range(runs)]
    return np.array(others)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_margins_left_out_are_above_their_bound_and_errors_below_theirs(seed: int) -> None:
    problem = drawn(seed)
    found = margins_left_out(problem)
    assert (found >= theory.left_out_margin(problem) - 1e-7).all()
    errors = (found <= 0).sum(-1)
    assert (errors <= theory.may_err(problem)).all()
    assert (theory.may_err(problem) <= theory.support_vectors(problem)).all()
    assert (theory.may_err(problem) <= theory.radius_over_margin(problem) * (1 + 1e-9)).all()
    least = np.minimum(theory.support_vectors(problem), theory.radius_over_margin(problem))
    assert theory.error_bound(problem) == pytest.approx(least / problem.Z.shape[1])


@given(seeds, st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_units_do_not_matter(seed: int, unit: float) -> None:
    problem = drawn(seed)
    scaled = Separable(unit * problem.Z)
    assert theory.left_out_margin(scaled) == pytest.approx(theory.left_out_margin(problem), rel=1e-6, abs=1e-6)
    assert theory.radius_over_margin(scaled) == pytest.approx(theory.radius_over_margin(problem), rel=1e-6)


@given(st.integers(2, 12), st.floats(0.001, 0.89))
@settings(max_examples=15, deadline=None)
def test_nearly_orthogonal_examples_reach_every_bound(n: int, share: float) -> None:
    obtuse = share / (n - 1)
    problem = Separable(theory.nearly_orthogonal(n, obtuse))
    assert problem.Z @ problem.Z.T == pytest.approx((1 + obtuse) * np.eye(n) - obtuse, abs=1e-12)
    assert theory.may_err(problem) == theory.support_vectors(problem) == n
    assert theory.radius_over_margin(problem) == pytest.approx(n / (1 - (n - 1) * obtuse))
    assert (margins_left_out(Separable(problem.Z[None])) < 0).all()


def test_orthogonal_examples_meet_the_bound_of_the_margin() -> None:
    problem = Separable(np.diag([1.0, 2.0, 3.0]))
    assert theory.left_out_margin(problem) == pytest.approx(np.zeros(3))
    assert theory.may_err(problem) == 3


def test_what_no_classifier_separates_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"obtuse = 0.5: expected a number in \(0, 0.45\)"):
        theory.nearly_orthogonal(3, 0.5)
    with pytest.raises(InvalidArgument, match=r"n = 1: expected a number in \[2, 2000\]"):
        theory.nearly_orthogonal(1, 0.5)
