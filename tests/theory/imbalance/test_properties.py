"""What states, starts and closed forms satisfy at any arguments: covariance, semigroups, and other ways to them."""

from math import factorial

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import (
    closed_forms,
    compression,
    convergence,
    dynamics,
    identities,
    invariant_set,
    problem,
    rescaling,
    wide_limit,
)
from theory.imbalance.identities import U1, E, Et, S, U1t, V, Vt, eta

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 3)
rates = st.fractions(-2, 2, max_denominator=5).map(sympy.Rational)
exponents = st.floats(0.26, 0.5)


def regression(rng: np.random.Generator, r: int, m: int, *, null: int = 2, white: bool = False) -> Regression:
    values = np.ones(r) if white else np.sort(rng.uniform(0.4, 1.6, r))[::-1]
    return random_regression(rng, D=r + null, n=r + 1, m=m, singular_values=values)


def rotation(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


# Closed forms ---------------------------------------------------------------------------------------------------------


@few
@given(seeds, counts, counts, st.integers(1, 6), st.sampled_from([1e-60, 0.3, 1.0, 1e40]))
def test_modes_and_mean_imbalance_do_not_turn_with_the_hidden_layer(seed, r, m, h, unit) -> None:
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m, white=True)
    Z = unit * rng.standard_normal((m + r, h))
    turned = Z @ rotation(rng, h)
    modes, same = closed_forms.modes(data, Z), closed_forms.modes(data, turned)
    for name in ("y", "c", "p", "coupling"):
        assert getattr(modes, name) == pytest.approx(getattr(same, name), rel=1e-9, abs=1e-9 * unit * unit)
    V, U1 = Z[:m], Z[m:]
    assert modes.p == pytest.approx(np.diag(modes.hidden.T @ U1 @ V.T @ modes.output), rel=1e-9, abs=1e-12 * unit**2)
    lengths = ((modes.hidden.T @ U1) ** 2).sum(1) + ((modes.output.T @ V) ** 2).sum(1)
    assert np.hypot(modes.c, 2 * modes.p) == pytest.approx(lengths, rel=1e-12)
    assert modes.hidden * modes.y @ modes.output.T == pytest.approx(data.targets, abs=1e-12)
    mean = closed_forms.mean_imbalance(data, Z)
    Lambda = U1.T @ U1 - V.T @ V
    assert mean == pytest.approx(np.trace(Z / unit @ Lambda @ Z.T / unit) / np.trace(Z / unit @ Z.T / unit), rel=1e-9)
    assert closed_forms.mean_imbalance(data, turned) == pytest.approx(mean, rel=1e-9)


@few
@given(seeds, counts, counts, st.integers(1, 5), st.sampled_from([-0.7, 0.0, 1e-3, 0.4]), st.floats(0, 3))
def test_the_riccati_solution_moves_by_its_own_generator(seed, r, m, h, lam, t) -> None:
    """G' = A G + G A, A that of the residual in G itself, by differences; W and Phi1 of the data are of no account."""
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m, white=True)
    closed_forms.require_whitened(data)
    start = closed_forms.homogeneous(data, lam, h, rng)
    step = 1e-4
    before, now, after = closed_forms.riccati_solution(data, start, np.array([t, t + step, t + 2 * step]))
    A = np.zeros_like(now)
    A[m:, :m] = data.targets - now[m:, :m]
    A[:m, m:] = A[m:, :m].T
    assert (after - before) / (2 * step) == pytest.approx(A @ now + now @ A, abs=1e-5 * (1 + np.abs(now).max()) ** 2)
    assert now == pytest.approx(now.T, abs=1e-10 * (1 + np.abs(now).max()))
    Z = problem.coordinates(data, start)[0]
    assert closed_forms.riccati_solution(data, start, 0.0) == pytest.approx(Z @ Z.T, abs=1e-9)
    with pytest.raises(InvalidArgument, match="whitened"):
        closed_forms.require_whitened(Regression(data.X * np.nextafter(1 + 2e-8, 2), data.Y))


# Compression ----------------------------------------------------------------------------------------------------------


