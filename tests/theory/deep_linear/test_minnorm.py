"""Minnorm at any depth: predictions as functions of time, rest, linearisation; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain import minnorm as chain_minnorm
from theory.chain.problem import Chain
from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack, imbalances, layer_gradients, squared_norm
from theory.core.validation import InvalidArgument
from theory.deep_linear import minnorm
from theory.deep_linear.modes import Modes, aligned, planted, whitened
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

seeds, depths = st.integers(0, 10_000), st.integers(1, 4)
WIDTHS = {L: [6, *[5] * (L - 1), 2] for L in range(1, 5)}


def problem_of(seed: int, draws: int = 3) -> TeacherStudent:
    return planted([1.4, 0.8], [1.3, 1.0, 0.6], d=6, K=2, rng=np.random.default_rng(seed), draws=draws)


def at_rest(problem: TeacherStudent, L: int) -> tuple[list[Array], Array]:
    """Balanced layers whose product is Y X^+, and their multipliers."""
    U, s, Vt = np.linalg.svd(problem.minimum_norm_solution, full_matrices=False)
    frames = [Vt.mT, *[np.eye(5, 2)] * (L - 1), U]
    return aligned(frames, s[..., None] ** (1 / L) * np.ones(L)), minnorm.solution_multiplier(problem, L)


@settings(deadline=None, max_examples=8)
@given(seeds, depths)
def test_the_flow_forgets_as_predicted(seed: int, L: int) -> None:
    rng, problem = np.random.default_rng(seed), problem_of(seed)
    W = gaussian_stack(rng, WIDTHS[L], 0.4, runs=3)
    tuning = Tuning(rng.uniform(0.3, 1, 3), rng.uniform(-0.3, 1, 3), rng.uniform(0, 1, 3))
    names = [f"W{l}" for l in range(L)]

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        layers, multiplier = minnorm.velocity(problem, tuning, [state[name] for name in names], state["multiplier"])
        return dict(zip([*names, "multiplier"], [*layers, multiplier]))

    t = np.array([0.0, 0.4, 1.0])
    solution = flow(velocity, {**dict(zip(names, W)), "multiplier": np.zeros((3, 2, 3))}, t)
    left = minnorm.unseen_solution(problem, W, tuning.a, t)
    assert left.shape == (3, *W[0].shape)
    assert np.allclose(solution["W0"] @ problem.unseen, left, atol=1e-8)
    stack = [solution[name] for name in names]
    for measured, predicted in zip(imbalances(stack), minnorm.imbalance_solution(W, tuning.a, t)):
        assert np.allclose(measured, predicted, atol=1e-7)


@settings(deadline=None, max_examples=25)
@given(seeds, depths, st.floats(0, 3), st.floats(0, 3), st.floats(0, 2))
def test_forgetting_goes_on_from_where_it_is(seed: int, L: int, first: float, second: float, rate: float) -> None:
    problem = problem_of(seed)
    W = gaussian_stack(np.random.default_rng(seed), WIDTHS[L], 1.0, runs=3)
    middle = minnorm.unseen_solution(problem, W, rate, first)
    whole = minnorm.unseen_solution(problem, W, rate, first + second)
    assert np.allclose(minnorm.unseen_solution(problem, [middle, *W[1:]], rate, second), whole, atol=1e-12)
    assert np.allclose(minnorm.unseen_solution(problem, W, rate, 0.0), W[0] @ problem.unseen)
    for D, start in zip(minnorm.imbalance_solution(W, rate, np.array([[first, 0.0]])), imbalances(W)):
        assert D.shape == (1, 2, *start.shape)
        assert np.allclose(D[0, 0], np.exp(-2 * rate * first) * start)
        assert np.allclose(D[0, 1], start)


def test_in_the_end_all_is_forgotten_unless_the_rate_is_0() -> None:
    problem, W = problem_of(0), gaussian_stack(np.random.default_rng(0), WIDTHS[3], 1.0, runs=3)
    rates = np.array([0.0, 0.5, 2.0])
    left = minnorm.unseen_solution(problem, W, rates, np.inf)
    assert np.allclose(left[0], (W[0] @ problem.unseen)[0]) and not left[1:].any()
    assert not any(D.any() for D in minnorm.imbalance_solution(W, 1.0, np.inf))
    with pytest.raises(InvalidArgument, match=r"t = -1\.0: expected times of at least 0"):
        minnorm.unseen_solution(problem, W, 1.0, -1.0)
    with pytest.raises(InvalidArgument, match="t = nan"):
        minnorm.imbalance_solution(W, 1.0, np.nan)


@settings(deadline=None, max_examples=25)
@given(seeds, depths)
def test_the_solution_rests_with_its_multipliers(seed: int, L: int) -> None:
    problem = problem_of(seed)
    W, multiplier = at_rest(problem, L)
    layers, integral = minnorm.velocity(problem, Tuning(1.0, 2.0, 3.0), W, multiplier)
    assert max(np.abs(layer).max() for layer in layers) < 1e-11
    assert np.abs(integral).max() < 1e-11
    assert np.allclose(squared_norm(W), minnorm.least_norm(problem.minimum_norm_solution, L))
    assert np.allclose(squared_norm(W), L * (multiplier * problem.Y).sum((-2, -1)))  # Euler's identity


@settings(deadline=None, max_examples=25)
@given(seeds, depths)
def test_no_layers_with_the_same_product_are_smaller(seed: int, L: int) -> None:
    W = gaussian_stack(np.random.default_rng(seed), WIDTHS[L], 1.0, runs=4)
    assert (squared_norm(W) >= minnorm.least_norm(end_to_end(W), L) * (1 - 1e-12)).all()


@settings(deadline=None, max_examples=25)
@given(seeds, depths)
def test_the_deviation_is_exact_at_any_state(seed: int, L: int) -> None:
    problem = problem_of(seed)
    W = gaussian_stack(np.random.default_rng(seed), WIDTHS[L], 1.0, runs=3)
    difference = end_to_end(W) - problem.minimum_norm_solution
    assert np.allclose(minnorm.deviation(problem, W, W[0] @ problem.unseen), difference, atol=1e-11)


@settings(deadline=None, max_examples=20)
@given(seeds, depths)
def test_the_linearisation_is_that_of_the_velocity(seed: int, L: int) -> None:
    rng = np.random.default_rng(seed)
    problem = planted([1.3], [1.2, 0.9, 0.7], d=5, K=1, rng=rng)
    tuning = Tuning(*rng.uniform(0.3, 1.5, 3))
    solution = problem.minimum_norm_solution[0, 0]
    size = np.linalg.norm(solution)
    rest = np.concatenate([solution / size * size ** (1 / L), np.full(L - 1, size ** (1 / L))])
    rest = np.append(rest, minnorm.solution_multiplier(problem, L)[0, 0])

    def move(z: Array) -> Array:
        W: Layers = [z[None, None, :5], *(z[None, l : l + 1, None] for l in range(5, 4 + L))]
        layers, integral = minnorm.velocity(problem, tuning, W, z[None, None, -3:])
        return np.concatenate([*(layer.ravel() for layer in layers), integral.ravel()])

    J = np.stack([(move(rest + 1e-5 * e) - move(rest - 1e-5 * e)) / 2e-5 for e in np.eye(len(rest))], axis=-1)
    assert np.allclose(minnorm.linearisation(problem, tuning, L)[0], J, atol=1e-7)


@pytest.mark.parametrize("L", range(1, 5))
def test_with_whitened_examples_the_spectrum_is_the_chains(L: int) -> None:
    tuning, rng = Tuning(0.8, 1.1, 0.9), np.random.default_rng(L)
    problem = whitened([1.7], x=1.2, d=4, n=1, K=1, rng=rng)
    found = np.linalg.eigvals(minnorm.linearisation(problem, tuning, L)[0])
    known = chain_minnorm.spectrum(Chain(1.7, L, 1.2), tuning)
    for value in known:  # and -a for the three inputs that no example shows
        assert np.abs(found - value).min() < 1e-6
    assert (np.abs(found + 0.8) < 1e-9).sum() >= 3
    orbit = minnorm.undamped_frequency(problem, tuning)[0]
    assert orbit == pytest.approx(chain_minnorm.orbit_frequency(Chain(1.7, 2, 1.2), tuning))


def test_what_has_no_answer_is_refused() -> None:
    problem = problem_of(0)
    with pytest.raises(InvalidArgument, match=r"problem\.K = 2: expected 1: one output"):
        minnorm.linearisation(problem, Tuning(), 2)
    with pytest.raises(InvalidArgument, match="L = 0: expected a whole number"):
        minnorm.least_norm(problem.minimum_norm_solution, 0)
    poor = planted([1.0], [1.0, 1.0, 1.0], d=6, K=2, rng=np.random.default_rng(0))
    with pytest.raises(InvalidArgument, match=r"rank of Y X\^\+ = less: expected min\(K, rank X\) = 2"):
        minnorm.solution_multiplier(poor, 2)
    assert Modes(whitened([2.0, 1.0], x=1.0, d=4, n=2, K=2, rng=np.random.default_rng(0))).s.shape == (1, 2)


@settings(deadline=None, max_examples=20)
@given(seeds, depths)
def test_the_velocity_is_that_of_the_lagrangian(seed: int, L: int) -> None:
    """1/2 sum |W_l|^2 + <Lambda, R> + c/2 |R|^2: down in the layers at rate a, up in the multipliers at rate b."""
    rng, problem = np.random.default_rng(seed), problem_of(seed)
    W, multiplier = gaussian_stack(rng, WIDTHS[L], 0.7, runs=3), rng.standard_normal((3, 2, 3))
    a, b, c = rng.uniform(0.3, 2, (3, 3))
    direction = [rng.standard_normal(layer.shape) for layer in W]

    def lagrangian(step: float) -> Array:
        moved = [layer + step * d for layer, d in zip(W, direction)]
        R = problem.Y - end_to_end(moved) @ problem.X
        augmented = (multiplier * R).sum((-2, -1)) + c / 2 * (R**2).sum((-2, -1))
        return 0.5 * squared_norm(moved) + augmented

    layers, integral = minnorm.velocity(problem, Tuning(a, b, c), W, multiplier)
    slope = (lagrangian(1e-5) - lagrangian(-1e-5)) / 2e-5
    along = sum((v * d).sum((-2, -1)) for v, d in zip(layers, direction))
    assert np.allclose(along, -a * slope, rtol=1e-6, atol=1e-6)
    assert np.allclose(integral, b[:, None, None] * (problem.Y - end_to_end(W) @ problem.X))


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(2, 4))
def test_imbalances_after_a_step_are_those_of_the_layers_after_it(seed: int, L: int) -> None:
    rng = np.random.default_rng(seed)
    W, force = gaussian_stack(rng, WIDTHS[L], 0.7, runs=3), rng.standard_normal((3, 2, 6))
    shrinkage = np.array([0.0, 0.1, 0.3])
    moved = [(1 - shrinkage[:, None, None]) * layer + gradient for layer, gradient in zip(W, layer_gradients(W, force))]
    for after, predicted in zip(imbalances(moved), minnorm.imbalances_after_step(W, force, shrinkage)):
        assert np.allclose(after, predicted)


def test_an_eigenvector_oscillates_at_its_frequency() -> None:
    X = np.diag([1.1, 0.6, 1.3, 0.8])[None, :, :3]
    problem = TeacherStudent(X, 1.7 * np.eye(1, 4, 1)[None], np.zeros((1, 1, 3)))
    tuning = Tuning(1.3, 0.7)
    frequency = minnorm.undamped_frequency(problem, tuning)[0]
    assert frequency == pytest.approx((2 * 1.3 * 0.7 * 0.36 * 1.7) ** 0.5)
    eigenvalues = np.linalg.eigvals(minnorm.linearisation(problem, tuning, 2)[0])
    assert np.abs(eigenvalues - 1j * frequency).min() < 1e-9


def test_the_least_norm_of_known_singular_values() -> None:
    W = np.diag([4.0, 1.0, 0.0])
    assert [minnorm.least_norm(W, L) for L in (1, 2, 4)] == pytest.approx([17, 10, 12])


def test_the_multiplier_is_refused_where_the_rank_is_too_small() -> None:
    many = planted([1.0, 0.5], [1.0, 0.7], d=2, K=3, rng=np.random.default_rng(0))
    assert minnorm.solution_multiplier(many, 2).shape == (1, 3, 2)


def test_problems_of_any_batch_and_size() -> None:
    many = planted([1.3], [0.9, 0.9], d=4, K=1, rng=np.random.default_rng(0))
    one = TeacherStudent(many.X[0], many.teacher[0], many.noise[0])
    assert np.allclose(minnorm.linearisation(one, Tuning(), 3), minnorm.linearisation(many, Tuning(), 3)[0])
    assert np.allclose(minnorm.undamped_frequency(one, Tuning()), minnorm.undamped_frequency(many, Tuning())[0])
    small = planted([2e-8, 1e-8], [1.2, 0.9], d=4, K=2, rng=np.random.default_rng(0))
    assert np.isfinite(minnorm.solution_multiplier(small, 2)).all()
