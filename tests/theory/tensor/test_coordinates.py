"""Powers and tangents in coordinates, the dimension of the tangent space, and harmonics, at any sizes."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from theory.core.validation import InvalidArgument
from theory.tensor import coordinates, generic, harmonics

few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10_000)
orders, sizes = st.integers(1, 5), st.integers(1, 5)


def directions(seed: int, m: int, d: int) -> np.ndarray:
    u = np.random.default_rng(seed).standard_normal((m, d))
    return u / np.linalg.norm(u, axis=1, keepdims=True)


@given(sizes, orders)
def test_there_is_a_coordinate_for_each_monomial(d: int, l: int) -> None:
    e = coordinates.exponents(d, l)
    assert len(e) == len({tuple(row) for row in e}) == coordinates.dimension(d, l) == comb(d + l - 1, l)
    assert (e.sum(1) == l).all()
    assert np.sum(coordinates.scales(d, l) ** 2) == pytest.approx(d**l)  # entries of a full tensor


@few
@given(seeds, sizes, orders)
def test_inner_products_are_those_of_tensors(seed: int, d: int, l: int) -> None:
    U = directions(seed, 3, d)
    X = coordinates.powers(U, l)
    assert np.allclose(X @ X.T, (U @ U.T) ** l)
    t = coordinates.tangents(U, l)
    assert np.allclose(np.einsum("mdD,md->mD", t, U), X)  # u^(l-1) u
    cosines = U @ U.T
    gram = (cosines ** (l - 1))[:, None, :, None] * np.eye(d)[None, :, None, :] / l
    if l > 1:
        gram = gram + (l - 1) / l * np.einsum("ij,jb,ic->ibjc", cosines ** (l - 2), U, U)
    assert np.allclose(np.einsum("iaD,jbD->iajb", t, t), gram)


@few
@given(seeds, st.integers(2, 4), st.integers(2, 4), st.integers(1, 6))
def test_the_rank_of_whole_numbers_is_that_of_the_same_numbers(seed: int, d: int, l: int, m: int) -> None:
    U = np.random.default_rng(seed).integers(-5, 6, (m, d))
    T = coordinates.tangents(U.astype(float), l).reshape(-1, coordinates.dimension(d, l))
    values = np.linalg.svd(T, compute_uv=False)
    assert coordinates.rank_in_integers(U, l) == (values > 1e-11 * max(values[0], 1e-300)).sum()
    assert coordinates.rank_in_integers(U, l) <= min(m * d, coordinates.dimension(d, l))


@few
@given(st.integers(1, 6), st.integers(1, 5), seeds)
def test_the_generic_dimension_is_reached(d: int, l: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    enough = generic.lazy_width(d, l)
    for m in {1, max(enough - 1, 1), enough, enough + 1}:
        U = rng.integers(-1000, 1001, (m, d))
        assert coordinates.rank_in_integers(U, l) == generic.tangent_dimension(d, l, m)
    assert generic.tangent_dimension(d, l, enough) == coordinates.dimension(d, l)
    assert enough == 1 or generic.tangent_dimension(d, l, enough - 1) < coordinates.dimension(d, l)


@given(st.integers(1, 10**6), st.integers(1, 30), st.integers(1, 10**9))
def test_the_generic_dimension_of_any_sizes(d: int, l: int, m: int) -> None:
    assert d <= generic.tangent_dimension(d, l, m) <= min(m * d, coordinates.dimension(d, l))
    assert generic.lazy_width(d, l) * d >= coordinates.dimension(d, l)


@given(st.integers(2, 8), st.integers(1, 8))
def test_harmonics_add_up(d: int, l: int) -> None:
    j, a = harmonics.degrees(d, l), harmonics.shares(d, l)
    assert harmonics.sizes(d, l).sum() == coordinates.dimension(d, l)
    assert a.sum() == pytest.approx(1)
    t = np.linspace(-1, 1, 7)
    if d > 2:
        polynomials = [special.eval_gegenbauer(n, d / 2 - 1, t) / special.eval_gegenbauer(n, d / 2 - 1, 1) for n in j]
        at_zero = [special.eval_gegenbauer(n, d / 2 - 1, 0.0) / special.eval_gegenbauer(n, d / 2 - 1, 1) for n in j]
    else:
        polynomials, at_zero = [np.cos(n * np.arccos(t)) for n in j], np.cos(j * np.pi / 2)
    assert np.allclose(a @ polynomials, t**l)
    assert np.allclose(harmonics.at_right_angles(d, l), at_zero)


@few
@given(seeds, st.integers(2, 4), st.integers(1, 4))
def test_projectors_are_those_of_the_harmonics(seed: int, d: int, l: int) -> None:
    parts = harmonics.projectors(d, l)
    assert np.allclose(parts.sum(0), np.eye(coordinates.dimension(d, l)))
    for one, other in itertools.product(range(len(parts)), repeat=2):
        assert np.allclose(parts[one] @ parts[other], parts[one] if one == other else 0, atol=1e-10)
    assert np.allclose(np.trace(parts, axis1=1, axis2=2), harmonics.sizes(d, l))
    x = coordinates.powers(directions(seed, 1, d), l)[0]
    assert np.allclose(x @ parts @ x, harmonics.shares(d, l))
    r = 1 + seed % d
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0][:r]
    T = coordinates.powers(Q, l).sum(0)
    if l > 1:  # at l = 1 the squares of r orthonormal vectors are r as well
        assert np.allclose(T @ parts @ T / r, harmonics.target_shares(d, l, r), atol=1e-10)


@given(st.integers(2, 12), st.integers(1, 6), st.integers(1, 200), st.integers(1, 12))
def test_the_least_that_is_left(d: int, l: int, m: int, r: int) -> None:
    least = harmonics.least_left(d, l, m, min(r, d))
    assert 0 <= least <= 1
    assert harmonics.least_left(d, l, m + 1, min(r, d)) <= least + 1e-12
    # The low harmonics are worth most, but no more than all that m d directions can hold.
    assert least <= max(0, 1 - m * d / coordinates.dimension(d, l)) + 1e-9
    if m * d >= coordinates.dimension(d, l):
        assert least == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: coordinates.exponents(3, 21), "l = 21: expected at most 20"),
        (
            lambda: coordinates.exponents(100, 4),
            r"binom\(d \+ l - 1, l\) = 4421275: expected at most 10000 coordinates",
        ),
        (lambda: coordinates.rank_in_integers(np.full((2, 2), 10**7), 4), r"\|U\| = 10000000: expected entries whose"),
        (lambda: coordinates.powers(np.full((1, 2), 1e10), 2), r"U\[0, 0\] = 10000000000.0: expected a number in"),
        (lambda: harmonics.degrees(1, 3), "d = 1: expected at least 2: there are no rotations"),
        (lambda: harmonics.target_shares(3, 3, 4), "r = 4: expected at most d = 3 orthonormal vectors"),
        (lambda: harmonics.projectors(20, 4), r"binom\(d \+ l - 1, l\) = 8855: expected at most 1000"),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