@few
@given(seeds, counts, counts, st.integers(1, 9), st.floats(0.01, 0.1))
def test_training_compressed_is_training(seed, r, m, h, learning_rate) -> None:
    """Descent on all of U and V, by the gradient of 1/2 |Y - X U V^T|^2."""
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m)
    network = problem.gaussian(data, h, rng, scales=(0.5, 0.7))
    small = compression.compress(data, network)
    run = compression.gradient_descent(small, learning_rate=learning_rate, steps=5, record=[0, 2, 5])
    U, V = network.U[0], network.V[0]
    for step in range(6):
        residual = data.Y - data.X @ U @ V.T
        if step in (0, 2, 5):
            at = [0, 2, 5].index(step)
            whole = small.end_to_end(run["U"][at], run["V"][at])
            assert np.squeeze(whole, 0) == pytest.approx(U @ V.T, abs=1e-10)
            assert run["excess_loss"][at] == pytest.approx(0.5 * (residual**2).sum() - data.optimal_loss, rel=1e-8)
            assert run.t[at] == pytest.approx(step * learning_rate)
        U, V = U + learning_rate * data.X.T @ residual @ V, V + learning_rate * residual.T @ data.X @ U
    own = compression.compressed_problem(data)
    assert pytest.approx(data.S) == own.S and own.optimal_loss == pytest.approx(0, abs=1e-20)
    assert own.X.T @ own.Y == pytest.approx(data.Phi1.T @ data.X.T @ data.Y, abs=1e-12)


@few
@given(seeds, counts, counts, st.integers(0, 10**6))
def test_a_compressed_draw_has_the_size_of_a_gaussian_one(seed, r, m, extra) -> None:
    """|Z|^2 is chi^2 with (m + r) h degrees of freedom a run; scales stretch the rows."""
    data = regression(np.random.default_rng(seed), r, m)
    h, runs = m + r + extra, 20
    draw = compression.gaussian_compressed(data, h, np.random.default_rng(seed), runs=runs)
    squares = (draw.network.U**2).sum() + (draw.network.V**2).sum()
    degrees = (m + r) * h * runs
    assert abs(squares - degrees) < 6 * np.sqrt(2 * degrees)
    other = compression.gaussian_compressed(data, h, np.random.default_rng(seed), scales=(0.3, 1.7), runs=runs)
    assert other.network.U == pytest.approx(0.3 * draw.network.U) and other.frozen == pytest.approx(0.3 * draw.frozen)
    assert other.network.V == pytest.approx(1.7 * draw.network.V)
    assert draw.frozen.shape == (runs, data.D - r, m + r)


# The flow and its steps -----------------------------------------------------------------------------------------------


@few
@given(seeds, counts, counts, st.integers(1, 5), st.floats(0.005, 0.06))
def test_steps_of_the_lorentz_group(seed, r, m, h, learning_rate) -> None:
    """A power series, one step after another, and the imbalance of its level for ever."""
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m)
    Z = 0.5 * rng.standard_normal((m + r, h))
    A = learning_rate * dynamics.generator(data, Z)
    series = sum(np.linalg.matrix_power(A, k) @ Z / factorial(k) for k in range(40))
    once = dynamics.lie_euler(data, Z, learning_rate, 1)
    assert once == pytest.approx(series, abs=1e-10 * np.exp(np.linalg.norm(A)))
    thrice = dynamics.lie_euler(data, Z, learning_rate, 3)
    assert thrice == pytest.approx(dynamics.lie_euler(data, once, learning_rate, 2), rel=1e-12)
    Lambda = convergence.imbalance(data, Z)
    size = (thrice**2).sum() + (Z**2).sum()
    assert convergence.imbalance(data, thrice) == pytest.approx(Lambda, abs=1e-10 * size)
    values = np.sort(np.linalg.eigvalsh(Lambda))[::-1]
    padded = np.concatenate([values, np.zeros(m + r)])
    first = max(np.sort(padded)[::-1][r - 1], 0) + max(-np.sort(padded)[m - 1], 0)
    assert convergence.level(data, Z) == pytest.approx(first, abs=1e-12 * size)


