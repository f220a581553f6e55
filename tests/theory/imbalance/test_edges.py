"""Edges of the domain, one mode and its closed forms: extreme arguments, any units, coincidences, no answer."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS
from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import closed_forms, dynamics, one_mode
from theory.imbalance.one_mode import scalar_solution
from theory.imbalance.problem import Network, coordinates

few = settings(max_examples=25, deadline=None)
sizes = st.one_of(st.sampled_from([0.0, 1.0, 1e-9, 1e-100, 1e6]), st.floats(1e-12, 10))
signed = st.builds(lambda size, sign: sign * size, sizes, st.sampled_from([-1.0, 1.0]))


def in_many_digits(y: float, c: float, p: float, t: float) -> mpmath.mpf:
    """x' = 2 y x - c (x^2 - 1) / 2 for x = |u + v|^2 / c, p = c (x - 1 / x) / 4, by its fixed points."""
    y, c, p, t = map(mpmath.mpf, (y, c, p, t))
    s, grown = mpmath.sqrt(c**2 + 4 * y**2), mpmath.sqrt(c**2 + 4 * p**2)
    if s == 0:
        return p / (1 + 2 * abs(p) * t)
    if c == 0:
        grown = mpmath.exp(2 * mpmath.sign(p) * y * t)
        return p * grown / (1 + p / y * (grown - 1)) if p != 0 else p
    high, low, x = (2 * y + s) / c, (2 * y - s) / c, (grown + 2 * p) / c
    ratio = (x - high) / (x - low) * mpmath.exp(-s * t)
    x = (high - ratio * low) / (1 - ratio)
    return c * (x - 1 / x) / 4


def rounding(y: float, c: float, p: float, t: float) -> mpmath.mpf:
    """What one rounding of each argument does to the solution."""
    exact, step = in_many_digits(y, c, p, t), 1 + mpmath.mpf(EPS)
    moved = ((y * step, c, p, t), (y, c * step, p, t), (y, c, p * step, t), (y, c, p, t * step))
    return max(abs(exact) * EPS, *(abs(in_many_digits(*arguments) - exact) for arguments in moved))


def test_one_mode_is_as_exact_as_its_arguments() -> None:
    rng = np.random.default_rng(0)
    failing = []
    with mpmath.workdps(700):
        for _ in range(120):
            y, p = rng.choice([-1, 0, 1], 2, p=[0.4, 0.2, 0.4]) * 10 ** rng.uniform(-12, 1, 2)
            c = 10 ** rng.choice([rng.uniform(-15, 1), rng.uniform(-250, -15)]) * rng.choice([0, 1, 1, 1])
            t = 10 ** rng.uniform(-3, 3) / (rng.choice([abs(y), c, abs(p)]) or 1)
            exact = in_many_digits(y, c, p, t)
            if abs(scalar_solution(y, c, p, t) - exact) > 4 * rounding(y, c, p, t) and abs(exact) > 1e-290:
                failing.append((y, c, p, t))
    assert not failing


def test_a_product_small_beside_the_level_keeps_its_digits() -> None:
    """c sinh(theta) / 2 with theta' = 2 y - c sinh(theta): to first order p = y + (p0 - y) e^(-c t)."""
    y, p, t = 3e-13, -2e-13, 0.7
    assert scalar_solution(y, 1.0, p, 0.0) == p
    assert scalar_solution(y, 1.0, p, t) == pytest.approx(y + (p - y) * np.exp(-t), rel=4 * EPS)


@few
@given(signed, sizes, signed, st.floats(0, 100), st.integers(-900, 900))
def test_one_mode_in_other_units_is_the_same_to_the_last_bit(y: float, c: float, p: float, t: float, k: int) -> None:
    unit = 2.0**k
    if any(0 < abs(size) * unit < 1e-290 or abs(size) * unit > 1e290 for size in (y, c, p)) or t / unit > 1e290:
        return
    assert scalar_solution(unit * y, unit * c, unit * p, t / unit) == unit * scalar_solution(y, c, p, t)
    assert scalar_solution(-y, c, -p, t) == -scalar_solution(y, c, p, t)


