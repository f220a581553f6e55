"""Clocks of descents against descents; transients against recursions; steps that are safe, and paths in closed form."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import j0, softmax

from theory.core.separable import Separable, direction_error, margin_gap, planted
from theory.core.validation import InvalidArgument
from theory.shallow import alternating, clocks, freezing, gradient_flow, heavy_ball, rescaling, transients

few = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 9999)
SHARES = np.array([0.45, 0.32, 0.23])


def supports(seed: int, slack: tuple[float, ...] = (), d: int = 3, spread: float = 1.0) -> Separable:
    rng = np.random.default_rng(seed)
    return Separable(planted(rng, SHARES, d=d, margin=0.4, slack=np.array(slack), spread=spread)[0])


def downhill(problem: Separable, w: np.ndarray) -> np.ndarray:
    """-grad log sum e^(-z . w)."""
    return softmax(-problem.Z @ w) @ problem.Z


@few
@given(seeds, st.floats(0.01, 0.3), st.integers(1, 60))
def test_clocks_are_those_of_the_steps(seed: int, eta: float, steps: int) -> None:
    """Exact from the first step on; and each is the inverse of its steps."""
    problem, w, g, v = supports(seed, d=4), np.zeros(4), np.zeros(4), np.zeros(4)
    for t in range(steps):
        w = w + eta * downhill(problem, w)
        u = downhill(problem, v)
        g = t / (t + 1) * (g + u)
        v = v + eta * (g + u)
    scale = problem.margin**2
    assert w @ problem.w * scale == pytest.approx(clocks.normalised_clock(problem, eta, steps), rel=1e-11)
    assert v @ problem.w * scale == pytest.approx(clocks.accelerated_clock(problem, eta, steps), rel=1e-11)
    for clock, back in (
        (clocks.normalised_clock, clocks.normalised_steps),
        (clocks.accelerated_clock, clocks.accelerated_steps),
    ):
        assert back(problem, eta, clock(problem, eta, steps)) == pytest.approx(steps, rel=1e-12)


@few
@given(seeds, st.floats(0.01, 0.3), st.integers(1, 4), st.floats(1, 3), st.integers(1, 8))
def test_rescaled_weights_have_a_clock_too(seed: int, eta: float, between: int, factor: float, cycles: int) -> None:
    problem, w = supports(seed), np.zeros(3)
    for _ in range(cycles):
        w = factor * w
        for _ in range(between):
            w = w + eta * downhill(problem, w)
    found = clocks.rescaled_clock(problem, eta, between, factor, cycles)
    assert w @ problem.w * problem.margin**2 == pytest.approx(found, rel=1e-10)


@few
@given(seeds, st.floats(-3, 12))
def test_errors_of_weights_at_a_clock(seed: int, log_clock: float) -> None:
    """w = w_hat tau + P w~ itself; and the clock of its error is tau."""
    problem, tau = supports(seed), 10**log_clock
    offset = gradient_flow.offset(problem, np.zeros(3))
    w = problem.w * tau + offset - (offset @ problem.w) * problem.margin**2 * problem.w
    constant = float(gradient_flow.direction_constant(problem, offset))
    assume(constant > 1e-3)
    error = clocks.error_at(constant, tau)
    if log_clock < 6:
        assert direction_error(problem, w) == pytest.approx(float(error), rel=1e-6)
        gap = clocks.gap_at(problem, constant, tau)
        assert margin_gap(problem, w) == pytest.approx(float(gap), rel=1e-6, abs=1e-10)
    assert clocks.clock_of(constant, error) == pytest.approx(tau, rel=1e-9)
    most = problem.margin * np.log(len(problem.Z))
    assert gradient_flow.margin_constant(problem) <= most * (1 + 1e-12)


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_descent_has_its_clock_late(seed: int) -> None:
    problem = supports(seed)
    low, _ = transients.support_curvature(problem)
    assume(low > 1.3 * problem.margin**2)
    eta, w = 1 / np.linalg.norm(problem.Z, ord=2) ** 2, np.zeros(3)
    for _ in range(4000):
        w = w + eta * np.exp(-problem.Z @ w) @ problem.Z
    found = w @ problem.w * problem.margin**2
    assert found == pytest.approx(float(clocks.descent_clock(problem, float(eta), 4000)), abs=0.05)


@few
@given(st.floats(0.0, 1.0), st.integers(0, 200))
def test_accelerated_transients_are_their_recursion(q: float, steps: int) -> None:
    before, now = 0.0, 1.0
    for t in range(steps):
        before, now = now, ((2 * t + 1) * (1 - q) * now - t * (1 - q) * before) / (t + 1)
    assert transients.accelerated_transient(q, steps) == pytest.approx(now, abs=1e-12)


@few
@given(st.floats(0.01, 3.9), st.integers(1, 60))
def test_transients_of_momentum_against_many_digits(q: float, steps: int) -> None:
    found = transients.momentum_transient(q, steps)
    with mpmath.workdps(40):
        before, now = mpmath.mpf(0), mpmath.mpf(1)
        for t in range(steps):
            before, now = now, ((2 * t + 1 - (t + 1) * mpmath.mpf(q)) * now - t * before) / (t + 1)
    assert found[-1] == pytest.approx(float(now), rel=1e-9, abs=1e-10 * (1 + np.abs(found).max()))


@few
@given(st.floats(0.05, 3.5))
def test_the_envelope_of_momentum(q: float) -> None:
    """Of a long stretch of late oscillations, by their mean square; as q falls, that of Bessel's function."""
    late = transients.momentum_transient(q, 6000)[4001:] * np.sqrt(np.arange(4001, 6001))
    assert np.sqrt(2 * np.mean(late**2)) == pytest.approx(float(transients.momentum_envelope(q, 1.0)), rel=2e-2)
    small, t = 1e-6, 30_000
    assert transients.momentum_transient(small, t)[-1] == pytest.approx(j0(np.sqrt(small) * t), abs=2e-3)
    assert transients.momentum_envelope(small, 1.0) == pytest.approx(np.sqrt(2 / np.pi / np.sqrt(small)), rel=1e-2)


