"""What holds of every problem, at every scale: by iterations, by other formulas, by symmetry."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from theory.core.linear_networks import gaussian_stack, imbalances, layer_gradients
from theory.core.regression import Regression, random_regression
from theory.core.separable import Separable, apply, planted
from theory.core.validation import InvalidArgument
from theory.halpern import exponential_loss, fixed_points, flow, least_squares, nonconvex, schedules, squared_hinge
from theory.shallow.gradient_flow import exponential_margins

few = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 10**6)
scales = st.sampled_from([1e-60, 1e-3, 1.0, 7.0, 1e60])
shares = st.sampled_from([1e-9, 0.07, 0.5, 0.61, 1.0])


def drawn(seed: int, scale: float = 1.0) -> tuple[Regression, np.ndarray, np.ndarray]:
    """A problem of any shape and rank in units of `scale`, and two batches of weights."""
    rng = np.random.default_rng(seed)
    n, D, m = (int(size) for size in rng.integers(1, 6, 3))
    S = rng.choice([0.3, 0.5, 0.8, 1.3], rng.integers(1, min(n, D) + 1))  # now and then equal
    problem = random_regression(rng, D=D, n=n, m=m, singular_values=S)
    w, v = rng.standard_normal((2, 2, D, m))
    return Regression(scale * problem.X, scale * problem.Y), w, v if seed % 3 else w


def support(seed: int, scale: float, more: int = 0) -> Separable:
    """All examples on the margin, but for `more`; their duals all differ."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 4))
    duals = rng.dirichlet(3 * np.ones(k))
    Z = planted(rng, duals, d=k + 1, margin=0.8, slack=1 + rng.random(more))[0]
    return Separable(scale * Z)


@few
@given(seeds, scales, shares, st.sampled_from(["none", "harmonic", "inverse_square", "constant"]))
def test_every_schedule_is_its_iteration(seed: int, scale: float, share: float, name: str) -> None:
    problem, w, _ = drawn(seed, scale)
    left: dict[str, tuple[Callable, Callable]] = {
        "none": (schedules.none, lambda k: 0.0),
        "harmonic": (schedules.harmonic, lambda k: 1 / (k + 2)),
        "inverse_square": (schedules.inverse_square, lambda k: 1 / (k + 2) ** 2),
        "constant": (lambda k: schedules.constant(0.23, k), lambda k: 0.23),
    }
    eta, path = share * least_squares.largest_step(problem), [w]
    for k in range(8):
        step = path[-1] - eta * problem.X.T @ (problem.X @ path[-1] - problem.Y)
        path.append((1 - left[name][1](k)) * step)
    found = least_squares.scheduled_solution(problem, eta, left[name][0], w, np.arange(9))
    assert found == pytest.approx(np.array(path), rel=1e-11, abs=1e-11)
    if name == "harmonic":
        assert found == pytest.approx(
            least_squares.solution(problem, eta, w, 0 * w, np.arange(9)), rel=1e-11, abs=1e-11
        )


@few
@given(seeds, scales, shares)
def test_the_anchored_iteration_and_its_residual_step_by_step(seed: int, scale: float, share: float) -> None:
    problem, w, v = drawn(seed, scale)
    eta, k, path = share * least_squares.largest_step(problem), np.arange(9), [w]
    step = lambda w: w - eta * problem.X.T @ (problem.X @ w - problem.Y)  # noqa: E731
    for j in k[:-1]:
        path.append(v / (j + 2) + (1 - 1 / (j + 2)) * step(path[-1]))
    assert least_squares.solution(problem, eta, w, v, k) == pytest.approx(np.array(path), rel=1e-11, abs=1e-11)
    residuals = np.array([at - step(at) for at in path])
    assert fixed_points.residual(problem, eta, w, v, k) == pytest.approx(residuals, rel=1e-9, abs=1e-12)


@few
@given(seeds, scales, st.sampled_from([0.07, 0.3, 0.61]))
def test_what_is_left_to_first_order(seed: int, scale: float, share: float) -> None:
    """(k + 1) (w_k - w*) tends to (eta H)^+ (v - w*) + P_n (w - v), the pseudoinverse by numpy."""
    problem, w, v = drawn(seed, scale)
    eta = share * least_squares.largest_step(problem)
    X, Y = problem.X / scale, problem.Y / scale
    inverse, unseen = np.linalg.pinv(X.T @ X, rcond=1e-9), np.eye(problem.D) - np.linalg.pinv(X, rcond=1e-9) @ X
    solution = np.linalg.pinv(X, rcond=1e-9) @ Y + unseen @ v
    limit = inverse @ (v - solution) / (eta * scale**2) + unseen @ (w - v)
    assert least_squares.nearest_solution(problem, v) == pytest.approx(solution, rel=1e-10, abs=1e-10)
    assert least_squares.scaled_error_limit(problem, eta, w, v) == pytest.approx(limit, rel=1e-9, abs=1e-9)
    late = 10**4 * (least_squares.solution(problem, eta, w, v, 10**4 - 1) - solution)
    assert late == pytest.approx(limit, rel=1e-8, abs=1e-8)


