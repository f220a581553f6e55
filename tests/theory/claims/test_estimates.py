"""Intervals hold the truth as often as they say; observed orders and extrapolations against known expansions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theory.claims import estimates as rates
from theory.claims.estimates import Estimate
from theory.core.validation import InvalidArgument


def coverage_is(level: float, hits: int, draws: int) -> bool:
    """Whether `hits` of `draws` is compatible with probability `level` (two-sided, false alarm below 1e-5)."""
    return bool(stats.binomtest(hits, draws, level).pvalue > 1e-5)


def coverage_is_at_least(level: float, hits: int, draws: int) -> bool:
    """The same one-sided; and not all of them, as an interval without end would have it."""
    return bool(stats.binomtest(hits, draws, level, "less").pvalue > 1e-5 and hits < 0.95 * draws)


def test_estimate_knows_what_it_holds() -> None:
    estimate = Estimate(1.0, 0.5, 2.0, "by hand")
    assert estimate.half_width == 1.0
    assert all(number in estimate for number in (0.5, 1.0, 2.0))
    assert not any(number in estimate for number in (0.49, 2.01, np.nan))


@pytest.mark.parametrize("runs", [3, 12])
def test_mean_interval_covers_as_often_as_stated(runs: int) -> None:
    """Of normal samples more often: few are given the interval of exponential ones, which is exact."""
    rng, draws = np.random.default_rng(1), 2000
    hits = sum(5.0 in rates.mean(rng.normal(5, 2, runs), significance=0.2) for _ in range(draws))
    assert coverage_is_at_least(0.8, hits, draws)
    hits = sum(2.0 in rates.mean(rng.exponential(2, runs), significance=0.2) for _ in range(draws))
    assert coverage_is(0.8, hits, draws)


def test_slope_interval_covers_as_often_as_stated() -> None:
    """Errors of very different sizes along x: each run is one sample."""
    rng, draws, x = np.random.default_rng(2), 1000, np.array([1.0, 2.0, 4.0, 8.0])
    noise = np.array([0.5, 0.1, 0.02, 0.3])[:, None]
    hits = 0
    for _ in range(draws):
        y = x[:, None] ** -0.5 * np.exp(noise * rng.standard_normal((4, 6)))
        hits += -0.5 in rates.loglog_slope(x, y, significance=0.2)
    assert coverage_is_at_least(0.8, hits, draws)


def test_rate_interval_covers_as_often_as_stated() -> None:
    rng, draws, t = np.random.default_rng(3), 1000, np.linspace(0, 2, 7)
    hits = 0
    for _ in range(draws):
        y = np.exp(-1.5 * t[:, None] + 0.1 * rng.standard_normal((7, 5)))
        hits += 1.5 in rates.exponential_rate(t, y, significance=0.2)
    assert coverage_is_at_least(0.8, hits, draws)


def test_less_significance_is_a_wider_interval() -> None:
    samples = np.random.default_rng(4).standard_normal(10)
    widths = [rates.mean(samples, significance).half_width for significance in (0.1, 1e-3, 1e-6)]
    assert widths[0] < widths[1] < widths[2]
    assert rates.mean(samples).half_width == pytest.approx(widths[2])
    assert rates.mean(samples).value == pytest.approx(samples.mean())


@pytest.mark.parametrize("runs", [40, 200])
def test_mean_interval_of_skewed_samples_covers_at_the_stated_rate(runs: int) -> None:
    """Where Student's own misses up to eight times as often as stated: exponential samples, and chi-square ones."""
    rng, draws = np.random.default_rng(5), 2000
    for law in (stats.expon(), stats.chi2(12)):
        samples = law.rvs((draws, runs), random_state=rng)
        missed = sum(law.mean() not in rates.mean(each, significance=1e-3) for each in samples)
        assert stats.binomtest(missed, draws, 2.5e-3, "greater").pvalue > 1e-4


def test_samples_that_are_all_the_same_have_no_width() -> None:
    assert rates.mean([0.1, 0.1, 0.1]).half_width < 1e-13


