"""Sizes of 0, of no finite number, and such that squares and powers overflow: the right number, or one clear line."""

import mpmath
import numpy as np
import pytest

from theory.core.linear_networks import per_size, squarable
from theory.core.separable import Separable, planted
from theory.core.validation import InvalidArgument
from theory.generalisation import complexity, interpolants
from theory.homogeneous import (
    balance,
    critical_points,
    decomposition,
    dynamics,
    margin_growth,
    max_margin,
    normalisation,
    smoothed_margin,
)
from theory.homogeneous.decomposition import Examples, Polar
from theory.homogeneous.margin_growth import Aligned

PAIR = [np.array([[1.0, 2.0]]), np.array([[3.0]])]
EXAMPLES = Examples(np.array([[1.0, 0.5], [0.3, -2.0]]), np.array([1.0, -1.0]))
STATE = Polar(np.array([2.0, 3.0]), [np.array([[0.6, 0.8]]), np.array([[1.0]])])
BIG = [np.array([[1e200, 1e200]]), np.array([[1e200]])]


def test_sizes_of_layers_whose_squares_overflow() -> None:
    state = decomposition.polar([np.array([[3e200, 4e200]]), np.array([[3e-200], [4e-200]])])
    assert state.rho == pytest.approx([5e200, 5e-200])
    assert state.V[0] == pytest.approx(np.array([[0.6, 0.8]])) and state.V[1] == pytest.approx(np.array([[0.6], [0.8]]))
    assert per_size(np.array(0.0), np.array(1e-300), 4) == 0
    assert per_size(np.array([-2e200, 3e-290]), np.array([1e100, 1e-120]), 3) == pytest.approx([-2e50, 3e-110])


def test_a_layer_of_size_0_has_gains_and_no_direction_to_turn() -> None:
    rho = np.array([0.0, 2.0, 3.0])
    radial, angular = dynamics.weight_normalisation(rho)
    assert np.array_equal(radial, [6, 0, 0]) and np.array_equal(angular, [0, 0, 0])
    assert np.array_equal(dynamics.lagrange_multiplier(rho)[1], [0, 0, 0])
    for law in (dynamics.gradient_flow, dynamics.tangent_gradient):
        with pytest.raises(InvalidArgument, match="rho = 0.0: expected sizes off 0"):
            law(rho)
    for law in (dynamics.weight_normalisation, dynamics.exponential_weight_normalisation):
        assert law(np.array([1e150, 1e150]), 1e170)[1] == pytest.approx([1e-40, 1e-40])


def test_unseen_parts_at_sizes_of_every_order() -> None:
    tiny, huge = np.array(1e-300), np.array(1e300)
    power = dynamics.unseen_of_exponential_weight_normalisation
    assert power(tiny, huge, 100.0) == pytest.approx(10**-0.06)
    assert power(tiny, np.array(np.inf)) == 0 and power(huge, huge, 1e-200) == 1
    assert dynamics.unseen_of_weight_normalisation(huge, huge) == 1
    beside = np.nextafter(1e200, np.inf)
    with mpmath.workdps(40):
        exact = mpmath.exp(-(mpmath.mpf(beside) ** 2 - mpmath.mpf(1e200) ** 2) / (2 * mpmath.mpf(1e192) ** 2))
    assert dynamics.unseen_of_weight_normalisation(1e200, np.array(beside), 1e192) == pytest.approx(float(exact))
    assert dynamics.unseen_of_weight_normalisation(1.0, np.array(np.inf)) == 0
    assert dynamics.unseen_of_gradient_flow(3.0, np.array([np.inf, 6.0])) == pytest.approx([0, 0.5])


def test_times_until_which_sizes_are_finite() -> None:
    large = Examples(np.array([[3e200, 4e200]]), np.ones(1))
    assert dynamics.finite_until(large, STATE) == pytest.approx(1 / (2 * 6 * 5e200))
    assert dynamics.finite_until(Examples(np.zeros((1, 2)), np.ones(1)), STATE) == np.inf


