"""Medians of paired differences: an interval that is exact for any law, and what it decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.classifiers.medians import fewest_draws, left_out, median, median_drawn, paired_median, sign_power
from theory.claims.estimates import SIGNIFICANCE
from theory.core.validation import InvalidArgument

RNG = np.random.default_rng(0)
GAINS = np.linspace(-0.04, 0.002, 64)
LEVELS = st.floats(1e-7, 0.5)


@given(st.integers(0, 300), LEVELS)
def test_as_many_draws_are_left_out_as_the_significance_allows(more: int, significance: float) -> None:
    draws = fewest_draws(significance) + more
    k = left_out(draws, significance)
    assert 2 * stats.binom.cdf(k, draws, 0.5) <= significance * (1 + 1e-9)
    assert k == draws // 2 or 2 * stats.binom.cdf(k + 1, draws, 0.5) > significance * (1 - 1e-9)


@given(LEVELS)
def test_fewest_draws_are_the_fewest(significance: float) -> None:
    fewest = fewest_draws(significance)
    assert 2.0 ** (1 - fewest) <= significance < 2.0 ** (2 - fewest)
    with pytest.raises(InvalidArgument, match=f"{fewest} at least"):
        left_out(fewest - 1, significance)


@given(st.lists(st.floats(-1, 1), min_size=21, max_size=60), st.floats(-1, 1), st.floats(0.1, 3))
def test_the_interval_moves_with_the_draws(draws: list[float], shift: float, scale: float) -> None:
    found, moved = median(np.array(draws), 1e-6), median(scale * np.array(draws) + shift, 1e-6)
    assert found.low <= found.value <= found.high
    for end in ("low", "value", "high"):
        assert getattr(moved, end) == pytest.approx(scale * getattr(found, end) + shift, abs=1e-12)


@pytest.mark.parametrize("law", [stats.cauchy, stats.expon, stats.norm])
def test_it_misses_as_often_as_stated_whatever_the_law(law: stats.rv_continuous) -> None:
    R, significance = 30, 0.05
    exactly = 2 * stats.binom.cdf(left_out(R, significance), R, 0.5)
    draws = law.rvs(size=(500, R), random_state=1) - law.median()
    missed = np.mean([0 not in median(each, significance) for each in draws])
    assert missed == pytest.approx(exactly, abs=5 * np.sqrt(significance / 500))


@given(st.floats(0.5, 1), st.integers(21, 300))
def test_power_grows_with_the_share_that_is_better(beyond: float, draws: int) -> None:
    found = sign_power(beyond, draws)
    assert sign_power(0.5, draws) <= SIGNIFICANCE / 2 * (1 + 1e-9)
    assert found <= sign_power(1.0, draws) == 1
    assert found == pytest.approx(stats.binom.sf(draws - left_out(draws, SIGNIFICANCE) - 1, draws, beyond), abs=1e-9)


def test_one_training_that_failed_decides_nothing_else() -> None:
    outlying = np.append(GAINS, 0.9)
    assert paired_median("gain", outlying).below(0.0).headroom > 1
    assert paired_median("gain", outlying).below(0.0).resolution < 1


def test_no_difference_is_no_gain() -> None:
    check = paired_median("gain", np.zeros(64)).below(0.0)
    assert check.headroom == 1 and check.resolution == np.inf
    ties = np.where(np.arange(64) < 14, 0.0, -0.01)  # 51 of 64 lie below the upper end at least, which is 0
    assert paired_median("gain", ties).estimate.high == 0
    assert paired_median("gain", ties).below(0.0).resolution == np.inf
    assert paired_median("gain", ties).control("none").below(0.0).passed


@pytest.mark.parametrize(
    ("differences", "refuted"), [(-GAINS, True), (GAINS * np.resize([1, -1], 64), True), (GAINS, False)]
)
def test_a_control_fails_the_same_inequality(differences: np.ndarray, refuted: bool) -> None:
    assert paired_median("gain", differences).control("no gain").below(0.0).passed == refuted


def test_what_is_drawn_states_median_interval_seeds_and_power() -> None:
    shown = median_drawn("gain", GAINS, 0.0, looks=2).arrays
    assert shown["effect"] == np.median(GAINS) and shown["seeds"] == 64
    assert shown["interval"][0] < shown["effect"] < shown["interval"][1] < 0
    assert shown["beyond"] == np.mean(GAINS < 0)
    assert shown["power"] == sign_power(np.mean(GAINS < 0), 64, SIGNIFICANCE / 2)
    assert median_drawn("loss", -GAINS, 0.0).arrays["beyond"] == np.mean(GAINS < 0)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: median(np.zeros(20), 1e-6), "draws = 20 draws: expected 21 at least"),
        (lambda: median(np.array([np.nan] * 30), 1e-6), "draws"),
        (lambda: paired_median("x", GAINS, looks=0), "looks = 0"),
        (lambda: sign_power(1.5, 64), "beyond = 1.5"),
        (lambda: fewest_draws(1.0), "significance = 1.0"),
    ],
)
def test_what_is_refused(call, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        call()
