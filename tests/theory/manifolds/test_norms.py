"""Ranges of norms: ranges indeed, consistent with their scales; errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.manifolds import norms


@given(st.integers(1, 6), st.integers(0, 5), st.sampled_from(norms.MANIFOLDS))
def test_ranges_are_ranges(B: int, more: int, manifold: norms.Manifold) -> None:
    ends = norms.ranges(manifold, B + more, B)
    assert set(ends) == set(norms.NORMS)
    assert all(0 < low <= high * (1 + 1e-12) for low, high in ends.values())
    assert norms.scale(manifold, B + more, B) <= norms.scale(manifold, B + more, B, ("Frobenius",))


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"A, B = \(2, 3\)"):
        norms.ranges("sphere", 2, 3)
    with pytest.raises(InvalidArgument, match="B = 0"):
        norms.ranges("sphere", 2, 0)
    with pytest.raises(InvalidArgument, match="a power of 2"):
        norms.extreme_points("sphere", 6, 3)


def _norms(w: np.ndarray) -> dict[str, float]:
    singular, columns = np.linalg.svd(w, compute_uv=False), np.linalg.norm(w, axis=0)
    values = np.sqrt((w**2).sum()), singular[0], columns.sum(), singular.sum()
    return dict(zip(norms.NORMS, (*values, np.abs(w).sum(0).max(), np.abs(w).sum(1).max(), np.abs(w).sum())))


@pytest.mark.parametrize("manifold", norms.MANIFOLDS)
@pytest.mark.parametrize(("A", "B"), [(1, 1), (2, 1), (2, 2), (4, 2), (8, 4), (16, 4)])
def test_extreme_points_lie_on_their_manifold_and_attain_every_end(manifold: norms.Manifold, A: int, B: int) -> None:
    points = norms.extreme_points(manifold, A, B)
    for w in points:
        if manifold == "sphere":
            assert (w**2).sum() == pytest.approx(1)
        if manifold == "oblique":
            assert (w**2).sum(0) == pytest.approx(1)
        if manifold == "Stiefel":
            assert w.T @ w == pytest.approx(np.eye(B))
    values = [_norms(w) for w in points]
    for name, ends in norms.ranges(manifold, A, B).items():
        of_name = [each[name] for each in values]
        assert (min(of_name), max(of_name)) == pytest.approx(ends)


def test_scales_by_size() -> None:
    two = ("Frobenius", "spectral")
    assert [norms.scale(each, 7, 3) for each in norms.MANIFOLDS] == pytest.approx([3**-0.5, 1 / 3, 1 / 3])
    assert [norms.scale(each, 7, 3, two) for each in norms.MANIFOLDS] == pytest.approx([1, 3**-0.5, 3**-0.5])
    assert norms.scale("oblique", 7, 3, norms.NORMS) == pytest.approx(1 / (3 * 7**0.5))


def test_norms_of_layers_and_convolutions() -> None:
    kernel = np.random.default_rng(0).standard_normal((3, 2))
    layer = np.kron(np.ones((5, 4)), kernel)
    frobenius, spectral = np.linalg.norm(kernel), np.linalg.norm(kernel, ord=2)
    assert norms.layer_frobenius(4, 5, frobenius) == pytest.approx(np.linalg.norm(layer))
    assert norms.layer_spectral_bound(4, 5, spectral) == pytest.approx(np.linalg.norm(layer, ord=2))
    flat = np.ones((1, 1, 3, 2))
    assert norms.convolution_norm(flat, 5) == pytest.approx(
        norms.convolution_bound(3, 2, np.linalg.norm(flat[0, 0], 2))
    )


def test_the_norm_of_a_convolution_is_that_of_its_matrix() -> None:
    side, kernels = 4, np.random.default_rng(1).standard_normal((2, 3, 2, 3))
    image = np.zeros((2 * side**2, 3 * side**2))
    for i, j, c in np.ndindex(side, side, 3):
        for d, a, b in np.ndindex(2, 2, 3):
            row = d * side**2 + (i + a) % side * side + (j + b) % side
            image[row, c * side**2 + i * side + j] += kernels[d, c, a, b]
    norm = np.linalg.norm(image, ord=2)
    assert norms.convolution_norm(kernels, side) == pytest.approx(norm)
    assert norms.convolution_norm(np.stack([3 * kernels, kernels]), side) == pytest.approx(np.array([3, 1]) * norm)


def test_sizes_of_extreme_points() -> None:
    for A, B in ((8, 3), (6, 2), (12, 4)):
        with pytest.raises(InvalidArgument, match="a power of 2"):
            norms.extreme_points("Stiefel", A, B)