@few
@given(signed, sizes, signed)
def test_one_mode_ends_where_its_sign_lets_it(y: float, c: float, p: float) -> None:
    end = y if c > 0 or p * y > 0 or (y != 0 and p != 0 and np.sign(p) == np.sign(y)) else 0.0
    assert scalar_solution(y, c, p, np.inf) == end
    assert scalar_solution(y, c, p, 0.0) == pytest.approx(p, rel=4 * EPS)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_mode_takes_numbers(place: int, value: float) -> None:
    arguments = [1.0, 1.0, 1.0]
    arguments[place] = value
    with pytest.raises(InvalidArgument, match=f"{'ycp'[place]} = {value}: expected finite numbers"):
        scalar_solution(*arguments, 1.0)


def whitened(r: int, m: int, seed: int = 0) -> Regression:
    return random_regression(np.random.default_rng(seed), D=r + 2, n=r + 1, m=m, singular_values=np.ones(r))


def in_the_modes(problem: Regression, u: np.ndarray, v: np.ndarray) -> Network:
    """Rows u_i, v_i in the singular bases of the targets."""
    a, _, bT = np.linalg.svd(problem.targets)
    return Network(problem.Phi1 @ a @ u, bT.T @ v)


@pytest.mark.parametrize("large", [1.0, 1e5])
def test_a_long_row_excuses_no_coupling_beside_it(large: float) -> None:
    problem = whitened(2, 2)
    u, v = np.diag([large, 1.0]) @ np.eye(2, 6), np.diag([1.0, 0.5]) @ np.roll(np.eye(2, 6), 2, axis=1)
    apart = in_the_modes(problem, u, v)
    assert closed_forms.modes(problem, coordinates(problem, apart)).coupling < closed_forms.HYPOTHESIS
    closed_forms.decoupled_solution(problem, apart, 1.0)
    v[1] += 0.5 * v[0]
    with pytest.raises(InvalidArgument, match="coupling of the modes"):
        closed_forms.decoupled_solution(problem, in_the_modes(problem, u, v), 1.0)


@pytest.mark.parametrize("large", [1.0, 1e3, 1e5])
def test_a_long_row_excuses_no_imbalance_beside_it(large: float) -> None:
    problem, rows = whitened(2, 2), np.eye(2)
    balanced = in_the_modes(problem, np.diag([large, 1.0]) @ rows, np.diag([large, 1.0]) @ rows)
    G = closed_forms.riccati_solution(problem, balanced, 0.0)
    Z = coordinates(problem, balanced)
    np.testing.assert_allclose(G, Z @ Z.T, atol=1e-12 * large**2)
    uneven = in_the_modes(problem, np.diag([large, 2.0]) @ rows, np.diag([large, 1.0]) @ rows)
    with pytest.raises(InvalidArgument, match="one eigenspace"):
        closed_forms.riccati_solution(problem, uneven, 1.0)


@few
@given(st.integers(0, 1000), st.floats(0, 5))
def test_a_turn_of_the_hidden_layer_changes_nothing(seed: int, t: float) -> None:
    rng, problem = np.random.default_rng(seed), whitened(3, 2)
    network = closed_forms.decoupled(problem, 7, rng)
    Q = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    turned = Network(network.U @ Q, network.V @ Q)
    expected = closed_forms.decoupled_solution(problem, network, t)
    np.testing.assert_allclose(closed_forms.decoupled_solution(problem, turned, t), expected, atol=1e-12)


def test_a_network_at_zero_stays_there() -> None:
    problem = whitened(3, 2)
    zero = Network(np.zeros((1, 5, 4)), np.zeros((1, 2, 4)))
    for solution in (closed_forms.decoupled_solution, closed_forms.riccati_solution):
        assert not solution(problem, zero, np.array([0.0, 1.0, np.inf])).any()
    assert closed_forms.mean_imbalance(problem, np.zeros((5, 4))) == 0.0
    targets = np.zeros((3, 2))
    assert not closed_forms.riccati_gram(targets, 0.0, np.zeros((5, 4)), np.inf).any()