def test_a_curve_of_one_point() -> None:
    points = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert dynamics.distance_to_curve(points, np.zeros((1, 2))) == pytest.approx([5, 0])


def test_weights_of_examples_whose_margins_are_infinite() -> None:
    assert np.array_equal(decomposition.log_slope(np.array([1.0, np.inf])), [1, 0])


def test_growth_at_both_ends() -> None:
    for depth in (1, 2, 5):
        assert np.array_equal(margin_growth.growth(Aligned(depth, 0.7, 3), np.array([1e300, np.inf])), [0, 0])
    assert margin_growth.growth(Aligned(1, 0.7, 3), np.array(0.0)) == pytest.approx(3 * 0.49)
    assert margin_growth.growth(Aligned(3, 0.7, 3), np.array(0.0)) == 0
    late = mpmath.mpf(5) * mpmath.mpf("1e100") ** 2 * mpmath.exp(-900)
    assert margin_growth.growth(Aligned(1, 1e100, 5), np.array(900.0)) == pytest.approx(float(late), rel=1e-11)
    assert margin_growth.layer_norms(Aligned(6, 1e-150, 1), np.array(1e300)) == pytest.approx(1e75)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize(("start", "end"), [(0.5, 712.0), (40.0, 1e-3), (30.0, 55.0), (45.0, 1e-16), (1e-3, 49.0)])
def test_times_whose_exponentials_overflow_or_cancel(depth: int, start: float, end: float) -> None:
    """m = 712: e^712 is beyond floats, the time is not. From 40 down to next to 0, where x^-a is all that counts."""
    with mpmath.workdps(60):
        rest = mpmath.mpf(2) / depth - 1
        ends = [mpmath.ei(x) if depth == 2 else x**rest / rest * mpmath.hyp1f1(rest, rest + 1, x) for x in (start, end)]
        exact = (ends[1] - ends[0]) / (10**5 * depth * mpmath.mpf(0.7) ** (rest + 1))
    found = margin_growth.growth_time(Aligned(depth, 0.7, 10**5), start, end)
    assert found == pytest.approx(float(exact), rel=2e-11)


def test_margins_that_no_time_reaches() -> None:
    for depth in (1, 2, 6, 100):
        assert margin_growth.growth_time(Aligned(depth, 0.4, 3), 1.3, np.array([1e5, 1e300, np.inf])).min() == np.inf
        assert margin_growth.growth_time(Aligned(depth, 1e-150, 3), 3e98, 1.4) == -np.inf
        assert margin_growth.growth_time(Aligned(depth, 0.4, 3), 1e300, 1e-200) == -np.inf


def test_directions_that_are_at_rest_far_out() -> None:
    """There rounding of the margins, rho |z| EPS, is above any fixed threshold; beyond, it is the max-margin one."""
    problem = Separable(planted(np.random.default_rng(162631), np.array([0.5, 0.3, 0.2]), d=5, margin=0.8)[0])
    best, sizes = problem.w * problem.margin, np.array([1e6, 1e7, 1e9, 1e12, 1e100])
    apart = np.linalg.norm(critical_points.equilibrium(problem, sizes) - best, axis=-1)
    assert sizes[:3] * apart[:3] == pytest.approx(0.3977, abs=3e-4)
    assert (apart[3:] < 1e-11).all()


def test_rates_where_the_entropy_is_below_rounding_of_the_margins() -> None:
    """nu / log(1 / Loss) - 1 would be 0, or of either sign."""
    q, square, across = np.array([1.0, 50.0]), np.array(2.0), np.array(0.0)
    with mpmath.workdps(60):
        falls = [mpmath.exp(-mpmath.mpf(each)) for each in q]
        nu = sum(fall * each for fall, each in zip(falls, q)) / sum(falls)
        exact = 9 * nu / 2 * (nu / -mpmath.log(sum(falls)) - 1)
    assert smoothed_margin.smoothed_margin_rate(q, square, across, 3) == pytest.approx(float(exact), rel=1e-12)
    assert smoothed_margin.norm_growth(np.array([2.0, 1e300])) == 2
    assert smoothed_margin.smoothed_margin_rate(np.array([1e300, 1e300]), square, across, 1) == pytest.approx(
        np.log(2) / 2
    )


