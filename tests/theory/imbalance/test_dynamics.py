"""Gradient flow of the network: its equation, its invariants, and that two flows in a row are one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import dynamics
from theory.imbalance.problem import Network, coordinates, gaussian


def setup(seed: int, *, runs: int = 2, h: int = 4, rank: int = 3) -> tuple[Regression, Network]:
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=6, n=5, m=2, singular_values=np.linspace(1.5, 0.5, rank))
    return problem, gaussian(problem, h, rng, scales=(0.7, 0.6), runs=runs)


def loss_of_weights(problem: Regression, weights: np.ndarray, h: int) -> float:
    """1/2 |Y - X U V^T|^2 from the definition."""
    U, V = weights[: problem.D * h].reshape(problem.D, h), weights[problem.D * h :].reshape(problem.m, h)
    return 0.5 * float(((problem.Y - problem.X @ U @ V.T) ** 2).sum())


def test_excess_loss_is_the_loss_less_its_minimum() -> None:
    problem, network = setup(0, runs=3)
    excess = dynamics.excess_loss(problem, coordinates(problem, network))
    for run in range(3):
        weights = np.concatenate([network.U[run].ravel(), network.V[run].ravel()])
        loss = loss_of_weights(problem, weights, network.h)
        assert excess[run] == pytest.approx(loss - problem.optimal_loss, rel=1e-12)


def test_velocity_is_minus_the_numerical_gradient() -> None:
    problem, network = setup(1, runs=1)
    weights = np.concatenate([network.U[0].ravel(), network.V[0].ravel()])
    gradient = approx_fprime(weights, lambda w: loss_of_weights(problem, w, network.h), 1e-7)
    dU, dV = gradient[: network.U.size].reshape(problem.D, -1), gradient[network.U.size :].reshape(problem.m, -1)
    velocity = dynamics.velocity(problem, coordinates(problem, network))[0]
    expected = -np.concatenate([dV, problem.Phi1.T @ dU])
    assert np.abs(velocity - expected).max() < 1e-5
    assert np.abs(problem.Phi2.T @ dU).max() < 1e-5  # U2 does not move


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 3))
def test_the_generator_generates_the_velocity_and_anticommutes_with_J(seed: int, h: int, rank: int) -> None:
    problem, network = setup(seed, h=h, rank=rank)
    Z = coordinates(problem, network)
    A, J = dynamics.generator(problem, Z), np.diag(dynamics.signature(problem))
    assert np.allclose(A @ Z, dynamics.velocity(problem, Z), atol=1e-12)
    assert np.array_equal(A @ J, -J @ A)
    assert np.array_equal(A, A.swapaxes(-1, -2))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_two_flows_in_a_row_are_one(seed: int, first: float, second: float) -> None:
    problem, network = setup(seed)
    middle = dynamics.gradient_flow(problem, network, np.array([first]))["Z"][-1]
    start = Network(problem.Phi1 @ middle[:, problem.m :], middle[:, : problem.m])
    end = dynamics.gradient_flow(problem, start, np.array([second]))["Z"][-1]
    whole = dynamics.gradient_flow(problem, network, np.array([first + second]))["Z"][-1]
    assert np.allclose(end, whole, atol=1e-7)


def test_the_flow_starts_at_the_network_and_ends_at_no_loss() -> None:
    problem, network = setup(3, h=6)
    run = dynamics.gradient_flow(problem, network, np.array([0.0, 60.0]))
    assert np.array_equal(run["Z"][0], coordinates(problem, network))
    assert (dynamics.excess_loss(problem, run["Z"][1]) < 1e-12).all()


def test_runs_flow_alone_as_they_do_together() -> None:
    problem, network = setup(4, runs=3)
    t = np.linspace(0, 2, 5)
    together = dynamics.gradient_flow(problem, network, t)["Z"]
    assert together.shape == (5, 3, problem.m + problem.r, network.h)
    for run in range(3):
        alone = dynamics.gradient_flow(problem, Network(network.U[run], network.V[run]), t)["Z"]
        assert np.allclose(alone, together[:, run], atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_flow_does_not_see_a_rotation_of_the_hidden_layer(seed: int) -> None:
    problem, network = setup(seed)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((network.h, network.h)))[0]
    Z = coordinates(problem, network)
    rotated = dynamics.velocity(problem, Z @ Q)
    assert np.allclose(rotated, dynamics.velocity(problem, Z) @ Q, atol=1e-12)
    assert np.allclose(dynamics.excess_loss(problem, Z @ Q), dynamics.excess_loss(problem, Z), rtol=1e-12)


def test_split_undoes_the_stacking() -> None:
    problem, network = setup(5)
    V, U1 = dynamics.split(problem, coordinates(problem, network))
    assert np.array_equal(V, network.V) and np.allclose(U1, problem.Phi1.T @ network.U)


def test_lie_euler_is_first_order_and_conserves_what_descent_does_not() -> None:
    problem, network = setup(6, runs=1)
    Z, J = coordinates(problem, network), np.diag(dynamics.signature(problem))
    exact = dynamics.gradient_flow(problem, network, np.array([1.0]))["Z"][-1]
    ends = [dynamics.lie_euler(problem, Z, 1 / steps, steps) for steps in (100, 200)]
    errors = [np.linalg.norm(end - exact) for end in ends]
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)
    drift = ends[0].swapaxes(-1, -2) @ J @ ends[0] - Z.swapaxes(-1, -2) @ J @ Z
    assert np.abs(drift).max() < 1e-12


@pytest.mark.parametrize("t", [np.array([1.0, 0.5]), np.array([-1.0]), np.array([np.inf])])
def test_times_must_increase(t: np.ndarray) -> None:
    with pytest.raises(InvalidArgument, match="^t = "):
        dynamics.gradient_flow(*setup(0), t)
