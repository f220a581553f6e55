"""The Rayleigh quotient: semigroup, both ends and shapes of t of its flow, its cycle, errors."""

from typing import Any

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.manifolds import rayleigh
from theory.manifolds.rayleigh import Rayleigh

PROBLEM = Rayleigh(np.diag([2.0, 1.2, 0.5, -1.0]))
X = np.random.default_rng(0).standard_normal((5, 4))
X = X / np.linalg.norm(X, axis=-1, keepdims=True)


def test_the_flow_composes_and_has_both_ends() -> None:
    at = rayleigh.solution(PROBLEM, X, np.array([0.0, 0.7, 1.9, 200.0, np.inf]))
    assert at[0] == pytest.approx(X)
    assert rayleigh.solution(PROBLEM, at[1], 1.2) == pytest.approx(at[2])
    assert at[3] == pytest.approx(at[4], abs=1e-9)
    assert abs(at[4] @ PROBLEM.optimum) == pytest.approx(1)


@pytest.mark.parametrize("t", [0.0, 1.5, np.inf, np.array([[0.0, 1.5, np.inf]] * 2)], ids=str)
def test_times_of_any_shape_come_first(t: Any) -> None:
    at = rayleigh.solution(PROBLEM, X, t)
    assert at.shape == (*np.shape(t), *X.shape)
    if np.ndim(t):
        assert at[1, 1] == pytest.approx(rayleigh.solution(PROBLEM, X, 1.5))
        assert rayleigh.solution(PROBLEM, X[2], t) == pytest.approx(at[:, :, 2])


def test_a_single_eigenvalue_has_no_modes() -> None:
    problem = Rayleigh(np.array([[3.0]]))
    assert problem.modes.shape == (1, 0)
    assert problem.rates.shape == (0,)


def test_the_cycle_begins_at_the_optimum() -> None:
    assert rayleigh.cycle_angle(2 + 1e-6) == pytest.approx(0, abs=1e-3)
    theta = rayleigh.cycle_angle(2.5)
    assert rayleigh.circle_angles(np.array([theta]), 2.5, np.ones(1))[-1] == pytest.approx(-theta)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="symmetric"):
        Rayleigh(np.array([[1.0, 2.0], [0.0, 1.0]]))
    with pytest.raises(InvalidArgument, match="gap"):
        Rayleigh(np.eye(2))
    with pytest.raises(InvalidArgument, match="t = -1"):
        rayleigh.solution(PROBLEM, X, -1.0)
    with pytest.raises(InvalidArgument, match="theta"):
        rayleigh.alignment(np.array([2.0]), 1.0)
    with pytest.raises(InvalidArgument, match="g h = 2"):
        rayleigh.cycle_angle(2.0)
