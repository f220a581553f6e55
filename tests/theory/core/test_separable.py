"""The max-margin classifier: KKT, planted answers, two independent solvers, and what is refused."""

import clarabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.svm import SVC

from theory.core.separable import Separable, direction_error, labelled_by_a_teacher, margin_gap, planted
from theory.core.validation import InvalidArgument

seeds = st.integers(0, 10_000)


def examples(seed: int, runs: int = 2) -> np.ndarray:
    return labelled_by_a_teacher(np.random.default_rng(seed), n=10, d=4, runs=runs, least=0.3)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_kkt_holds_to_rounding(seed: int) -> None:
    problem = Separable(examples(seed))
    margins = np.einsum("rnd,rd->rn", problem.Z, problem.w)
    size = problem.duals.max() * np.abs(problem.Z).max() ** 2 * problem.condition.max()
    assert (problem.duals >= 0).all()
    assert margins.min() >= 1 - 1e-13 * size
    assert np.allclose(problem.w, np.einsum("rnd,rn->rd", problem.Z, problem.duals), atol=1e-14 * size)
    assert np.allclose(margins[problem.support], 1, atol=1e-13 * size)
    assert np.allclose(problem.duals.sum(-1), problem.margin**-2, rtol=1e-10)


def test_two_independent_solvers_agree() -> None:
    Z = examples(0, runs=1)[0]
    problem = Separable(Z)
    n, d = Z.shape
    options = clarabel.DefaultSettings()
    options.verbose = False
    for name in ("tol_gap_abs", "tol_gap_rel", "tol_feas"):
        setattr(options, name, 1e-13)
    quadratic, constraints = sparse.eye(d, format="csc"), sparse.csc_matrix(-Z)
    cones = [clarabel.NonnegativeConeT(n)]
    solution = clarabel.DefaultSolver(quadratic, np.zeros(d), constraints, -np.ones(n), cones, options).solve()
    assert np.allclose(solution.x, problem.w, atol=1e-8)
    assert np.allclose(solution.z, problem.duals, atol=1e-7)
    # SVC has an intercept; examples with both signs and both labels make it vanish.
    svc = SVC(kernel="linear", C=1e8, tol=1e-10).fit(np.vstack([Z, -Z]), np.repeat([1, -1], n))
    assert np.allclose(svc.coef_[0], problem.w, rtol=1e-5)
    assert abs(svc.intercept_[0]) < 1e-5


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(1, 4))
def test_planted_answers_are_found(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(k, 5.0))
    Z = planted(rng, shares, d=5, margin=0.7, slack=np.array([0.2, 1.0]), runs=2)
    problem = Separable(Z)
    assert np.allclose(problem.margin, 0.7, rtol=1e-9)
    assert np.allclose(problem.duals[:, :k], shares / 0.49, rtol=1e-6)
    assert not problem.duals[:, k:].any()
    margins = np.einsum("rnd,rd->rn", Z, problem.w)
    assert np.allclose(margins[:, k:], [1.2, 2.0], rtol=1e-6)


def test_the_range_of_the_gram_matrix_is_that_of_the_support() -> None:
    problem = Separable(examples(1, runs=3))
    for i in range(3):
        Z_S = problem.Z[i][problem.support[i]]
        g = np.linalg.eigvalsh(Z_S @ Z_S.T)
        assert np.allclose([problem.gram_range[0][i], problem.gram_range[1][i]], [g[0], g[-1]], rtol=1e-10)
        assert problem.run(i).condition == pytest.approx(g[-1] / g[0], rel=1e-9)


def test_the_classifier_itself_has_no_error() -> None:
    problem = Separable(examples(2, runs=3))
    assert np.allclose(direction_error(problem, 3 * problem.w), 0, atol=1e-15)
    assert np.allclose(margin_gap(problem, 3 * problem.w), 0, atol=1e-14)
    assert np.allclose(direction_error(problem, -problem.w), 2)
    assert direction_error(problem, np.ones((7, 3, 4))).shape == (7, 3)
    assert (margin_gap(problem, np.ones((7, 3, 4))) >= 0).all()


def test_examples_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="Z = 2 examples in 2 dimensions: expected examples that a classifier"):
        Separable(np.array([[1.0, 0.5], [-1.0, -0.5]]))


@pytest.mark.parametrize(
    ("Z", "message"),
    [
        (np.ones(3), r"Z.shape = \(3,\)|parameter 'Z'"),  # whichever looks first: the signature, or the class
        (np.zeros((2, 2)), "Z = the zero matrix"),
        (np.array([[1.0, np.nan]]), r"Z\[0, 1\] = nan"),
    ],
)
def test_bad_examples_are_refused(Z: np.ndarray, message: str) -> None:
    with pytest.raises(Exception, match=message):
        Separable(Z)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": np.array([0.5, 0.4])}, "shares = .*: expected positive numbers that add up to 1"),
        ({"d": 1}, "shares.size = 2: expected a number in .1, 1."),
        ({"margin": -1.0}, "margin, spread and slack = -1.0: expected a finite number above 0"),
    ],
)
def test_bad_plans_are_refused(change: dict, message: str) -> None:
    arguments = {"shares": np.array([0.5, 0.5]), "d": 3} | change
    with pytest.raises(InvalidArgument, match=message):
        planted(np.random.default_rng(0), **arguments)