@pytest.mark.parametrize("unit", [1e-140, 1.0, 1e140])
def test_outputs_do_not_know_the_units_of_weights_and_inputs(unit: float) -> None:
    X, w = np.array([[1.0, 2.0], [0.0, 4.0], [3.0, 1.0]]), np.array([0.6, -0.5])
    outputs = normalisation.normalised_outputs(unit * X, unit * w, 0.0)
    plain = (X - X.mean(0)) @ w
    assert outputs == pytest.approx(plain / plain.std())
    assert normalisation.radial_derivative(X, unit * w, (unit * plain.std()) ** 2) == pytest.approx(outputs / 8**0.5)
    assert np.linalg.norm(normalisation.whitened_direction(unit * X, unit * w)) == pytest.approx(1)


def test_steps_whose_squares_overflow() -> None:
    zero, one = np.array(0.0), np.array(1.0)
    assert normalisation.squared_norm_after_step(zero, one, 1e-200, 1e300) == 0
    assert normalisation.squared_norm_after_step(one, 1e-300 * one, 1e200, 1.0) == pytest.approx(1e100)
    kept = balance.after_step(balance.layers, PAIR, [0 * layer for layer in PAIR], np.array([1.0, 2.0]), 1e160)
    assert np.isneginf(kept[0])  # 9 / 2 - 5, times 10^320
    equal = [np.array([[3.0]]), np.array([[3.0]])]
    assert balance.after_step(balance.layers, equal, [0 * layer for layer in equal], np.ones(2), 1e300)[0] == 0


def test_powers_of_losses_that_are_hardly_any() -> None:
    """m^(p+2) grows by p (p+2) t: at p = 1e300 margins above 1 stay; m^(p+2) may be below the normal numbers."""
    Z = np.array([[1.0]])
    assert max_margin.polynomial_solution(Z, np.array([3.0]), np.array([0.0, 2.0]), 1e300) == pytest.approx(3)
    assert max_margin.polynomial_solution(Z, np.array([1e-80]), np.array([0.0, 1e-320]), 2.0)[0] == pytest.approx(1e-80)


