"""What holds of every classifier without bias: covariance, semigroups, bounds against instances, other solvers."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from theory.core.separable import Separable, planted
from theory.shallow import event_driven, gradient_flow, heavy_ball, minnorm_flow, nonseparable

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 9999)
units = st.sampled_from([1e-6, 0.7, 1.0, 1e5])
spectra = st.tuples(st.floats(-60, 60), st.floats(0, 40)).map(lambda logs: (10 ** logs[0], 10 ** (logs[0] + logs[1])))


def rotation(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


def separated(seed: int, slack: tuple[float, ...] = (0.7,)) -> Separable:
    """Three support vectors in four dimensions, and others beyond the margin."""
    shares = np.array([0.5, 0.3, 0.2])
    return Separable(planted(np.random.default_rng(seed), shares, d=4, margin=0.8, slack=np.array(slack))[0])


@few
@given(seeds, st.integers(1, 3), units, st.floats(0.1, 3), st.floats(0.1, 3))
def test_orthogonal_examples_have_closed_forms(seed: int, n: int, unit: float, t: float, later: float) -> None:
    """Semigroup, rotation, units (z -> c z, w -> w / c, t -> t / c^2), and the equation itself, by scipy."""
    rng = np.random.default_rng(seed)
    Q, lengths = rotation(rng, 3), rng.uniform(0.5, 2, n)
    Z, w0 = lengths[:, None] * Q[:n], rng.standard_normal(3)
    exponential = gradient_flow.exponential_solution, gradient_flow.exponential_margins, lambda m: np.exp(-m)
    logistic = gradient_flow.logistic_solution, gradient_flow.logistic_margins, lambda m: 1 / (1 + np.exp(m))
    for solution, margins, slope in (exponential, logistic):
        at = solution(Z, w0, t)
        assert np.allclose(solution(Z, at, later), solution(Z, w0, t + later), atol=1e-10)
        assert np.allclose(margins(Z, w0, t), Z @ at, atol=1e-10)
        assert np.allclose(solution(Z @ Q, w0 @ Q, t), at @ Q, atol=1e-10)
        assert np.allclose(solution(unit * Z, w0 / unit, t / unit**2) * unit, at, atol=1e-9)
        flow = solve_ivp(lambda _, w, slope=slope: slope(Z @ w) @ Z, (0, t), w0, rtol=1e-10, atol=1e-12)
        assert np.allclose(at, flow.y[:, -1], atol=1e-7)


@few
@given(st.floats(-700, 700), st.floats(-5, 12))
def test_margins_against_many_digits(m0: float, log_t: float) -> None:
    """e^m = e^(m0) + 4 t, and e^m + m = e^(m0) + m0 + 4 t, of one example of length 2."""
    t = 10**log_t
    start = (np.array([[2.0, 0.0]]), np.array([m0 / 2, 0.3]), t)
    with mpmath.workdps(60):
        grown = mpmath.exp(mpmath.mpf(m0)) + 4 * mpmath.mpf(t)
        assert gradient_flow.exponential_margins(*start)[0] == pytest.approx(float(mpmath.log(grown)), rel=1e-12)
    found = gradient_flow.logistic_margins(*start)[0]
    with mpmath.workdps(400):
        left = mpmath.exp(mpmath.mpf(found)) + mpmath.mpf(found) - mpmath.exp(mpmath.mpf(m0)) - m0 - 4 * mpmath.mpf(t)
        assert abs(left / (1 + mpmath.exp(mpmath.mpf(found)))) <= 1e-12 * max(1, abs(found))


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_late_gradient_flow_is_told_by_its_constants(seed: int) -> None:
    """w = w_hat log t + w~ + o(1): direction, margin, hitting time; the loss-normalised flow is on the same orbit."""
    problem, rng = separated(seed), np.random.default_rng(seed)
    duals = gradient_flow.settled_duals(problem)
    assert np.allclose(problem.Z.T @ duals, problem.w, atol=1e-9)
    w0, rate = rng.standard_normal(4), gradient_flow.relaxation_rate(problem)
    assume(rate > 0.1)
    run = gradient_flow.flow_in_log_time(problem, w0, np.array([0.0, 3.0, 20 / rate]), relative_tolerance=1e-9)
    rho, late = run["rho"][-1], 1e6
    w = problem.w * late + rho
    unit = problem.w * problem.margin
    apart = np.linalg.norm(w / np.linalg.norm(w) - unit)
    assert apart * late == pytest.approx(gradient_flow.direction_constant(problem, rho), rel=1e-4)
    gap = problem.margin - (problem.Z @ w).min() / np.linalg.norm(w)
    assert gap * late == pytest.approx(gradient_flow.margin_constant(problem), rel=1e-3, abs=1e-3)
    assert gradient_flow.log_hitting_time(problem, rho, apart) == pytest.approx(late, rel=1e-5)
    constants = [f(problem, rho) for f in (gradient_flow.normalised_constant, gradient_flow.direction_constant)]
    assert constants[0] == pytest.approx(constants[1] * (problem.w @ problem.w), rel=1e-12)
    normalised = gradient_flow.normalised_flow(problem.Z, w0, np.array([0.0, 1.0, 4.0]), relative_tolerance=1e-9)
    tau = normalised["tau"]
    orbit = gradient_flow.flow_in_log_time(problem, w0, tau, relative_tolerance=1e-9)["rho"]
    assert np.allclose(normalised["w"], orbit + tau[:, None] * problem.w, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seeds, units)
def test_constants_do_not_know_the_frame(seed: int, unit: float) -> None:
    """Rotated, permuted and in units c: alpha -> alpha / c^2, w~ = c^-1 (w~ + 2 log c w_hat), rates are the same."""
    problem, rng = separated(seed), np.random.default_rng(seed)
    Q, order = rotation(rng, 4), rng.permutation(4)
    other = Separable(unit * problem.Z[order] @ Q)
    duals = gradient_flow.settled_duals(problem)
    assert np.allclose(gradient_flow.settled_duals(other) * unit**2, duals[order], rtol=1e-7)
    assert gradient_flow.margin_constant(other) / unit == pytest.approx(
        gradient_flow.margin_constant(problem), rel=1e-6, abs=1e-9
    )
    rate = gradient_flow.relaxation_rate(problem)
    assert gradient_flow.relaxation_rate(other) == pytest.approx(rate, rel=1e-6)
    weighted = problem.Z[:3].T @ (duals[:3, None] * problem.Z[:3])
    spectrum = np.linalg.eigvalsh(weighted)
    slack = (problem.Z @ problem.w - 1)[3]
    assert rate == pytest.approx(min(spectrum[spectrum > 1e-9].min(), slack), rel=1e-6)


@few
@given(spectra, units)
def test_the_best_steps_are_the_best(ends: tuple[float, float], unit: float) -> None:
    """Their contraction is the largest radius of the spectrum's ends; no step a tenth off does better; in units of the
    eigenvalues B alone changes."""
    g = np.array(ends)
    rules = (
        (heavy_ball.best_alternating, heavy_ball.alternating_modes),
        (heavy_ball.best_simultaneous, heavy_ball.simultaneous_modes),
    )
    for best, modes in rules:
        A, B, contraction = best(g[0], g[1])

        def slowest(A: float, B: float, modes=modes) -> float:
            return max(heavy_ball.radius(*modes(g, A, B)).max(), abs(1 - A))

        if ends[1] < 1e6 * ends[0]:
            assert slowest(A, B) == pytest.approx(contraction, abs=1e-6)
            for a, b in ((1.1, 1), (0.9, 1), (1, 1.1), (1, 0.9)):
                assert slowest(a * A, b * B) >= contraction - 1e-6
        scaled = best(unit * g[0], unit * g[1])
        assert scaled.A == pytest.approx(A, rel=1e-12)
        assert scaled.B * unit == pytest.approx(B, rel=1e-12)


@few
@given(st.floats(-60, 60), st.floats(0.05, 1.95))
def test_limits_of_steps_are_neutral(log_g: float, A: float) -> None:
    """A radius of 1 there, below 1 a little before, above 1 a little after."""
    g = np.array([10**log_g])
    limits = (
        (heavy_ball.alternating_limit(g, A), heavy_ball.alternating_modes),
        (heavy_ball.simultaneous_limit(g), heavy_ball.simultaneous_modes),
    )
    for limit, modes in limits:
        radii = [float(heavy_ball.radius(*modes(g, A, limit * k))[0]) for k in (0.99, 1, 1.01)]
        assert radii[0] < 1 < radii[2]
        assert radii[1] == pytest.approx(1, abs=1e-7)


@few
@given(st.floats(-140, 140), st.floats(-3, 3), st.floats(-2, 2))
def test_radii_of_matrices_of_any_size(log_size: float, determinant: float, trace: float) -> None:
    size = 10**log_size
    with mpmath.workdps(50):
        root = mpmath.sqrt(mpmath.mpf(trace) ** 2 / 4 - mpmath.mpf(determinant))
        exact = max(abs(trace / mpmath.mpf(2) + root), abs(trace / mpmath.mpf(2) - root))
    found = heavy_ball.radius(np.array(determinant) * size * size, np.array(trace) * size)
    assert found / size == pytest.approx(float(exact), rel=1e-7, abs=1e-7)


@few
@given(seeds, st.floats(0.05, 1.9), st.floats(0.05, 2))
def test_differences_of_multipliers_are_those_of_two_steps(seed: int, A: float, B: float) -> None:
    """w+ = (1 - A) w + A Z^T l, l+ = l + B (1 - Z w+), twice."""
    rng = np.random.default_rng(seed)
    Z, w, l = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal(3)
    multipliers = [l]
    for _ in range(2):
        w = (1 - A) * w + A * Z.T @ multipliers[-1]
        multipliers.append(multipliers[-1] + B * (1 - Z @ w))
    found = heavy_ball.next_difference(Z @ Z.T, *multipliers[:2], A, B)
    assert np.allclose(found, multipliers[2] - multipliers[1], atol=1e-9 * (1 + np.abs(multipliers).max()))


@few
@given(st.floats(-70, 70), st.floats(-30, 30), st.floats(-30, 30))
def test_rates_are_those_of_the_slow_root(log_g: float, log_a: float, log_share: float) -> None:
    """s^2 + a s + a b g = 0 against 50 digits, b a share of its critical value, wherever that is."""
    g, a = 10**log_g, 10**log_a
    b = float(minnorm_flow.critical_dual_rate(g, a)) * 10**log_share
    with mpmath.workdps(80):
        a_, b_, g_ = map(mpmath.mpf, (a, b, g))
        slow = -(-a_ + mpmath.sqrt(a_ * a_ - 4 * a_ * b_ * g_)) / 2
        assert minnorm_flow.rate(g, a, b) == pytest.approx(float(mpmath.re(slow)), rel=1e-7)
    assert minnorm_flow.critical_dual_rate(g, a) * 4 * g == pytest.approx(a, rel=1e-12)


@settings(max_examples=8, deadline=None)
@given(seeds, st.floats(0.5, 2), st.floats(0.2, 2), st.floats(0.1, 1), st.floats(0.1, 1))
def test_solutions_of_minnorm(seed: int, a: float, b: float, t: float, later: float) -> None:
    """On the support alone, through events, and by integration: one flow; a semigroup, down the Lyapunov function, with
    the eigenvalues of its spectrum."""
    problem, rng = separated(seed), np.random.default_rng(seed)
    w, multipliers = problem.w + 1e-3 * rng.standard_normal(4), problem.duals * rng.uniform(0.99, 1.01, 4)
    at = minnorm_flow.solution(problem, w, multipliers, t, a=a, b=b)
    onward = minnorm_flow.solution(problem, *at, later, a=a, b=b)
    whole = minnorm_flow.solution(problem, w, multipliers, t + later, a=a, b=b)
    events = event_driven.solution(problem.Z, w, multipliers, t + later, a=a, b=b)
    run = minnorm_flow.integrated(problem.Z, w, multipliers, [t, t + later], a=a, b=b)
    for i, name in enumerate(("w", "multipliers")):
        assert np.allclose(onward[i], whole[i], atol=1e-12)
        assert np.allclose(events[i], whole[i], atol=1e-11)
        assert np.allclose(run[name][-1], whole[i], atol=run.facts["error"] + 1e-10)
    V = [minnorm_flow.lyapunov(problem, *state, a, b) for state in ((w, multipliers), at, whole)]
    assert V[0] >= V[1] >= V[2]
    step = 1e-6
    moved = minnorm_flow.velocity(problem.Z, w, multipliers, a, b)
    ahead, behind = (
        minnorm_flow.lyapunov(problem, w + k * step * moved[0], multipliers + k * step * moved[1], a, b)
        for k in (1, -1)
    )
    lost = minnorm_flow.dissipation(problem, w, multipliers)
    assert (behind - ahead) / (2 * step) == pytest.approx(lost, rel=1e-4, abs=1e-10)
    J = np.block([[-a * np.eye(4), a * problem.Z[:3].T], [-b * problem.Z[:3], np.zeros((3, 3))]])
    found, exact = minnorm_flow.spectrum(problem, a, b), np.linalg.eigvals(J)
    for power in (1, 2, 3):
        assert (found**power).sum() == pytest.approx((exact**power).sum(), rel=1e-7)


@few
@given(seeds, st.integers(1, 6), st.integers(1, 3))
def test_unavoidable_violations_are_those_of_the_least_squared_hinge(seed: int, n: int, d: int) -> None:
    """By scipy's minimum of 1/2 |(1 - Z w)_+|^2, of examples that repeat and contradict each other."""
    Z = np.random.default_rng(seed).integers(-2, 3, (n, d)).astype(float)
    hinge = lambda w: (1 - Z @ w).clip(0)  # noqa: E731
    best = minimize(lambda w: (hinge(w) @ hinge(w) / 2, -hinge(w) @ Z), np.zeros(d), jac=True, method="BFGS", tol=1e-9)
    v = nonseparable.unavoidable_violations(Z)
    assert v @ v / 2 == pytest.approx(best.fun, abs=1e-6)
    assert np.allclose(v, hinge(best.x), atol=2e-3)