@few
@given(seeds, st.sampled_from([1e-6, 0.7, 1.0, 1e5]))
def test_curvatures_are_those_of_the_hessian(seed: int, unit: float) -> None:
    """Eigenvalues of G (diag p - p p^T), in units; further examples do not count."""
    problem = supports(seed, slack=(0.5,), d=4)
    p = problem.duals[:3] * problem.margin**2
    G = problem.Z[:3] @ problem.Z[:3].T
    mu = np.sort(np.linalg.eigvals(G @ (np.diag(p) - np.outer(p, p))).real)[1:]
    found = transients.support_curvature(Separable(unit * problem.Z))
    assert np.array(found) / unit**2 == pytest.approx(np.array([mu[0], mu[-1]]), rel=1e-6)
    eta, rho = rescaling.best_step(*found)
    worst = np.abs(1 - eta * np.array(found))
    assert worst == pytest.approx(np.array([rho, rho]), abs=1e-9)


@few
@given(st.floats(1.01, 100), st.floats(0, 0.99), st.floats(0.01, 0.99))
def test_steps_between_are_the_fewest(factor: float, rho: float, spare: float) -> None:
    S = float(rescaling.steps_between(factor, rho, spare))
    assert factor * rho**S <= spare * (1 + 1e-9)
    assert S == 1 or factor * rho ** (S - 1) > spare * (1 - 1e-9)


@few
@given(st.floats(1.0, 1e9), st.floats(1.0, 1e9))
def test_the_border_is_where_both_contract_alike(kappa_M: float, kappa_G: float) -> None:
    found = float(rescaling.steps_for_one_of_minnorm(kappa_M, kappa_G))
    root = np.sqrt(kappa_G)
    assert (found > 1) == (kappa_M > root) or found == pytest.approx(1, abs=1e-9)
    if min(kappa_M, root) > 1.01:
        slow, fast = ((x - 1) / (x + 1) for x in (kappa_M, root))
        assert found == pytest.approx(np.log(fast) / np.log(slow), rel=1e-5)


