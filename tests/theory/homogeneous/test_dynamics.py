from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import simpson, trapezoid

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


@pytest.mark.parametrize("name", FIVE)
def test_speeds_are_those_of_the_parameters(name):
    """By the chain rule from the gradient G = -(rho / rho_k) (A V_k + B_k) by W_k, at unequal sizes of three layers."""
    rho, c, A, B = np.array([[0.8, 2.1, 1.3]]), 1.3, 0.4, 0.7
    product = 0.8 * 2.1 * 1.3
    along, across = -product / rho * A, -product / rho * B  # parts of G along V_k, and across it
    expected = {
        "gradient flow": (-along, -across / rho),
        "Lagrange multiplier": (0 * rho, -across * rho),  # d W_k / d V_k = rho_k
        "tangent gradient": (0 * rho, -across / rho),
        "weight normalisation": (-along, -across * rho / c / c),  # d W_k / d v_k = rho_k / c, and V_k = v_k / c
        "exponential": (-along * rho * rho, -across * rho / c / c),  # d g_k / d a_k = g_k, twice
    }[name]
    radial, angular = FIVE[name](rho)
    assert np.allclose(radial * A, expected[0])
    assert np.allclose(angular * B, expected[1])


def test_lengths_of_vectors_are_one_unless_they_are_said():
    rho = np.array([[0.8, 2.1]])
    for law in (dynamics.weight_normalisation, dynamics.exponential_weight_normalisation):
        assert np.array_equal(law(rho), law(rho, 1.0))


def test_clock_and_work_are_integrals_along_the_flow():
    t = np.linspace(0, 1, 401)
    path = dynamics.flow(dynamics.gradient_flow, EXAMPLES, START, t, exponential_slope)
    assert path["clock"][-1] == pytest.approx(simpson(path["rho"][..., 0] ** -2.0, x=t, axis=0), rel=1e-8)
    # d rho_k^2 = 2 rho A dt for every k.
    work = [trapezoid(0.5 / rho.prod(-1), rho[:, 1] ** 2) for rho in path["rho"].swapaxes(0, 1)]
    assert path["work"][-1] == pytest.approx(np.array(work), rel=1e-4)


@pytest.mark.parametrize("name", ["gradient flow", "weight normalisation", "exponential"])
@pytest.mark.parametrize("widths", [(3, 1), (3, 2, 1), (3, 3, 2, 1)])
def test_an_orbit_is_the_curve_of_its_flow(name, widths):
    """At depths where the sum of the layers' growths is none of them, nor their mean, from unequal sizes."""
    examples = Examples(np.array([[1.0, 0.2, 0.1], [0.8, -0.3, 0.4]]), np.ones(2))
    V = [np.abs(V) for V in polar(gaussian_stack(np.random.default_rng(2), widths, 1.0)).V]
    start = Polar(np.array([[0.8, 1.1, 0.6]])[:, : len(V)], V)
    t = np.linspace(0, 0.5, 9)
    path = dynamics.flow(FIVE[name], examples, start, t, log_slope)
    grown = np.log(path["rho"].prod(-1)[:, 0] / start.product[0])
    along = dynamics.orbit(FIVE[name], examples, start, grown, log_slope)
    assert grown[-1] > 0.05
    assert along["rho"] == pytest.approx(path["rho"], abs=1e-8)
    for k in range(1, 1 + len(V)):
        assert along[f"V{k}"] == pytest.approx(path[f"V{k}"], abs=1e-8)


