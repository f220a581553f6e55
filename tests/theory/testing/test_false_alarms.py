"""How often a true statement is refused, over 10000 simulated cases, at the stated levels 0.05 and 0.01.

A rate above the stated one by more than the binomial error is a defect. Below it is the price of assuming little: most
runs are less skewed than exponential samples, and blocks of one run share their end points. The tables are asserted,
too, so that a change of either kind is seen.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from theory.claims import few_runs, laws, limit_slope, step_limit
from theory.core.arrays import Array
from theory.testing import assert_below, assert_conserved, fitted_limit, fitted_order, fitted_rate, fitted_slope

CASES = 10_000
LEVELS = (0.05, 0.01)
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]

# Each of mean 0 and standard deviation 1.
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "lognormal": lambda rng, shape: _lognormal(0.5, rng, shape),
    "very lognormal": lambda rng, shape: _lognormal(1.0, rng, shape),
}


def _lognormal(sigma: float, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    law = stats.lognorm(sigma)
    return (rng.lognormal(0, sigma, shape) - law.mean()) / law.std()


def never_above(level: float, missed: Array, expected: float) -> None:
    """Not above the stated level, and where the table has it: each within a binomial error of 1e-4."""
    count = int(missed.sum())
    assert stats.binomtest(count, CASES, level, "greater").pvalue > 1e-4, count / CASES
    assert abs(count / CASES - expected) < 4 * np.sqrt(max(expected, 1e-3) / CASES), count / CASES


MEANS = {
    ("normal", 3): (0.0153, 0.0023),
    ("normal", 5): (0.0096, 0.0008),
    ("normal", 10): (0.0120, 0.0003),
    ("normal", 30): (0.0282, 0.0012),
    ("exponential", 3): (0.0500, 0.0100),
    ("exponential", 5): (0.0500, 0.0100),
    ("exponential", 10): (0.0500, 0.0100),
    ("exponential", 30): (0.0500, 0.0100),
    ("lognormal", 3): (0.0266, 0.0040),
    ("lognormal", 5): (0.0263, 0.0033),
    ("lognormal", 10): (0.0321, 0.0034),
    ("lognormal", 30): (0.0419, 0.0058),
}
BEYOND = {3: (0.073, 0.0141), 5: (0.0863, 0.0203), 10: (0.0977, 0.0266), 30: (0.0945, 0.0289)}


@pytest.mark.parametrize(("law", "runs"), MEANS)
def test_means_of_few_skewed_runs(law: str, runs: int) -> None:
    samples = DRAWS[law](np.random.default_rng(1), (runs, CASES))
    for level, expected in zip(LEVELS, MEANS[law, runs]):
        never_above(level, np.abs(samples.mean(0)) > few_runs.half_width(samples, level), expected)


@pytest.mark.parametrize("runs", BEYOND)
def test_means_of_runs_more_skewed_than_exponential_ones_are_missed_more_often(runs: int) -> None:
    """Where it fails, as its docstring says: samples of exp(N(0, 1)), of skewness 6, up to three times as often."""
    samples = DRAWS["very lognormal"](np.random.default_rng(1), (runs, CASES))
    for level, expected in zip(LEVELS, BEYOND[runs]):
        missed = np.abs(samples.mean(0)) > few_runs.half_width(samples, level)
        assert missed.mean() > level
        assert abs(missed.mean() - expected) < 4 * np.sqrt(expected / CASES)


T = np.linspace(0, 10, 30)
ON_ITS_WAY = np.log1p(0.3 * np.exp(-0.3 * T))  # halves in less than a third


def missed(local: Array, noise: Array, truth: float) -> Array:
    low, high = limit_slope.between(local, noise)
    return (truth < low) | (truth > high)


RATES = {
    ("normal", 3): (0.0103, 0.0006),
    ("normal", 10): (0.0105, 0.0005),
    ("exponential", 3): (0.033, 0.003),
    ("exponential", 10): (0.0455, 0.008),
    ("lognormal", 3): (0.0121, 0.0005),
    ("lognormal", 10): (0.0237, 0.0021),
}


@pytest.mark.parametrize(("law", "runs"), RATES)
def test_rates_and_exponents_over_runs(law: str, runs: int) -> None:
    """Exponents are rates in the logarithm of x: the same numbers, of widths instead of times."""
    rng = np.random.default_rng(2)
    rates = 1 + 0.05 * DRAWS[law](rng, (runs, CASES))
    noise = 0.01 * rng.normal(size=(len(T), runs, CASES))
    for level, expected in zip(LEVELS, RATES[law, runs]):
        alarms = missed(*limit_slope.over_runs(T, -np.multiply.outer(T, rates) + noise, level), -1.0)
        never_above(level, alarms, expected)
        late = noise + ON_ITS_WAY[:, None, None] - np.multiply.outer(T, rates)
        assert missed(*limit_slope.over_runs(T, late, level), -1.0).mean() <= level


ONE_RUN = {
    ("white", 10): (0.0007, 0.0002),
    ("white", 30): (0.0, 0.0),
    ("skewed", 10): (0.0013, 0.0),
    ("skewed", 30): (0.0, 0.0),
    ("walk", 10): (0.0044, 0.0001),
    ("walk", 30): (0.0227, 0.0029),
}


@pytest.mark.parametrize(("kind", "points"), ONE_RUN)
def test_rates_of_one_run(kind: str, points: int) -> None:
    """Noise of each value by itself, normal or exponential, and noise that adds up from one value to the next."""
    rng, t = np.random.default_rng(3), np.linspace(0, 10, points)
    noise = DRAWS["exponential" if kind == "skewed" else "normal"](rng, (points, CASES))
    noise = 0.01 * (noise.cumsum(0) if kind == "walk" else noise)
    late = np.log1p(0.3 * np.exp(-0.3 * t))[:, None]
    for level, expected in zip(LEVELS, ONE_RUN[kind, points]):
        never_above(level, missed(*limit_slope.of_one_run(t, noise - t[:, None], level), -1.0), expected)
        assert missed(*limit_slope.of_one_run(t, noise + late - t[:, None], level), -1.0).mean() <= level


def test_orders_without_noise() -> None:
    """Errors C h^p (1 + a h + b h^2) with any |a|, |b| <= 1, from h = 0.1: none is missed, though a may vanish."""
    rng = np.random.default_rng(4)
    a, b = rng.uniform(-1, 1, (2, CASES))
    for order, levels in ((0.5, 3), (1, 3), (2, 4), (4, 4)):
        h = 0.1 / 2.0 ** np.arange(levels)[:, None]
        local = np.diff(np.log(h**order * (1 + a * h + b * h**2)), axis=0) / np.diff(np.log(h), axis=0)
        assert not missed(local, limit_slope.without_noise(local, 0.02), order).any()


def test_limits_without_noise() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.uniform(-1, 1, (2, CASES))
    for order, levels in ((1, 3), (2, 3), (1, 4)):
        h = 0.1 / 2.0 ** np.arange(levels)[:, None]
        values = 1 + h**order * (1 + a * h + b * h**2)
        each = (step_limit.of_steps(value, 2.0, order, 0.01) for value in values.T[:500])
        assert all(abs(limit - 1) <= half for limit, half in each)


LIMITS = {
    ("normal", 3): (0.0156, 0.0023),
    ("normal", 10): (0.0072, 0.0001),
    ("exponential", 3): (0.0453, 0.0083),
    ("exponential", 10): (0.0385, 0.0067),
    ("lognormal", 3): (0.0218, 0.0033),
    ("lognormal", 10): (0.0198, 0.0021),
}


@pytest.mark.parametrize(("law", "runs"), LIMITS)
def test_limits_over_runs(law: str, runs: int) -> None:
    rng = np.random.default_rng(6)
    h = 0.2 / 2.0 ** np.arange(3)[:, None, None]
    first = rng.uniform(0.5, 1, (1, 1, CASES))
    values = 1 + 0.05 * DRAWS[law](rng, (1, runs, CASES)) + h * (first + 0.5 * h)
    for level, expected in zip(LEVELS, LIMITS[law, runs]):
        limit, half = step_limit.of_steps(values, 2.0, 1, level)
        never_above(level, np.abs(limit - 1) > half, expected)


LAWS = {5: (0.0318, 0.004), 20: (0.0389, 0.0079), 100: (0.0389, 0.0083)}


@pytest.mark.parametrize("draws", LAWS)
def test_laws(draws: int) -> None:
    """The p-value is below the level where one of the three tests is beyond its third: which is quicker to tell."""
    u = np.random.default_rng(7).uniform(size=(CASES, draws))
    distance, deviation = laws.distance_from_uniform(u), np.abs(laws.smooth(u)).max(0)
    for level, expected in zip(LEVELS, LAWS[draws]):
        third = level / laws.TESTS
        alarms = (distance > stats.kstwo.isf(third, draws)) | (deviation > stats.norm.isf(third / 2))
        assert np.array_equal(alarms[:50], laws.of_uniform(u[:50]) < level)
        never_above(level, alarms, expected)


SAME = {(5, 5): (0.0317, 0.0092), (5, 100): (0.0338, 0.0059), (20, 30): (0.034, 0.0066), (40, 40): (0.0360, 0.0080)}


@pytest.mark.parametrize(("n", "m"), SAME)
def test_same_laws(n: int, m: int) -> None:
    rng = np.random.default_rng(8)
    a, b = (DRAWS["very lognormal"](rng, (CASES, size)) for size in (n, m))
    for level, expected in zip(LEVELS, SAME[n, m]):
        never_above(level, laws.of_same(a, b) < level, expected)
    ties = laws.of_same(np.round(a), np.round(b))
    assert (ties < 0.05).mean() <= 0.05


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_breaks_no_bound_and_no_conservation(dtype: type) -> None:
    """Every case a column, and all of them at once: sums of the same numbers, in another order at each time."""
    rng = np.random.default_rng(9)
    terms = rng.normal(size=(20, CASES)).astype(dtype)
    sums = np.stack([terms[rng.permutation(20)].sum(0) for _ in range(10)])
    size = float(np.abs(terms).sum(0).max())
    assert_conserved(sums, scale=size)
    exact = terms[0].astype(dtype)
    assert_below(np.abs(exact * (1 + np.finfo(dtype).eps)), np.abs(exact))


def test_the_assertions_use_what_is_simulated_here() -> None:
    rng = np.random.default_rng(10)
    y = np.exp(-np.multiply.outer(T, 1 + 0.05 * rng.normal(size=5)) + 0.01 * rng.normal(size=(len(T), 5)))
    rate = fitted_rate(T, y, significance=0.01)
    low, high = limit_slope.between(*limit_slope.over_runs(T, -np.log(y), 0.01))
    assert (rate.low, rate.high) == pytest.approx((float(low), float(high)), rel=1e-12)
    one = fitted_rate(T, y[:, 0], significance=0.01)
    low, high = limit_slope.between(*limit_slope.of_one_run(T, -np.log(y[:, 0]), 0.01))
    assert (one.low, one.high) == pytest.approx((float(low), float(high)), rel=1e-12)
    x = np.exp(T)
    slope = fitted_slope(x, y, significance=0.01)
    assert (-slope.high, -slope.low) == pytest.approx((rate.low, rate.high), rel=1e-9)
    h = 0.5 ** np.arange(6)
    order = fitted_order(h, y[:6], significance=0.01)
    low, high = limit_slope.between(*limit_slope.over_runs(np.log(h), np.log(y[:6]), 0.01))
    assert (order.low, order.high) == pytest.approx((float(low), float(high)), rel=1e-12)
    values = {step: 1 + step + 0.01 * rng.normal(size=4) for step in (0.4, 0.2, 0.1)}
    limit, half = step_limit.of_steps(np.stack(list(values.values())), 2.0, 1, 0.01)
    found = fitted_limit(values, significance=0.01)
    assert (found.value, found.half_width) == pytest.approx((float(limit), float(half)))
