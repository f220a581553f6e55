"""Students, frozen parts and decay at random: by gradients, sums over every source, turned frames and other units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain.problem import Chain
from theory.core.arrays import Array
from theory.core.linear_networks import end_to_end, gaussian_stack, layer_gradients
from theory.deep_linear import completion, frozen, minnorm, weight_decay
from theory.deep_linear import generalisation as law
from theory.deep_linear.modes import critical_multiplier, decoupled_starts, transverse_jacobian
from theory.deep_linear.problem import Ensemble, TeacherStudent, conditioned, draw, generalisation_error
from theory.deep_linear.spectrum import bulk_sum, expected_inverse_sum
from theory.minnorm.tuning import Tuning

RNG = np.random.default_rng
seeds, depths, sizes = st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 6)
units = st.sampled_from([1e-60, 1e-3, 1.0, 1e3, 1e60])
numbers = st.floats(0.1, 3)


def problem_of(seed: int, d: int, n: int, K: int = 2) -> TeacherStudent:
    """The last example is the first one, or 0, now and then."""
    rng = RNG(seed)
    X = rng.standard_normal((d, n))
    X[:, -1] = X[:, -1 if seed % 2 else 0] * (seed % 3 > 0)
    return TeacherStudent(X, rng.standard_normal((K, d)), 0.3 * rng.standard_normal((K, n)))


def stack_of(seed: int, d: int, depth: int, K: int = 2) -> list[Array]:
    return [
        layer[0] for layer in gaussian_stack(RNG(seed + 1), [d, *RNG(seed).integers(2, 5, depth - 1).tolist(), K], 0.7)
    ]


def rotation(rng: np.random.Generator, size: int) -> Array:
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


# ---- frozen


@settings(max_examples=25, deadline=None)
@given(seeds, sizes, sizes, depths)
def test_the_gradient_moves_what_is_seen_and_nothing_else(seed: int, d: int, n: int, depth: int) -> None:
    problem, W = problem_of(seed, d, n), stack_of(seed, d, depth)
    gradients = layer_gradients(W, (problem.Y - end_to_end(W) @ problem.X) @ problem.X.T)
    assert frozen.frozen_layer(problem, gradients) == pytest.approx(0, abs=1e-11)
    seen = frozen.velocity(problem, frozen.seen_layers(problem, W))
    for found, expected in zip(seen, frozen.seen_layers(problem, gradients), strict=True):
        assert found == pytest.approx(expected, abs=1e-11)
    assert frozen.output_gain(W) == pytest.approx(sum((end_to_end([np.eye(len(W[0])), *W[1:]]) ** 2).ravel()))


@settings(max_examples=25, deadline=None)
@given(seeds, sizes, sizes)
def test_the_invariant_of_two_layers_has_no_slope(seed: int, d: int, n: int) -> None:
    """Along the gradient it is quadratic in the step: what it adds on one side is what it adds on the other."""
    problem, W = problem_of(seed, d, n), stack_of(seed, d, 2)
    gradients = layer_gradients(W, (problem.Y - end_to_end(W) @ problem.X) @ problem.X.T)
    ahead, behind = ([w + h * g for w, g in zip(W, gradients, strict=True)] for h in (0.1, -0.1))
    slope = frozen.two_layer_invariant(problem, ahead) - frozen.two_layer_invariant(problem, behind)
    assert slope == pytest.approx(0, abs=1e-10)
    B = problem.projected(W[0])
    assert frozen.two_layer_invariant(problem, W) == pytest.approx(W[1].T @ W[1] - B @ B.T, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(1, 5), st.integers(1, 5), depths, numbers, numbers, numbers)
def test_errors_given_the_seen_are_sums_over_every_source(
    seed: int, d: int, n: int, depth: int, teacher: float, noise: float, start: float
) -> None:
    """Entries of the unseen teacher and of W_1 Q are uncorrelated: each one alone, at its size."""
    ensemble = Ensemble(d, n, K=2, teacher=teacher, noise=noise)
    problem, W = draw(ensemble, RNG(seed), 1), stack_of(seed, d, depth)
    A, Q = end_to_end([np.eye(len(W[0])), *W[1:]]), problem.unseen[0]
    shown = TeacherStudent(problem.X, problem.projected(problem.teacher), problem.noise)
    seen = generalisation_error(ensemble, shown, problem.projected((A @ W[0])[None]))[0]
    of_teacher = sum(((teacher * np.eye(2)[:, [i]] @ Q[[j]]) ** 2).sum() for i in range(2) for j in range(d))
    of_start = sum(((start * A[:, [i]] @ Q[[j]]) ** 2).sum() for i in range(len(W[0])) for j in range(d))
    layers = frozen.seen_layers(problem, [layer[None] for layer in W])
    found = frozen.error_given_seen(ensemble, problem, layers, start)
    assert found == pytest.approx(seen + (of_teacher + of_start) / d)
    excess = frozen.excess_error(ensemble, frozen.output_gain(layers), start)
    assert excess == pytest.approx(of_start / d)


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(1, 3), st.integers(1, 3), st.sampled_from([1e-60, 1.0, 1e3]))
def test_typical_starts_are_as_long_as_random_ones_and_orthogonal(seed: int, n: int, depth: int, unit: float) -> None:
    problem = problem_of(seed, 9, n)
    W = [unit * layer for layer in stack_of(seed, 9, depth)]
    first, *rest = frozen.typical_start(problem, W, RNG(seed + 20_000))
    unseen = frozen.frozen_layer(problem, [first])
    assert unseen @ unseen.T == pytest.approx((9 - problem.rank) * np.eye(len(unseen)), abs=1e-11 * max(1, unit))
    assert problem.projected(first) == pytest.approx(problem.projected(W[0]), abs=1e-12 * max(1, unit))
    assert unseen @ problem.teacher.T == pytest.approx(0, abs=1e-12 * max(1, unit) * 1e2)
    assert all(a is b for a, b in zip(rest, W[1:], strict=True))


@settings(max_examples=25, deadline=None)
@given(seeds, sizes, sizes, st.floats(0, 3), st.integers(2, 6), st.sampled_from([1e-30, 1.0, 1e30]))
def test_gains_are_traces_of_powers(seed: int, K: int, d: int, kappa: float, depth: int, unit: float) -> None:
    """tr (kappa^2 + W W^T)^(1/2), and tr (W W^T)^(1 - 1/L)."""
    W = RNG(seed).standard_normal((K, d))
    squares = np.clip(np.linalg.eigvalsh(W @ W.T), 0, None)
    if d < K:
        squares[: K - d] = 0
    found = frozen.gain_from_orthogonal_start(unit * W, unit * kappa)
    assert found / unit == pytest.approx(np.sqrt(kappa**2 + squares).sum())
    found = frozen.gain_from_small_start(unit * W, depth)
    assert found / unit ** (2 - 2 / depth) == pytest.approx((squares ** (1 - 1 / depth)).sum(), rel=1e-6)


# ---- generalisation


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 6), st.integers(1, 6), numbers, numbers, st.floats(0, 2), units)
def test_no_memory_is_better_than_the_best(
    seed: int, d: int, n: int, teacher: float, noise: float, start: float, unit: float
) -> None:
    rng, r = RNG(seed), min(d, n)
    ensemble, scaled = (Ensemble(d, n, 2, u * teacher, u * noise) for u in (1.0, unit))
    rates = np.exp(2 * rng.standard_normal(r))
    best = law.best_memory(ensemble, rates, start)
    assert law.best_memory(scaled, rates, unit * start) == pytest.approx(best)
    stopped = [law.flow_memory(rates, t)[k] for k, t in enumerate(law.best_times(ensemble, rates, start))]
    assert stopped == pytest.approx(best)
    least = law.error(ensemble, rates, best, start)
    assert law.error(scaled, rates, best, unit * start) / unit**2 == pytest.approx(least)
    for k in range(r):
        for change in (0.95, 1.05):
            other = best * np.where(np.arange(r) == k, change, 1.0)
            # A parabola in every memory: by its curvature 2 K (sw^2 + s0^2 + se^2 / lam) / d.
            curvature = 2 * (teacher**2 + start**2 + noise**2 / rates[k]) / d
            assert law.error(ensemble, rates, other, start) - least == pytest.approx(
                curvature * (0.05 * best[k]) ** 2, rel=1e-4, abs=1e-13 * least
            )
    ridge = law.ridge_memory(rates, law.best_ridge_strength(ensemble))
    assert ridge == pytest.approx(law.best_memory(ensemble, rates))
    forgotten = law.error(ensemble, rates, np.ones(r), start)
    assert forgotten == pytest.approx(2 * (teacher**2 + start**2 + noise**2))


@settings(max_examples=3, deadline=None)
@given(st.integers(20, 60), st.floats(0.2, 0.6), st.floats(0.5, 2), st.floats(0.5, 2), st.sampled_from([1e-50, 1e50]))
def test_what_stopping_is_worth_for_any_ensemble(
    d: int, aspect: float, teacher: float, noise: float, unit: float
) -> None:
    """Ridge at its best is the best of all memories, a stopped flow no worse than its ends."""
    n = round(aspect * d)
    ensemble, scaled = (Ensemble(d, n, 2, u * teacher, u * noise) for u in (1.0, unit))
    start = 0.4 * teacher
    t = law.best_time(ensemble, start)
    stopped = law.best_stopped_error(ensemble, start)
    at = lambda t: float(law.expected_error(ensemble, lambda x: law.flow_memory(x, t), start))  # noqa: E731
    assert stopped == pytest.approx(at(t))
    assert stopped <= min(at(0.97 * t), at(1.03 * t), law.final_error(ensemble, start) * (1 + 1e-2), at(0.0))
    assert law.best_ridge_error(ensemble) <= law.best_stopped_error(ensemble) * (1 + 1e-12)
    assert law.best_stopped_error(scaled, unit * start) / unit**2 == pytest.approx(stopped)
    s0 = law.crossover(ensemble)
    assert law.crossover(scaled) / unit == pytest.approx(s0)
    assert law.best_stopped_error(ensemble, s0) == pytest.approx(law.final_error(ensemble))
    unseen = 2 * (d - n) * (teacher**2 + start**2) / d
    learned = 2 * noise**2 * (1 + n / (d - n - 1))
    assert law.final_error(ensemble, start) == pytest.approx(unseen + learned)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(2, 300))
def test_inverse_rates_are_those_of_the_bulk_but_for_one_dimension(n: int, apart: int) -> None:
    """Marchenko & Pastur's mean of 1 / lam is d r / |d - n|; that of every size has |d - n| - 1, on either side."""
    for ensemble in (Ensemble(n + apart, n), Ensemble(n, n + apart)):
        exact = expected_inverse_sum(ensemble) * (apart - 1)
        assert exact == pytest.approx(float(bulk_sum(ensemble, lambda x: 1 / x)) * apart)


