"""Max-margin classifiers where solvers fail: coincidences, other units, huge examples beside tiny ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core import separable
from theory.core.separable import Separable, Uncertified
from theory.core.validation import InvalidArgument

small = st.integers(-2, 2)
lattices = st.lists(st.tuples(small, small, small), min_size=1, max_size=8)


def require_optimality(Z: np.ndarray, problem: Separable) -> None:
    """Karush, Kuhn and Tucker's conditions, with what w.z may round by."""
    off = 1e-12 * (1 + np.linalg.norm(Z, axis=1) * np.linalg.norm(problem.w))
    margins = Z @ problem.w
    assert (margins >= 1 - off).all()
    assert (np.abs(margins - 1) <= off)[problem.support].all()
    assert (problem.duals >= 0).all()
    forces = problem.duals * np.linalg.norm(Z, axis=1)
    assert np.linalg.norm(Z.T @ problem.duals - problem.w) <= 1e-11 * forces.sum()


@settings(max_examples=60, deadline=None)
@given(lattices, st.integers(-6, 6))
def test_equal_parallel_and_opposite_examples(rows: list[tuple], power: int) -> None:
    """On a lattice, where coincidences are the rule; in other units the same."""
    Z = np.array(rows, dtype=float)
    try:
        problem = Separable(Z)
    except InvalidArgument:
        with pytest.raises(InvalidArgument):
            Separable(Z * 10.0**power)
        return
    require_optimality(Z, problem)
    scaled = Separable(Z * 10.0**power)
    assert np.allclose(scaled.w * 10.0**power, problem.w, rtol=1e-10, atol=1e-12)
    assert np.allclose(Separable(np.vstack([Z, Z[:1]])).w, problem.w, rtol=1e-10, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_rotations_and_permutations(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    Z = separable.labelled_by_a_teacher(rng, n=7, d=d, runs=1, least=0.3)[0]
    Q, order = np.linalg.qr(rng.standard_normal((d, d)))[0], rng.permutation(7)
    problem, turned = Separable(Z), Separable(Z[order] @ Q)
    assert np.allclose(turned.w, problem.w @ Q, rtol=1e-9, atol=1e-9 * np.linalg.norm(problem.w))
    assert np.allclose(turned.duals, problem.duals[order], rtol=1e-6, atol=1e-9 * problem.duals.max())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(-5, 5), min_size=4, max_size=4))
def test_huge_examples_beside_tiny_ones(seed: int, powers: list[int]) -> None:
    rng = np.random.default_rng(seed)
    Z = separable.labelled_by_a_teacher(rng, n=4, d=3, runs=1, least=0.5)[0] * 10.0 ** np.array(powers)[:, None]
    require_optimality(Z, Separable(Z))


def test_an_answer_that_a_solver_missed() -> None:
    """scipy 1.15's nnls had margin 2/3."""
    problem = Separable(np.array([[0.0, 1.0], [3.0, -1.0], [1.0, 0.0]]))
    assert np.allclose(problem.w, [1, 1], atol=1e-14)
    assert problem.margin == pytest.approx(2**-0.5, rel=1e-14)


def test_whatever_a_solver_answers_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separable, "nnls", lambda E, f, maxiter: (np.eye(E.shape[1])[0], 0.0))
    with pytest.raises(Uncertified, match="3 examples in 2 dimensions"):
        Separable(np.array([[0.0, 1.0], [3.0, -1.0], [1.0, 0.0]]))


@pytest.mark.parametrize("angle", [1e-3, 1e-6, 1e-8, 1e-9])
def test_small_margins_are_margins(angle: float) -> None:
    problem = Separable(np.array([[1.0, angle], [-1.0, angle]]))
    assert problem.margin == pytest.approx(angle, rel=1e-6)
    assert np.allclose(problem.duals, 0.5 / angle**2, rtol=1e-6)


def test_slack_is_zero_on_the_margin_alone() -> None:
    assert Separable(np.array([[1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.5, 9.0]])).slack.tolist() == [0, 0, 0, 0.5]
    assert Separable(np.array([[1.0], [1 + 1e-9]])).slack[1] == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize("Z", [[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]], [[1.0], [-1e-9]]])
def test_no_classifier(Z: list) -> None:
    with pytest.raises(InvalidArgument, match="expected examples that a classifier without bias separates"):
        Separable(np.array(Z))


def test_lengths_whose_squares_are_no_numbers() -> None:
    with pytest.raises(InvalidArgument, match=r"\|z_i\| = 1e-200 ... 1: expected lengths from 1e-150 to 1e\+150"):
        Separable(np.array([[1e-200, 0.0], [0.0, 1.0]]))