@pytest.mark.parametrize("unit", [1e-120, 1e-3, 1e120])
def test_the_mean_imbalance_is_in_squares_of_the_units(unit: float) -> None:
    problem = whitened(3, 2)
    Z = coordinates(problem, closed_forms.homogeneous(problem, 0.4, 3, np.random.default_rng(0)))[0]
    assert closed_forms.mean_imbalance(problem, unit * Z) == pytest.approx(0.4 * unit**2, rel=1e-12)


@pytest.mark.parametrize("lam", [np.nan, np.inf])
def test_a_homogeneous_start_has_a_level(lam: float) -> None:
    with pytest.raises(InvalidArgument, match="lam = "):
        closed_forms.homogeneous(whitened(3, 2), lam, 3, np.random.default_rng(0))


def test_decoupled_modes_beside_a_long_one_follow_the_flow() -> None:
    problem = whitened(2, 2)
    u, v = np.diag([3e2, 1.0]) @ np.eye(2, 6), np.diag([1e-2, 0.5]) @ np.roll(np.eye(2, 6), 2, axis=1)
    network = in_the_modes(problem, u, v)
    t = np.array([0.0, 1e-5, 2e-5])
    V, U1 = dynamics.split(problem, dynamics.gradient_flow(problem, network, t, relative_tolerance=1e-12)["Z"])
    np.testing.assert_allclose(closed_forms.decoupled_solution(problem, network, t), U1 @ V.mT, atol=1e-9)


def test_the_rate_and_the_norm_do_not_overflow() -> None:
    assert one_mode.squared_norm(np.float64(1e200), np.float64(1e-200)) == 1e200
    assert one_mode.scalar_rate(np.float64(0.0), np.float64(1e200)) == 4e200


@few
@given(st.integers(0, 100), st.sampled_from([1e-250, 1e-6, 1e6, 1e250]), st.sampled_from([-0.4, 0.0, 0.7]))
def test_the_riccati_solution_in_other_units(seed: int, unit: float, lam: float) -> None:
    """G, targets and lam are squares of weights, time is in 1 / squares."""
    problem = whitened(3, 2, seed)
    Z = coordinates(problem, closed_forms.homogeneous(problem, lam, 3, np.random.default_rng(seed)))[0]
    t = np.array([0.0, 0.5, 3.0, np.inf])
    expected = closed_forms.riccati_gram(problem.targets, lam, Z, t)
    found = closed_forms.riccati_gram(unit * problem.targets, unit * lam, np.sqrt(unit) * Z, t / unit)
    np.testing.assert_allclose(found / unit, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("lam, entry", [(np.nan, 1.0), (0.0, np.inf)])
def test_the_riccati_solution_takes_numbers(lam: float, entry: float) -> None:
    with pytest.raises(InvalidArgument, match="lam = nan" if np.isnan(lam) else r"Z\[0, 0\] = inf"):
        closed_forms.riccati_gram(np.ones((2, 1)), lam, np.full((3, 2), entry), 1.0)


@pytest.mark.parametrize(
    "rate, steps, message", [(0.0, 3, "learning_rate"), (np.nan, 3, "learning_rate"), (0.1, -1, "st")]
)
def test_steps_of_the_lorentz_group_go_forward(rate: float, steps: int, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        dynamics.lie_euler(whitened(2, 1), np.ones((3, 2)), rate, steps)


@pytest.mark.parametrize("c", [5e-324, 1e-308, 1e-300])
@pytest.mark.parametrize("p", [1.0, -1.0])
def test_a_level_whose_reciprocal_is_no_float_is_a_small_one(c: float, p: float) -> None:
    t = np.array([0.0, 1.0, 5.0, np.inf])
    found, without = (one_mode.scalar_solution(0.0, level, p, t) for level in (c, 0.0))
    assert found == pytest.approx(without, rel=1e-12, abs=1e-299)