@settings(max_examples=8, deadline=None)
@given(seeds, st.integers(1, 3), st.floats(0.2, 0.8))
def test_the_constant_of_rescaling_is_a_fixed_point(seed: int, between: int, share: float) -> None:
    """Of what a cycle makes of deviations, linearised: at c rho^S = `share`, and the plain constant where that is 0."""
    problem = supports(seed)
    offset = gradient_flow.offset(problem, np.zeros(3))
    low, high = transients.support_curvature(problem)
    eta, rho = (float(each) for each in rescaling.best_step(low, high))
    assume(rho**between < share)
    c = share / rho**between
    p = problem.duals * problem.margin**2
    H = problem.Z.T @ (np.diag(p) - np.outer(p, p)) @ problem.Z
    unit = problem.w * problem.margin
    goal = offset - (offset @ unit) * unit
    N = np.linalg.matrix_power(np.eye(3) - eta * H, between)
    u = goal
    for _ in range(400):
        u = goal + N @ (c * u - goal)
        u = u - (u @ unit) * unit
    found = rescaling.direction_constant(problem, offset, eta, between, c)
    assert found == pytest.approx(np.linalg.norm(u) * problem.margin, rel=1e-6)
    plain = float(gradient_flow.direction_constant(problem, offset))
    assert rescaling.direction_constant(problem, offset, eta, 10_000, 1.5) == pytest.approx(plain, rel=1e-6)


@few
@given(seeds, st.floats(0.05, 1), st.floats(0.05, 1))
def test_energy_never_grows_at_safe_steps(seed: int, A: float, share: float) -> None:
    """By at least its bound, from anywhere, with examples off the support and off its span."""
    rng = np.random.default_rng(seed)
    problem = supports(seed, slack=(0.2, 0.7), d=5)
    limit = float(alternating.safe_limit(problem.Z))
    B = share * limit
    w, multipliers = rng.standard_normal(5), rng.exponential(size=5)
    for _ in range(50):
        before = alternating.energy(problem, w, multipliers, A, B)
        w = (1 - A) * w + A * multipliers @ problem.Z
        multipliers = np.maximum(multipliers + B * (1 - problem.Z @ w), 0)
        lost = before - alternating.energy(problem, w, multipliers, A, B)
        assert lost >= (1 - B / limit) * ((w - problem.w) ** 2).sum() - 1e-12 * before


@few
@given(st.floats(-3, 3), st.floats(0, 5))
def test_the_best_safe_steps_are_the_best(log_g: float, log_kappa: float) -> None:
    """No safe A or B a little off contracts more, and kappa up to 4 costs nothing."""
    g = np.array([10**log_g, 10 ** (log_g + log_kappa)])
    best = alternating.best_safe(g[0], g[1])
    assert best.B <= 2 / g[1] * (1 + 1e-12)

    def slowest(A: float, B: float) -> float:
        return max(float(heavy_ball.radius(*heavy_ball.alternating_modes(g, A, B)).max()), abs(1 - A) ** 0.5)

    assert slowest(float(best.A), float(best.B)) == pytest.approx(float(best.contraction), abs=1e-5)
    for a, b in ((1.02, 1), (0.98, 1), (1, 0.95)):
        assert slowest(a * float(best.A), b * float(best.B)) >= best.contraction - 1e-5


@few
@given(seeds, st.floats(0.6, 1.0))
def test_the_path_from_zero_is_that_of_the_steps(seed: int, share: float) -> None:
    problem = supports(seed)
    assume(problem.condition < 100)
    best = heavy_ball.best_alternating(*problem.gram_range)
    A, B = share * float(best.A), float(best.B)
    path = alternating.from_zero(problem, A, B, np.arange(60))
    w, multipliers = np.zeros(3), np.zeros(3)
    for t in range(60):
        size = 1e-9 * problem.condition * (1 + np.abs(multipliers).max())
        assert np.allclose(path[0][t], w, atol=size)
        assert np.allclose(path[1][t], multipliers, atol=size)
        w = (1 - A) * w + A * multipliers @ problem.Z
        multipliers = multipliers + B * (1 - problem.Z @ w)


