"""A linear layer with unit columns: semigroup, both ends and shapes of t of its flow, its steps."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from theory.core.validation import InvalidArgument
from theory.manifolds import oblique

RNG = np.random.default_rng(0)
T, W = RNG.standard_normal((4, 3)), RNG.standard_normal((5, 4, 3))
W = W / np.linalg.norm(W, axis=-2, keepdims=True)


def test_the_flow_composes_and_has_both_ends() -> None:
    at = oblique.solution(T, W, np.array([0.0, 0.7, 1.9, 200.0, np.inf]))
    assert at[0] == pytest.approx(W)
    assert oblique.solution(T, at[1], 1.2) == pytest.approx(at[2])
    assert at[3] == pytest.approx(at[4], abs=1e-9)
    assert at[4] == pytest.approx(np.broadcast_to(oblique.optimum(T), W.shape))


@pytest.mark.parametrize("t", [0.0, 1.5, np.inf, np.array([[0.0, 1.5, np.inf]] * 2)], ids=str)
def test_times_of_any_shape_come_first(t: Any) -> None:
    at = oblique.solution(T, W, t)
    assert at.shape == (*np.shape(t), *W.shape)
    if np.ndim(t):
        assert at[1, 1] == pytest.approx(oblique.solution(T, W, 1.5))
        assert oblique.solution(T, W[2], t) == pytest.approx(at[:, :, 2])


def test_short_steps_follow_the_flow() -> None:
    phi = oblique.angle_steps(T, oblique.angles(T, W), 1e-4, 5000)
    assert phi[0] == pytest.approx(oblique.angles(T, W))
    assert oblique.turned(T, W, phi[-1]) == pytest.approx(oblique.solution(T, W, 0.5), abs=1e-3)


def test_the_flow_is_the_gradient_flow_of_the_loss() -> None:
    """w_j' = t_j - w_j (w_j . t_j) by another solver."""

    def velocity(_: float, w: np.ndarray) -> np.ndarray:
        w = w.reshape(4, 3)
        return (T - w * (w * T).sum(0)).ravel()

    found = solve_ivp(velocity, (0, 1.3), W[2].ravel(), t_eval=[0.5, 1.3], rtol=1e-10, atol=1e-12).y.T
    assert oblique.solution(T, W[2], np.array([0.5, 1.3])) == pytest.approx(found.reshape(2, 4, 3), abs=1e-8)


def test_steps_go_along_great_circles() -> None:
    step, w = 0.6, W[0]
    gradient = w * (w * T).sum(0) - T
    size = np.linalg.norm(gradient, axis=0)
    after = np.cos(step * size) * w - np.sin(step * size) * gradient / size
    phi = oblique.angle_steps(T, oblique.angles(T, w), step, 1)
    assert oblique.turned(T, w, phi[0]) == pytest.approx(w)
    assert oblique.turned(T, w, phi[1]) == pytest.approx(after)


@pytest.mark.parametrize("end", [1, -1])
def test_aligned_columns_rest_and_have_no_plane_to_turn_in(end: int) -> None:
    aligned = end * oblique.optimum(T)
    assert np.array_equal(oblique.turned(T, aligned, np.full(3, (1 - end) / 2 * np.pi)), aligned)
    for target in RNG.standard_normal((40, 4, 1)):
        with pytest.raises(InvalidArgument, match="W = a column along its target"):
            oblique.turned(target, end * oblique.optimum(target), np.ones(1))


def test_angles_and_rates_are_of_columns() -> None:
    lengths = np.linalg.norm(T, axis=0)
    assert oblique.rates(T) == pytest.approx(lengths)
    assert oblique.angles(T, W) == pytest.approx(np.arccos((W * T).sum(-2) / lengths))


@pytest.mark.parametrize("end", [1.0, -1.0])
def test_the_plane_of_a_column_that_nearly_aligns_keeps_its_digits(end: float) -> None:
    """A right angle from the target: what the column has beside it, to rounding."""
    target, missing = np.array([[1.0], [0.0], [0.0]]), 0.3e-9
    cosine = 1 - missing
    sine = np.sqrt((1 - cosine) * (1 + cosine))
    W = np.array([[end * cosine], [0.6 * sine], [0.8 * sine]])
    across = oblique.turned(target, W, np.array([np.pi / 2]))
    assert across[:, 0] == pytest.approx([0, 0.6, 0.8], abs=4e-16)
