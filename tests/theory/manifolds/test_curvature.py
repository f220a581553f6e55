"""Sectional curvature: of a plane, not of its basis; errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.manifolds import curvature


def test_curvature_of_a_plane_does_not_depend_on_its_basis() -> None:
    rng = np.random.default_rng(0)
    S, R = (np.triu(rng.standard_normal((3, 3)), 1) for _ in range(2))
    S, R = S - S.T, R - R.T
    for formula in (curvature.stiefel, curvature.oblique, curvature.rotations):
        assert formula(S + 2 * R, R - S) == pytest.approx(formula(S, R))


def test_a_circle_has_no_sectional_curvature() -> None:
    with pytest.raises(InvalidArgument, match="two dimensions"):
        curvature.curvature_range("sphere", 2, 1)


def test_the_gram_determinant_is_a_squared_area() -> None:
    X, Y = np.random.default_rng(1).standard_normal((2, 4, 3, 2))
    rows = np.stack([X.reshape(4, -1), Y.reshape(4, -1)], axis=1)
    assert curvature.gram(X, Y) == pytest.approx(np.linalg.det(rows @ rows.mT))


def _gauss(tangent: Callable, w: np.ndarray, X: np.ndarray, Y: np.ndarray) -> float:
    """Gauss' equation, II by differences of the projection to the tangent space."""
    h = 1e-5
    II = lambda U, V: (tangent(w + h * U, V) - tangent(w - h * U, V)) / (2 * h)  # noqa: E731
    area = (X**2).sum() * (Y**2).sum() - (X * Y).sum() ** 2
    return float(((II(X, X) * II(Y, Y)).sum() - (II(X, Y) ** 2).sum()) / area)


def _to_columns(w: np.ndarray, G: np.ndarray) -> np.ndarray:
    return G - w * (w * G).sum(0)


def _to_stiefel(w: np.ndarray, G: np.ndarray) -> np.ndarray:
    return G - w @ (w.T @ G + G.T @ w) / 2


@pytest.mark.parametrize(
    ("formula", "tangent", "point"),
    [
        (curvature.oblique, _to_columns, lambda w: w / np.linalg.norm(w, axis=0)),
        (curvature.stiefel, _to_stiefel, lambda w: np.linalg.qr(w)[0]),
    ],
    ids=["oblique", "stiefel"],
)
def test_formulas_are_gauss_equation(formula: Callable, tangent: Callable, point: Callable) -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        w, G, K = rng.standard_normal((3, 5, 3))
        w = point(w)
        X, Y = tangent(w, G), tangent(w, K)
        assert formula(X, Y) == pytest.approx(_gauss(tangent, w, X, Y), rel=1e-6)


def test_planes_come_in_batches() -> None:
    X, Y = np.random.default_rng(4).standard_normal((2, 2, 5, 3, 3))
    X, Y = X - X.mT, Y - Y.mT
    for formula in (curvature.stiefel, curvature.oblique, curvature.rotations):
        assert formula(X, Y)[1, 3] == pytest.approx(formula(X[1, 3], Y[1, 3]))


def test_rotations_are_stiefel_with_as_many_rows_as_columns() -> None:
    X, Y = np.random.default_rng(3).standard_normal((2, 6, 4, 4))
    X, Y = X - X.mT, Y - Y.mT
    assert curvature.rotations(X, Y) == pytest.approx(curvature.stiefel(X, Y))


@pytest.mark.parametrize(
    ("manifold", "A", "B", "expected"),
    [
        ("sphere", 3, 1, (1, 1)),
        ("sphere", 2, 2, (1, 1)),
        ("oblique", 3, 1, (1, 1)),
        ("oblique", 2, 2, (0, 0)),
        ("oblique", 3, 2, (0, 1)),
        ("Stiefel", 3, 1, (1, 1)),
        ("Stiefel", 3, 3, (1 / 8, 1 / 8)),
        ("Stiefel", 4, 4, (0, 1 / 4)),
        ("Stiefel", 3, 2, (-1 / 2, 1 / 2)),
        ("Stiefel", 5, 4, (-1 / 2, 1 / 2)),
        ("Stiefel", 4, 2, (-1 / 2, 1)),
        ("Stiefel", 7, 3, (-1 / 2, 1)),
        ("Stiefel", 1001, 1000, (-1 / 2, 1 / 2)),
    ],
)
def test_ranges_by_size(manifold: Any, A: int, B: int, expected: tuple[float, float]) -> None:
    assert curvature.curvature_range(manifold, A, B) == expected


@pytest.mark.parametrize(
    ("manifold", "A", "B"),
    [("sphere", 2, 1), ("oblique", 2, 1), ("oblique", 1, 3), ("Stiefel", 2, 2), ("Stiefel", 2, 1), ("Stiefel", 1, 1)],
)
def test_less_than_two_dimensions_are_named(manifold: Any, A: int, B: int) -> None:
    with pytest.raises(InvalidArgument, match="two dimensions"):
        curvature.curvature_range(manifold, A, B)


def test_injectivity_radii() -> None:
    sizes = {("sphere", 3, 3): 1, ("oblique", 3, 3): 1, ("Stiefel", 4, 3): 1, ("Stiefel", 3, 3): 2**0.5}
    for (manifold, A, B), share in sizes.items():
        assert curvature.injectivity_radius(manifold, A, B) == pytest.approx(share * np.pi)


def test_one_row_more_is_so_at_any_size() -> None:
    assert curvature.curvature_range("Stiefel", 701, 700) == (-1 / 2, 1 / 2)
    assert curvature.curvature_range("Stiefel", 702, 700) == (-1 / 2, 1.0)