@few
@given(seeds, st.floats(1, 60))
def test_large_steps_move_as_they_drift(seed: int, eta: float) -> None:
    """To the order of what the losses have fallen by; and no farther than the bound."""
    Z = np.abs(np.random.default_rng(seed).standard_normal((3, 2))) + 0.3
    w = first = freezing.first_step(Z, eta)
    margin, steps = float((Z @ first).min()), 20
    for _ in range(steps):
        w = w + eta * (1 / (1 + np.exp(Z @ w))) @ Z
    moved = np.linalg.norm(w - first)
    assert moved <= freezing.farthest(np.linalg.norm(Z, axis=1), margin, eta, steps) * (1 + 1e-9) + 1e-13
    law = steps * eta * freezing.drift(Z, eta)
    share = eta * steps * np.linalg.norm(Z, ord=2) ** 2 * np.exp(-margin)
    assert np.linalg.norm(w - first - law) <= share * np.linalg.norm(law) + 1e-12 * np.linalg.norm(w)


def test_two_examples_go_round() -> None:
    Z = np.array([[1.0, 0.0], [1.3, 0.8]])
    w, multipliers, seen = np.zeros(2), np.zeros(2), []
    for _ in range(6):
        w = multipliers @ Z
        multipliers = np.maximum(multipliers + 1 - Z @ w, 0)
        seen.append(w)
    assert np.array_equal(seen[::2], np.zeros((3, 2)))
    assert np.allclose(seen[1::2], Z.sum(0))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda p: clocks.descent_clock(p, 0.1, 0.0), "steps = 0.0: expected a number in (0, inf]"),
        (lambda p: clocks.normalised_clock(p, 0.0, 1.0), "learning_rate = 0.0"),
        (lambda p: clocks.rescaled_clock(p, 0.1, 1.0, 0.5, 1.0), "factor = 0.5"),
        (lambda p: clocks.clock_of(1.0, 1.5), "error = 1.5"),
        (lambda p: transients.accelerated_transient(1.1, 3), "q = 1.1"),
        (lambda p: transients.momentum_transient(4.0, 3), "q = 4.0"),
        (lambda p: transients.support_curvature(Separable(np.ones((1, 2)))), "problem.Z = support vectors of one"),
        (lambda p: rescaling.best_step(2.0, 1.0), "mu_min = 2.0: expected at most mu_max = 1.0"),
        (lambda p: rescaling.direction_constant(p, np.zeros(3), 1e-9, 1, 2.0), "factor = 2.0: expected below 1"),
        (lambda p: rescaling.steps_between(2.0, 0.5, 0.0), "spare = 0.0: expected a number in (0, 1)"),
        (lambda p: rescaling.steps_between(2.0, 0.5, -0.5), "spare = -0.5: expected a number in (0, 1)"),
        (lambda p: alternating.from_zero(p, 0.9, 1e-9, np.arange(3)), "(A, B) = "),
        (lambda p: alternating.safe_limit(np.zeros((2, 2))), "Z = the zero matrix"),
        (lambda p: freezing.farthest(np.ones(2), np.inf, 1.0, 1), "margin = inf"),
    ],
)
def test_what_has_no_answer_is_refused(call, line: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        call(supports(3))
    assert str(refused.value).startswith(line)


def test_limits() -> None:
    problem = supports(3)
    assert clocks.error_at(1.0, 0.0) == pytest.approx(np.sqrt(2))
    assert clocks.error_at(1.0, np.inf) == 0
    assert clocks.accelerated_clock(problem, 0.1, np.inf) == np.inf
    assert clocks.rescaled_clock(problem, 0.1, 2.0, 1.0, 5.0) == clocks.normalised_clock(problem, 0.1, 10.0)
    assert transients.accelerated_transient(1.0, np.arange(3)).tolist() == [1, 0, 0]
    assert rescaling.steps_for_one_of_minnorm(1.0, 1.0) == 1
    assert rescaling.steps_for_one_of_minnorm(1.0, 5.0) == 0
    assert rescaling.steps_for_one_of_minnorm(5.0, 1.0) == np.inf
    assert rescaling.steps_between(50.0, 0.0, 0.5) == 1
    # By the norm of the matrix, neither the sum nor the root of the squares of its entries.
    assert alternating.safe_limit(np.array([[3.0, 4.0], [-0.8, 0.6]])) == pytest.approx(2 / 25)
    assert alternating.safe_limit(np.array([[1.0, 1.0], [1.0, 1.0]])) == pytest.approx(2 / 4)