@few
@given(seeds, scales)
def test_multipliers_are_functions_of_the_hessian(seed: int, scale: float) -> None:
    problem, w, _ = drawn(seed, scale)
    X, S = problem.X / scale, problem.S / scale
    H = X.T @ X
    found = least_squares.in_eigendirections(problem, np.stack([S**2, S**4 - 0.7 * S**2]), w)
    assert found == pytest.approx(np.stack([H @ w, H @ H @ w - 0.7 * H @ w]), rel=1e-11, abs=1e-11)
    pulled = least_squares.towards(problem, S**2, w)
    assert pulled == pytest.approx(np.broadcast_to(X.T @ problem.Y / scale, w.shape), rel=1e-11, abs=1e-11)
    numbers = np.array([[2.0, 3.0, 5.0]])
    assert least_squares.after_steps(numbers, w) * w == pytest.approx(np.einsum("ab,...->ab...", numbers, w))
    assert least_squares.factors(problem, 0.3 / scale**2) == pytest.approx(
        1 - least_squares.shares(problem, 0.3) / scale**2
    )
    assert least_squares.shares(problem, 0.3 / scale / scale) == pytest.approx(0.3 * S**2)


@few
@given(
    st.sampled_from([0.0, 1e-300, 1e-16, 1e-9, 0.3, 0.999, 1.0, 1.31, 2.0]),
    st.sampled_from([0, 1, 2, 3, 17, 18, 10**6, 10**15]),
)
def test_geometric_sums_to_all_digits(x: float, k: int) -> None:
    with mpmath.workdps(700):
        kept = 1 - mpmath.mpf(x)
        total = lambda n: mpmath.mpf(n) if x == 0 else (1 - kept**n) / mpmath.mpf(x)  # noqa: E731
        exact = [float(each) for each in (kept**k, total(k), 1 - total(k + 1) / (k + 1))]
    at, steps = np.array([x]), np.array([float(k)])
    found = [each(at, steps)[0, 0] for each in (least_squares.powers, least_squares.sums, least_squares.mean_gone)]
    assert found == pytest.approx(exact, rel=2e-12, abs=1e-320)


@few
@given(seeds, st.floats(-3, 50), st.sampled_from([0.5, 1.0, 1.01]))
def test_steps_are_counted_whole(seed: int, k: float, share: float) -> None:
    problem = drawn(seed)[0]
    eta = share * least_squares.largest_step(problem)
    for steps in (np.floor(k), k, np.inf):
        if steps >= 0 and (steps == np.floor(steps) if steps < np.inf else share <= 1):
            assert least_squares.whole_steps(problem, eta, steps) == steps
        else:
            with pytest.raises(InvalidArgument):
                least_squares.whole_steps(problem, eta, steps)
        if steps >= 0:
            assert schedules.counted(np.array([steps, 1]))[0] == steps
        else:
            with pytest.raises(InvalidArgument, match=r"k\[0\] = "):
                schedules.counted(np.array([steps, 1]))


@few
@given(st.floats(0, 1), st.integers(0, 40), st.integers(0, 40))
def test_what_schedules_leave_is_a_product(weight: float, k: int, more: int) -> None:
    assert schedules.constant(weight, k) * schedules.constant(weight, more) == pytest.approx(
        schedules.constant(weight, k + more), rel=1e-12, abs=1e-300
    )
    j = np.arange(k)
    assert schedules.constant(weight, k) == pytest.approx((1 - weight) ** k, rel=1e-12)
    assert schedules.harmonic(k) == pytest.approx(np.prod(1 - 1 / (j + 2.0)))
    assert schedules.inverse_square(k) == pytest.approx(np.prod(1 - 1 / (j + 2.0) ** 2))
    assert schedules.none(j).tolist() == [1] * k


@few
@given(st.integers(0, 50), st.sampled_from([0, 1, 5, 49, 50, 101, 10**9, 10**15]))
def test_rotations_turn_half_round_in_one_step_more(n: int, k: int) -> None:
    R = fixed_points.attaining_rotation(np.array([n]))[0]
    assert np.linalg.matrix_power(R, n + 1) == pytest.approx(-np.eye(2), abs=1e-12)
    assert R[1, 0] == pytest.approx(np.sin(np.pi / (n + 1)), abs=1e-15)
    left = np.eye(2) - np.linalg.matrix_power(R, (k + 1) % (2 * n + 2))
    ratio = fixed_points.rotation_ratio(np.array([n]), k)
    assert ratio == pytest.approx(np.linalg.norm(left, ord=2) / 2, abs=1e-12)
    assert fixed_points.residual_bound(0.7, k) * ratio == pytest.approx(0.7 * np.linalg.norm(left, ord=2) / (k + 1))


