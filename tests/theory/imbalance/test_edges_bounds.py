"""Edges of the domain, the bounds: coincidences, other units, widths below the theorem's, hypotheses not met."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.linear_networks import imbalances
from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import convergence, dynamics, three_layers, tighter_rate, width
from theory.imbalance.problem import Network, coordinates, gaussian

few = settings(max_examples=25, deadline=None)
coincident = st.sampled_from([0.0, 0.0, 0.3, 1.0, 1.0, 2.0])
SPECIMEN = [np.array([[[1.0], [0.0]]]), np.diag([np.sqrt(2), 1.0])[None]]


def regression(seed: int = 0, r: int = 3, m: int = 2) -> Regression:
    return random_regression(
        np.random.default_rng(seed), D=r + 3, n=r + 1, m=m, singular_values=np.linspace(1.4, 0.7, r)
    )


# Homogeneous layers ---------------------------------------------------------------------------------------------------


def homogeneous(rng: np.random.Generator, n: int, m: int, squares: list[float], gaps: list[float], turn: int):
    """Layers with D_l = d_l I: n wide before `turn`, m wide after it, whose squares there are these."""
    depth = len(gaps)
    above = np.zeros(depth)
    for l in range(turn, depth):
        above[l] = above[l - 1] + gaps[l]
    for l in range(turn - 2, -1, -1):
        above[l] = above[l + 1] + gaps[l]
    least = np.zeros(max(n, m))
    least[: min(n, m)] = squares[: min(n, m)]
    widths = [n] * turn + [m] * (depth - turn + 1)
    turns = [np.eye(n), *(np.linalg.qr(rng.standard_normal((w, w)))[0] for w in widths[1:-1]), np.eye(m)]
    layers = [np.eye(widths[l + 1], widths[l]) * np.sqrt(least[: widths[l]] + above[l]) for l in range(depth)]
    return [(turns[l + 1] @ layer @ turns[l].T)[None] for l, layer in enumerate(layers)], least[: min(n, m)], above


def test_layers_whose_product_is_not_square_have_no_smallest_singular_value_to_count_on() -> None:
    """lambda_min(T) = 2, sigma_min(W)^2 = 2, d~ = 1: by (1^2 + 2)^(1/2), where (1 + 4 x 2)^(1/2) = 3 was claimed."""
    assert three_layers.smallest_curvature(SPECIMEN) == pytest.approx(2)
    assert three_layers.homogeneous_bound(SPECIMEN, 1) == pytest.approx(np.sqrt(3))
    mirrored = [W.mT for W in reversed(SPECIMEN)]
    assert three_layers.homogeneous_bound(mirrored, 2) == pytest.approx(np.sqrt(3))


@few
@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(2, 4), st.integers(0, 1000))
def test_the_homogeneous_bound_holds_for_every_shape(data, n: int, m: int, depth: int, seed: int) -> None:
    turn = data.draw(st.integers(1, depth))
    squares, gaps = (data.draw(st.lists(coincident, min_size=k, max_size=k)) for k in (3, depth))
    layers, least, above = homogeneous(np.random.default_rng(seed), n, m, squares, gaps, turn)
    smallest, bound = three_layers.smallest_curvature(layers), three_layers.homogeneous_bound(layers, turn)
    size = (1 + above.max() + least.max()) ** (depth - 1)
    assert bound <= smallest + 1e-12 * size
    if n != m:
        exact = np.prod(np.delete(least.min() + above, turn - 1))
        assert smallest == pytest.approx(exact, abs=1e-12 * size)
        if least.min() == 0 or not any(gaps):
            # A power 1 - 1/L of sigma_min^2, which is known to the rounding of its root only.
            assert bound == pytest.approx(exact, abs=1e-10 * size)
    doubled = three_layers.homogeneous_bound([2 * W for W in layers], turn)
    assert doubled == pytest.approx(4 ** (depth - 1) * bound, abs=1e-9 * 4**depth * size)


def test_imbalances_that_are_no_multiples_of_the_identity_are_refused() -> None:
    layers = [np.eye(2)[None], np.diag([2.0, 1.5])[None]]
    with pytest.raises(InvalidArgument, match="D_1 = .*expected a multiple of the identity"):
        three_layers.homogeneous_bound(layers, 1)
    three_layers.unimodal_bound(layers, 1)


@pytest.mark.parametrize("large", [1.0, 1e5, 1e8])
def test_a_large_neuron_excuses_nothing_of_a_small_one(large: float) -> None:
    layers = [np.diag([large, 1.0])[None], np.diag([1.5 * large, 0.9])[None]]
    with pytest.raises(InvalidArgument, match="D_1 = eigenvalue -.*wrong sign"):
        three_layers.unimodal_bound(layers, 1)
    if large > 1e6:  # beyond, what the small one lacks of d is the rounding of the large one
        return
    layers = [np.diag([large, 1.0])[None], np.diag([large, 1.1])[None]]
    with pytest.raises(InvalidArgument, match="D_1 = .*expected a multiple of the identity"):
        three_layers.homogeneous_bound(layers, 1)


@pytest.mark.parametrize("bound", [three_layers.unimodal_bound, three_layers.homogeneous_bound])
def test_what_no_theorem_is_about_is_refused(bound) -> None:
    for layers, turn in ((SPECIMEN[:1], 1), (SPECIMEN, 0), (SPECIMEN, 3), ([np.nan * W for W in SPECIMEN], 1)):
        with pytest.raises(InvalidArgument):
            bound(layers, turn)


def test_the_rate_of_two_layers_is_of_two() -> None:
    problem = three_layers.FullRankRegression(np.eye(2), np.ones((2, 2)))
    with pytest.raises(InvalidArgument, match="W = 3 layers: expected two"):
        three_layers.two_layer_rate(problem, [np.eye(2)[None]] * 3)


# The margin's rate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spread, delta, sigma", [(1e8, 0, 1e-3), (1e8, 1e-5, 0), (0, 0, 0), (1, 2, 3), (1e160, 1, 1e80)]
)
def test_a_side_of_the_level_loses_no_digits(spread: float, delta: float, sigma: float) -> None:
    with mpmath.workdps(400):
        a, b, c = map(mpmath.mpf, (spread, delta, sigma))
        exact = float(-a + mpmath.sqrt((a + b) ** 2 + 4 * c**2))
    assert tighter_rate.side(*np.float64([spread, delta, sigma])) == pytest.approx(exact, rel=1e-15)


def test_lemma_8_beside_a_large_eigenvalue() -> None:
    """D = diag(1e9, -1e-4), m = 1, A B = 1: (x + 1e9)(x - 1e-4) = 1, so x = 1e-4 + 1e-9 to twelve digits."""
    found = tighter_rate.smallest_gram_eigenvalue(np.diag([1e9, -1e-4]), np.ones((1, 1)))
    assert found == pytest.approx(1e-4 + 1e-9, rel=1e-12)


def test_two_layers_beside_a_large_imbalance() -> None:
    """Equation 9 for n = m = 1 and D = diag(1e9, 0): the hidden side is 2 sigma, the other 1e9 at sigma = 0."""
    level = three_layers.two_layer_level(np.diag([1e9, 0.0]), 1, 2, np.float64(0), np.float64(1e-3))
    with mpmath.workdps(40):
        hidden = 2 * mpmath.mpf("1e-3")
    assert level == pytest.approx(float(hidden), rel=1e-9)


@pytest.mark.parametrize("k", [0, -1])
def test_singular_values_are_counted_from_one(k) -> None:
    with pytest.raises(InvalidArgument, match="k = "):
        tighter_rate.singular_value(np.eye(2), k)


@pytest.mark.parametrize("t", [[0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, np.inf]])
def test_restarts_are_at_increasing_times(t: list[float]) -> None:
    problem = regression()
    Z = np.stack([coordinates(problem, gaussian(problem, 6, np.random.default_rng(k))) for k in range(3)])
    with pytest.raises(InvalidArgument, match="3 finite times in increasing order"):
        tighter_rate.restarted_exponent(problem, Z, np.array(t))


# Theorem 1 ------------------------------------------------------------------------------------------------------------


@few
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.sampled_from([1e-90, 1, 1e60]))
def test_the_slowest_rate_is_that_of_the_whole_matrix(seed: int, r: int, m: int, h: int, unit: float) -> None:
    problem = regression(seed, r, m)
    Z = coordinates(problem, gaussian(problem, h, np.random.default_rng(seed), runs=2))
    V, U1 = dynamics.split(problem, Z)
    S = np.diag(problem.S)
    T = [np.kron(S @ u @ u.T @ S, np.eye(m)) + np.kron(S**2, v @ v.T) for u, v in zip(U1, V)]
    expected = [2 * np.linalg.eigvalsh(matrix)[0] for matrix in T]
    rate = convergence.slowest_rate(problem, Z)
    np.testing.assert_allclose(rate, expected, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(
        convergence.slowest_rate(problem, unit * Z), unit**2 * rate, rtol=1e-9, atol=1e-28 * unit**2
    )


def test_the_rate_of_a_residual_too_small_to_square() -> None:
    """The rate depends on the direction of the residual alone."""
    network = Network(np.array([[[1.0, 0.0]]]), np.array([[[0.0, 2.0]]]))
    for y in (1.0, 1e-200):
        problem = Regression(np.eye(1), np.full((1, 1), y))
        assert convergence.pointwise_rate(problem, coordinates(problem, network)) == pytest.approx(10)


def test_a_bound_starts_where_it_starts() -> None:
    bound = convergence.exponential_bound(np.ones(3), np.array([0.0, 1.0, np.inf]), np.array([0.0, np.inf]))
    np.testing.assert_array_equal(bound, [[1, 1, 1], [1, 0, 0]])


# Wide starts ----------------------------------------------------------------------------------------------------------


@few
@given(st.floats(0.01, 400), st.floats(0, 8), st.integers(0, 1000))
def test_the_event_of_lemma_1_at_every_width(h: float, s: float, seed: int) -> None:
    """Rows [A; B] with singular values in [max(sqrt(h) - s, 0), sqrt(h) + s] overlap no more than the extreme ones."""
    rng, problem = np.random.default_rng(seed), regression(0, 2, 1)
    A, B = width.extreme_rows(h, s, 3, rng)
    low, high = max(np.sqrt(h) - s, 0), np.sqrt(h) + s
    values = np.linalg.svd(np.concatenate([A, B]), compute_uv=False)
    assert low - 1e-12 * high <= values.min() and values.max() <= high * (1 + 1e-12)
    most = width.overlap_bound(problem, h, 0.5, s) * h
    assert np.linalg.norm(A @ B.T) == pytest.approx(most, rel=1e-12, abs=1e-12 * high**2)
    drawn = (
        np.linalg.qr(rng.standard_normal((6, 6)))[0]
        * rng.choice([low, high], 6)
        @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    )
    assert np.linalg.norm(drawn[:3] @ drawn[3:].T) <= most * (1 + 1e-12) + 1e-12 * high**2
    assert width.worst_imbalance_level(h, 0.5, s) * h == pytest.approx(2 * low**2, rel=1e-12)


def test_below_s_squared_a_start_may_have_no_imbalance() -> None:
    assert width.worst_imbalance_level(4.0, 0.5, 3.0) == 0
    np.testing.assert_array_equal(width.worst_imbalance_level(np.array([1.0, 9.0, 16.0]), 0.5, 3.0), [0, 0, 2 / 16])


def test_probabilities_as_small_as_numbers_go() -> None:
    """log(2 / delta) = 745.13 for the smallest number there is; 2 / delta is none."""
    problem, delta = regression(), 5e-324
    log = float(mpmath.log(2) - mpmath.log(mpmath.mpf(delta)))
    root = np.sqrt(problem.m + problem.D)
    assert width.deviation(problem, delta) == pytest.approx(root + np.sqrt(2 * log))
    assert width.printed_deviation(problem, delta) == pytest.approx(root + log / 2)


@pytest.mark.parametrize("function", [width.tail, width.log_tail, width.printed_log_tail, width.scalar_log_tail])
def test_tails_start_at_zero(function) -> None:
    for t in (-1.0, np.nan):
        with pytest.raises(InvalidArgument, match="t = "):
            function(t)
    assert function(np.inf) == (0 if function is width.tail else -np.inf)
    assert np.isfinite(width.log_tail(1e150)) and width.log_tail(1e200) == -np.inf


@pytest.mark.parametrize("h", [0.0, -1.0, np.nan, np.inf])
def test_widths_are_positive(h: float) -> None:
    problem = regression()
    for bound in (width.overlap_bound, width.product_bound, width.distance_bound):
        with pytest.raises(InvalidArgument, match=f"h = {h}"):
            bound(problem, np.array([1.0, h]), 0.5, 3.0)
    for level in (lambda: width.imbalance_level_bound(h, 0.5), lambda: width.worst_imbalance_level(h, 0.5, 3.0)):
        with pytest.raises(InvalidArgument, match=f"h = {h}"):
            level()


@pytest.mark.parametrize("s", [-1.0, np.nan, np.inf])
def test_deviations_are_at_least_zero(s: float) -> None:
    problem, rng = regression(0, 2, 1), np.random.default_rng(0)
    refused = [
        lambda: width.lemma_width(s),
        lambda: width.worst_imbalance_level(9.0, 0.5, s),
        lambda: width.overlap_bound(problem, 9.0, 0.5, s),
        lambda: width.theorem_width(problem, 0.5, s),
        lambda: width.extreme_rows(9.0, s, 2, rng),
    ]
    for bound in refused:
        with pytest.raises(InvalidArgument, match=f"s = {s}"):
            bound()


def test_widths_no_number_is_as_large_as() -> None:
    assert width.theorem_width(regression(), 0.2501, 5.0) == np.inf
    assert width.printed_theorem_width(regression(), 0.2501, 5.0) == np.inf
    assert width.distance_bound(Regression(np.diag([1.0, 1e-3]), np.ones((2, 1))), 1.0, 0.5, 3.0) == np.inf


def test_extreme_singular_values_of_square_and_of_thin_matrices() -> None:
    rng = np.random.default_rng(0)
    square = np.array([width.extreme_singular_values(60, 60, rng) for _ in range(300)])
    assert (square > 0).all() and (square[:, 0] < square[:, 1]).all()
    # P(n sigma_min^2 < x) -> 1 - exp(-x / 2 - x^(1/2)) (Edelman 1988): half at x = 0.4105.
    assert np.median(60 * square[:, 0] ** 2) == pytest.approx(0.41, abs=0.2)
    low, high = width.extreme_singular_values(5, 1, rng)
    assert low == high > 0
    for n, m in ((2, 3), (2, 0)):
        with pytest.raises(InvalidArgument):
            width.extreme_singular_values(n, m, rng)


def test_the_statistic_of_outputs_that_nearly_depend_on_each_other() -> None:
    """|U2 Q|^2 / scale^2, Q an orthonormal basis of the rows of V, whatever V is on it."""
    rng = np.random.default_rng(1)
    Q = np.linalg.qr(rng.standard_normal((5, 2)))[0].T
    V, U2 = np.array([[1.0, 0.0], [1.0, 1e-7]]) @ Q, rng.standard_normal((4, 5))
    expected = ((U2 @ Q.T) ** 2).sum()
    assert width.whitened_distance(V, U2 @ V.T, 1.0) == pytest.approx(expected, rel=1e-7)
    for rows in (V[[0, 0]], np.zeros((2, 5)), rng.standard_normal((3, 2))):
        with pytest.raises(InvalidArgument, match="its rows independent"):
            width.whitened_distance(rows, U2[:, : rows.shape[1]] @ rows.T, 1.0)


def test_the_bounds_of_layers_are_covariant() -> None:
    layers = three_layers.unimodal_layers(np.random.default_rng(0), widths=(2, 4, 5, 3), turn=2, gap=0.5, runs=3)
    unit = 2.0**100
    scaled = [unit * W for W in layers]
    bound = three_layers.three_layer_bound(*imbalances(layers), 2, 3)
    np.testing.assert_allclose(three_layers.three_layer_bound(*imbalances(scaled), 2, 3), unit**4 * bound, rtol=1e-12)
    np.testing.assert_allclose(
        three_layers.unimodal_bound(scaled, 2), unit**4 * three_layers.unimodal_bound(layers, 2), rtol=1e-12
    )


def test_sizes_of_layers_are_counted_from_one() -> None:
    D = np.eye(3)
    for call in (
        lambda: three_layers.two_layer_level(D, 0, 1, np.float64(1), np.float64(1)),
        lambda: three_layers.three_layer_bound(D, D, 1, 0),
        lambda: three_layers.turning_factors([D], 1, 1, 0),
        lambda: three_layers.fan_out_scales((3, 0, 2)),
        lambda: three_layers.unimodal_layers(np.random.default_rng(0), widths=(2, 3, 2), turn=1, gap=0.5, runs=0),
    ):
        with pytest.raises(InvalidArgument, match="expected a whole number of at least 1"):
            call()


def test_a_kernel_too_large_to_form_is_refused_before_it_is() -> None:
    with pytest.raises(InvalidArgument, match="n m = 40000: expected at most 10000"):
        three_layers.curvature([np.ones((1, 200, 200))])