# ---- problem, modes


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 4), units, st.sampled_from([1e-2, 1.0, 1e9]))
def test_conditioned_problems_have_their_spectra(seed: int, n: int, unit: float, other: float) -> None:
    rng = RNG(seed)
    S, s = (np.sort(np.exp(rng.standard_normal(size)))[::-1] for size in (n, max(1, n - 1)))
    problem = conditioned(rng, n + seed % 3, unit * S, other * s, K=n, draws=2)
    assert problem.singular_values / unit == pytest.approx(np.stack([S, S]))
    found = np.linalg.svd(problem.minimum_norm_solution, compute_uv=False)[:, : len(s)]
    assert found / other == pytest.approx(np.stack([s, s]), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 4), st.integers(0, 3), st.sampled_from([1e-30, 1.0, 1e30]))
def test_starts_one_after_the_other_are_quotients_of_determinants(seed: int, r: int, more: int, unit: float) -> None:
    rng = RNG(seed)
    G, turn = rng.standard_normal((r + more, r)), rotation(rng, r + more)
    minors = [np.linalg.det(G[:, :k].T @ G[:, :k]) for k in range(r + 1)]
    found = decoupled_starts(unit * turn @ G)
    assert found / unit**2 == pytest.approx(np.divide(minors[1:], minors[:-1]), rel=1e-7)