W0 = np.array([np.inf, 1.0])
REFUSED = {
    "learning_rates[1] = 0.0": lambda: balance.imbalance(balance.layers, PAIR, np.array([1.0, 0.0])),
    "learning_rates.shape = (1,)": lambda: balance.imbalance(balance.layers, PAIR, np.ones(1)),
    "G = gradients of shapes [(1, 2)]": lambda: balance.after_step(balance.layers, PAIR, PAIR[:1], np.ones(2)),
    "shrinkage = inf": lambda: balance.after_step(balance.layers, PAIR, PAIR, np.ones(2), np.inf),
    "W[0][0, 0] = 1e+200": lambda: squarable(BIG),
    "|W_k|_F[1] = inf": lambda: decomposition.polar([np.ones((1, 1)), np.full((1, 1), np.inf)]),
    "rho[0] = inf": lambda: decomposition.weights(Polar(W0, STATE.V)),
    "W = layers of entries up to 1e+200": lambda: decomposition.margins(EXAMPLES, BIG),
    "weight = up to inf": lambda: decomposition.gradients(EXAMPLES, PAIR, np.array([np.inf, 1.0])),
    "q = -inf": lambda: decomposition.log_slope(-W0),
    "rho, V = an overflow": lambda: critical_points.curvature(
        Separable(np.array([[1e10, 1.0], [2e10, 1.0]])), np.array(1e300), np.array([0.0, 1.0])
    ),
    "rho[2] = inf": lambda: dynamics.gradient_flow(np.array([1e200, 1e200, 1.0])),
    "c = 0.0": lambda: dynamics.weight_normalisation(STATE.rho, 0.0),
    "c = -1.0": lambda: dynamics.unseen_of_exponential_weight_normalisation(1.0, np.array(2.0), -1.0),
    "rho = 0.0": lambda: dynamics.finite_until(EXAMPLES, Polar(np.array([0.0, 1.0]), STATE.V)),
    "rho0 = inf": lambda: dynamics.unseen_of_gradient_flow(np.inf, np.array(2.0)),
    "rho[1] = 0.0": lambda: dynamics.unseen_of_weight_normalisation(1.0, np.array([1.0, 0.0])),
    "curve[0, 1] = nan": lambda: dynamics.distance_to_curve(np.ones((1, 2)), np.array([[1.0, np.nan]])),
    "norms[0] = -1.0": lambda: complexity.linear_rademacher(np.eye(2), -np.ones(2)),
    "prod(norms) = inf": lambda: complexity.linear_rademacher(np.eye(2), np.full(2, 1e200)),
    "X[0, 0] = 1e+200": lambda: complexity.rademacher_bounds(BIG[0]),
    "teacher[0] = inf": lambda: interpolants.gaussian_test_error(np.ones(2), W0),
    "w0[0] = inf": lambda: max_margin.interpolant(np.eye(2), W0),
    "gain = 1e+300": lambda: Aligned(1, 1e300, 1),
    "m = -1.0": lambda: margin_growth.growth(Aligned(1, 1.0, 1), np.array(-1.0)),
    "m[1] = -2.0": lambda: margin_growth.layer_norms(Aligned(2, 1.0, 1), np.array([0.0, -2.0])),
    "m[0] = inf": lambda: margin_growth.two_point_invariant(margin_growth.TwoPoints(1.0, 0.5), W0),
    "X[0, 0] = inf": lambda: max_margin.crammer_singer(W0[None], np.zeros(1, dtype=int), 2),
    "Z[0, 0] = inf": lambda: max_margin.polynomial_solution(W0[None], np.ones(2), 0.0, 2.0),
    "growth = 0.0": lambda: max_margin.unseen(np.array(0.5), np.array(0.0), 2),
    "first.shape = (1,)": lambda: max_margin.misalignment_bound(PAIR, np.ones(1), np.zeros(1)),
    "second[0] = inf": lambda: max_margin.misalignment_bound(PAIR, np.ones(2), W0),
    "w = a direction without variance": lambda: normalisation.whitened_direction(EXAMPLES.X, np.zeros(2)),
    "squared_norm = -1.0": lambda: normalisation.squared_norm_after_step(np.array(-1.0), np.array(0.0), 0.1),
    "learning_rate x decay = 2.5": lambda: normalisation.relaxation_factor(2.5, 1.0),
    "q = margins of which a mean is 0": lambda: smoothed_margin.smoothed_margin_bound(np.zeros(1), np.array(1.0)),
    "squared_norm = 0.0": lambda: smoothed_margin.normalised_margin(np.ones(2), np.array(0.0), 2),
    "degree = 0": lambda: smoothed_margin.smoothed_margin(np.ones(2), np.array(1.0), 0),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_answer_is_named(message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        REFUSED[message]()
    assert str(refused.value).startswith(message)


def test_flows_of_losses_that_overflow_are_refused_in_one_line() -> None:
    far = Polar(np.array([1e3, 1.0]), STATE.V)
    with pytest.raises(InvalidArgument, match="weight = up to inf: expected slopes of the loss"):
        dynamics.flow(dynamics.gradient_flow, EXAMPLES, far, np.array([1.0]), lambda q: np.exp(q))


@pytest.mark.parametrize("product", [0.9, 0.997, 0.99999])
def test_equal_margins_of_nearly_equal_examples(product: float) -> None:
    points = margin_growth.TwoPoints(1.0, product)
    for apart in (0.0, 1e-16, 1e-14):
        found = margin_growth.two_point_log_clock(points, np.array([0.3, 0.3 + apart]))
        assert found == pytest.approx(0.3 - np.log(1 + product), rel=1e-12)
