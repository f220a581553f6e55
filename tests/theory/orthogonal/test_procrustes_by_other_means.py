"""The Procrustes problem by other means: its matrices, its velocity by differences, planes, draws; thresholds."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.orthogonal import procrustes, rotations
from theory.orthogonal.procrustes import Component, LinearOPT, component, coordinates, random_problem, start_near

S = np.array([1.7, 1.2, 0.9, 0.4])


def problem_and_start(seed: int, runs: int = 3) -> tuple[LinearOPT, np.ndarray]:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, S, N=6, n=7, runs=runs, neurons=np.linspace(1.3, 0.7, 4))
    return problem, start_near(component(problem, np.broadcast_to(np.eye(4), (runs, 4, 4))), rng, 0.9)


def any_problem(seed: int = 0) -> LinearOPT:
    rng = np.random.default_rng(seed)
    return LinearOPT(rng.standard_normal((3, 5)), rng.standard_normal((4, 5)), rng.standard_normal((3, 4)))


def test_the_matrices_of_a_problem() -> None:
    problem = any_problem()
    assert problem.d == 3
    assert problem.Sigma == pytest.approx(problem.X @ problem.X.T)
    assert problem.Omega == pytest.approx(problem.W0 @ problem.W0.T)
    assert problem.M == pytest.approx(problem.X @ problem.Y.T @ problem.W0.T)
    Z = problem.X[:, :3]
    assert procrustes.skew(Z) == pytest.approx((Z - Z.T) / 2)


def test_the_velocity_descends_the_loss_in_the_embedded_metric() -> None:
    problem, R = any_problem(), rotations.random_rotation(np.random.default_rng(1), 3)[0]
    outputs = problem.W0.T @ R.T @ problem.X - problem.Y
    assert procrustes.loss(problem, R) == pytest.approx(0.5 * (outputs**2).sum())
    step = 1e-6 * np.eye(9).reshape(9, 3, 3)
    gradient = [(procrustes.loss(problem, R + e) - procrustes.loss(problem, R - e)) / 2e-6 for e in step]
    inward = R.T @ np.reshape(gradient, (3, 3))
    assert procrustes.velocity(problem, R) == pytest.approx(-R @ (inward - inward.T) / 2, abs=1e-6)


@pytest.mark.parametrize("t", [0.0, 0.8])
@pytest.mark.parametrize("determinant", [1.0, -1.0])
@pytest.mark.parametrize(
    "spectra", [{"inputs": 1.4, "neurons": np.linspace(1.3, 0.7, 4)}, {"neurons": 0.8, "inputs": S}]
)
def test_the_solution_moves_by_the_velocity(spectra: dict, determinant: float, t: float) -> None:
    rng = np.random.default_rng(2)
    problem = random_problem(rng, S, N=6, n=7, runs=2, **spectra)
    R = start_near(component(problem, np.broadcast_to(np.diag([1, 1, 1, determinant]), (2, 4, 4))), rng, 0.9)
    before, now, after = (procrustes.solution(problem, R, t + step) for step in (0.0, 1e-5, 2e-5))
    assert (after - before) / 2e-5 == pytest.approx(procrustes.velocity(problem, now), abs=1e-7)
    chart = component(problem, R)
    least = procrustes.loss(problem, chart.optimum)
    assert procrustes.optimal_loss(problem, chart) == pytest.approx(least)
    assert procrustes.excess_loss(chart, coordinates(chart, R)) == pytest.approx(procrustes.loss(problem, R) - least)


def test_a_component_is_a_decomposition_of_m() -> None:
    problem, _ = problem_and_start(3, runs=2)
    for sign in (1.0, -1.0):
        chart = component(problem, np.broadcast_to(np.diag([1.0, 1.0, 1.0, sign]), (2, 4, 4)))
        assert (chart.P * chart.s[:, None, :]) @ chart.Q.mT == pytest.approx(problem.M)
        assert np.linalg.det(chart.optimum) == pytest.approx([sign, sign])
        assert np.array([[1.7, 1.2, 0.9, sign * 0.4]] * 2) == pytest.approx(chart.s)
        assert procrustes.slowest_rate(chart) == pytest.approx((0.9 + sign * 0.4) / 2)


def test_rates_that_are_nearly_flat() -> None:
    for gap, flat in ((1e-15, True), (1e-14, False)):
        chart = Component(np.eye(2), np.array([1.0, -1.0 + gap]), np.eye(2))
        assert (chart.rates[0, 1] == 0) == flat
    assert procrustes.decay(np.array([0.0, 2.0]), 0.7) == pytest.approx([1, np.exp(-1.4)])


def test_what_counts_as_white() -> None:
    W0, Y = np.diag([2.0, 1.0]), np.ones((2, 2))
    for away, white in ((1e-13, True), (1e-12, False)):
        assert LinearOPT(np.diag([1.0, 1 + away]), Y, W0).solvable == white
        assert LinearOPT(W0, Y, 3 * np.diag([1.0, 1 + away])).solvable == white


def test_how_near_the_cut_locus_a_start_may_be() -> None:
    chart = Component(np.eye(2), np.array([2.0, 1.0]), np.eye(2))
    for away, fails in ((5e-13, False), (5e-14, True)):
        R = rotations.plane_rotation(2, (0, 1), np.pi - away)
        if fails:
            with pytest.raises(InvalidArgument, match="no rotation by pi"):
                coordinates(chart, R)
        else:
            assert abs(coordinates(chart, R)[1, 0]) > 1e12


def test_coordinates_and_distance_of_a_plane() -> None:
    chart = Component(np.eye(3), np.array([2.0, 1.0, 0.5]), np.eye(3))
    R = rotations.plane_rotation(3, (0, 2), 1.2)
    A = coordinates(chart, R)
    assert A[2, 0] == pytest.approx(np.tan(0.6)) and A[0, 2] == pytest.approx(-np.tan(0.6))
    assert procrustes.distance(A) == pytest.approx(np.linalg.norm(R - np.eye(3)))
    assert procrustes.excess_loss(chart, A) == pytest.approx(2.5 * (1 - np.cos(1.2)))
    later = procrustes.coordinates_solution(chart, A, 0.4)
    assert later[2, 0] == pytest.approx(np.exp(-2.5 * 0.4 / 2) * np.tan(0.6))


def test_distance_and_excess_of_times_and_runs() -> None:
    problem, R = problem_and_start(0)
    chart = component(problem, R)
    A = procrustes.coordinates_solution(chart, coordinates(chart, R), np.array([0.0, 0.5]))
    moved = procrustes.solution(problem, R, np.array([0.0, 0.5]))
    above = procrustes.loss(problem, moved) - procrustes.optimal_loss(problem, chart)
    assert procrustes.excess_loss(chart, A) == pytest.approx(above)
    assert procrustes.distance(A) == pytest.approx(np.linalg.norm(moved - chart.optimum, axis=(-2, -1)))
    assert procrustes.matrix(chart, A) == pytest.approx(moved)


def test_riccati_in_a_plane() -> None:
    R = procrustes.riccati_solution(np.array([2.0, 0.7]), rotations.plane_rotation(2, (0, 1), 1.2), 0.4)
    angle = 2 * np.arctan(np.exp(-2.7 * 0.4 / 2) * np.tan(0.6))
    assert rotations.plane_rotation(2, (0, 1), angle) == pytest.approx(R)


def test_the_gap_is_that_of_both_polar_factors() -> None:
    rng = np.random.default_rng(7)
    W0, T = rng.standard_normal((2, 3, 5))
    U, _, Vt = np.linalg.svd(T @ W0.T)
    losses = [0.5 * np.linalg.norm(U @ np.diag([1, 1, e]) @ Vt @ W0 - T) ** 2 for e in (1, -1)]
    assert np.array(procrustes.expressivity_gap(W0, T)) == pytest.approx(losses)


def test_random_rotations_are_uniform_rotations() -> None:
    R = rotations.random_rotation(np.random.default_rng(0), 3, 4000)
    assert R @ R.mT == pytest.approx(np.broadcast_to(np.eye(3), R.shape), abs=1e-12)
    assert np.linalg.det(R) == pytest.approx(1)
    # Entries have mean 0 and square 1/3, the trace mean 0 and square 1.
    assert np.abs(R.mean(0)).max() < 0.05
    assert np.square(R).mean(0) == pytest.approx(np.full((3, 3), 1 / 3), abs=0.03)
    assert np.square(np.trace(R, axis1=1, axis2=2)).mean() == pytest.approx(1, abs=0.1)


def test_random_problems_are_what_was_asked_for() -> None:
    inputs, neurons = np.array([1.5, 1.2, 1.0, 0.6]), np.array([1.1, 0.9, 0.8, 0.5])
    problem = random_problem(np.random.default_rng(0), S, N=6, n=7, runs=200, inputs=inputs, neurons=neurons)
    for matrix, spectrum in ((problem.M, S), (problem.X, inputs), (problem.W0, neurons)):
        s = np.linalg.svd(matrix, compute_uv=False)
        assert s == pytest.approx(np.broadcast_to(spectrum, s.shape))
    assert (np.linalg.det(problem.M) > 0).all()
    # Of 42 labels 16 are reached; the others are normal with deviation 0.3.
    reached = np.linalg.pinv(problem.W0) @ problem.W0 @ problem.Y @ np.linalg.pinv(problem.X) @ problem.X
    left = ((problem.Y - reached) ** 2).sum((-2, -1))
    assert left.mean() == pytest.approx(0.3**2 * 26, rel=0.05)


def test_starts_near_have_coordinates_of_that_size_and_any_sign() -> None:
    chart = Component(
        *(np.broadcast_to(part, (50, *part.shape)) for part in (np.eye(3), np.array([2.0, 1, 0.5]), np.eye(3)))
    )
    A = coordinates(chart, start_near(chart, np.random.default_rng(0), 0.6))
    upper = A[:, *np.triu_indices(3, 1)]
    assert A == pytest.approx(-A.mT)
    assert 0.3 <= np.abs(upper).min() < 0.31 and 0.59 < np.abs(upper).max() <= 0.6 + 1e-12
    assert 0.3 < (upper > 0).mean() < 0.7