@settings(max_examples=25, deadline=None)
@given(numbers, numbers, numbers, numbers, numbers, st.floats(0, 2), numbers)
def test_a_collapsed_mode_returns_where_nothing_damps_it(
    weak: float, strong: float, x: float, a: float, b: float, c: float, multiplier: float
) -> None:
    """At the critical multiplier it turns with x omega^2 (a b)^(1/2), and neither grows nor shrinks."""
    chains, tuning = (Chain(weak, 3, x), Chain(strong, 3, x)), Tuning(a, b, c)
    omega = strong ** (1 / 3)
    critical = critical_multiplier(*chains, tuning)
    eigenvalues = np.linalg.eigvals(transverse_jacobian(*chains, tuning, critical))
    turning = x * omega**2 * np.sqrt(a * b)
    assert np.sort(eigenvalues.imag) == pytest.approx([-turning, turning])
    assert eigenvalues.real == pytest.approx(0, abs=1e-7)
    J = transverse_jacobian(*chains, tuning, multiplier)
    assert np.trace(J) == pytest.approx(a * x * omega * (multiplier - critical), abs=1e-9)
    assert np.linalg.det(J) == pytest.approx(turning**2)
    # The pull on the weak mode, its shrinkage, and the constraints of the entries between the two.
    assert critical == pytest.approx(1 / (x * omega) + c * x * (strong - weak))


