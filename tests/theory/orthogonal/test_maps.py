"""Maps onto the orthogonal matrices, on any matrix; errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from theory.core.validation import InvalidArgument
from theory.orthogonal import maps


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_every_map_is_the_identity_on_orthogonal_matrices(seed: int, d: int) -> None:
    R = np.linalg.qr(np.random.default_rng(seed).standard_normal((2, d, d)))[0]
    assert maps.gram_schmidt(R) == pytest.approx(R, abs=1e-12)
    assert maps.polar(R) == pytest.approx(R, abs=1e-12)
    assert maps.distance_to_orthogonal(R) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_maps_are_orthogonal(seed: int, d: int) -> None:
    P = np.random.default_rng(seed).standard_normal((3, d, d))
    for map in (maps.gram_schmidt, maps.householder, maps.polar):
        assert map(P).shape == P.shape
        assert maps.defect(map(P)).max() < 1e-12


def test_the_polar_differential_is_self_adjoint() -> None:
    P, A, B = np.random.default_rng(0).standard_normal((3, 5, 5))
    left, right = (maps.polar_differential(P, A) * B).sum(), (maps.polar_differential(P, B) * A).sum()
    assert left == pytest.approx(right, rel=1e-9)


def test_a_step_lengthens_what_the_map_does_not_see() -> None:
    with pytest.raises(InvalidArgument, match=r"learning_rate = 0\.0"):
        maps.lengthened(np.ones(2), np.ones(2), 0.0)
    assert maps.lengthened(np.array(4.0), np.array(9.0), 0.5) == pytest.approx(6.25)


def drawn(d: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((3, d, d))


def test_the_defect_is_the_largest_entry_of_a_run() -> None:
    R = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.5], [1.0, 0.0]]])
    assert maps.defect(R) == pytest.approx([3, 0.75])


@pytest.mark.parametrize("d", [2, 4, 5])
def test_gram_schmidt_row_by_row(d: int) -> None:
    for P, R in zip(drawn(d), maps.gram_schmidt(drawn(d))):
        rows: list[np.ndarray] = []
        for p in P:
            rest = p - sum((p @ q) * q for q in rows)
            rows.append(rest / np.linalg.norm(rest))
        assert np.array(rows) == pytest.approx(R, abs=1e-10)


@pytest.mark.parametrize("d", [2, 4, 5])
def test_householder_reflection_by_reflection(d: int) -> None:
    for P, R in zip(drawn(d), maps.householder(drawn(d))):
        left, product = P, np.eye(d)
        for k in range(d - 1):
            x = np.where(np.arange(d) < k, 0, left[:, k])
            u = x - np.linalg.norm(x) * np.eye(d)[k]
            H = np.eye(d) - 2 * np.outer(u, u) / (u @ u)
            left, product = H @ left, product @ H
        assert product == pytest.approx(R, abs=1e-10)
        assert np.linalg.det(R) == pytest.approx((-1) ** (d - 1))


def test_polar_factors_are_scipys_and_nearest() -> None:
    P = drawn(4)
    R = maps.polar(P)
    assert np.stack([linalg.polar(each)[0] for each in P]) == pytest.approx(R, abs=1e-10)
    assert maps.distance_to_orthogonal(P) == pytest.approx(np.linalg.norm(P - R, axis=(-2, -1)))


def test_the_polar_differential_by_differences() -> None:
    P, dP = drawn(4)[0], drawn(4)[1]
    ahead, behind = (maps.polar(P + step * dP) for step in (1e-6, -1e-6))
    assert maps.polar_differential(P, dP) == pytest.approx((ahead - behind) / 2e-6, abs=1e-6)


def test_how_near_cayleys_map_comes_to_a_reflection() -> None:
    A = drawn(4) - drawn(4).mT
    R = np.linalg.solve(np.eye(4) - A, np.eye(4) + A)
    least = np.linalg.svd(np.eye(4) + R, compute_uv=False)[..., -1]
    assert maps.nearest_to_reflection(A) == pytest.approx(least)
