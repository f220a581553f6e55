"""How large weights become, and how far they are from their end: against states, flows, many digits and limits."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS
from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import convergence, dynamics, largest_weights, one_mode, wide_limit
from theory.imbalance.problem import Network, coordinates, gaussian, orthogonal_rows

few = settings(max_examples=20, deadline=None)
fewer = settings(max_examples=6, deadline=None)  # flows are integrated
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 3)


def problem_of(rng: np.random.Generator, r: int, m: int) -> Regression:
    return random_regression(rng, D=r + 1, n=r, m=m, singular_values=np.sort(rng.uniform(0.5, 1.5, r))[::-1])


def squares(problem: Regression, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    V, U1 = dynamics.split(problem, Z)
    hidden, output, product = (np.linalg.norm(part, ord=2, axis=(-2, -1)) for part in (U1, V, U1 @ V.mT))
    return hidden**2, output**2, product


@settings(max_examples=60, deadline=None)
@given(seeds, counts, counts, st.integers(1, 7), st.floats(-3, 3))
def test_no_state_has_larger_weights(seed, r, m, h, skew) -> None:
    rng = np.random.default_rng(seed)
    data = problem_of(rng, r, m)
    network = gaussian(data, h, rng, scales=(np.exp(skew), 1.0), runs=3)
    hidden, output, product = squares(data, coordinates(data, network))
    most_hidden, most_output = largest_weights.squared_weights(data, network, product)
    size = 1e4 * EPS * (hidden + output)
    assert (hidden <= most_hidden + size).all() and (output <= most_output + size).all()
    if r == m == 1:
        assert most_hidden == pytest.approx(hidden, rel=1e-7) and most_output == pytest.approx(output, rel=1e-7)
    # A larger product allows larger weights; without one they are those of the imbalance alone.
    assert (largest_weights.squared_weights(data, network, 2 * product)[0] >= most_hidden - size).all()
    spectrum = convergence.imbalance_spectrum(data, coordinates(data, network))
    alone = largest_weights.squared_weights(data, network, 0.0)
    assert alone[0] == pytest.approx(np.maximum(spectrum[:, 0], 0), abs=1e-12 * np.abs(spectrum).max())
    assert alone[1] == pytest.approx(np.maximum(-spectrum[:, -1], 0), abs=1e-12 * np.abs(spectrum).max())


@few
@given(seeds, counts, counts, st.sampled_from([1e-3, 0.7, 20.0]))
def test_orthogonal_rows_attain_the_largest_weights_on_all_their_way(seed, r, m, length) -> None:
    rng = np.random.default_rng(seed)
    data = problem_of(rng, r, m)
    network = wide_limit.orthogonal_frame(data, length, r + m + 1, rng)
    p = rng.standard_normal((r, m))
    product = np.linalg.norm(p, ord=2)
    bounds = largest_weights.squared_weights(data, network, product)
    assert bounds[0] == pytest.approx(np.linalg.norm(wide_limit.hidden_gram(p, length), ord=2), rel=1e-9)
    assert bounds[1] == pytest.approx(np.linalg.norm(wide_limit.output_gram(p, length), ord=2), rel=1e-9)


@fewer
@given(seeds, counts, counts, st.booleans())
def test_the_flow_keeps_within_every_bound(seed, r, m, wide) -> None:
    rng = np.random.default_rng(seed)
    data = problem_of(rng, r, m)
    network = gaussian(data, r + m + (6 if wide else 0), rng, scales=(0.6, 0.5), runs=2)
    k = convergence.convergence_rate(data, network) / 2
    t = np.append(np.linspace(0, 2, 6), 2 + 12 / k.min())
    Z = dynamics.gradient_flow(data, network, t, relative_tolerance=1e-8)["Z"]
    t, Z, end = t[:-1], Z[:-1], Z[-1]
    hidden, output, product = squares(data, Z)
    assert (product <= largest_weights.largest_product(data, network, t) * (1 + 1e-5)).all()
    most_hidden, most_output = largest_weights.squared_weights(data, network, product)
    assert (hidden <= most_hidden * (1 + 1e-5)).all() and (output <= most_output * (1 + 1e-5)).all()
    distance = np.linalg.norm(Z - end, axis=(-2, -1))
    assert (distance <= largest_weights.distance_from_limit(data, network, t) * (1 + 1e-4)).all()
    growth = np.log((Z**2).sum((-2, -1)) / (Z[0] ** 2).sum((-2, -1)))
    assert (growth <= largest_weights.growth_exponent(data, network) + 1e-6).all()


@few
@given(seeds, st.floats(0.1, 3))
def test_a_given_size_of_the_weights_takes_the_place_of_the_bound(seed, size) -> None:
    rng = np.random.default_rng(seed)
    data = problem_of(rng, 2, 1)
    network = gaussian(data, 5, rng, runs=2)
    t = np.array([0.0, 0.3, np.inf])
    start = np.linalg.norm(dynamics.residual(data, coordinates(data, network)), axis=(-2, -1))
    k = convergence.convergence_rate(data, network) / 2
    expected = [data.S[0] * size * start / k * np.exp(-k * time) for time in t]
    found = largest_weights.distance_from_limit(data, network, t, largest=size)
    assert found == pytest.approx(np.array(expected), rel=1e-12)
    assert largest_weights.growth_exponent(data, network) == pytest.approx(2 * data.S[0] * start / k)
    reached = np.linalg.norm(np.linalg.pinv(data.X) @ data.Y, ord=2)
    assert largest_weights.largest_product(data, network, np.inf) == pytest.approx([reached, reached])


def test_without_imbalance_nothing_is_known_and_where_the_residual_is_0_all_is() -> None:
    balanced = Network(np.ones((1, 1, 1)), np.ones((1, 1, 1)))
    for y, expected in ((0.0, np.inf), (1.0, 0.0)):
        data = Regression(np.eye(1), np.full((1, 1), y))
        assert largest_weights.growth_exponent(data, balanced) == [expected]
        assert largest_weights.distance_from_limit(data, balanced, 1.0) == [expected]


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(-0.9, 3))
def test_exponent_over_growth_in_many_digits(c, y, way) -> None:
    start = y * (1 + way)
    if start == y:
        with pytest.raises(InvalidArgument, match=r"\|y - start\| = 0.0: expected"):
            largest_weights.exponent_over_growth(c, start, y)
        return
    with mpmath.workdps(60):
        C, p, q = map(mpmath.mpf, (c, start, y))
        grown = abs(mpmath.log((C**2 + 4 * q**2) / (C**2 + 4 * p**2))) / 2
        exact = float(2 * abs(q - p) / C / grown)
    ratio = largest_weights.exponent_over_growth(c, start, y)
    assert ratio == pytest.approx(exact, rel=64 * EPS)
    assert ratio >= 2 * (1 - 64 * EPS)


@pytest.mark.parametrize("share", [0.1, 1.0, 7.0])
def test_a_short_way_grows_by_the_limit(share) -> None:
    c, p = 1.3, 0.65 * share
    limit = (c**2 + 4 * p**2) / (2 * p * c)
    assert largest_weights.exponent_over_growth(c, p, p * (1 + 1e-9)) == pytest.approx(limit, rel=1e-8)
    if share == 1.0:
        assert limit == 2.0


@fewer
@given(seeds, counts, counts, st.sampled_from([0.02, 0.5, 2.0]), st.floats(0.5, 1.5), st.floats(0.2, 0.8))
def test_the_distance_of_the_sharp_start_is_that_of_the_flow(seed, r, m, y, sigma, hidden) -> None:
    rng = np.random.default_rng(seed)
    data = random_regression(rng, D=r, n=r, m=m, singular_values=np.full(r, sigma))
    row, column = (v / np.linalg.norm(v) for v in (rng.standard_normal(r), rng.standard_normal(m)))
    data = Regression(data.X, y * data.W @ np.outer(row, column))
    network = orthogonal_rows(data, np.full(r, hidden), np.full(m, 1 - hidden), rng, h=r + m)
    t = np.array([0, 0.3, 1.0, 40 / sigma**2])
    Z = dynamics.gradient_flow(data, network, t, relative_tolerance=1e-11)["Z"][:, 0]
    distance = np.linalg.norm(Z - Z[-1], axis=(-2, -1))
    solved = largest_weights.sharp_distance(y, 1.0, sigma, t)
    assert solved == pytest.approx(distance, abs=1e-8)
    bound = largest_weights.distance_from_limit(data, network, t)[:, 0]
    assert (solved <= bound * (1 + 1e-12) + 1e-15).all()
    if y == 0.02:
        assert bound[:3] == pytest.approx(solved[:3], rel=0.02)


def test_limits_of_the_sharp_distance() -> None:
    assert largest_weights.sharp_distance(0.0, 1.0, 1.0, np.array([0.0, np.inf])).tolist() == [0, 0]
    levels = np.array([0.5, 2.0])
    start = largest_weights.sharp_distance(0.3, levels, 1.2, 0.0)
    phi = np.arcsinh(2 * 0.25 / levels) / 2
    assert start == pytest.approx(np.sqrt(levels * ((np.cosh(phi) - 1) ** 2 + np.sinh(phi) ** 2)))
    assert largest_weights.sharp_distance(-0.3, levels, 1.2, 0.7) == pytest.approx(
        largest_weights.sharp_distance(0.3, levels, 1.2, 0.7)
    )
    p = one_mode.scalar_solution(0.25, 2.0, 0.0, 1.44)
    assert 0 < p < 0.25


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p, n: largest_weights.squared_weights(p, n, -1.0), r"product = -1.0: expected a number in \[0, inf\)"),
        (lambda p, n: largest_weights.distance_from_limit(p, n, 1.0, largest=np.nan), r"largest = nan: expected"),
        (lambda p, n: largest_weights.largest_product(p, n, -1.0), r"t = -1.0: expected times of at least 0"),
        (lambda p, n: largest_weights.exponent_over_growth(0.0, 1.0, 2.0), r"c = 0.0: expected a number in \(0"),
        (lambda p, n: largest_weights.sharp_distance(1.0, 1.0, 0.0, 1.0), r"sigma = 0.0: expected a finite number"),
        (lambda p, n: largest_weights.sharp_distance(np.inf, 1.0, 1.0, 1.0), r"y = inf: expected a finite number"),
    ],
)
def test_what_is_refused(call, said) -> None:
    rng = np.random.default_rng(0)
    data = problem_of(rng, 1, 1)
    with pytest.raises(InvalidArgument, match=said):
        call(data, gaussian(data, 3, rng))
