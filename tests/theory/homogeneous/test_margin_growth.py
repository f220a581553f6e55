"""The law of margins as a predictor: t = 0, t = inf, the semigroup, the flow; two points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from theory.core.flows import flow
from theory.core.validation import InvalidArgument
from theory.homogeneous import margin_growth
from theory.homogeneous.margin_growth import Aligned, TwoPoints

depths = st.integers(1, 6)
gains = st.floats(0.2, 3)
starts = st.floats(0.05, 5)


@settings(max_examples=25, deadline=None)
@given(depths, gains, starts, st.floats(1e-3, 1e3), st.floats(1e-3, 1e20))
def test_margins_are_a_semigroup(depth: int, gain: float, start: float, first: float, second: float) -> None:
    network = Aligned(depth, gain, 3)
    middle = float(margin_growth.solution(network, start, np.array(first)))
    twice = margin_growth.solution(network, middle, np.array(second))
    assert twice == pytest.approx(float(margin_growth.solution(network, start, np.array(first + second))), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(depths, gains, starts)
def test_the_start_the_end_and_shapes(depth: int, gain: float, start: float) -> None:
    network = Aligned(depth, gain, 2)
    assert margin_growth.solution(network, start, np.array(0.0)) == start
    assert np.isposinf(margin_growth.solution(network, start, np.array(np.inf)))
    assert margin_growth.solution(network, start, 0.0) == start
    assert margin_growth.solution(network, start, np.ones((2, 3))).shape == (2, 3)
    assert margin_growth.growth_time(network, np.array(start), np.array(start)) == 0
    assert np.isposinf(margin_growth.growth_time(network, np.array(start), np.array(np.inf)))
    assert margin_growth.growth_time(network, np.full(3, start), np.full((4, 3), start + 1)).shape == (4, 3)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 7])
def test_the_law_is_the_flow_solved(depth: int) -> None:
    network, t = Aligned(depth, 0.7, 3), np.array([0.1, 3.0, 1e3])
    start = np.array([0.4, 2.0])
    solution = flow(
        lambda _, s: {"m": margin_growth.growth(network, s["m"])}, {"m": start}, t, relative_tolerance=1e-12
    )
    assert np.allclose(margin_growth.growth_time(network, start, solution["m"]), t[:, None], rtol=1e-8)
    logistic = flow(
        lambda _, s: {"m": margin_growth.growth(network, s["m"]) / (1 + np.exp(-s["m"]))},
        {"m": start},
        t,
        relative_tolerance=1e-12,
    )
    assert np.allclose(margin_growth.logistic_growth_time(network, start, logistic["m"]), t[:, None], rtol=1e-8)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_law_is_that_of_layers(depth: int) -> None:
    """rho_l' = n gain rho^(L-1) e^{-m} of each of L layers of one size, m = gain rho^L."""
    gain, copies, t = 0.7, 3, np.array([0.4, 5.0, 1e3])
    network = Aligned(depth, gain, copies)
    begin = 1.1
    sizes = flow(
        lambda _, s: {"rho": copies * gain * s["rho"] ** (depth - 1) * np.exp(-gain * s["rho"] ** depth)},
        {"rho": np.array([begin])},
        t,
        relative_tolerance=1e-12,
    )["rho"][:, 0]
    start = gain * begin**depth
    assert margin_growth.solution(network, start, t) == pytest.approx(gain * sizes**depth, rel=1e-8)
    assert margin_growth.layer_norms(network, gain * sizes**depth) == pytest.approx(sizes)
    speed = depth * gain * sizes ** (depth - 1) * copies * gain * sizes ** (depth - 1) * np.exp(-gain * sizes**depth)
    assert margin_growth.growth(network, gain * sizes**depth) == pytest.approx(speed)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize(("start", "end"), [(0.2, 0.9), (0.8, 4.0), (3.0, 30.0)])
def test_times_are_integrals(depth: int, start: float, end: float) -> None:
    network, power = Aligned(depth, 0.7, 3), 2 - 2 / depth
    rate = 3 * depth * 0.7 ** (2 / depth)
    time = margin_growth.growth_time(network, np.array(start), np.array(end))
    assert time * rate == pytest.approx(quad(lambda x: np.exp(x) * x**-power, start, end)[0], rel=1e-8)
    logistic = margin_growth.logistic_growth_time(network, np.array(start), np.array(end))
    assert logistic * rate == pytest.approx(quad(lambda x: (1 + np.exp(x)) * x**-power, start, end)[0], rel=1e-8)


