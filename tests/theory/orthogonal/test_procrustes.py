"""The Procrustes flow as a function of any input: time, semigroup, limits, batches, data; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import procrustes, rotations
from theory.orthogonal.procrustes import Component, LinearOPT, component, coordinates, random_problem, start_near

S = np.array([1.7, 1.2, 0.9, 0.4])
times = st.floats(0, 30)
seeds = st.integers(0, 1000)


def problem_and_start(seed: int, determinant: float = 1.0, runs: int = 3) -> tuple[LinearOPT, np.ndarray]:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, S, N=6, n=7, runs=runs, neurons=np.linspace(1.3, 0.7, 4))
    side = np.broadcast_to(np.diag([1, 1, 1, determinant]), (runs, 4, 4))
    return problem, start_near(component(problem, side), rng, 0.9)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([1.0, -1.0]), times, times)
def test_two_times_are_one(seed: int, determinant: float, first: float, second: float) -> None:
    problem, R = problem_and_start(seed, determinant)
    between = procrustes.solution(problem, R, first)
    assert np.allclose(
        procrustes.solution(problem, between, second), procrustes.solution(problem, R, first + second), atol=1e-11
    )


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([1.0, -1.0]))
def test_time_zero_and_infinity(seed: int, determinant: float) -> None:
    problem, R = problem_and_start(seed, determinant)
    start, limit = procrustes.solution(problem, R, np.array([0.0, np.inf]))
    assert np.allclose(start, R, atol=1e-12)
    assert np.allclose(limit, component(problem, R).optimum, atol=1e-12)
    assert np.allclose(np.linalg.det(limit), np.linalg.det(R))
    assert np.allclose(procrustes.velocity(problem, limit), 0, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([1.0, -1.0]), st.floats(0, 8))
def test_it_is_the_linear_fractional_map_of_the_riccati_equation(seed: int, determinant: float, t: float) -> None:
    problem, R = problem_and_start(seed, determinant)
    chart = component(problem, R)
    aligned = chart.P.mT @ R @ chart.Q
    moved = chart.P.mT @ procrustes.solution(problem, R, t) @ chart.Q
    assert np.allclose(procrustes.riccati_solution(chart.s, aligned, t), moved, atol=1e-9)


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_shapes_of_times_in_coordinates_and_of_riccati(shape: tuple[int, ...]) -> None:
    problem, R = problem_and_start(0)
    chart, t = component(problem, R), np.ones(shape)
    assert procrustes.coordinates_solution(chart, coordinates(chart, R), t).shape == (*shape, 3, 4, 4)
    assert procrustes.riccati_solution(chart.s, chart.P.mT @ R @ chart.Q, t).shape == (*shape, 3, 4, 4)
    assert np.shape(procrustes.decay(np.ones(3), t)) == (*shape, 3)


def test_riccati_has_no_digits_left_at_infinity() -> None:
    with pytest.raises(InvalidArgument, match="finite times"):
        procrustes.riccati_solution(S, np.eye(4), np.inf)


@settings(deadline=None, max_examples=30)
@given(seeds, times, times)
def test_two_times_are_one_in_coordinates(seed: int, first: float, second: float) -> None:
    problem, R = problem_and_start(seed)
    chart = component(problem, R)
    A = coordinates(chart, R)
    between = procrustes.coordinates_solution(chart, A, first)
    together = procrustes.coordinates_solution(chart, A, first + second)
    assert np.allclose(procrustes.coordinates_solution(chart, between, second), together, atol=1e-12)
    assert np.allclose(procrustes.coordinates_solution(chart, A, np.array([0.0, np.inf])), [A, 0 * A])


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([1.0, -1.0]))
def test_loss_and_distance_in_coordinates(seed: int, determinant: float) -> None:
    problem, R = problem_and_start(seed, determinant)
    chart = component(problem, R)
    A = coordinates(chart, R)
    assert np.allclose(A, -A.mT)
    assert np.allclose(procrustes.matrix(chart, A), R)
    above = procrustes.loss(problem, R) - procrustes.optimal_loss(problem, chart)
    assert np.allclose(procrustes.excess_loss(chart, A), above)
    assert np.allclose(procrustes.distance(A), np.linalg.norm(R - chart.optimum, axis=(-2, -1)))


def test_shapes_of_times_and_runs() -> None:
    problem, R = problem_and_start(0)
    assert procrustes.solution(problem, R, 1.0).shape == (3, 4, 4)
    assert procrustes.solution(problem, R, np.ones((2, 5))).shape == (2, 5, 3, 4, 4)
    one = LinearOPT(problem.X[0], problem.Y[0], problem.W0[0])
    assert np.allclose(procrustes.solution(one, R[0], 1.0), procrustes.solution(problem, R, 1.0)[0])
    assert procrustes.slowest_rate(component(one, R[0])) == pytest.approx(0.65)


def test_the_gap_closes_for_equal_gram_matrices_only() -> None:
    rng = np.random.default_rng(0)
    W0 = rng.standard_normal((4, 6))
    turned = rotations.random_rotation(rng, 4)[0] @ W0
    assert procrustes.expressivity_gap(W0, turned)[0] == pytest.approx(0, abs=1e-12)
    best, other = procrustes.expressivity_gap(W0, 1.1 * W0)
    assert best == pytest.approx(0.5 * 0.1**2 * (W0**2).sum())
    assert other == pytest.approx(best + 2.2 * np.linalg.svd(W0, compute_uv=False)[-1] ** 2)


def test_equal_last_singular_values_leave_a_set_of_optima() -> None:
    rng = np.random.default_rng(1)
    problem = random_problem(rng, np.array([2.0, 1.0, 1.0]), N=3, n=3)
    chart = component(problem, np.diag([1.0, 1.0, -1.0])[None])
    R = start_near(chart, rng, 0.5)
    limit = procrustes.solution(problem, R, np.inf)
    assert procrustes.slowest_rate(chart) == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(limit - chart.optimum) > 0.1
    assert procrustes.loss(problem, limit) == pytest.approx(procrustes.optimal_loss(problem, chart))


def test_plane_rotations_turn_from_i_to_j() -> None:
    G = rotations.plane_rotation(3, (0, 2), np.array([0.0, np.pi / 2]))
    assert np.allclose(G[0], np.eye(3))
    assert np.allclose(G[1] @ [1, 0, 0], [0, 0, 1])


def test_unwhitened_data_have_no_closed_form() -> None:
    spread = np.linspace(1.5, 0.5, 4)
    problem = random_problem(np.random.default_rng(0), S, N=6, n=7, inputs=spread, neurons=spread)
    assert not problem.solvable
    with pytest.raises(InvalidArgument, match="whitened inputs or a tight frame"):
        procrustes.solution(problem, np.eye(4)[None], 1.0)


def test_a_start_on_the_cut_locus_is_refused() -> None:
    problem, R = problem_and_start(0, runs=1)
    chart = component(problem, R)
    saddle = chart.P @ np.diag([-1.0, -1.0, 1.0, 1.0]) @ chart.Q.mT
    with pytest.raises(InvalidArgument, match="no rotation by pi"):
        procrustes.solution(problem, saddle, 1.0)


@pytest.mark.parametrize("t", [-1.0, np.nan])
def test_times_that_are_none(t: float) -> None:
    problem, R = problem_and_start(0)
    with pytest.raises(InvalidArgument, match="t = "):
        procrustes.solution(problem, R, t)


def test_shapes_that_do_not_fit() -> None:
    X, Y, W0 = np.ones((3, 5)), np.ones((4, 5)), np.ones((3, 4))
    with pytest.raises(InvalidArgument, match=r"W0\.shape"):
        LinearOPT(X, Y, np.ones((2, 4)))
    with pytest.raises(InvalidArgument, match=r"Y\.shape"):
        LinearOPT(X, np.ones((5, 5)), W0)
    with pytest.raises(InvalidArgument, match=r"Y\[0, 0\] = nan"):
        LinearOPT(X, Y * np.nan, W0)


def test_rates_of_a_component() -> None:
    chart = Component(np.eye(3), np.array([2.0, 1.0, -0.5]), np.eye(3))
    assert np.allclose(chart.rates, [[0, 1.5, 0.75], [1.5, 0, 0.25], [0.75, 0.25, 0]])
