"""A linear layer with unit columns: semigroup, both ends and shapes of t of its flow, its steps."""

from typing import Any

import numpy as np
import pytest

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