def test_margins_are_found_wherever_they_start() -> None:
    """Small and large margins and rates, at which the bracket of the bisection is tight or wide."""
    for depth, start, t in ((4, 1e-3, 0.5), (2, 300.0, 1e130), (3, 0.02, 1e300), (1, 1e-3, 1e-6), (6, 8.0, 1e-3)):
        for gain, copies in ((1e-3, 1), (20.0, 50)):
            network = Aligned(depth, gain, copies)
            m = margin_growth.solution(network, start, np.array(t))
            assert m > start or t < 1
            again = margin_growth.growth_time(network, np.array(start), m)
            assert again == pytest.approx(t, rel=1e-9 * (1 + np.exp(min(start, 700)) / network.rate / t))


def test_depth_one_is_the_logarithm() -> None:
    t = np.array([0.0, 2.0, 1e6, 1e200])
    predicted = np.logaddexp(0.3, np.log(5 * 0.49) + np.log(np.maximum(t, 1e-300)))
    assert np.allclose(margin_growth.solution(Aligned(1, 0.7, 5), 0.3, t), predicted, rtol=1e-12)


def test_layers_of_a_margin() -> None:
    network = Aligned(3, 0.5, 1)
    m = np.array([0.5, 4.0])
    assert np.allclose(network.gain * margin_growth.layer_norms(network, m) ** 3, m)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1.0, 1), "depth = 0: expected a whole number of at least 1"),
        ((2, -1.0, 1), "gain = -1.0: expected a finite number above 0"),
        ((2, 1.0, 0), "copies = 0: expected a whole number of at least 1"),
    ],
)
def test_networks_that_do_not_exist_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Aligned(*arguments)


def test_margins_and_times_out_of_range_are_refused() -> None:
    network = Aligned(2, 1.0, 1)
    with pytest.raises(InvalidArgument, match="m = -1.0: expected margins above 0"):
        margin_growth.growth_time(network, np.array(1.0), np.array(-1.0))
    with pytest.raises(InvalidArgument, match="start = 0.0: expected margins above 0"):
        margin_growth.growth_time(network, np.array([1.0, 0.0]), np.array(1.0))
    with pytest.raises(InvalidArgument, match="start = 0.0: expected a finite number above 0"):
        margin_growth.solution(network, 0.0, np.array(1.0))
    with pytest.raises(InvalidArgument, match="t = -1.0: expected times of at least 0"):
        margin_growth.solution(network, 1.0, np.array(-1.0))


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 3), st.floats(0, 0.95), st.floats(-1, 2), st.floats(-1, 2))
def test_two_points_solve_their_flow(square: float, cosine: float, first: float, second: float) -> None:
    points, start = TwoPoints(square, cosine * square), np.array([first, second])
    gram = square * np.array([[1, cosine], [cosine, 1]])
    t = np.array([0.5, 20.0])
    solution = flow(lambda _, s: {"m": gram @ np.exp(-s["m"])}, {"m": start}, t, relative_tolerance=1e-12)["m"]
    clock = np.exp(margin_growth.two_point_log_clock(points, solution)) - np.exp(
        margin_growth.two_point_log_clock(points, start)
    )
    assert np.allclose(clock, t, rtol=1e-7)
    kept = margin_growth.two_point_invariant(points, start)
    assert np.allclose(margin_growth.two_point_invariant(points, solution), kept, atol=1e-7)


def test_the_difference_of_two_points_falls_by_its_law() -> None:
    points, start = TwoPoints(1.3, 0.4), np.array([1.0, 0.2])
    gram, kappa = np.array([[1.3, 0.4], [0.4, 1.3]]), 0.9 / 1.7
    assert points.kappa == pytest.approx(kappa)
    t = np.array([1e6])
    m = flow(lambda _, s: {"m": gram @ np.exp(-s["m"])}, {"m": start}, t, relative_tolerance=1e-13)["m"][0]
    assert margin_growth.two_point_difference(points, start) == pytest.approx(t[0] ** kappa * (m[0] - m[1]), rel=1e-4)


def test_points_at_a_right_angle_are_two_problems() -> None:
    points, start = TwoPoints(1.3, 0.0), np.array([0.4, -0.9])
    assert points.kappa == 1
    m = np.log(np.exp(start) + 1.3 * 7.0)
    times = [np.exp(margin_growth.two_point_log_clock(points, each)) for each in (start, m)]
    assert times[1] - times[0] == pytest.approx(7.0)


def test_equal_points_stay_equal() -> None:
    points, m = TwoPoints(2.0, 0.5), np.full((3, 2), 1.5)
    assert np.allclose(margin_growth.two_point_log_clock(points, m), 1.5 - np.log(2.5), rtol=1e-12)
    assert not margin_growth.two_point_invariant(points, m).any()
    assert not margin_growth.two_point_difference(points, m).any()


@pytest.mark.parametrize(("square", "product"), [(1.0, 1.0), (1.0, -0.1), (0.0, 0.0), (2.0, 3.0)])
def test_points_that_are_one_or_obtuse_are_refused(square: float, product: float) -> None:
    with pytest.raises(InvalidArgument, match="(product|square) = .*: expected"):
        TwoPoints(square, product)
