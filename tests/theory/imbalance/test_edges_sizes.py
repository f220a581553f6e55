"""Edges of the domain, sizes: what overflows on the way and not in the answer, and what is refused since it would."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytest

from theory.core.flows import FlowStopped
from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import (
    closed_forms,
    compression,
    convergence,
    dynamics,
    identities,
    invariant_set,
    problem,
    three_layers,
    tighter_rate,
    wide_limit,
    width,
)

DATA = Regression(np.diag([2.0, 0.5]), np.array([[1.0], [3.0]]))
Z = np.array([[0.3, 0.4], [1.0, -2.0], [0.5, 0.7]])
LARGE, NAN = Z * [[1.0], [1e200], [1.0]], Z * [[1.0], [np.nan], [1.0]]


@pytest.mark.parametrize(
    "function",
    [
        closed_forms.mean_imbalance,
        closed_forms.modes,
        convergence.imbalance,
        convergence.imbalance_spectrum,
        convergence.level,
        convergence.pointwise_rate,
        convergence.slowest_rate,
        dynamics.excess_loss,
        dynamics.generator,
        dynamics.residual,
        dynamics.split,
        dynamics.velocity,
        tighter_rate.limiting_rate,
        tighter_rate.margin_rate,
        tighter_rate.product_rate,
        tighter_rate.spreads,
    ],
)
def test_states_whose_squares_are_no_numbers_are_refused(function: Callable) -> None:
    function(DATA, Z)
    for state, message in ((LARGE, r"Z\[1, 0\] = 1e\+200: expected a number in"), (NAN, r"Z\[1, 0\] = nan: expected")):
        with pytest.raises(InvalidArgument, match=message):
            function(DATA, state)


def test_a_residual_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"E\[0, 0\] = -\S+e\+2.*: expected a number in"):
        dynamics.excess_loss(DATA, 1e120 * np.abs(Z))
    stretched = Regression(1e120 * DATA.X, 1e140 * DATA.Y)
    dynamics.residual(stretched, Z)
    with pytest.raises(InvalidArgument, match=r"S E\[0, 0\] = .*: expected a number in"):
        dynamics.velocity(stretched, Z)


def test_rates_of_data_whose_squares_are_no_numbers() -> None:
    """0 where the level is, S^2 c where S^2 is too small or too large alone."""
    for unit in (1e-200, 1e200):
        data = Regression(np.array([[unit]]), np.array([[1.0]]))
        level = 0.7 * min(unit**-2, 1e280) if unit > 1 else 1e290
        start = problem.Network(np.array([[np.sqrt(level), 0.0]]), np.array([[0.0, 0.0]]))
        exact = float(2 * mpmath.mpf(unit) ** 2 * mpmath.mpf(level))
        assert convergence.convergence_rate(data, start) == pytest.approx(exact, rel=1e-9)
        still = problem.Network(np.zeros((1, 2)), np.zeros((1, 2)))
        assert convergence.convergence_rate(data, still) == 0


def test_steps_whose_squares_are_no_numbers_are_refused() -> None:
    """Where eta^2 overflows and eta A Z does not, the drift is a number."""
    slow = Regression(np.array([[1e-160]]), np.array([[1.0]]))
    drift = convergence.descent_drift(slow, np.array([[2.0], [3.0]]), 1e160)
    assert drift == pytest.approx(np.array([[2.0**2 - 3.0**2]]), rel=1e-12)
    with pytest.raises(InvalidArgument, match=r"eta A Z\[0, 0\] = .*: expected a number in"):
        convergence.descent_drift(DATA, Z, 1e300)
    layers = [np.array([[1.0]]), np.array([[2.0]])]
    assert three_layers.imbalance_drift(layers, np.array([[1e-160]]), 1e160)[0] == pytest.approx(np.array([[1 - 4.0]]))
    with pytest.raises(InvalidArgument, match=r"eta G_1\[0, 0\] = .*: expected a number in"):
        three_layers.imbalance_drift(layers, np.array([[1.0]]), 1e300)


def test_steps_and_flows_that_no_number_can_follow_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"learning_rate = 1000.0: expected one with eta \|A\| below 300, here"):
        dynamics.lie_euler(DATA, Z, 1e3, 1)
    network = problem.Network(DATA.Phi1 @ Z[1:], Z[:1])
    with pytest.raises(InvalidArgument, match="learning_rate = 5.0: expected one at which descent does not diverge"):
        compression.gradient_descent(compression.compress(DATA, network), learning_rate=5.0, steps=20, record=[20])
    with pytest.raises(FlowStopped, match="after 50 evaluations"):
        dynamics.gradient_flow(DATA, network, np.array([0.0, 1e9]), evaluations=50)
    with pytest.raises(FlowStopped, match="after 50 evaluations"):
        wide_limit.product(DATA, 1.0, 5.0, evaluations=50)
    with pytest.raises(InvalidArgument, match="U.1, 0. = 1e.160: expected a number in"):
        problem.Network(np.array([[1.0], [1e160]]), np.ones((1, 1)))


def test_a_bound_falls_from_a_number_at_a_rate() -> None:
    for start, rate, message in ((np.inf, 1.0, "start = inf"), (1.0, -1.0, "rate = -1.0"), (1.0, np.nan, "rate = nan")):
        with pytest.raises(InvalidArgument, match=message):
            convergence.exponential_bound(np.array(start), np.array(rate), 1.0)


def test_the_end_of_a_start_far_smaller_than_the_imbalance() -> None:
    """G at infinite time is that of its direction alone: [[0, 0], [0, lam]] y-free, whatever the size of Z."""
    for size in (1.0, 1e-140, 1e-160):
        G = closed_forms.riccati_gram(np.array([[0.0]]), 1.0, size * np.array([[1.0], [1.0]]), np.inf)
        assert G == pytest.approx(np.array([[0.0, 0.0], [0.0, 1.0]]), abs=1e-12)
    with pytest.raises(InvalidArgument, match=r"Z\[0, 0\] = 1e\+200"):
        closed_forms.riccati_gram(np.array([[0.0]]), 1.0, np.array([[1e200], [1.0]]), 1.0)
    with pytest.raises(InvalidArgument, match=r"targets\[0, 0\] = nan"):
        closed_forms.riccati_gram(np.array([[np.nan]]), 1.0, np.ones((2, 1)), 1.0)


@pytest.mark.parametrize("seed", [21428, 1, 2])
def test_balanced_homogeneous_starts_are_balanced_to_rounding(seed: int) -> None:
    """The root of V^T V has rank m: eigenvalues that are rounding would be rows of 1e-8."""
    rng = np.random.default_rng(seed)
    data = random_regression(rng, D=5, n=4, m=1, singular_values=np.ones(3))
    start = closed_forms.homogeneous(data, 0.0, 3, rng)
    assert np.linalg.matrix_rank(problem.coordinates(data, start)[0], tol=1e-13) == 1
    closed_forms.riccati_solution(data, start, 1.0)


def test_layers_of_sizes_that_leave_no_number_are_refused() -> None:
    large = [np.full((2, 2), 1e100)] * 4
    for bound in (three_layers.curvature, three_layers.smallest_curvature):
        with pytest.raises(InvalidArgument, match=r"W = entries up to 1e\+100: expected smaller ones.* T is finite"):
            bound(large)
    scalars = [np.array([[size]]) for size in (0.0, 1e120, 2e120, 3e120)]
    with pytest.raises(InvalidArgument, match=r"W = entries up to 3e\+120: expected .* bound is finite"):
        three_layers.unimodal_bound(scalars, 1)
    for D in (np.array([[np.nan]]), np.array([[1e200]])):
        with pytest.raises(InvalidArgument, match=r"D2\[0, 0\] = .*: expected a number in"):
            three_layers.three_layer_bound(np.ones((1, 1)), D, 1, 1)
    with pytest.raises(InvalidArgument, match=r"D\[1\]\[0, 0\] = inf"):
        three_layers.turning_factors([np.ones((1, 1)), np.array([[np.inf]])], 1, 1, 1)


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_two_layers_on_data_of_any_size(unit: float) -> None:
    """nu_k knows sqrt(K / mu) = 4 alone: [sigma - 4 x 0.1]_+; the rate is 0 with no level, whatever mu."""
    data = three_layers.FullRankRegression(unit * DATA.X, unit * np.eye(2) @ np.diag([2.0, 0.5]))
    nu = three_layers.least_singular_value(data, data.minimiser + np.array([[0.1, 0.0], [0.0, 0.0]]), 2)
    assert nu == pytest.approx(1 - 0.4, rel=1e-12)
    assert three_layers.two_layer_rate(data, [np.zeros((2, 2)), np.zeros((2, 2))]) == 0


def test_singular_values_and_grams_are_of_numbers() -> None:
    nan = np.array([[np.nan, 1.0]])
    for function, name in (
        (lambda: tighter_rate.singular_value(nan, 1), "matrix"),
        (lambda: tighter_rate.side(np.array(0.0), np.array(0.0), np.array(np.inf)), "sigma"),
        (lambda: tighter_rate.side(np.array(-1.0), np.array(0.0), np.array(1.0)), "spread"),
        (lambda: tighter_rate.smallest_gram_eigenvalue(np.diag(nan[0]), np.ones((1, 1))), "D"),
        (lambda: three_layers.two_layer_level(np.diag(nan[0]), 1, 1, np.array(0.0), np.array(0.0)), "D"),
        (lambda: wide_limit.output_gram(nan, 1.0), "p"),
        (lambda: wide_limit.velocity(DATA, np.array([[1e200], [0.0]]), 1.0), "S E"),
        (lambda: invariant_set.growth_bound(DATA, np.array([0.0]), np.full((1, 2, 1), np.nan)), "S E"),
        (lambda: invariant_set.unseen_end_to_end(DATA, problem.Network(np.ones((2, 2)), np.ones((1, 2))), nan), "V"),
        (lambda: width.distance_given_output(DATA, nan, 1.0), "scale V"),
        (lambda: width.whitened_distance(np.ones((1, 2)), np.ones((1, 1)), 0.0), "scale"),
    ):
        with pytest.raises(InvalidArgument, match=rf"^{name}.* = .*: expected a"):
            function()


def test_widths_of_deviations_whose_squares_are_no_numbers() -> None:
    assert width.lemma_width(1e200) == np.inf and width.lemma_width(1e150) == pytest.approx(1.6e301)
    assert width.theorem_width(DATA, 0.5, 1e200) == np.inf
    tiny = Regression(1e-200 * DATA.X, DATA.Y)
    assert width.theorem_width(tiny, 0.4, 0.0) == width.printed_theorem_width(tiny, 0.4, 0.0) == 0
    assert width.theorem_width(tiny, 0.5, 3.0) == pytest.approx(4 * 4.0**4 * 9, rel=1e-12)
    assert width.printed_theorem_width(tiny, 0.5, 1e-300) == np.inf
    assert width.overlap_bound(DATA, 1.0, 0.5, 1e200) == np.inf
    with pytest.raises(InvalidArgument, match="exponent = 3.7"):
        width.extreme_network(Regression(np.eye(1, 4), np.ones((1, 1))), 1e-300, 3.7, 0.0, np.random.default_rng(0))


def test_without_a_deviation_there_is_no_distance() -> None:
    """0, where the growth before it is no number."""
    assert width.distance_bound(DATA, 0.1, 0.4, 0.0) == 0 == width.distance_bound(DATA, 1e-9, 0.26, 0.0)


def test_the_statistic_in_units_too_small_to_square() -> None:
    V, unseen = np.array([[3.0, 4.0]]), np.array([[10.0]])
    assert width.whitened_distance(V, 1e-200 * unseen, 1e-200) == pytest.approx(4)
    assert width.distance_given_output(Regression(np.eye(1, 3), np.ones((1, 1))), 1e149 * V, 1e-149) == pytest.approx(
        50
    )


def test_orders_and_sizes_are_whole_numbers() -> None:
    with pytest.raises(InvalidArgument, match="order = -1: expected a whole number of at least 0"):
        identities.lie_euler_drift(-1)
    rng = np.random.default_rng(0)
    for sizes in ({"D": 0, "n": 2, "m": 1}, {"D": 2, "n": -1, "m": 1}, {"D": 2, "n": 2, "m": 0}):
        with pytest.raises(InvalidArgument, match="expected a whole number of at least 1"):
            random_regression(rng, **sizes, singular_values=np.ones(1))
    for values in (np.ones((1, 1)), np.array(1.0), np.array([np.nan])):
        with pytest.raises(InvalidArgument, match="singular_values"):
            random_regression(rng, D=2, n=2, m=1, singular_values=values)