def test_runs_may_be_one_or_a_table():
    """Axes are counted from the last: nothing is taken for a run's that is a layer's."""
    table = Polar(np.stack([START.rho, START.rho[::-1]]), [np.stack([V, V[::-1]]) for V in START.V])
    alone = Polar(START.rho[1], [V[1] for V in START.V])
    law, t = FIVE["weight normalisation"], np.array([0.0, 0.05])
    for follow in (dynamics.flow, dynamics.orbit):
        many, one = (follow(law, EXAMPLES, start, t, exponential_slope) for start in (table, alone))
        for name in ("rho", "V1", "V2"):
            assert many[name][:, 0, 1] == pytest.approx(one[name], abs=1e-8)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_one_aligned_example_blows_up_when_it_can_at_the_earliest(depth):
    """rho' = L rho^2 |x|, so rho = rho(0) / (1 - t / T)."""
    x = np.array([0.9, 1.2])
    V = [x[None, None] / 1.5, *[np.ones((1, 1, 1))] * (depth - 1)]
    start = Polar(np.array([[0.7, 1.3, 0.9]])[:, :depth], V)
    until = dynamics.finite_until(Examples(x[None], np.ones(1)), start)
    assert until == pytest.approx(1 / (depth * start.product * 1.5))
    t = until[0] * np.array([0.3, 0.9])
    path = dynamics.flow(dynamics.exponential_weight_normalisation, Examples(x[None], np.ones(1)), start, t, log_slope)
    assert path["rho"].prod(-1)[:, 0] == pytest.approx(start.product[0] / (1 - np.array([0.3, 0.9])), rel=1e-7)


def test_no_run_blows_up_sooner():
    until = dynamics.finite_until(EXAMPLES, START)
    assert until == pytest.approx(1 / (2 * START.rho.prod(-1) * np.linalg.norm(EXAMPLES.X, axis=1).mean()))
    path = dynamics.flow(
        dynamics.exponential_weight_normalisation, EXAMPLES, START, np.array([0.9 * until.min()]), log_slope
    )
    assert (path["rho"].prod(-1) <= 10 * START.product).all()


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


@pytest.mark.parametrize("c", [1.0, 1.3])
def test_laws_of_the_unseen_part_hold_along_their_flows(c):
    examples = Examples(np.array([[1.0, 0.2, 0.0], [0.8, -0.3, 0.0]]), np.ones(2))
    start = Polar(np.array([[0.8]]), [np.array([[[0.48, 0.36, 0.8]]])])
    for flow, law in (
        (dynamics.gradient_flow, dynamics.unseen_of_gradient_flow),
        (partial(dynamics.weight_normalisation, c=c), partial(dynamics.unseen_of_weight_normalisation, c=c)),
        (
            partial(dynamics.exponential_weight_normalisation, c=c),
            partial(dynamics.unseen_of_exponential_weight_normalisation, c=c),
        ),
    ):
        path = dynamics.flow(flow, examples, start, np.array([0.5, 1.0]), log_slope)
        assert path["V1"][..., 0, 2] / 0.8 == pytest.approx(law(0.8, path["rho"][..., 0]), rel=1e-8)
    assert dynamics.unseen_of_weight_normalisation(1.0, np.array(2.0)) == pytest.approx(np.exp(-1.5))


def test_distances_to_a_polyline():
    curve = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    points = np.array([[0.5, 0.3], [-1.0, 0.0], [1.2, 0.5], [1.0, 0.0]])
    assert dynamics.distance_to_curve(points, curve) == pytest.approx(np.array([0.3, 1.0, 0.2, 0.0]))
    beyond = np.array([[1.0, 3.5], [2.5, -2.0], [-0.3, -0.4]])
    assert dynamics.distance_to_curve(beyond, curve) == pytest.approx(np.array([2.5, 2.5, 0.5]))
    stays = np.array([[0.0, 0.0], [0.0, 0.0], [2.0, 1.0]])
    assert dynamics.distance_to_curve(np.array([[1.0, 3.0]]), stays) == pytest.approx(np.array([np.sqrt(5)]))


def test_frozen_sizes_stay():
    for name in ("Lagrange multiplier", "tangent gradient"):
        path = dynamics.flow(FIVE[name], EXAMPLES, START, np.array([1.0]), log_slope)
        assert np.array_equal(path["rho"][-1], START.rho)
