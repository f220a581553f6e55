"""What holds of every problem on a weight manifold: rotations, units, steps taken by hand, other formulas."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, logm

from theory.core.validation import InvalidArgument
from theory.manifolds import brockett, curvature, norms, oblique, rank_one, rayleigh
from theory.manifolds.brockett import Brockett
from theory.manifolds.rank_one import RankOne
from theory.manifolds.rayleigh import Rayleigh

few = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 10**6)
scales = st.sampled_from([1e-100, 1e-3, 1.0, 7.0, 1e100])


def rotation(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


def units(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Columns of length 1."""
    W = rng.standard_normal(shape)
    return W / np.linalg.norm(W, axis=-2, keepdims=True)


def exponential(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The geodesic of each unit column w along v, for the time 1."""
    size = np.linalg.norm(v, axis=-2, keepdims=True)
    return np.cos(size) * w + np.sinc(size / np.pi) * v


def brocketts(seed: int, scale: float) -> Brockett:
    rng = np.random.default_rng(seed)
    p = int(rng.integers(1, 4))
    n = p + int(rng.integers(0, 3))
    falling = lambda size: np.cumsum(0.1 + rng.random(size))[::-1]  # noqa: E731
    return Brockett(scale * (falling(n) - 1), falling(p) / scale)


@few
@given(seeds, scales)
def test_brocketts_flow_falls_along_its_gradient(seed: int, scale: float) -> None:
    problem, rng = brocketts(seed, scale), np.random.default_rng(seed)
    l, m = problem.l, problem.m
    Q = rotation(rng, len(l))[:, : len(m)]
    v = brockett.velocity(problem, Q)
    assert (v * (l[:, None] * Q * m)).sum() == pytest.approx((v**2).sum(), rel=1e-10, abs=1e-13)
    assert Q.T @ v + v.T @ Q == pytest.approx(0, abs=1e-12)
    signs = rng.choice((-1, 1), (2, len(m)))[:, None]
    assert brockett.velocity(problem, Q * signs) == pytest.approx(v * signs)


@few
@given(seeds, scales)
def test_brocketts_modes_fade_at_their_rates(seed: int, scale: float) -> None:
    problem, h = brocketts(seed, scale), 1e-4
    modes, rates, Q = brockett.modes(problem), brockett.rates(problem), problem.optimum
    for mode, rate in zip(modes, rates):
        slope = (brockett.velocity(problem, Q + h * mode) - brockett.velocity(problem, Q - h * mode)) / (2 * h)
        assert slope == pytest.approx(-rate * mode, rel=1e-6, abs=1e-7)
    flat = modes.reshape(len(rates), Q.size)
    assert flat @ flat.T == pytest.approx(np.eye(len(rates)))
    assert len(rates) == Q.size - Q.shape[1] * (Q.shape[1] + 1) // 2


@few
@given(seeds, st.sampled_from([1e-150, 1e-3, 1.0, 1e150]), st.sampled_from([1.0, 1e-5]))
def test_an_area_in_any_basis_of_its_plane(seed: int, scale: float, apart: float) -> None:
    X, Y, C = np.random.default_rng(seed).standard_normal((3, 3, 3))
    C = C[:2, :2]
    X, Y = X[:, :2], X[:, :2] + apart * Y[:, :2]
    area = curvature.gram(scale * X, Y / scale)
    with mpmath.workdps(50):
        dot = lambda U, V: mpmath.fdot(map(mpmath.mpf, U.ravel()), map(mpmath.mpf, V.ravel()))  # noqa: E731
        exact = float(dot(X, X) * dot(Y, Y) - dot(X, Y) ** 2)
    assert area == pytest.approx(exact, rel=1e-9)
    mixed = curvature.gram(C[0, 0] * X + C[0, 1] * Y, C[1, 0] * X + C[1, 1] * Y)
    assert mixed == pytest.approx(np.linalg.det(C) ** 2 * exact, rel=1e-3)
    U, V = curvature.orthonormal(scale * X, Y / scale)
    pair = np.stack([U.ravel(), V.ravel()])
    assert pair @ pair.T == pytest.approx(np.eye(2), abs=1e-12)
    assert pair.T @ pair @ X.ravel() == pytest.approx(X.ravel(), rel=1e-10, abs=1e-12)
    assert pair.T @ pair @ Y.ravel() == pytest.approx(Y.ravel(), rel=1e-10, abs=1e-12)


@few
@given(seeds, st.sampled_from([(3, 1), (3, 2), (4, 2), (3, 3), (4, 4), (5, 2), (2, 2)]))
def test_curvatures_of_tangent_planes_are_in_their_range(seed: int, sizes: tuple[int, int]) -> None:
    A, B = sizes
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, 20, A, B))
    w = units(rng, A, B)
    on_columns = curvature.oblique(*(G - w * (w * G).sum(-2, keepdims=True) for G in (X, Y)))
    low, high = curvature.curvature_range("oblique", A, B)
    assert (low - 1e-12 <= on_columns).all() and (on_columns <= high + 1e-12).all()
    assert curvature.curvature_range("sphere", A, B) == (1, 1)
    if sizes == (2, 2):  # a circle
        return
    Q = rotation(rng, A)[:, :B]
    found = curvature.stiefel(*(G - Q @ (Q.T @ G + G.mT @ Q) / 2 for G in (X, Y)))
    low, high = curvature.curvature_range("Stiefel", A, B)
    assert (low - 1e-12 <= found).all() and (found <= high + 1e-12).all()
    if A == B:
        assert found == pytest.approx(curvature.rotations(*(Q.T @ G - G.mT @ Q for G in (X, Y))))


@few
@given(seeds, st.integers(2, 5), st.integers(1, 5), st.sampled_from(norms.MANIFOLDS))
def test_half_the_shortest_closed_geodesic(seed: int, A: int, B: int, manifold: norms.Manifold) -> None:
    rng = np.random.default_rng(seed)
    if manifold == "Stiefel" and A <= B:
        if A < B:
            with pytest.raises(InvalidArgument, match="A >= B"):
                curvature.injectivity_radius(manifold, A, B)
            return
        Q, half_turn = rotation(rng, A), np.diag([-1.0, -1.0, *np.ones(A - 2)])
        length = np.linalg.norm(logm(Q @ half_turn @ Q.T))
    else:  # one column goes round a great circle, the others rest
        v = np.pi * np.eye(A, B)[::-1, ::-1] * (np.arange(B) == B - 1)
        w = np.eye(A, B)[:, ::-1] if manifold == "oblique" else np.eye(A)[:, :1]
        w, v = (w, v) if manifold == "oblique" else (w, np.pi * np.eye(A)[:, -1:])
        assert exponential(w[:, -1:], v[:, -1:]) == pytest.approx(-w[:, -1:], abs=1e-12)
        length = np.linalg.norm(v)
    assert curvature.injectivity_radius(manifold, A, B) == pytest.approx(length)


@few
@given(seeds, st.sampled_from([1e-100, 1.0, 1e100]))
def test_norms_of_layers_and_convolutions_of_random_kernels(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    C, D, A, B = (int(size) for size in rng.integers(1, 4, 4))
    kernels, side = scale * rng.standard_normal((D, C, A, B)), 4
    frobenius, spectral = np.linalg.norm(kernels[0, 0] / scale), np.linalg.norm(kernels[0, 0] / scale, ord=2)
    layer = np.kron(np.ones((D, C)), kernels[0, 0] / scale)
    assert norms.layer_frobenius(C, D, frobenius) == pytest.approx(np.linalg.norm(layer))
    assert norms.layer_spectral_bound(C, D, spectral) == pytest.approx(np.linalg.norm(layer, ord=2))
    # |K|_2 of the transposed convolution, of a shifted and of a turned one, is the same.
    norm = norms.convolution_norm(kernels, side)
    shifted = np.roll(np.pad(kernels, [(0, 0), (0, 0), (0, side - A), (0, side - B)]), (1, 2), axis=(-2, -1))
    for same in (kernels.swapaxes(0, 1)[..., ::-1, ::-1], shifted, -kernels, kernels.swapaxes(-1, -2)):
        assert norms.convolution_norm(same, side) == pytest.approx(norm)
    # An image is a long vector, along which a shift is a permutation.
    columns = np.eye(side**2).reshape(-1, side, side)
    turned = lambda a, b: np.roll(columns, (a, b), axis=(-2, -1)).reshape(side**2, side**2)  # noqa: E731
    dense = sum(np.kron(kernels[..., a, b] / scale, turned(a, b)) for a, b in np.ndindex(A, B))
    assert norm == pytest.approx(scale * np.linalg.norm(dense, ord=2))
    one = norms.convolution_norm(kernels[:1, :1], side) / scale
    assert spectral <= (1 + 1e-12) * one * np.sqrt(A * B)
    assert one <= norms.convolution_bound(A, B, spectral) * (1 + 1e-12)
    flat = np.full((1, 1, A, B), -0.7)
    bound = norms.convolution_bound(A, B, np.linalg.norm(flat[0, 0], ord=2))
    assert norms.convolution_norm(flat, side) == pytest.approx(bound)


@few
@given(st.integers(0, 4), st.integers(0, 4), st.sampled_from(norms.MANIFOLDS))
def test_extreme_points_are_scaled_to_norms_of_one(first: int, second: int, manifold: norms.Manifold) -> None:
    A, B = 2 ** max(first, second), 2 ** min(first, second)
    points = norms.extreme_points(manifold, A, B)
    lengths, grams = np.linalg.norm(points, axis=-2), points.mT @ points
    if manifold == "sphere":
        assert (lengths**2).sum(-1) == pytest.approx(1)
    elif manifold == "oblique":
        assert lengths == pytest.approx(1)
    else:
        assert grams == pytest.approx(np.broadcast_to(np.eye(B), grams.shape))
    measured = {
        "Frobenius": np.linalg.norm(points, axis=(-2, -1)),
        "nuclear": np.linalg.norm(points, ord="nuc", axis=(-2, -1)),
        "row l1": np.abs(points).sum(-1).max(-1),
        "entrywise l1": np.abs(points).sum((-2, -1)),
    }
    for name, values in measured.items():
        assert (values.min(), values.max()) == pytest.approx(norms.ranges(manifold, A, B)[name])
        assert norms.scale(manifold, A, B, (name,)) * values.max() == pytest.approx(1)
    most = max(values.max() for values in measured.values())
    assert norms.scale(manifold, A, B, tuple(measured)) * most == pytest.approx(1)


@few
@given(st.integers(-2, 5), st.integers(-2, 5))
def test_sizes_are_those_of_a_weight_matrix(A: int, B: int) -> None:
    if A >= B >= 1:
        norms.require_sizes(A, B)
        assert norms.extreme_points("sphere", 2 ** (A - 1), 2 ** (B - 1)).shape[1:] == (2 ** (A - 1), 2 ** (B - 1))
        return
    with pytest.raises(InvalidArgument, match=r"A, B = .*no fewer rows|(A|B) = .*whole number of at least 1"):
        norms.require_sizes(A, B)


@few
@given(seeds, scales, st.sampled_from([0.0, 0.3, 1.1, np.inf]))
def test_columns_turn_the_same_in_any_frame_and_units(seed: int, scale: float, t: float) -> None:
    rng = np.random.default_rng(seed)
    A, B = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    T, W, Q = rng.standard_normal((A, B)), units(rng, 2, A, B), rotation(rng, A)
    phi = oblique.angles(T, W)
    assert np.cos(phi) * oblique.rates(T) == pytest.approx((W * T).sum(-2), abs=1e-12)
    assert oblique.angles(scale * Q @ T, Q @ W) == pytest.approx(phi)
    assert oblique.rates(scale * Q @ T) == pytest.approx(scale * oblique.rates(T))
    assert oblique.optimum(scale * T) * oblique.rates(T) == pytest.approx(T)
    at = oblique.solution(T, W, t)
    assert oblique.solution(scale * Q @ T, Q @ W, t / scale) == pytest.approx(Q @ at, abs=1e-9)
    fading = np.tan(phi / 2) * np.exp(-oblique.rates(T) * t)
    assert np.tan(oblique.angles(T, at) / 2) == pytest.approx(fading, rel=1e-9, abs=1e-9)
    assert oblique.turned(T, W, phi) == pytest.approx(W)
    wanted = rng.uniform(0.1, 3, phi.shape)
    turned = oblique.turned(T, W, wanted)
    assert oblique.angles(T, turned) == pytest.approx(wanted)
    assert oblique.turned(T, turned, phi) == pytest.approx(W)
    assert np.linalg.norm(turned, axis=-2) == pytest.approx(1)


@few
@given(seeds, st.sampled_from([1e-100, 1.0, 1e100]), st.floats(0.01, 0.9))
def test_columns_step_along_great_circles(seed: int, scale: float, rate: float) -> None:
    rng = np.random.default_rng(seed)
    A, B = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    T, W = rng.standard_normal((A, B)), units(rng, A, B)
    T = T / np.linalg.norm(T, axis=0).max()
    path = oblique.angle_steps(scale * T, oblique.angles(T, W), rate / scale, 3)
    for angles in path:
        assert oblique.angles(T, W) == pytest.approx(angles)
        W = exponential(W, rate * (T - W * (W * T).sum(0)))


@few
@given(seeds, scales)
def test_modes_of_a_rank_one_network_are_eigenvectors_of_its_dilation(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = (int(size) for size in rng.integers(1, 5, 2))
    M = rng.standard_normal((a, b))
    problem, z = RankOne(scale * M), rank_one.optimum(RankOne(M))
    dilation = np.block([[np.zeros((a, a)), M], [M.T, np.zeros((b, b))]])
    largest = np.linalg.norm(M, ord=2)
    assert dilation @ z == pytest.approx(largest * z)
    assert z[:a] @ z[:a] == pytest.approx(1) and z[a:] @ z[a:] == pytest.approx(1)
    modes, rates = rank_one.modes(problem), rank_one.rates(problem) / scale
    assert modes.shape == (a + b - 2, a + b) and rates.shape == (a + b - 2,)
    assert modes @ dilation == pytest.approx((largest - rates)[:, None] * modes, abs=1e-12)
    assert modes @ modes.T == pytest.approx(np.eye(a + b - 2))
    assert modes[:, :a] @ z[:a] == pytest.approx(0, abs=1e-12)
    assert modes[:, a:] @ z[a:] == pytest.approx(0, abs=1e-12)


@few
@given(seeds, st.sampled_from([1e-150, 1.0, 1e150]), st.floats(0, 3))
def test_what_turns_is_the_exponential_up_to_length(seed: int, scale: float, t: float) -> None:
    rng = np.random.default_rng(seed)
    d = int(rng.choice([1, 2, 3, 4, 30]))
    A, x, Q = rng.standard_normal((d, d)), rng.standard_normal((2, d)), rotation(rng, d)
    A = A + A.T
    exact = x @ expm(A * t)
    found = rayleigh.turned(scale * A, x, t / scale)
    assert rayleigh.unit(found) == pytest.approx(exact / np.linalg.norm(exact, axis=-1, keepdims=True), abs=1e-9)
    assert rayleigh.turned(Q.T @ A @ Q, x @ Q, t) == pytest.approx(rayleigh.turned(A, x, t) @ Q, abs=1e-9)
    assert rayleigh.turned(A + 0.7 * np.eye(d), x, t) == pytest.approx(rayleigh.turned(A, x, t), abs=1e-9)
    composed = rayleigh.turned(A, rayleigh.turned(A, x, t), 0.4)
    assert rayleigh.unit(composed) == pytest.approx(rayleigh.unit(rayleigh.turned(A, x, t + 0.4)), abs=1e-9)


@few
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5), st.sampled_from([1e-300, 1e-160, 1.0, 1e160, 1e300]))
def test_unit_vectors_of_any_length(entries: list[float], scale: float) -> None:
    x = scale * np.array(entries)
    if not x.any():
        with pytest.raises(InvalidArgument, match="vector = 0"):
            rayleigh.unit(x)
        return
    with mpmath.workdps(40):
        size = mpmath.norm([mpmath.mpf(each) for each in x])
        exact = np.array([float(mpmath.mpf(each) / size) for each in x])
    assert rayleigh.unit(x) == pytest.approx(exact, rel=1e-13, abs=1e-300)


@few
@given(seeds, scales, st.sampled_from([0.0, 1e-16, 1e-15, 1e-10, 0.3]))
def test_gaps_are_those_that_rounding_leaves(seed: int, scale: float, gap: float) -> None:
    spectrum = scale * np.array([1.0, 1 + gap, -2.0, 0.3])
    if gap < 1e-14:
        with pytest.raises(InvalidArgument, match="gap = .*expected more than"):
            rayleigh.require_gap("gap", scale * gap, spectrum)
        with pytest.raises(InvalidArgument, match="gap"):
            rayleigh.require_gap("gap", -scale, spectrum)
        return
    rayleigh.require_gap("gap", scale * gap, spectrum)
    Q = rotation(np.random.default_rng(seed), 4)
    A = Q * (spectrum + 2 * scale) @ Q.T
    assert Rayleigh((A + A.T) / 2).rates[0] == pytest.approx(scale * gap, rel=1e-4)
