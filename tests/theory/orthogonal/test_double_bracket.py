"""The double bracket: velocity, optimum and rates by other means, its solution for frames of any input; errors."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import double_bracket
from theory.orthogonal.procrustes import LinearOPT, velocity
from theory.orthogonal.rotations import random_rotation

seeds = st.integers(0, 1000)


def unwhitened(seed: int, runs: int = 2) -> tuple[np.ndarray, np.ndarray]:
    left, right = random_rotation(np.random.default_rng(seed), 5, 2 * runs).reshape(2, runs, 5, 5)
    return left * np.linspace(2, 0.4, 5) @ left.mT, np.sqrt(1.3) * right[..., :2]


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(0, 10), st.floats(0, 10))
def test_two_times_are_one_for_frames(seed: int, first: float, second: float) -> None:
    Sigma, W = unwhitened(seed)
    between = double_bracket.frame_solution(Sigma, W, 1.3, first)
    _, v = np.linalg.eigh(between)
    later = double_bracket.frame_solution(Sigma, np.sqrt(1.3) * v[..., -2:], 1.3, second)
    assert np.allclose(later, double_bracket.frame_solution(Sigma, W, 1.3, first + second), atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_frames_begin_and_end_where_they_should(seed: int) -> None:
    Sigma, W = unwhitened(seed)
    H = W @ W.mT
    start, end = double_bracket.frame_solution(Sigma, W, 1.3, np.array([0.0, np.inf]))
    assert np.allclose(start, H)
    optimum = double_bracket.optimum(Sigma, H)
    assert np.allclose(end, optimum)
    assert np.allclose(double_bracket.velocity(Sigma, optimum), 0)
    least = np.trace(Sigma @ optimum, axis1=-2, axis2=-1) / 2
    assert np.allclose(double_bracket.optimal_loss(Sigma, H), least)


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_shapes_of_times_and_runs(shape: tuple[int, ...]) -> None:
    Sigma, W = unwhitened(0)
    assert double_bracket.frame_solution(Sigma, W, 1.3, np.ones(shape)).shape == (*shape, 2, 5, 5)
    assert double_bracket.frame_solution(Sigma[0], W[0], 1.3, np.ones(shape)).shape == (*shape, 5, 5)


def test_frames_that_are_none() -> None:
    Sigma, W = unwhitened(0, runs=1)
    with pytest.raises(InvalidArgument, match=r"W\^T W"):
        double_bracket.frame_solution(Sigma, 2 * W, 1.3, 1.0)
    with pytest.raises(InvalidArgument, match="fewer columns"):
        double_bracket.frame_solution(Sigma, np.eye(5)[None], 1.0, 1.0)
    _, v = np.linalg.eigh(Sigma)
    with pytest.raises(InvalidArgument, match="least directions"):
        double_bracket.frame_solution(Sigma, v[..., -2:], 1.0, 1.0)


def test_the_velocity_is_that_of_descent_on_the_rotation() -> None:
    rng = np.random.default_rng(0)
    X, W0, R = rng.standard_normal((3, 5)), rng.standard_normal((3, 4)), random_rotation(rng, 3)[0]
    problem = LinearOPT(X, np.zeros((4, 5)), W0)
    moved = velocity(problem, R) @ problem.Omega @ R.T
    assert double_bracket.velocity(problem.Sigma, R @ problem.Omega @ R.T) == pytest.approx(moved + moved.T)


def test_no_pairing_of_the_spectra_is_better_than_the_optimum() -> None:
    rng = np.random.default_rng(1)
    Sigma, Omega = (Z @ Z.T for Z in rng.standard_normal((2, 4, 4)))
    sigma, omega = np.linalg.eigvalsh(Sigma), np.linalg.eigvalsh(Omega)
    least = min(0.5 * sigma @ omega[list(order)] for order in permutations(range(4)))
    assert float(double_bracket.optimal_loss(Sigma, Omega)) == pytest.approx(least)
    H = double_bracket.optimum(Sigma, Omega)
    assert 0.5 * np.trace(Sigma @ H) == pytest.approx(least)
    assert np.linalg.eigvalsh(H) == pytest.approx(omega)


def test_rates_are_those_of_small_rotations_about_the_optimum() -> None:
    rng = np.random.default_rng(2)
    Sigma, Omega = (Z @ Z.T for Z in rng.standard_normal((2, 3, 3)))
    H, (_, v) = double_bracket.optimum(Sigma, Omega), np.linalg.eigh(Sigma)
    found = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        A = np.zeros((3, 3))
        A[i, j], A[j, i] = 1, -1
        away = v @ A @ v.T @ H - H @ v @ A @ v.T
        ahead, behind = (double_bracket.velocity(Sigma, H + step * away) for step in (1e-6, -1e-6))
        found.append(-((ahead - behind) * away).sum() / (2e-6 * (away**2).sum()))
    assert double_bracket.rates(Sigma, Omega) == pytest.approx(found)


@pytest.mark.parametrize("t", [0.0, 0.7])
def test_frames_move_by_the_velocity(t: float) -> None:
    Sigma, W = unwhitened(3)
    before, now, after = (double_bracket.frame_solution(Sigma, W, 1.3, t + step) for step in (0.0, 1e-5, 2e-5))
    assert (after - before) / 2e-5 == pytest.approx(double_bracket.velocity(Sigma, now), abs=1e-7)


def test_how_near_to_a_frame_and_to_a_saddle() -> None:
    Sigma, W = unwhitened(0, runs=1)
    double_bracket.frame_solution(Sigma, W * (1 + 4e-11), 1.3, 1.0)
    with pytest.raises(InvalidArgument, match=r"W\^T W"):
        double_bracket.frame_solution(Sigma, W * (1 + 1e-9), 1.3, 1.0)
    with pytest.raises(InvalidArgument, match="g = 0"):
        double_bracket.frame_solution(Sigma, 0 * W, 0.0, 1.0)
    turned = np.diag([1.0, 2.0, 3.0])
    for away, fails in ((3e-12, False), (3e-13, True)):
        W = np.array([[away], [0.0], [np.sqrt(1 - away**2)]])
        if fails:
            with pytest.raises(InvalidArgument, match="least directions"):
                double_bracket.frame_solution(turned, W, 1.0, 1.0)
        else:
            assert double_bracket.frame_solution(turned, W, 1.0, np.inf)[0, 0] == pytest.approx(1)
