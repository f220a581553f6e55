"""Two rotations, and the double bracket: alignment, semigroups, limits; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import double_bracket, two_sided
from theory.orthogonal.procrustes import random_rotation
from theory.orthogonal.two_sided import TwoSided, alignment

seeds = st.integers(0, 1000)
times = st.floats(0, 20)


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_the_alignment_is_made_of_rotations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = TwoSided(rng.standard_normal((4, 4)), rng.standard_normal((4, 4)))
    aligned = alignment(problem)
    R2, R1 = aligned.optimum
    assert np.allclose([np.linalg.det(R2), np.linalg.det(R1)], 1)
    left = 0.5 * ((R2 @ problem.W0 @ R1.T - problem.T) ** 2).sum()
    assert left == pytest.approx(aligned.optimal_loss)
    assert (aligned.rates >= -1e-12).all()


@given(st.floats(0.1, 2), st.floats(0.1, 2), st.floats(-1.4, 1.4), st.floats(-1.4, 1.4), times, times)
def test_two_times_are_one_in_a_plane(
    slow: float, fast: float, alpha: float, beta: float, first: float, second: float
) -> None:
    rates, one = np.array([[slow], [fast]]), np.ones(1)
    between = two_sided.plane_solution(rates, alpha * one, beta * one, first)
    later = two_sided.plane_solution(rates, *between, second)
    together = two_sided.plane_solution(rates, alpha * one, beta * one, first + second)
    assert np.allclose(later, together, atol=1e-9)


def test_plane_angles_at_the_ends() -> None:
    rates, alpha, beta = np.array([[0.5], [1.0]]), np.array([0.3]), np.array([-0.7])
    start = two_sided.plane_solution(rates, alpha, beta, 0.0)
    assert np.allclose(start, [alpha, beta])
    assert np.allclose(two_sided.plane_solution(rates, alpha, beta, np.inf), 0)
    assert two_sided.plane_solution(rates, alpha, beta, np.ones(4))[0].shape == (4, 1)


@pytest.mark.parametrize("shapes", [((3, 2), (3, 2)), ((3, 3), (2, 2)), ((3,), (3, 3))])
def test_two_sides_are_square(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InvalidArgument, match="shape"):
        TwoSided(np.ones(shapes[0]), np.ones(shapes[1]))


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


def test_frames_that_are_none() -> None:
    Sigma, W = unwhitened(0, runs=1)
    with pytest.raises(InvalidArgument, match=r"W\^T W"):
        double_bracket.frame_solution(Sigma, 2 * W, 1.3, 1.0)
    with pytest.raises(InvalidArgument, match="fewer columns"):
        double_bracket.frame_solution(Sigma, np.eye(5)[None], 1.0, 1.0)
    _, v = np.linalg.eigh(Sigma)
    with pytest.raises(InvalidArgument, match="least directions"):
        double_bracket.frame_solution(Sigma, v[..., -2:], 1.0, 1.0)