# ---- minnorm


@settings(max_examples=25, deadline=None)
@given(seeds, sizes, sizes, depths, numbers)
def test_forces_are_slopes_of_the_lagrangian(seed: int, d: int, n: int, depth: int, c: float) -> None:
    """<Lambda, R> + c |R|^2 / 2 is quadratic in W: its differences across W are its slopes. And all of it turns."""
    problem, W, rng = problem_of(seed, d, n), stack_of(seed, d, depth), RNG(seed + 2)
    multiplier, direction = rng.standard_normal((2, n)), rng.standard_normal((2, d))
    tuning, product = Tuning(c=c), end_to_end(W)

    def lagrangian(W: Array) -> float:
        R = (problem.teacher - W) @ problem.X + problem.noise
        return (multiplier * R).sum() + c / 2 * (R**2).sum()

    force = minnorm.force(problem, tuning, W, multiplier)
    slope = (lagrangian(product - direction) - lagrangian(product + direction)) / 2
    assert (force * direction).sum() == pytest.approx(slope, abs=1e-10 * (1 + abs(lagrangian(product + direction))))
    assert minnorm.residual(problem, product) == pytest.approx(problem.Y - product @ problem.X)
    assert minnorm.residual(problem, problem.minimum_norm_solution) == pytest.approx(problem.misfit, abs=1e-10)
    U, V = rotation(rng, 2), rotation(rng, d)
    turned = TeacherStudent(V @ problem.X, U @ problem.teacher @ V.T, U @ problem.noise)
    moved = W[:]
    moved[0] = moved[0] @ V.T
    moved[-1] = U @ moved[-1]
    assert minnorm.force(turned, tuning, moved, U @ multiplier) == pytest.approx(U @ force @ V.T, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 4), numbers, numbers, st.integers(0, 3), st.sampled_from([1e-3, 1.0, 1e3]))