@few
@given(st.floats(0, 3), st.floats(0, 2), st.floats(0, 9), st.floats(0, 9))
def test_an_exponential_bound_is_a_semigroup(start, rate, first, second) -> None:
    now = convergence.exponential_bound(np.array([start]), np.array([rate]), first)
    later = convergence.exponential_bound(now, np.array([rate]), second)
    exact = mpmath.mpf(start) * mpmath.exp(-mpmath.mpf(rate) * (mpmath.mpf(first) + mpmath.mpf(second)))
    assert later == pytest.approx(float(exact), rel=1e-13)
    end = convergence.exponential_bound(np.array([start]), np.array([rate]), np.inf)
    assert end == (start if rate == 0 else 0)


# Identities -----------------------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(rates, rates)
def test_what_is_left_of_the_identities_at_two_learning_rates(a, b) -> None:
    """By hand, a of V and b of U1; every residual has the factor b - a or one of its squares."""
    cross, off = U1t * S * E * V + Vt * Et * S * U1, sympy.ImmutableMatrix([[0, Et * S], [S * E, 0]])
    assert sympy.expand(identities.imbalance_velocity(a, b) - (b - a) * cross) == 0
    squares = (b**2 - 1) * Vt * Et * S * S * E * V - (a**2 - 1) * U1t * S * E * Et * S * U1
    assert sympy.expand(identities.descent_drift_error(a, b) - eta * (b - a) * cross - eta**2 * squares) == 0
    assert (identities.generator_anticommutator(a, b) - (b - a) * off).applyfunc(sympy.expand).is_zero_matrix
    first = (identities.lie_euler_drift(1, a, b) - eta * (b - a) * off).applyfunc(sympy.expand)
    assert first.is_zero_matrix and identities.lie_euler_drift(0, a, b).is_zero_matrix
    curved = sympy.ImmutableMatrix([[b * Et * S * S * E, 0], [0, a * S * E * Et * S]])
    second = identities.lie_euler_drift(2, a, b) - eta * (b - a) * off - eta**2 * (b - a) * curved
    assert second.applyfunc(sympy.expand).is_zero_matrix
    assert identities.lie_euler_drift(3, a, a).is_zero_matrix


# What the data do not see ---------------------------------------------------------------------------------------------


@few
@given(seeds, counts, counts, st.integers(1, 8), st.sampled_from([1e-90, 1.0, 1e90]), st.booleans())
def test_the_overlap_taken_away_is_that_with_the_rows(seed, r, m, h, unit, repeated) -> None:
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m, null=3)
    network = problem.gaussian(data, h, rng, scales=(0.8, 1.3))
    rows = rng.standard_normal((1, 2, h))
    rows[:, 1] = rows[:, 0] if repeated else rows[:, 1]
    free = invariant_set.without_overlap(data, network, unit * rows)
    U2, unseen = problem.frozen_weights(data, network)[0], problem.frozen_weights(data, free)[0]
    assert U2 == pytest.approx(data.Phi2.T @ network.U[0], abs=1e-12)
    assert unseen == pytest.approx(U2 - U2 @ rows[0].T @ np.linalg.pinv(rows[0].T), abs=1e-10)
    assert free.V == pytest.approx(network.V) and data.X @ free.U == pytest.approx(data.X @ network.U, abs=1e-12)
    again = invariant_set.without_overlap(data, free, rows[:, ::-1])
    assert again.U == pytest.approx(free.U, abs=1e-10)
    moved = dynamics.lie_euler(data, problem.coordinates(data, network), 0.03, 2)[:, :m]
    assert invariant_set.unseen_end_to_end(data, network, moved)[0] == pytest.approx(U2 @ moved[0].T, abs=1e-10)


# Starts ---------------------------------------------------------------------------------------------------------------


@few
@given(seeds, counts, counts, st.integers(0, 3))
def test_orthogonal_rows_have_the_lengths_asked_for(seed, r, m, extra) -> None:
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m)
    squares = rng.uniform(0, 2, m + r) * rng.choice([0, 1, 1e-9], m + r)
    network = problem.orthogonal_rows(data, squares[m:], squares[:m], rng, m + r + extra)
    Z = problem.coordinates(data, network)[0]
    assert Z @ Z.T == pytest.approx(np.diag(squares), abs=1e-14)
    assert problem.frozen_weights(data, network) == pytest.approx(0, abs=1e-14)