def test_an_interval_knows_how_often_it_misses() -> None:
    assert rates.mean([1.0, 2.0, 4.0]).significance == rates.SIGNIFICANCE
    assert rates.mean([1.0, 2.0, 4.0], 0.25).significance == 0.25
    assert rates.observed_order(expansion(1, np.ones(2), np.zeros(2))).significance == 0


@pytest.mark.parametrize("samples", [[1.0, 2.0], [1.0, np.nan, 2.0], [1.0, 2.0, np.inf]])
def test_mean_refuses(samples: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="samples = .*: expected at least 3 finite values"):
        rates.mean(samples)


@pytest.mark.parametrize("significance", [0.0, 1.0, -0.1])
def test_significance_is_a_probability(significance: float) -> None:
    with pytest.raises(InvalidArgument, match="significance = "):
        rates.mean([1.0, 2.0, 3.0], significance)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_line_slope_of_lines(slope: float, shift: float) -> None:
    x = np.array([0.0, 1.0, 3.0, 4.5])
    y = np.stack([slope * x + shift, -2 * slope * x], axis=1)
    assert np.allclose(rates.line_slope(x, y), [slope, -2 * slope], atol=1e-12)


def test_slopes_need_positive_values() -> None:
    with pytest.raises(InvalidArgument, match="y = .*: expected positive finite numbers"):
        rates.exponential_rate(np.arange(3.0), np.array([[1.0, 1.0, 0.0]] * 3))
    with pytest.raises(InvalidArgument, match="x = .*: expected positive finite numbers"):
        rates.loglog_slope(np.array([0.0, 1.0]), np.ones((2, 3)))


def expansion(order: float, leading: np.ndarray, following: np.ndarray, levels: int = 3) -> list[np.ndarray]:
    steps = 0.02 / 2.0 ** np.arange(levels)
    return [leading * h**order + following * h ** (order + 1) for h in steps]


@given(
    st.sampled_from([0.5, 0.75, 1.0, 1.25, 2.0, 3.0]),
    st.lists(st.floats(0.1, 1), min_size=1, max_size=5),
    st.lists(st.floats(-1, 1), min_size=5, max_size=5),
)
def test_observed_order_of_known_expansions(order: float, leading: list[float], following: list[float]) -> None:
    """Whatever the order is, it is found, and a quarter off is excluded: nothing is assumed of it."""
    errors = expansion(order, np.array(leading), np.array(following[: len(leading)]))
    estimate = rates.observed_order(errors)
    assert order in Estimate(estimate.value, estimate.low - 1e-9, estimate.high + 1e-9, "rounding")
    if estimate.half_width < 0.25:
        assert order - 0.5 not in estimate and order + 0.5 not in estimate


def test_orders_a_quarter_off_are_not_taken_for_order_1() -> None:
    for order in (0.67, 0.75, 1.25, 1.28):
        assert 1 not in rates.observed_order(expansion(order, np.array([1.0, -0.7]), np.array([0.3, 0.9])))


@given(st.lists(st.lists(st.floats(-1, 1), min_size=2, max_size=2), min_size=3, max_size=3))
def test_errors_that_follow_no_order_are_not_taken_for_one(numbers: list[list[float]]) -> None:
    """Of three arbitrary pairs a narrow interval around 1 means that each is about half the one before."""
    errors = [np.array(pair) for pair in numbers]
    if not all(error.any() for error in errors):
        return
    estimate = rates.observed_order(errors)
    if estimate.half_width < 0.25 and 1 in estimate:
        assert np.linalg.norm(errors[1] - 2 * errors[2]) < 0.5 * np.linalg.norm(errors[1])


def test_observed_order_is_not_narrow_where_next_terms_cancel_in_the_norm() -> None:
    """Entries 1 + h and 1 - h: the norm loses its first-order term, the interval must not."""
    errors = [np.array([1 + step, 1 - step]) * step for step in (0.8, 0.4, 0.2)]
    estimate = rates.observed_order(errors)
    assert 1 in estimate and estimate.half_width > 0.15


def test_observed_order_tells_a_wrong_limit_apart() -> None:
    """Errors that do not vanish with the step size have order 0."""
    estimate = rates.observed_order([np.array([error]) for error in (1.1, 1.05, 1.025)])
    assert abs(estimate.value) < 0.1 and 1 not in estimate


