"""The invariant set: projections land on it and move nothing else, for every start."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import dynamics, invariant_set
from theory.imbalance.problem import coordinates, gaussian


def setting(h: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=7, n=5, m=2, singular_values=np.array([1.5, 1.0, 0.6]))
    return problem, gaussian(problem, h, rng, runs=2)


@settings(deadline=None, max_examples=30)
@given(st.integers(6, 30), st.integers(0, 10_000))
def test_projection_lands_on_the_set_and_keeps_what_the_data_see(h: int, seed: int) -> None:
    problem, network = setting(h, seed)
    projected = invariant_set.onto_invariant_set(problem, network)
    for product in invariant_set.leakage(problem, projected):
        np.testing.assert_allclose(product, 0, atol=1e-12 * h)
    np.testing.assert_allclose(coordinates(problem, projected), coordinates(problem, network), atol=1e-13 * h)


def test_a_narrow_network_has_no_room_on_the_set() -> None:
    with pytest.raises(InvalidArgument, match=r"network.h = 5: expected more than m . r = 5"):
        invariant_set.onto_invariant_set(*setting(5))


@settings(deadline=None, max_examples=5)
@given(st.integers(5, 12), st.integers(0, 1000))
def test_the_flow_leaks_no_faster_than_the_growth_bound(h: int, seed: int) -> None:
    problem, network = setting(h, seed)
    t = np.linspace(0, 0.3, 31)
    flow = dynamics.gradient_flow(problem, network, t)
    U2 = problem.Phi2.T @ network.U
    H = np.linalg.norm(flow["Z"] @ U2.mT, axis=(-2, -1))
    bound = invariant_set.growth_bound(problem, t, dynamics.residual(problem, flow["Z"]))
    assert (H <= bound * H[0] * (1 + 1e-8)).all()
    assert (bound[0] == 1).all()


def test_the_overlap_at_the_start_is_the_unseen_map_itself() -> None:
    problem, network = setting(9)
    unseen = invariant_set.unseen_end_to_end(problem, network, network.V)
    np.testing.assert_allclose(unseen, problem.Phi2.T @ network.end_to_end, atol=1e-12)


def test_the_leakage_is_that_of_each_layer() -> None:
    problem, network = setting(6)
    U1, U2 = problem.Phi1.T @ network.U, problem.Phi2.T @ network.U
    output, hidden = invariant_set.leakage(problem, network)
    for run in range(2):
        assert output[run] == pytest.approx(np.linalg.norm(network.V[run] @ U2[run].T), rel=1e-12)
        assert hidden[run] == pytest.approx(np.linalg.norm(U1[run] @ U2[run].T), rel=1e-12)


def test_the_growth_bound_is_the_exponential_of_the_larger_ends() -> None:
    """|S E|_2 of diagonal residuals, by hand: 3, 1, 2 at times 0, 1, 3 make 0, 3 and 3 + 2 x 2."""
    problem = Regression(np.diag([2.0, 0.5]), np.ones((2, 2)))
    residual = np.array([np.diag([1.5, 2.0]), np.diag([0.5, 1.0]), np.diag([0.25, 4.0])])
    growth = invariant_set.growth_bound(problem, np.array([0.0, 1.0, 3.0]), residual)
    np.testing.assert_allclose(np.log(growth), [0, 3, 7], atol=1e-13)


def test_the_unseen_map_is_carried_by_the_flow() -> None:
    problem, network = setting(9)
    Z = dynamics.gradient_flow(problem, network, np.array([0.4]), relative_tolerance=1e-12)["Z"][-1]
    V = Z[:, : problem.m]
    unseen = problem.Phi2.T @ network.U @ V.mT
    assert np.abs(unseen - problem.Phi2.T @ network.end_to_end).max() > 0.1
    np.testing.assert_allclose(invariant_set.unseen_end_to_end(problem, network, V), unseen, atol=1e-8)


def test_only_the_rows_named_lose_their_overlap() -> None:
    problem, network = setting(9)
    output, hidden = invariant_set.leakage(problem, invariant_set.without_overlap(problem, network, network.V))
    assert output.max() < 1e-12 and hidden.min() > 0.1


def test_the_distance_is_to_the_solution_of_least_norm() -> None:
    problem, network = setting(4)
    expected = [np.linalg.norm(theta - np.linalg.pinv(problem.X) @ problem.Y) for theta in network.end_to_end]
    found = invariant_set.distance_to_minimum_norm(problem, network.end_to_end)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
