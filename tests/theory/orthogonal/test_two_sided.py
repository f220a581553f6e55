"""Rotations on both sides: alignment, and the solution in a plane as a function of any input; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import two_sided
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


def test_equal_singular_values_stay_where_they_are() -> None:
    flat = two_sided.plane_solution(np.array([0.0, 1.0]), np.array(0.5), np.array(0.1), np.inf)
    assert np.allclose(flat, 0.3)


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_shapes_of_times_and_runs(shape: tuple[int, ...]) -> None:
    angles = np.array([0.3, 1.0, -0.2])
    for rates in (np.array([0.5, 1.0]), np.ones((2, 1)), np.ones((2, 3))):
        for angle in two_sided.plane_solution(rates, angles, -angles, np.ones(shape)):
            assert angle.shape == (*shape, 3)


@pytest.mark.parametrize("shapes", [((3, 2), (3, 2)), ((3, 3), (2, 2)), ((3,), (3, 3))])
def test_two_sides_are_square(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InvalidArgument, match="shape"):
        TwoSided(np.ones(shapes[0]), np.ones(shapes[1]))