def test_undamped_oscillations_are_those_of_the_linearisation(
    seed: int, d: int, a: float, b: float, which: int, unit: float
) -> None:
    X = unit * RNG(seed).standard_normal((d, d))
    U, S, _ = np.linalg.svd(X)
    k = min(which, d - 1)
    problem = TeacherStudent(X, 1.7 / unit * U[:, k][None], np.zeros((1, d)))
    tuning = Tuning(a, b)
    frequency = minnorm.undamped_frequency(problem, tuning)
    assert frequency == pytest.approx(np.sqrt(2 * a * b * S[k] ** 2 * 1.7 / unit))
    eigenvalues = np.linalg.eigvals(minnorm.linearisation(problem, tuning, 2))
    scale = np.abs(eigenvalues).max()
    assert np.abs(eigenvalues - 1j * frequency).min() < 1e-6 * scale


# ---- weight decay, completion


@settings(max_examples=25, deadline=None)
@given(seeds, sizes, sizes, st.integers(1, 5), st.sampled_from([1e-3, 0.3, 1.0, 30.0]), units)
def test_ridges_are_at_rest_under_the_decay_that_holds_them(
    seed: int, d: int, n: int, depth: int, mu: float, unit: float
) -> None:
    """(Y - W X) X^T = mu W = gamma |W|^(2/L - 2) W; labels in other units."""
    problem = problem_of(seed, d, n)
    W = weight_decay.ridge_modes(problem, mu) @ problem.basis.T
    assert (problem.Y - W @ problem.X) @ problem.X.T == pytest.approx(mu * W, abs=1e-9)
    scaled = TeacherStudent(problem.X, unit * problem.teacher, unit * problem.noise)
    gamma = weight_decay.decay_that_holds(scaled, mu, depth)
    assert gamma / unit ** (2 - 2 / depth) == pytest.approx(mu * np.linalg.norm(W) ** (2 - 2 / depth))


@settings(max_examples=5, deadline=None)
@given(seeds, st.integers(1, 3), st.sampled_from([1e-20, 1e20]))
def test_the_best_decay_does_not_know_the_units_of_labels(seed: int, depth: int, unit: float) -> None:
    ensemble, scaled = (Ensemble(6, 4, 1, u, 0.5 * u) for u in (1.0, unit))
    one, two = (draw(made, RNG(seed), 16) for made in (ensemble, scaled))
    found = [weight_decay.best_decay(made, problem, depth) for made, problem in ((ensemble, one), (scaled, two))]
    assert found[1] / unit ** (2 - 2 / depth) == pytest.approx(found[0], rel=1e-5)
    error = lambda gamma: generalisation_error(ensemble, one, weight_decay.decayed_solution(one, gamma, depth)).mean()  # noqa: E731
    assert error(found[0]) <= min(error(0.8 * found[0]), error(1.25 * found[0]))


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), units)
def test_corners_turn_over_and_change_their_signs(a: float, b: float, c: float, x: float, unit: float) -> None:
    problem, fill = completion.corner(a, b, c), completion.nuclear_fill(a, b, c)
    W = np.array([[a, b], [c, fill]])
    assert not problem.violation(W).any()
    assert problem.violation(W + np.array([[1, 2], [3, 4]])).tolist() == pytest.approx(np.array([[-1, -2], [-3, 0]]))
    assert completion.nuclear_fill(a, c, b) == fill
    assert completion.nuclear_fill(a, -b, c) == -fill == completion.nuclear_fill(-a, b, c)
    assert completion.nuclear_fill(unit * a, unit * b, unit * c) == pytest.approx(unit * fill, rel=1e-12)
    other = np.array([[a, b], [c, x]])
    assert minnorm.least_norm(W, 2) <= minnorm.least_norm(other, 2) * (1 + 1e-12) + 1e-12
