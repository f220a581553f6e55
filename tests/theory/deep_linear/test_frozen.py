"""The frozen part and the autonomous rest: velocity, semigroup, gains, and weight decay as a ridge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.linear_networks import end_to_end, gaussian_stack
from theory.core.validation import InvalidArgument
from theory.deep_linear import frozen, weight_decay
from theory.deep_linear.modes import aligned
from theory.deep_linear.problem import Ensemble, conditioned, draw, generalisation_error

RNG = np.random.default_rng
ENSEMBLE = Ensemble(6, 3, K=2, noise=0.3)


def stack(L: int, runs: int = 2, scale: float = 0.6) -> list[np.ndarray]:
    return gaussian_stack(RNG(1), [6, *[4] * (L - 1), 2], scale, runs=runs)


@pytest.mark.parametrize("L", [1, 2, 3])
def test_the_velocity_is_minus_the_gradient(L: int) -> None:
    problem = draw(ENSEMBLE, RNG(0), 2)
    layers = frozen.seen_layers(problem, stack(L))
    direction = [RNG(2).standard_normal(layer.shape) for layer in layers]

    def loss(step: float) -> np.ndarray:
        moved = end_to_end([layer + step * d for layer, d in zip(layers, direction)])
        residual = problem.targets - moved * problem.singular_values[:, None]
        return 0.5 * (residual**2).sum((-2, -1))

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    predicted = sum((v * d).sum((-2, -1)) for v, d in zip(frozen.velocity(problem, layers), direction))
    assert slope == pytest.approx(-predicted, rel=1e-7)


def test_the_flow_composes_and_starts_where_it_starts() -> None:
    problem = draw(ENSEMBLE, RNG(0), 2)
    W = stack(2)
    both = frozen.seen_flow(problem, W, np.array([0.0, 0.7, 1.5]))[1]
    assert all(np.allclose(layer[0], start) for layer, start in zip(both, frozen.seen_layers(problem, W)))
    halfway = [both[0][1] @ problem.basis.mT, both[1][1]]
    rest = frozen.seen_flow(problem, halfway, np.array([0.8]))[1]
    assert all(np.allclose(a[-1], b[-1], atol=1e-7) for a, b in zip(both, rest))


def test_one_layer_gains_as_much_as_it_has_outputs() -> None:
    assert frozen.output_gain(stack(1)) == pytest.approx([2, 2])
    W = stack(3)
    assert frozen.output_gain(W) == pytest.approx((end_to_end(W[1:]) ** 2).sum((-2, -1)))


def test_where_all_is_seen_nothing_is_averaged() -> None:
    ensemble = Ensemble(4, 6, noise=0.7)
    problem = draw(ensemble, RNG(0), 3)
    W = gaussian_stack(RNG(1), [4, 3, 1], 0.5, runs=3)
    expected = frozen.error_given_seen(ensemble, problem, frozen.seen_layers(problem, W), 0.5)
    assert expected == pytest.approx(generalisation_error(ensemble, problem, end_to_end(W)))


def test_the_mean_over_the_frozen_part() -> None:
    ensemble, runs = Ensemble(9, 2), 20_000
    problem = draw(ensemble, RNG(0), 1).each(runs)
    free = 0.5 * RNG(1).standard_normal((runs, 3, 9)) @ problem.unseen[0]
    seen = RNG(2).standard_normal((3, 9)) @ problem.seen[0]
    W = [free + seen, np.broadcast_to(RNG(3).standard_normal((1, 3)), (runs, 1, 3))]
    given = frozen.error_given_seen(ensemble, problem, frozen.seen_layers(problem, W), 0.5)[0]
    # This teacher's unseen part in place of the mean over teachers.
    luck = ((problem.teacher[0] @ problem.unseen[0]) ** 2).sum() - ensemble.unseen
    errors = generalisation_error(ensemble, problem, end_to_end(W))
    assert errors.mean() == pytest.approx(given + luck / 9, abs=6 * errors.std() / runs**0.5)


def test_gains_agree_where_their_starts_do() -> None:
    solution = RNG(0).standard_normal((3, 2, 6))
    assert frozen.gain_from_orthogonal_start(solution, 0.0) == pytest.approx(frozen.gain_from_small_start(solution, 2))
    assert frozen.gain_from_orthogonal_start(0 * solution, 0.7) == pytest.approx([1.4] * 3)
    assert frozen.gain_from_small_start(solution, 1) == pytest.approx([2.0] * 3)


def test_what_has_no_answer_is_refused() -> None:
    problem = draw(ENSEMBLE, RNG(0), 2)
    with pytest.raises(InvalidArgument, match=r"len\(W\)"):
        frozen.two_layer_invariant(problem, stack(3))
    with pytest.raises(InvalidArgument, match="kappa"):
        frozen.gain_from_orthogonal_start(problem.teacher, -1.0)
    with pytest.raises(InvalidArgument, match="depth"):
        frozen.gain_from_small_start(problem.teacher, 0)
    with pytest.raises(InvalidArgument, match="K = 2"):
        weight_decay.decayed_solution(problem, 0.1, 2)
    single = draw(Ensemble(6, 3), RNG(0), 2)
    with pytest.raises(InvalidArgument, match="gamma"):
        weight_decay.decayed_solution(single, 0.0, 2)
    with pytest.raises(InvalidArgument, match="noise"):
        weight_decay.best_decay(Ensemble(6, 3), single, 2)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_decayed_solution_is_stationary(depth: int) -> None:
    problem = conditioned(RNG(0), 6, np.array([1.3, 1.0, 0.8]), np.array([1.5]), K=1, draws=3)
    W = weight_decay.decayed_solution(problem, 0.05, depth)
    size = np.sqrt((W**2).sum((-2, -1), keepdims=True))
    gradient = -(problem.Y - W @ problem.X) @ problem.X.mT + 0.05 * size ** (2 / depth - 2) * W
    assert np.allclose(gradient, 0, atol=1e-12)


def test_too_much_decay_leaves_nothing_at_depth_three() -> None:
    problem = conditioned(RNG(0), 6, np.array([1.3, 1.0, 0.8]), np.array([1.5]), K=1, draws=3)
    assert not weight_decay.decayed_solution(problem, 50.0, 3).any()
    assert weight_decay.decayed_solution(problem, 1e-4, 3).any()


@pytest.mark.parametrize("L", [1, 2, 3])
def test_a_typical_start_has_the_mean_error_of_its_draw(L: int) -> None:
    ensemble = Ensemble(12, 5, K=2, teacher=0.7, noise=0.4)
    problem = draw(ensemble, RNG(0), 3)
    gaussian = gaussian_stack(RNG(1), [12, *[4] * (L - 1), 2], 1.0, runs=3)
    start = frozen.typical_start(problem, gaussian, RNG(2))
    assert np.allclose(start[0] @ problem.seen, gaussian[0] @ problem.seen)
    rows = start[0] @ problem.unseen
    assert np.allclose(rows @ rows.mT, 7 * np.eye(rows.shape[-2]))
    assert np.allclose(rows @ problem.teacher.mT, 0)
    W = [0.6 * layer for layer in start]
    luck = ((problem.teacher @ problem.unseen) ** 2).sum((-2, -1)) / 12 - 7 * 2 * 0.49 / 12
    given_seen = frozen.error_given_seen(ensemble, problem, frozen.seen_layers(problem, W), 0.6)
    assert given_seen + luck == pytest.approx(generalisation_error(ensemble, problem, end_to_end(W)))


def test_a_typical_start_needs_a_dimension_for_each_row() -> None:
    problem = draw(Ensemble(9, 5, K=2), RNG(0), 1)
    frozen.typical_start(problem, gaussian_stack(RNG(1), [9, 2, 2], 1.0), RNG(2))
    with pytest.raises(InvalidArgument, match=r"rows of W_1 and teacher = 5: expected a number in \[1, 4\]"):
        frozen.typical_start(problem, gaussian_stack(RNG(1), [9, 3, 2], 1.0), RNG(2))


def test_the_excess_is_what_the_start_adds() -> None:
    ensemble = Ensemble(9, 4, K=2, teacher=0.7, noise=0.4)
    problem = draw(ensemble, RNG(0), 3)
    layers = frozen.seen_layers(problem, gaussian_stack(RNG(1), [9, 3, 2], 0.5, runs=3))
    added = frozen.error_given_seen(ensemble, problem, layers, 0.8) - frozen.error_given_seen(
        ensemble, problem, layers, 0.0
    )
    assert frozen.excess_error(ensemble, frozen.output_gain(layers), 0.8) == pytest.approx(added)
    assert frozen.excess_error(ensemble, 3.0, 0.8) == pytest.approx(5 * 0.64 * 3 / 9)


def test_layers_are_what_is_seen_and_what_is_not() -> None:
    problem, W = draw(ENSEMBLE, RNG(0), 2), stack(2)
    seen = frozen.seen_layers(problem, W)
    assert np.allclose(seen[0] @ problem.basis.mT + frozen.frozen_layer(problem, W), W[0])
    assert seen[1] is W[1]


def test_the_invariant_of_two_layers() -> None:
    problem, W = draw(ENSEMBLE, RNG(0), 2), stack(2)
    B = W[0] @ problem.seen
    C = frozen.two_layer_invariant(problem, W)
    assert np.allclose(C, W[1].mT @ W[1] - B @ B.mT)
    late = [layer[-1] for layer in frozen.seen_flow(problem, W, np.array([2.0]), relative_tolerance=1e-10)[1]]
    assert np.allclose(C, late[1].mT @ late[1] - late[0] @ late[0].mT, atol=1e-8)


def test_gains_are_those_that_the_flow_ends_with() -> None:
    """From orthogonal rows of squared norm kappa at depth 2."""
    kappa, problem = 0.7, conditioned(RNG(0), 6, np.array([1.3, 1.0, 0.8]), np.array([1.5, 0.6]), K=2, draws=2)
    frame = np.sqrt(kappa) * np.linalg.qr(RNG(1).standard_normal((2, 6, 5)))[0].mT
    W = [frame[:, 2:].mT @ problem.basis.mT, frame[:, :2]]
    layers = frozen.seen_flow(problem, W, np.array([60.0]), relative_tolerance=1e-10)[1]
    predicted = frozen.gain_from_orthogonal_start(problem.minimum_norm_solution, kappa)
    assert frozen.output_gain(layers)[0] == pytest.approx(predicted, rel=1e-7)


@pytest.mark.parametrize("L", [2, 3, 4])
def test_balanced_layers_have_the_gain_from_small_starts(L: int) -> None:
    solution = RNG(0).standard_normal((3, 2, 6))
    U, s, Vt = np.linalg.svd(solution, full_matrices=False)
    W = aligned([Vt.mT, *[np.eye(4, 2)] * (L - 1), U], s[..., None] ** (1 / L) * np.ones(L))
    assert np.allclose(end_to_end(W), solution)
    assert frozen.output_gain(W) == pytest.approx(frozen.gain_from_small_start(solution, L))


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3))
def test_a_flow_from_where_a_flow_came_is_the_same_flow(seed: int, depth: int) -> None:
    problem, rng = draw(ENSEMBLE, RNG(seed), 1), np.random.default_rng(seed)
    widths = [ENSEMBLE.d, *[2] * (depth - 1), ENSEMBLE.K]
    W = [rng.standard_normal((1, rows, columns)) / 2 for columns, rows in zip(widths, widths[1:])]
    whole = frozen.seen_flow(problem, W, np.array([0.3, 0.5]))[1]
    halfway = [whole[0][0] @ problem.basis.mT, *(layer[0] for layer in whole[1:])]
    for layer, end in zip(frozen.seen_flow(problem, halfway, np.array([0.2]))[1], whole):
        assert layer[-1] == pytest.approx(end[-1], abs=1e-7)
