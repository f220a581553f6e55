"""The step of orthogonality-preserving descent: its direction, and its defect."""

import numpy as np
import pytest
import sympy

from theory.orthogonal import preserving


def test_the_turn_is_skew_and_capped() -> None:
    rng = np.random.default_rng(0)
    R = np.linalg.qr(rng.standard_normal((4, 5, 5)))[0]
    w = preserving.direction(R, 100 * rng.standard_normal((4, 5, 5)), 0.1)
    assert np.linalg.norm(w, axis=(-2, -1)) == pytest.approx(1)
    assert w + w.mT == pytest.approx(0, abs=1e-12)


def test_no_turn_no_defect() -> None:
    assert preserving.defect_of_step(np.zeros((2, 3, 3))) == pytest.approx(0)
    before = np.diag([0.1, 0.2, 0.0])
    assert preserving.defect_after_step(np.zeros((3, 3)), before) == pytest.approx(before)


def drawn(d: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R in O(d), any M and any matrix, three runs each."""
    first, M, other = np.random.default_rng(2).standard_normal((3, 3, d, d))
    return np.linalg.qr(first)[0], M, other


def published(R: np.ndarray, w: np.ndarray, iterations: int = 2) -> np.ndarray:
    Y = R + w @ R
    for _ in range(iterations):
        Y = R + w @ (R + Y) / 2
    return Y


def test_the_direction_is_the_published_one_and_the_tangent_on_orthogonal_matrices() -> None:
    R, M, other = drawn()
    what = M @ other.mT - other @ (other.mT @ M @ other.mT) / 2
    W = what - what.mT
    size = np.linalg.norm(W, axis=(-2, -1), keepdims=True)
    assert preserving.direction(other, M, 0.01) == pytest.approx(0.01 * W)
    assert preserving.direction(other, M, 10.0) == pytest.approx(W / size)
    assert preserving.direction(R, 1e-3 * M, 0.5) == pytest.approx(5e-4 * preserving.tangent(R, M))


def test_the_tangent_is_a_projection() -> None:
    R, M, _ = drawn()
    along = preserving.tangent(R, M) @ R
    inward, left = R.mT @ along, R.mT @ (M - along)
    assert inward == pytest.approx(-inward.mT)
    assert left == pytest.approx(left.mT)


def test_defects_are_those_of_the_step() -> None:
    R, M, other = drawn()
    w = 0.4 * preserving.tangent(R, M)
    lost = np.eye(4) - published(R, w) @ published(R, w).mT
    assert preserving.defect_of_step(w) == pytest.approx(lost)
    Y, before = published(other, w), np.eye(4) - other @ other.mT
    assert preserving.defect_after_step(w, before) == pytest.approx(np.eye(4) - Y @ Y.mT)


def test_the_symbolic_defect_vanishes_after_two_iterations_only() -> None:
    w = sympy.Symbol("w")
    assert preserving.symbolic_defect(2) == 0
    # After one, B = 1 + w + w^2 / 2 and B B^T = 1 + w^4 / 4.
    assert sympy.expand(preserving.symbolic_defect(1) - (w**4 / 2 + w**6 / 16)) == 0
