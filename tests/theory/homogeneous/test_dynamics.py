from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.linear_networks import gaussian_stack
from theory.core.trajectory import Trajectory
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, Polar, exponential_slope, log_slope, polar

FIVE = {
    "gradient flow": dynamics.gradient_flow,
    "Lagrange multiplier": dynamics.lagrange_multiplier,
    "tangent gradient": dynamics.tangent_gradient,
    "weight normalisation": partial(dynamics.weight_normalisation, c=1.3),
    "exponential": partial(dynamics.exponential_weight_normalisation, c=1.3),
}
RNG = np.random.default_rng(0)
EXAMPLES = Examples(RNG.standard_normal((5, 3)) / 2, np.array([1.0, -1.0, 1.0, 1.0, -1.0]))
START = polar(gaussian_stack(RNG, (3, 2, 1), 0.7, runs=2))


def end(path: Trajectory) -> Polar:
    return Polar(path["rho"][-1], [direction[-1] for direction in dynamics.directions(path.arrays)])


@pytest.mark.parametrize("name", FIVE)
def test_flows_compose_start_where_they_start_and_stay_on_the_spheres(name):
    follow = lambda start, t: dynamics.flow(FIVE[name], EXAMPLES, start, np.asarray(t), exponential_slope)  # noqa: E731
    whole = follow(START, [0.0, 0.3, 0.8])
    assert np.array_equal(whole["rho"][0], START.rho)
    assert (whole["clock"][0] == 0).all()
    assert (whole["work"][0] == 0).all()
    halves = end(follow(end(follow(START, [0.3])), [0.5]))
    assert halves.rho == pytest.approx(end(whole).rho, abs=1e-8)
    for direction, again in zip(halves.V, end(whole).V):
        assert direction == pytest.approx(again, abs=1e-8)
        assert np.linalg.norm(again, axis=(-2, -1)) == pytest.approx(1, abs=1e-8)


def test_an_orbit_is_the_curve_of_its_flow():
    examples = Examples(np.array([[1.0, 0.2, 0.1], [0.8, -0.3, 0.4]]), np.ones(2))
    start = Polar(np.full((1, 1), 0.8), [np.array([[[0.8, 0.6, 0.0]]])])
    path = dynamics.flow(dynamics.gradient_flow, examples, start, np.linspace(0, 2, 9), log_slope)
    grown = np.log(path["rho"][:, 0, 0] / 0.8)
    along = dynamics.orbit(dynamics.gradient_flow, examples, start, grown, log_slope)
    assert along["rho"] == pytest.approx(path["rho"], abs=1e-8)
    assert along["V1"] == pytest.approx(path["V1"], abs=1e-8)


sizes = st.floats(0.2, 3)


@settings(deadline=None)
@given(sizes, sizes, sizes, st.floats(0.5, 2))
def test_laws_of_the_unseen_part_compose(a, b, c, length):
    for law in (
        dynamics.unseen_of_gradient_flow,
        partial(dynamics.unseen_of_weight_normalisation, c=length),
        partial(dynamics.unseen_of_exponential_weight_normalisation, c=length),
    ):
        a_, b_, c_ = np.array(a), np.array(b), np.array(c)
        assert law(a_, a_) == pytest.approx(1)
        assert law(a_, b_) * law(b_, c_) == pytest.approx(law(a_, c_), rel=1e-10)
    same = dynamics.unseen_of_exponential_weight_normalisation(np.array(a), np.array(b), 1.0)
    assert same == pytest.approx(dynamics.unseen_of_gradient_flow(np.array(a), np.array(b)))


def test_distances_to_a_polyline():
    curve = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    points = np.array([[0.5, 0.3], [-1.0, 0.0], [1.2, 0.5], [1.0, 0.0]])
    assert dynamics.distance_to_curve(points, curve) == pytest.approx(np.array([0.3, 1.0, 0.2, 0.0]))


def test_frozen_sizes_stay():
    for name in ("Lagrange multiplier", "tangent gradient"):
        path = dynamics.flow(FIVE[name], EXAMPLES, START, np.array([1.0]), log_slope)
        assert np.array_equal(path["rho"][-1], START.rho)