@few
@given(
    st.sampled_from([0.0, 1e-9, 0.7, 2.3, 40.0]),
    st.sampled_from([-1.0, 0.4, 1 - 1e-12, 1.0, 1 + 1e-9, 1.7, 30.0]),
    st.sampled_from([0.0, 1e-12, 0.3, 5.0, 1e9]),
    st.sampled_from([1e-6, 0.8, 1e4]),
)
def test_the_unseen_fade_by_an_integral_that_composes(c: float, power: float, t: float, later: float) -> None:
    with mpmath.workdps(60):
        p, u = mpmath.mpf(power), 1 + mpmath.mpf(t)
        integral = mpmath.log(u) if power == 1 else (u ** (1 - p) - 1) / (1 - p)
        exact = float(mpmath.exp(-mpmath.mpf(c) * integral))
    left = flow.share_left(c, power, t)
    assert left == pytest.approx(exact, rel=1e-12, abs=1e-300)
    after = flow.share_left(c * (1 + t) ** (1 - power), power, later)
    assert flow.share_left(c, power, t + (1 + t) * later) == pytest.approx(left * after, rel=1e-9, abs=1e-200)


@few
@given(seeds, st.sampled_from([1e-3, 1.0, 7.0]), st.sampled_from([0.0, 0.6, 2.5]))
def test_the_price_of_forgetting_by_another_pseudoinverse(seed: int, scale: float, c: float) -> None:
    problem, w, _ = drawn(seed, scale)
    X, Y = problem.X / scale, problem.Y / scale
    bias = -c * np.linalg.pinv(X.T @ X, rcond=1e-9) @ np.linalg.pinv(X, rcond=1e-9) @ Y / scale**2
    assert flow.scaled_bias(problem, c) == pytest.approx(bias, rel=1e-9, abs=1e-10 / scale**2)
    t = 1e6 / scale**2
    off = flow.solution(problem, c, 0 * w, t) - problem.minimum_norm_solution
    assert (1 + t) * off == pytest.approx(np.broadcast_to(bias, w.shape), rel=1e-3, abs=1e-3 / scale**2)


@few
@given(seeds, st.sampled_from([1e-60, 1e-3, 1e60]), st.sampled_from([0.0, 0.6, 2.5]), st.floats(0, 9), st.floats(0, 9))
def test_the_flow_is_the_same_in_other_units_of_targets(
    seed: int, unit: float, c: float, since: float, later: float
) -> None:
    problem, w, _ = drawn(seed)
    in_units = flow.solution(Regression(problem.X, unit * problem.Y), c, unit * w, since + later, since)
    assert in_units / unit == pytest.approx(flow.solution(problem, c, w, since + later, since), rel=1e-11, abs=1e-12)
    h = 1e-4
    around = flow.solution(problem, c, w, since + later + np.array([0.0, h, 2 * h]), since)
    force = problem.X.T @ (problem.Y - problem.X @ around[1]) - c * around[1] / (1 + since + later + h)
    assert (around[2] - around[0]) / (2 * h) == pytest.approx(force, abs=1e-5)


@few
@given(seeds, st.sampled_from([1e-3, 1.0, 40.0]), st.floats(0, 1), st.sampled_from([0.0, 0.3, 1.7]))
def test_imbalances_after_a_step_are_those_of_the_weights(seed: int, unit: float, weight: float, eta: float) -> None:
    rng = np.random.default_rng(seed)
    W = gaussian_stack(rng, rng.integers(1, 5, 4).tolist(), unit, runs=2)
    G = layer_gradients(W, rng.standard_normal((W[-1].shape[1], W[0].shape[2])))
    moved = [(1 - weight) * (layer - eta * gradient) for layer, gradient in zip(W, G)]
    sizes = [np.abs(layer).max() + eta * np.abs(gradient).max() for layer, gradient in zip(W, G)]
    found = nonconvex.imbalances_after_halpern(W, G, eta, np.array([weight, weight]))
    for D, exact in zip(found, imbalances(moved)):
        assert D == pytest.approx(exact, rel=1e-9, abs=1e-12 * max(sizes) ** 2)