@few
@given(seeds, st.integers(2, 8), st.integers(30, 60), st.booleans())
def test_the_regression_of_the_paper_has_its_noise(seed, D, extra, whitened) -> None:
    """2 L* / 0.01^2 is chi^2 with n - D degrees of freedom; whitened, every singular value is 1."""
    n = D + extra
    data = problem.paper_regression(np.random.default_rng(seed), whitened=whitened, D=D, n=n)
    assert abs(2e4 * data.optimal_loss - (n - D)) < 7 * np.sqrt(2 * (n - D))
    assert data.S == pytest.approx(np.ones(D)) if whitened else abs((data.X**2).sum() - n) < 7 * np.sqrt(2 * n / D)
    wide = problem.paper_regression(np.random.default_rng(seed), whitened=whitened, D=n, n=D)
    assert (wide.D, wide.r, wide.m) == (n, D, 1) and wide.optimal_loss == pytest.approx(0, abs=1e-20)


@few
@given(st.integers(1, 10**6), st.integers(1, 10**6), exponents)
def test_powers_of_the_width(first, second, exponent) -> None:
    """h^-a, h^2a, h^(1 - 2a): each takes a product of widths to a product."""
    both = first * second
    for power in (
        lambda h: problem.fan_in_scale(h, exponent),
        lambda h: rescaling.speedup(h, exponent),
        lambda h: wide_limit.level(h, exponent),
    ):
        assert power(both) == pytest.approx(power(first) * power(second), rel=1e-12)
    assert rescaling.speedup(first, exponent) == pytest.approx(float(mpmath.power(first, 2 * exponent)), rel=1e-12)
    assert problem.fan_in_scale(first, exponent) ** 2 * first == pytest.approx(wide_limit.level(first, exponent))
    assert problem.fan_in_scale(first, exponent) ** -2 == pytest.approx(rescaling.speedup(first, exponent))


# Infinite width -------------------------------------------------------------------------------------------------------


@few
@given(seeds, counts, counts, st.floats(0.05, 2), st.integers(0, 2))
def test_orthogonal_rows_move_their_product_by_itself(seed, r, m, k, extra) -> None:
    """p' = U1' V^T + U1 V'^T at states that an orthonormal frame reaches."""
    rng = np.random.default_rng(seed)
    data = regression(rng, r, m)
    start = problem.coordinates(data, wide_limit.orthogonal_frame(data, k, m + r + extra, rng))[0]
    assert start @ start.T == pytest.approx(k * np.eye(m + r), abs=1e-12)
    Z = dynamics.lie_euler(data, start, 0.02, 3)
    V, U1 = dynamics.split(data, Z)
    dV, dU1 = dynamics.split(data, dynamics.velocity(data, Z))
    p = U1 @ V.T
    assert wide_limit.output_gram(p, k) == pytest.approx(V @ V.T, abs=1e-9)
    assert wide_limit.hidden_gram(p, k) == pytest.approx(U1 @ U1.T, abs=1e-9)
    assert wide_limit.velocity(data, p, k) == pytest.approx(dU1 @ V.T + U1 @ dV.T, abs=1e-9)
    end = wide_limit.limit(data)
    assert wide_limit.velocity(data, end, k) == pytest.approx(0, abs=1e-12)
    assert data.Phi1 @ end == pytest.approx(np.linalg.pinv(data.X) @ data.Y, abs=1e-12)


@few
@given(seeds, counts, counts, st.integers(1, 10**7), exponents)
def test_the_distance_at_the_end_is_a_sum_over_singular_values(seed, r, m, h, exponent) -> None:
    data = regression(np.random.default_rng(seed), r, m, null=3)
    sigma = np.linalg.svd(np.linalg.pinv(data.X) @ data.Y, compute_uv=False)
    k = h ** (1 - 2 * exponent)
    gram = np.hypot(k, sigma).sum() + k * (m - sigma.size)
    assert wide_limit.squared_distance(data, h, exponent) == pytest.approx(3 * h ** (-2 * exponent) * gram, rel=1e-9)
