"""Lazy training, power methods and coupons, at any sizes and at their limits."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate

from theory.core.validation import InvalidArgument
from theory.tensor import coordinates, coupons, generic, harmonics, lazy, small_start
from theory.tensor.lazy import Tangents
from theory.tensor.small_start import PowerMethod

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10_000)


def drawn(seed: int, m: int = 2, d: int = 3, l: int = 3) -> tuple[Tangents, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((m, d))
    return (
        Tangents(U / np.linalg.norm(U, axis=1, keepdims=True), l),
        rng.standard_normal(coordinates.dimension(d, l)),
        rng,
    )


@few
@given(seeds, st.integers(1, 4), st.integers(2, 4), st.integers(1, 4))
def test_lazy_training_projects(seed: int, m: int, d: int, l: int) -> None:
    start, T, _ = drawn(seed, m, d, l)
    left = start.left(T)
    assert start.rank == generic.tangent_dimension(d, l, m)
    assert np.allclose(start.basis.T @ left, 0, atol=1e-9)
    assert np.allclose(start.left(left), left)
    assert np.allclose(start.jacobian @ start.moves(T).ravel(), T - left, atol=1e-6)
    eta = 1 / start.eigenvalues[0]
    assert np.allclose(start.left_after(T, eta, 0), T)
    assert np.allclose(start.left_after(start.left_after(T, eta, 2), eta, 3), start.left_after(T, eta, 5))
    K = start.jacobian @ start.jacobian.T
    assert np.allclose(start.left_after(T, eta, 1), T - eta * K @ T)


@few
@given(seeds, st.integers(2, 4))
def test_the_first_order_is_the_derivative(seed: int, l: int) -> None:
    start, T, _ = drawn(seed, 1, 3, l)
    assert start.squared_first_order(np.array([T, 2 * T]))[1] == pytest.approx(8 * start.squared_first_order(T))
    f = lambda U: coordinates.powers(U, l).sum(0)  # noqa: E731
    moves, h = start.moves(T), 1e-4
    second = (f(start.U + h * moves) + f(start.U - h * moves) - 2 * f(start.U)) / h**2
    assert start.squared_first_order(T) == pytest.approx(float(-start.left(T) @ second), rel=1e-4, abs=1e-4)


@few
@given(seeds, st.integers(1, 4), st.integers(2, 4), st.integers(1, 4))
def test_what_is_left_on_average(seed: int, m: int, d: int, l: int) -> None:
    start, _, _ = drawn(seed, m, d, l)
    rest = start.left(np.eye(len(start.jacobian)))
    assert np.trace(rest) / len(rest) == pytest.approx(lazy.isotropic_left(d, l, m))
    for r in (1, d):
        assert harmonics.least_left(d, l, m, r) - 1e-9 <= start.mean_left(r) <= 1 + 1e-9
    if start.rank < len(rest):
        assert lazy.isotropic_law(d, l, m).mean() == pytest.approx(lazy.isotropic_left(d, l, m))


def test_the_average_over_random_position() -> None:
    start, _, rng = drawn(3, 2, 3, 4)
    for r in (1, 3):
        Q = np.linalg.qr(rng.standard_normal((20_000, 3, 3)))[0][:, :r]
        T = coordinates.powers(Q.reshape(-1, 3), 4).reshape(20_000, r, -1).sum(1)
        assert np.square(start.left(T)).sum(1).mean() / r == pytest.approx(start.mean_left(r), rel=0.03)


def test_orthonormal_components_reach_the_bound() -> None:
    axes = Tangents(np.eye(5), 3)
    assert axes.mean_left(2) == pytest.approx(harmonics.least_left(5, 3, 5, 2))


@few
@given(seeds, st.integers(3, 6), st.integers(1, 3))
def test_power_methods_follow_their_equation(seed: int, l: int, r: int) -> None:
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.5, 2, r)
    method = PowerMethod(rng.standard_normal((3, 4)), w, l)
    full = np.append(w, np.zeros(4 - r))

    def velocity(_, y):
        x = y[:12].reshape(3, 4)
        F = (full * x**l).sum(1, keepdims=True)
        return np.append(l * (full * x ** (l - 1) - F * x), 2 * F)

    t = np.array([0.0, 0.4, 2.0])
    y = integrate.solve_ivp(velocity, (0, 2), np.append(method.X, np.zeros(3)), t_eval=t, rtol=1e-11, atol=1e-13).y.T
    course = method.course(t)
    assert np.allclose(course.directions, y[:, :12].reshape(3, 3, 4), atol=1e-7)
    assert np.allclose(course.log_growth, y[:, 12:], atol=1e-7)


@few
@given(seeds, st.integers(3, 5), st.floats(0.2, 0.95))
def test_the_time_until_a_term_is_near(seed: int, l: int, along: float) -> None:
    method = PowerMethod(np.random.default_rng(seed).standard_normal((1, 3)), np.array([1.0, 0.7]), l)
    t = float(method.time_until(along)[0])
    basin = int(method.basins[0])
    assert np.isinf(t) == (basin < 0)
    if 0 < t < 20:
        there = method.course(np.array([0.0, t])).directions[1, 0, basin]
        assert abs(there) == pytest.approx(along, rel=1e-4)


@given(seeds, st.integers(3, 6), st.integers(1, 4), st.integers(1, 5))
def test_what_starts_say(seed: int, l: int, r: int, m: int) -> None:
    X = np.random.default_rng(seed).standard_normal((2 * m, r))
    basins = PowerMethod(X, np.ones(r), l).basins
    best = np.abs(X).argmax(1) if l % 2 == 0 else np.where(X.max(1) > 0, X.argmax(1), -1)
    assert np.array_equal(basins, best)
    found = [len(set(run) - {-1}) for run in basins.reshape(2, m).tolist()]
    assert np.array_equal(small_start.missed(basins.reshape(2, m), r), r - np.array(found))
    assert small_start.order_of_power(l) == l


@given(st.integers(3, 8), st.integers(1, 8), st.integers(1, 40))
def test_coupons_add_up(l: int, r: int, m: int) -> None:
    law = coupons.missed_law(l, r, m)
    assert law.sum() == pytest.approx(1)
    assert (law >= 0).all()
    assert law @ np.arange(r + 1) / r == pytest.approx(coupons.mean_missed(l, r, m))
    assert coupons.success(l, r, m) == law[0]
    assert (m >= r) or law[0] == 0
    assert coupons.chance_of_a_term(l, r) == Fraction(2**r - 1, 2**r * r) if l % 2 else Fraction(1, r)


@given(st.integers(3, 6), st.integers(1, 10), st.floats(0.01, 0.9999))
@few
def test_the_width_for_a_chance(l: int, r: int, chance: float) -> None:
    m = coupons.width_for(l, r, chance)
    assert coupons.success(l, r, m) >= chance
    assume(m > 1)
    assert coupons.success(l, r, m - 1) < chance


@given(st.integers(1, 10**6), st.integers(1, 10), st.integers(1, 100))
def test_the_width_of_the_abstract(d: int, l: int, r: int) -> None:
    assert coupons.theorem_width(d, l, r) == pytest.approx(r ** (2.5 * l) * np.log(d))


@given(st.floats(0, 1))
def test_the_gain_vanishes_where_nothing_can_be_turned(c: float) -> None:
    assert small_start.cubic_gain(c, c) == 0
    assert small_start.cubic_gain(0.0, c) == 0
    assert small_start.cubic_gain(c, 1 - c) == -small_start.cubic_gain(1 - c, c)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Tangents(np.zeros((2, 2)), 3), "U = components whose tangents are 0: expected"),
        (lambda: drawn(0)[0].left(np.ones(4)), r"T.shape = \(4,\): expected \(..., 10\)"),
        (lambda: drawn(0, 4)[0].squared_first_order(np.ones(10)), r"m d = 12: expected components that count"),
        (lambda: lazy.isotropic_law(3, 3, 4), "m = 4: expected fewer components than the 4"),
        (lambda: PowerMethod(np.zeros((1, 2)), np.ones(1), 3), r"X\[0\] = 0: expected components that are not 0"),
        (lambda: PowerMethod(np.ones((1, 2)), np.ones(1), 2), "l = 2: expected an order from 3 to 20"),
        (lambda: PowerMethod(np.ones((1, 2)), np.ones(3), 3), r"w.shape = \(3,\): expected \(r,\), at most d = 2"),
        (lambda: PowerMethod(np.ones((1, 2)), np.ones(1), 3).course(np.array([1e5])), "t = 100000.0: expected times"),
        (lambda: small_start.missed(np.array([3]), 2), "basins = from 3 to 3: expected numbers from -1 to 1"),
        (lambda: coupons.success(3, 61, 5), "r = 61: expected at most 60 terms"),
        (lambda: coupons.success(3, 3, 10**6), "m = 1000000: expected at most 5000 components"),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
