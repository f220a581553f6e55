"""Angles, coordinates, maps and steps: covariances and independent computations, at random and at extremes."""

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.orthogonal import cayley, decay, discrete, maps, preserving, procrustes
from theory.orthogonal.procrustes import Component

few = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 10_000)
dimensions = st.integers(2, 5)
lengths = st.sampled_from([1e-100, 1e-8, 1.0, 1.0, 1e8, 1e100])


def normal(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def rotation(seed: int, d: int) -> Array:
    return np.linalg.qr(normal(seed, d, d))[0]


def skewed(seed: int, d: int) -> Array:
    half = normal(seed, d, d)
    return half - half.T


def fitting(A: Array, rel: float = 1e-10) -> Array:
    """Equal to the largest entry's digits."""
    return pytest.approx(A, rel=rel, abs=rel * float(np.abs(A).max()))


@few
@given(st.floats(0.1, 9), st.floats(0.2, 4), st.floats(-3.1, 3.1), st.sampled_from([1e-60, 1.0, 1e60]))
def test_the_rate_of_cayleys_parameter_is_the_curvature_of_its_loss(
    m: float, kappa: float, phi: float, u: float
) -> None:
    with mpmath.workdps(40):
        loss = lambda a: m * (1 - mpmath.cos(2 * mpmath.atan(kappa * a) - phi))  # noqa: E731
        curvature = float(mpmath.diff(loss, mpmath.tan(mpmath.mpf(phi) / 2) / kappa, 2))
    # In a unit u times as large a is u times as small, and kappa u times as large.
    assert cayley.rate(cayley.Plane(m, kappa * u), phi) / u / u == pytest.approx(curvature, rel=1e-9)
    assert cayley.rate(cayley.Plane(m, kappa), phi) == pytest.approx(
        4 * m * kappa**2 * (1 + np.tan(phi / 2) ** 2) ** -2
    )


@few
@given(st.floats(0, 40), st.floats(0, 1e3), st.floats(0, 1e3), st.sampled_from([1e-100, 1e-3, 1e100]))
def test_what_decays_twice_is_multiplied(rate: float, first: float, second: float, unit: float) -> None:
    rates = np.array([rate, 0.7, 0.0])
    left = decay.decay(rates, np.array([first, second, first + second, np.inf]))
    assert left[0] * left[1] == pytest.approx(left[2], rel=1e-9, abs=1e-300)
    assert left[0] == pytest.approx([np.exp(-rate * first), np.exp(-0.7 * first), 1])
    assert left[3].tolist() == [float(rate == 0), 0, 1]
    assert decay.decay(rates * unit, first / unit) == pytest.approx(left[0], rel=1e-10, abs=1e-300)


@few
@given(st.floats(-3.1, 3.1), st.sampled_from([0, 1, -2, 5]), st.floats(1e-6, 1), st.floats(1e-6, 4))
def test_angles_turn_back_by_their_half_tangents(angle: float, turns: int, first: float, second: float) -> None:
    start, end = np.asarray(angle + 2 * np.pi * turns), 2 * np.arctan(first * np.tan(angle / 2))
    back = decay.turned_back(start, np.asarray(first))
    assert back == pytest.approx(2 * np.pi * turns + end, abs=1e-12)
    assert decay.turned_back(-start, np.asarray(first)) == pytest.approx(-back)
    twice = decay.turned_back(np.asarray(back), np.asarray(second))
    assert twice == pytest.approx(decay.turned_back(start, np.asarray(first * second)), abs=1e-9)
    assert decay.turned_back(start, np.asarray(0.0)) == pytest.approx(2 * np.pi * turns)


def charts(seed: int, d: int, sign: float, length: float) -> Component:
    s = length * np.sort(np.random.default_rng(seed).uniform(0.1, 2, d))[::-1]
    return Component(rotation(seed, d), s * np.append(np.ones(d - 1), sign), rotation(seed + 1, d))


@few
@given(seeds, dimensions, st.sampled_from([1.0, -1.0, 0.0]), lengths)
def test_rates_are_those_at_which_coordinates_fall(seed: int, d: int, sign: float, length: float) -> None:
    chart = charts(seed, d, sign, length)
    i, j = np.triu_indices(d, 1)
    A = skewed(seed, d)
    t = 0.3 / length
    rates = -np.log(procrustes.coordinates_solution(chart, A, t)[i, j] / A[i, j]) / t
    assert procrustes.slowest_rate(chart) == pytest.approx(rates.min(), rel=1e-9)
    assert discrete.largest_learning_rate(chart) == pytest.approx(2 / rates.max(), rel=1e-9)
    left = discrete.contraction(chart, t)
    assert left[i, j] == pytest.approx(1 - t * rates, abs=1e-12)
    assert (left == left.T).all() and (np.diag(left) == 1).all()
    stable, unstable = (discrete.contraction(chart, k * discrete.largest_learning_rate(chart)) for k in (0.99, 1.01))
    assert np.abs(stable).max() <= 1 < np.abs(unstable).max()


@few
@given(seeds, dimensions, lengths)
def test_the_polar_differential_turns_and_scales_with_its_point(seed: int, d: int, length: float) -> None:
    P, dP, Q = normal(seed, d, d) + 2 * np.eye(d), normal(seed + 1, d, d), rotation(seed + 2, d)
    dR = maps.polar_differential(P, dP)
    assert maps.polar_differential(length * Q @ P, length * Q @ dP) == pytest.approx(Q @ dR, abs=1e-9)
    assert maps.polar_differential(P.T, dP.T) == pytest.approx(dR.T, abs=1e-9)
    inner = maps.polar(P).T @ dR
    assert inner == pytest.approx(-inner.T, abs=1e-9)
    # P = R H: what is left of dP after dR H is R times a symmetric matrix.
    R = maps.polar(P)
    symmetric = R.T @ (dP - dR @ R.T @ P)
    assert symmetric == pytest.approx(symmetric.T, abs=1e-9)


@few
@given(seeds, dimensions, st.floats(1e-3, 10), st.sampled_from([1e-70, 1.0, 1e70]))
def test_a_step_of_descent_lengthens_parameters(seed: int, d: int, eta: float, length: float) -> None:
    P, towards = normal(seed, d, d) + 2 * np.eye(d), normal(seed + 1, d, d)
    G = maps.polar_differential(P, towards)  # the gradient of <polar(P), towards>, the differential being self-adjoint
    after = ((P - eta * G) ** 2).sum()
    assert maps.lengthened((P**2).sum(), (G**2).sum(), eta) == pytest.approx(after)
    # At `length` times the parameters gradients are as many times smaller.
    old, squared = (P**2).sum() * length**2, (G**2).sum() / length**2
    assert maps.lengthened(old, squared, eta * length**2) == pytest.approx(after * length**2)


def test_learning_rates_whose_square_is_no_float() -> None:
    one = np.ones(1)
    assert maps.lengthened(one, 0 * one, 1e300) == 1
    assert maps.lengthened(one, 1e-300 * one, 1e200) == pytest.approx(1e100)


@few
@given(seeds, st.lists(st.floats(0.01, np.pi - 1e-9), min_size=1, max_size=3), st.integers(0, 1))
def test_how_near_a_turn_of_planes_is_to_a_reflection(seed: int, angles: list[float], odd: int) -> None:
    d = 2 * len(angles) + odd
    A = np.zeros((d, d))
    for k, angle in enumerate(angles):
        A[2 * k + 1, 2 * k], A[2 * k, 2 * k + 1] = np.tan(angle / 2), -np.tan(angle / 2)
    Q = rotation(seed, d)
    assert maps.nearest_to_reflection(Q @ A @ Q.T) == pytest.approx(2 * np.cos(max(angles) / 2), rel=1e-6)


@few
@given(seeds, dimensions, lengths)
def test_the_skew_part_is_a_projection(seed: int, d: int, length: float) -> None:
    Z = length * normal(seed, 3, d, d)
    part = procrustes.skew(Z)
    assert part == fitting(-part.mT)
    assert procrustes.skew(part) == fitting(part)
    assert Z - part == fitting((Z - part).mT)


@few
@given(seeds, dimensions, st.sampled_from([1.0, -1.0]))
def test_matrices_are_orthogonal_to_eight_digits(seed: int, d: int, side: float) -> None:
    R = rotation(seed, d)
    maps.require_orthogonal("R", (1 + 4e-9 * side) * R)
    for wrong in ((1 + 6e-9 * side) * R, R + 1e-6 * normal(seed, d, d), R * np.where(np.arange(d) == d - 1, np.nan, 1)):
        with pytest.raises(InvalidArgument, match=r"R = a matrix whose R R\^T is .* from I: expected an orthogonal"):
            maps.require_orthogonal("R", np.stack([R, wrong]))


@few
@given(seeds, dimensions, st.floats(0.01, 3), lengths)
def test_directions_turn_with_their_point(seed: int, d: int, cap: float, length: float) -> None:
    R, M, Q = rotation(seed, d), length * normal(seed + 1, d, d), rotation(seed + 2, d)
    w, along = preserving.direction(R, M, cap), preserving.tangent(R, M)
    assert preserving.direction(R @ Q, M @ Q, cap) == fitting(w)
    assert preserving.direction(Q @ R, Q @ M, cap) == fitting(Q @ w @ Q.T)
    assert preserving.tangent(Q @ R, Q @ M) == fitting(Q @ along @ Q.T)
    assert w == fitting(along * min(cap, 1 / np.linalg.norm(along / length) / length))
    # What is left of M is R times a symmetric matrix: along R is the nearest matrix that is R times a skew one.
    left = R.T @ (M - along @ R) / length
    assert left == pytest.approx(left.T, abs=1e-12)
    assert along == fitting(-along.T)


def test_steps_along_matrices_whose_squares_are_no_floats() -> None:
    for length in (1e-200, 1e200):
        w = preserving.direction(np.eye(3), length * skewed(0, 3), 1e300)
        assert np.linalg.norm(w) == pytest.approx(1)


@few
@given(seeds, dimensions, st.floats(0.01, 1), st.floats(0, 0.3))
def test_a_published_step_loses_its_defect(seed: int, d: int, turn: float, off: float) -> None:
    w = skewed(seed, d) * turn
    for R in (rotation(seed, d), rotation(seed, d) + off * normal(seed + 1, d, d)):
        Y = R + w @ R
        for _ in range(2):
            Y = R + w @ (R + Y) / 2
        before, after = np.eye(d) - R @ R.T, np.eye(d) - Y @ Y.T
        assert preserving.defect_after_step(w, before) == pytest.approx(after, abs=1e-13 * (1 + np.abs(after).max()))
    # w has eigenvalues +-i theta.
    theta = np.abs(np.linalg.eigvals(w))
    lost = np.sort(np.linalg.eigvalsh(preserving.defect_of_step(w)))
    assert lost == fitting(np.sort(theta**4 / 4 - theta**6 / 16), rel=1e-9)
    assert preserving.defect_after_step(w, np.zeros((d, d))) == fitting(preserving.defect_of_step(w))


@few
@given(st.integers(0, 8), st.fractions(-1, 1, max_denominator=7))
def test_defects_of_any_number_of_iterations(iterations: int, theta: float) -> None:
    x = complex(0, float(theta))
    B = 1 + x
    for _ in range(iterations):
        B = 1 + x * (1 + B) / 2
    lost = abs(B) ** 2 - (1 - float(theta) ** 4 / 4 + float(theta) ** 6 / 16)
    symbolic = preserving.symbolic_defect(iterations).subs(sympy.Symbol("w"), sympy.I * sympy.Rational(str(theta)))
    assert complex(symbolic) == pytest.approx(lost, abs=1e-12)


def test_numbers_of_iterations_that_are_none() -> None:
    for wrong in (-1, 101):
        with pytest.raises(InvalidArgument, match=f"iterations = {wrong}"):
            preserving.symbolic_defect(wrong)