def test_what_errors_are_off_by_widens_the_interval() -> None:
    errors = [error + 1e-3 for error in expansion(1, np.ones(3), np.zeros(3))]
    assert 1 not in rates.observed_order(errors) and 1 in rates.observed_order(errors, 1e-3)
    assert rates.observed_order(errors, 1.0).half_width > 1


def test_entries_that_are_noise_judge_nothing() -> None:
    errors = [np.append(error, 0.5) for error in expansion(1, np.ones(3), np.zeros(3))]
    estimate = rates.observed_order(errors, np.array([0.0, 0.0, 0.0, 0.6]))
    assert 1 in Estimate(estimate.value, estimate.low - 1e-9, estimate.high + 1e-9, "rounding")
    assert estimate.half_width < 0.06


def test_noise_is_weighed_against_its_own_entry() -> None:
    """Of states at the rounding floor one may be off by more than all errors that are known: it sets no size."""
    errors = [np.append(error, [0.5, 0.001]) for error in expansion(1, np.ones(3), np.zeros(3))]
    estimate = rates.observed_order(errors, np.array([0.0, 0.0, 0.0, 0.6, 0.004]))
    assert 1 in estimate and estimate.half_width < 0.06


def test_an_error_that_changes_its_sign_has_no_order() -> None:
    assert rates.observed_order([np.array([1.0]), np.array([-0.5]), np.array([0.25])]).half_width == np.inf


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([np.ones(2), np.ones(2)], "errors = .*: expected three arrays of one shape"),
        ([np.ones(2), np.ones(3), np.ones(2)], "errors = .*: expected three arrays of one shape"),
        ([np.ones(2), np.ones(2), np.zeros(2)], "errors = an array of zeros: expected errors that are not all 0"),
    ],
)
def test_observed_order_refuses(errors: list[np.ndarray], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        rates.observed_order(errors)


@given(st.integers(3, 4), st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.sampled_from([2.0, 3.0]))
def test_richardson_is_exact_on_polynomials_it_has_enough_values_for(
    count: int, coefficients: list[float], ratio: float
) -> None:
    h = 0.3 / ratio ** np.arange(count)
    values = [1.5 + sum(c * step ** (k + 1) for k, c in enumerate(coefficients[: count - 1])) for step in h]
    limit, error = rates.richardson([np.array(value) for value in values], ratio=ratio)
    assert abs(limit - 1.5) < 1e-13
    assert error >= 0


def test_richardson_error_bounds_the_true_error() -> None:
    """Euler's method for x' = a x to t = 1 has a full expansion in the step size: the limit is e^a."""
    a = np.linspace(-2, 2, 41)
    for start in (8, 16, 32):
        values = [(1 + a / n) ** n for n in (start, 2 * start, 4 * start)]
        limit, error = rates.richardson(values)
        true = np.abs(limit - np.exp(a))
        assert (true <= error + 1e-14).all()
        assert true.max() < np.abs(values[-1] - np.exp(a)).max() / 10


@pytest.mark.parametrize("ratio", [1.5, 2, 3, 4])
@pytest.mark.parametrize("count", [3, 4])
def test_richardson_error_bounds_the_true_error_where_terms_cancel(count: int, ratio: float) -> None:
    """In the last correction of Euler's method two of them do, where a is about -5.6 or -2.6."""
    a = np.linspace(-8, 2, 4001)
    steps = 16 * ratio ** np.arange(count)
    limit, error = rates.richardson([(1 + a / n) ** n for n in steps], ratio=ratio)
    assert (np.abs(limit - np.exp(a)) <= error + 1e-12).all()  # powers of numbers near 1 round


def test_richardson_of_second_order() -> None:
    h = 0.2 / 2.0 ** np.arange(3)
    limit, _ = rates.richardson([np.array(2 + step**2 - step**3) for step in h], order=2)
    assert abs(limit - 2) < 1e-14


def test_richardson_needs_three_values() -> None:
    with pytest.raises(InvalidArgument, match="values = 2 step sizes: expected at least 3"):
        rates.richardson([np.ones(1), np.ones(1)])