@few
@given(seeds, scales, st.sampled_from([0.2, 0.9]))
def test_duals_are_read_off_what_is_left_of_the_hinge(seed: int, scale: float, share: float) -> None:
    problem = support(seed, scale, more=2)
    Z = problem.Z[problem.support] / scale
    eta = share / np.linalg.norm(Z, ord=2) ** 2
    limit = squared_hinge.hinge_error_limit(problem, eta / scale**2) * scale
    assert limit == pytest.approx(-np.linalg.pinv(Z.T @ Z, rcond=1e-9) @ problem.w * scale / eta, rel=1e-7, abs=1e-9)
    eigenvalues = np.linalg.eigvalsh(Z @ Z.T)
    assert squared_hinge.hinge_factor(problem, eta / scale**2) == pytest.approx(1 - eta * eigenvalues[0], rel=1e-9)
    for k in (10**4, 10**6):
        w = problem.w + limit / scale / (k + 1)
        duals = squared_hinge.duals_read_off(problem, eta / scale**2, w, k) / scale**-2
        assert duals == pytest.approx(problem.duals * scale**2, rel=1e-5, abs=1e-5)


@few
@given(seeds, st.sampled_from([0.3, 0.9]))
def test_the_hinge_is_left_at_the_rate_of_its_factor(seed: int, share: float) -> None:
    """Halpern's iteration itself, from where only the support is below its margin."""
    problem = support(seed, 1.0)
    eta, w = share / np.linalg.norm(problem.Z, ord=2) ** 2, 0.5 * problem.w
    limit, factor = squared_hinge.hinge_error_limit(problem, eta), squared_hinge.hinge_factor(problem, eta)
    off = []
    for k in range(400):
        off.append(np.linalg.norm((k + 1) * (w - problem.w) - limit))
        step = w + eta * problem.Z.T @ np.maximum(1 - problem.Z @ w, 0)
        w = (k + 1) / (k + 2) * step
    size = np.linalg.norm(limit)
    assert (off <= off[0] * factor ** np.arange(400) * (1 + 1e-9) + 1e-10 * size).all()


@few
@given(seeds, st.sampled_from([0.5, 1.0, 3.0]), st.permutations(range(3)))
def test_the_direction_limit_in_any_units_and_order(seed: int, scale: float, order: list[int]) -> None:
    problem = support(seed, 1.0)
    across = np.linalg.pinv(problem.Z) @ -np.log(problem.duals)
    across -= problem.w * (problem.w @ across) / (problem.w @ problem.w)
    turned = np.linalg.qr(np.random.default_rng(seed).standard_normal((problem.Z.shape[1],) * 2))[0]
    other = Separable(scale * problem.Z[[i for i in order if i < len(problem.Z)]] @ turned)
    limit = exponential_loss.direction_limit(problem)
    assert limit == pytest.approx(np.linalg.norm(across), rel=1e-8, abs=1e-8)
    assert exponential_loss.direction_limit(other) * scale == pytest.approx(limit, rel=1e-8, abs=1e-8)


@settings(deadline=None, max_examples=6)
@given(seeds, st.sampled_from([0.0, 0.6, 1.7]), st.floats(0.2, 3))
def test_the_regularised_flow_in_log_time_is_that_in_time(seed: int, c: float, tau: float) -> None:
    problem, rng = support(seed, 1.0, more=1), np.random.default_rng(seed)
    w = 0.5 * rng.standard_normal((2, problem.Z.shape[1]))
    found = exponential_loss.regularised_flow(problem, w, np.array([0.0, tau]), c)["w"]
    assert found[0] == pytest.approx(w)

    def velocity(t: float, w: np.ndarray) -> np.ndarray:
        return problem.Z.T @ np.exp(-problem.Z @ w) - c * w / (1 + t)

    slow = solve_ivp(velocity, (0, np.expm1(tau)), w[0], method="DOP853", rtol=1e-10, atol=1e-12)
    assert found[1, 0] == pytest.approx(slow.y[:, -1], abs=1e-7)
    # Distances shrink at least as (1 + t)^-c, since the loss is convex.
    assert np.linalg.norm(found[1, 1] - found[1, 0]) <= np.linalg.norm(w[1] - w[0]) * np.exp(-c * tau) * (1 + 1e-7)


@settings(deadline=None, max_examples=6)
@given(st.floats(-3, 30), st.floats(0.1, 9), st.sampled_from([0.3, 1.0, 2.7]), st.sampled_from([0.0, 0.9]))
def test_what_no_example_sees_fades_and_margins_grow(start: float, tau: float, length: float, c: float) -> None:
    problem, w = Separable(np.array([[length, 0.0]])), np.array([start, -1.3])
    found = exponential_loss.regularised_flow(problem, w, np.array([tau]), c)["w"][0]
    assert found[1] == pytest.approx(-1.3 * np.exp(-c * tau), rel=1e-7, abs=1e-9)
    if c == 0:
        assert apply(problem.Z, found) == pytest.approx(exponential_margins(problem.Z, w, np.expm1(tau)), rel=1e-7)
