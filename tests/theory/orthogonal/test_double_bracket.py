"""The double bracket: its solution for frames as a function of any input; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import double_bracket
from theory.orthogonal.procrustes import random_rotation

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
