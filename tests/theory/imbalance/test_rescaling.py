"""Appendix D: what the claim does not look at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import rescaling
from theory.imbalance.convergence import convergence_rate, imbalance_level
from theory.imbalance.dynamics import excess_loss, gradient_flow
from theory.imbalance.problem import Network, coordinates, gaussian


def example(seed: int = 0, h: int = 7):
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=5, n=4, m=2, singular_values=np.array([1.4, 1.0, 0.7]))
    return problem, gaussian(problem, h, rng, scales=(0.6, 0.6), runs=3)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0.05, 1.0))
def test_all_forms_of_the_loss_agree(seed, h, exponent):
    problem, network = example(seed, h)
    there, rescaled = rescaling.rescaled_problem(problem, h, exponent), rescaling.rescaled_network(network, exponent)
    plain = excess_loss(problem, coordinates(problem, network))
    np.testing.assert_allclose(excess_loss(there, coordinates(there, rescaled)), plain, rtol=1e-10)
    np.testing.assert_allclose(
        rescaling.ntk_loss(problem, rescaled, exponent) - problem.optimal_loss, plain, rtol=1e-9, atol=1e-11
    )


def test_rate_a_unit_of_time_falls_by_the_speedup():
    problem, network = example()
    there, rescaled = rescaling.rescaled_problem(problem, 7, 0.4), rescaling.rescaled_network(network, 0.4)
    speedup = rescaling.speedup(7, 0.4)
    level, rate = imbalance_level(problem, network), convergence_rate(problem, network)
    np.testing.assert_allclose(imbalance_level(there, rescaled), speedup * level, atol=1e-12)
    np.testing.assert_allclose(convergence_rate(there, rescaled), rate / speedup, atol=1e-12)


def test_flows_are_one_path():
    problem, network = example(1)
    there, rescaled = rescaling.rescaled_problem(problem, 7, 0.3), rescaling.rescaled_network(network, 0.3)
    t = np.array([0.0, 0.5, 2.0])
    here = gradient_flow(problem, network, t)["Z"]
    later = gradient_flow(there, rescaled, rescaling.speedup(7, 0.3) * t)["Z"]
    np.testing.assert_allclose(later, 7**0.3 * here, atol=1e-7)


def test_rescalings_compose():
    _, network = example(2)
    twice = rescaling.rescaled_network(rescaling.rescaled_network(network, 0.2), 0.3)
    np.testing.assert_allclose(twice.U, rescaling.rescaled_network(network, 0.5).U)
    assert rescaling.speedup(7, 0.2) * rescaling.speedup(7, 0.3) == pytest.approx(rescaling.speedup(7, 0.5))


def test_width_one_is_left_alone():
    problem, network = example(3, h=1)
    np.testing.assert_array_equal(rescaling.rescaled_network(network, 0.5).V, network.V)
    np.testing.assert_array_equal(rescaling.rescaled_problem(problem, 1, 0.5).X, problem.X)


@pytest.mark.parametrize("exponent", [0.0, -0.5, np.nan])
def test_exponent_has_to_be_positive(exponent):
    problem, network = example()
    with pytest.raises(InvalidArgument, match="exponent"):
        rescaling.rescaled_network(network, exponent)
    with pytest.raises(InvalidArgument, match="exponent"):
        rescaling.rescaled_problem(problem, 7, exponent)


def test_width_and_shapes_are_checked():
    problem, _ = example()
    with pytest.raises(InvalidArgument, match="h = 0"):
        rescaling.speedup(0, 0.5)
    with pytest.raises(InvalidArgument, match="rescaled"):
        rescaling.ntk_loss(problem, Network(np.ones((1, 4, 3)), np.ones((1, 2, 3))), 0.5)
