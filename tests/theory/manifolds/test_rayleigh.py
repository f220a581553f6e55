"""The Rayleigh quotient: semigroup, both ends and shapes of t of its flow, its cycle, errors."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from theory.core.validation import InvalidArgument
from theory.manifolds import rayleigh, steps
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
        rayleigh.alignment(np.array([0.1, -1.6]), 1.0)
    with pytest.raises(InvalidArgument, match="g h = 2"):
        rayleigh.cycle_angle(2.0)


TURNED = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
GENERIC = Rayleigh(TURNED @ np.diag([0.8, 0.5, -0.3, -0.9]) @ TURNED.T)


def test_modes_and_rates_are_those_of_the_hessian() -> None:
    """A function of x / |x| has the Riemannian Hessian at its minimum: A's, less l_1, across it."""
    assert abs(GENERIC.optimum @ TURNED[:, 0]) == pytest.approx(1)
    hessian = GENERIC.modes.T @ (0.8 * np.eye(4) - GENERIC.A) @ GENERIC.modes
    assert GENERIC.rates == pytest.approx(np.array([0.3, 1.1, 1.7]))
    assert hessian == pytest.approx(np.diag(GENERIC.rates), abs=1e-12)
    assert GENERIC.modes.T @ GENERIC.optimum == pytest.approx(0, abs=1e-12)


def test_the_flow_is_the_gradient_flow() -> None:
    A = GENERIC.A
    velocity = lambda _, x: A @ x - x * (x @ A @ x)  # noqa: E731
    found = solve_ivp(velocity, (0, 1.3), X[0], t_eval=[0.5, 1.3], rtol=1e-10, atol=1e-12).y.T
    assert rayleigh.solution(GENERIC, X[0], np.array([0.5, 1.3])) == pytest.approx(found, abs=1e-8)


def _gradient(theta: np.ndarray, h: float) -> np.ndarray:
    """Of -h cos(theta)^2 / 2, by differences."""
    loss = lambda angle: -h * np.cos(angle) ** 2 / 2  # noqa: E731
    return (loss(theta + 1e-6) - loss(theta - 1e-6)) / 2e-6


def test_steps_on_the_circle_go_down_the_gradient() -> None:
    theta, h, g = np.array([0.2, -0.7, 1.4]), 1.7, np.array([0.3, 0.2])
    plain, grained = theta, theta
    for size in g:
        plain = plain - size * _gradient(plain, h)
        slope = _gradient(grained, h)
        grained = grained - size * slope / steps.normaliser(np.abs(slope), 0.6, 0.4)
    assert rayleigh.circle_angles(theta, h, g)[[0, -1]] == pytest.approx(np.stack([theta, plain]), abs=1e-8)
    assert rayleigh.fine_grained_angles(theta, h, g, 0.6, 0.4)[[0, -1]] == pytest.approx(
        np.stack([theta, grained]), abs=1e-8
    )
    assert rayleigh.alignment(theta, h) == pytest.approx(-theta * _gradient(theta, h), abs=1e-8)
    assert rayleigh.alignment(np.array([np.pi / 2]), h) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("strength", [2.2, 3.0, 4.5])
def test_the_cycle_alternates(strength: float) -> None:
    theta = rayleigh.cycle_angle(strength)
    assert 0 < theta < np.pi / 2
    assert theta - strength / 2 * np.sin(2 * theta) == pytest.approx(-theta)


def test_leaving_a_saddle_step_by_step() -> None:
    beta, strength = np.array([1e-6, 0.01, 0.5, 0.8]), 0.7
    taken = rayleigh.steps_to_leave(beta, strength)
    for start, count in zip(beta, taken):
        path = rayleigh.circle_angles(np.pi / 2 - start, strength, np.ones(int(count)))
        assert (path[:-1] > np.pi / 4).all() and path[-1] <= np.pi / 4
    assert taken[-1] == 0


def test_a_gap_of_a_long_spectrum_is_no_rounding() -> None:
    spectrum = np.linspace(0, 1, 60)
    rayleigh.require_gap("gap", 1e-12, spectrum)
    with pytest.raises(InvalidArgument, match="gap = 1e-14: expected more than .*, which is rounding"):
        rayleigh.require_gap("gap", 1e-14, spectrum)


def test_small_parts_count_in_many_dimensions() -> None:
    rng = np.random.default_rng(1)
    V = np.linalg.qr(rng.standard_normal((60, 60)))[0]
    values, z = np.linspace(0, 1, 60), np.append(np.ones(59), 1e-6)
    found = rayleigh.solution(Rayleigh((V * values) @ V.T), V @ z, 40.0)
    assert found @ V == pytest.approx(rayleigh.unit(np.exp(40 * (values - 1)) * z), abs=1e-8)
