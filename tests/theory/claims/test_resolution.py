"""How small a change of the constant is refused: against closed forms, and by judging again on both sides of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theory.claims import Check, Measured, Tolerance, frequency, measured, order, rate, samples
from theory.claims import resolution as search
from theory.claims.estimates import SIGNIFICANCE, Estimate
from theory.claims.subject import Subject
from theory.claims.verdicts import limit_in, percent, times
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument

WHY = "by construction"
T = np.linspace(0, 2, 41)


def off_by(value: Any, tolerance: Any = 0.0, **options: Any) -> Measured:
    return measured("it", value, within=Tolerance(tolerance, WHY), **options)


def decay(k: float, rate: float = 1.7) -> Array:
    return np.exp(-rate * k * T)


@given(st.floats(0.1, 10), st.floats(1e-9, 0.1), st.floats(-0.9, 0.9))
def test_of_a_number_it_is_tolerance_and_residual_over_it(constant: float, tolerance: float, share: float) -> None:
    check = off_by(constant * (1 + share * tolerance), constant * tolerance).equals(constant)
    assert check.resolution == pytest.approx((1 + abs(share)) * tolerance, rel=0.02)


@given(st.floats(1e-8, 1e-3), st.floats(-1, 1))
def test_of_a_curve_it_is_the_smallest_change_of_its_constant_that_is_refused(tolerance: float, share: float) -> None:
    subject = off_by(decay(1.0) + 0.5 * share * tolerance, tolerance, axes=("t",))
    resolution = subject.equals(decay).resolution
    assert resolution is not None
    for sign in (1, -1):
        assert not subject.equals(decay(1 + 1.02 * sign * resolution)).passed
    assert any(subject.equals(decay(1 + 0.98 * sign * resolution)).passed for sign in (1, -1))
    assert tolerance < resolution < 10 * tolerance


def test_what_the_constant_does_not_move_counts_for_nothing() -> None:
    """The shared start agrees at every rate, whatever its tolerance."""
    tolerance = np.where(T == 0, 1e-12, 0.1)
    resolution = off_by(decay(1.0), tolerance, axes=("t",)).equals(decay).resolution
    assert resolution == pytest.approx(-np.log(1 - 0.1 * np.e) / 1, rel=0.2)
    assert off_by(np.ones(3), 1e-12).equals(lambda k: np.ones(3)).resolution == np.inf


def test_a_curve_that_is_no_function_of_its_constant_resolves_nothing() -> None:
    subject = off_by(decay(1.0), 1e-9, axes=("t",))
    for check in (subject.equals(decay(1.0)), subject.at_most(decay(1.0)), subject.at_least(decay(1.0))):
        assert check.passed and check.resolution == np.inf and check.is_undecided
    supporting = subject.supporting().equals(decay(1.0))
    assert not supporting.is_undecided and supporting.resolution == pytest.approx(1e-9, rel=0.02)
    assert off_by(decay(1.0)[:1], 1e-9, axes=("t",)).equals(1.0).resolution == pytest.approx(1e-9, rel=0.02)


def test_a_check_that_changes_nothing_however_far_resolves_nothing() -> None:
    assert off_by(1.0, 2.0).equals(1.0).resolution == np.inf
    assert off_by(0.0, 0.1).equals(0.0).resolution == np.inf


def test_where_0_is_predicted_the_scale_is_what_a_control_measured() -> None:
    assert off_by([1e-9, -2e-9], 1e-8).equals(0, against=0.4).resolution == pytest.approx(3e-8)
    assert off_by(-0.3, 1e-8).at_most(0, against=0.4).resolution == pytest.approx(2.5e-8)
    assert off_by(0.3, 1e-8).at_least(0, against=0.4).resolution == pytest.approx(2.5e-8)
    assert off_by(0.0, 1e-8).equals(0, against=0.0).resolution == np.inf
    assert off_by(0.0, 1e-8).equals(0, against=-0.4).resolution == pytest.approx(2.5e-8)
    assert off_by(np.zeros(5), 1e-8, axes=("t",)).equals(0, against=0.5).resolution == pytest.approx(2e-8)


def test_whole_numbers_are_exact() -> None:
    assert off_by(3, 0.1).equals(3).resolution == 0
    assert off_by([3, 4], 0.1).equals(np.array([3, 4])).resolution == 0
    assert off_by(True, 0.1).equals(True).resolution == 0
    assert off_by(3, 0.6).equals(3).resolution == pytest.approx(0.2, rel=0.02)
    for value, predicted in ((3.0, 3.0), (3.0, 3), (3, 3.0)):
        assert off_by(value, 0.1).equals(predicted).resolution == pytest.approx(0.0333, rel=0.02)
    assert off_by(0.001, 0.01).equals(0).resolution == np.inf


@given(st.floats(0.1, 10), st.floats(1.001, 500))
def test_a_bound_can_be_sharpened_by_what_it_lies_above(value: float, factor: float) -> None:
    assert off_by(value).at_most(value * factor).resolution == pytest.approx(factor - 1, rel=0.02)
    assert off_by(value * factor).at_least(value).resolution == pytest.approx(factor - 1, rel=0.02)


def test_a_bound_is_judged_where_it_is_nearest_to_equality() -> None:
    assert off_by([1.0, 4.0]).at_most([10.0, 4.4]).resolution == pytest.approx(0.1, rel=0.02)
    assert off_by([-1.0, 0.0]).at_most([10.0, 4.4]).resolution == np.inf
    assert off_by(1.0).at_most(np.inf).resolution == np.inf
    assert off_by(1.0).at_most(1.0).resolution < 1e-14


def test_the_rate_of_a_bound_can_be_sharpened() -> None:
    """exp(-1.7 t) lies below exp(-k 1.5 t) up to k = 1.7 / 1.5, and touches it at the start whatever k is."""
    subject = off_by(decay(1.0), axes=("t",))
    assert subject.at_most(lambda k: decay(k, 1.5)).resolution == pytest.approx(1.7 / 1.5 - 1, rel=0.02)
    assert subject.at_least(lambda k: decay(k, 1.9)).resolution == pytest.approx(1.9 / 1.7 - 1, rel=0.02)


@pytest.mark.parametrize("kind", [rate, order])
def test_of_an_interval_it_is_its_far_end(kind: Any) -> None:
    estimated = kind("rate", Estimate(2.1, 2.0, 2.3, WHY, 1e-6))
    check = estimated.equals(2.0, excludes=[3.0])
    assert check.resolution == pytest.approx(0.3 / 2) and check.significance == 1e-6
    assert check.own == (kind is rate)
    assert kind("rate", Estimate(0.1, -0.1, 0.2, WHY)).equals(0.0, against=3.0).resolution == pytest.approx(0.1)


def test_of_a_probability_it_is_the_change_of_its_complement() -> None:
    check = frequency("often", 990, 1000, because=WHY).at_least(0.95)
    assert check.resolution is not None
    sharper = 1 - 0.05 / (1 + check.resolution)
    assert stats.binom.cdf(990, 1000, sharper) == pytest.approx(SIGNIFICANCE, rel=1e-6)
    assert frequency("always", 1000, 1000, because=WHY).at_least(0.95).resolution == np.inf
    assert frequency("always", 1000, 1000, because=WHY).at_least(1.0).resolution == 0
    assert check.significance == SIGNIFICANCE


@pytest.mark.parametrize("law", [stats.chi2(12), stats.norm(), stats.expon(), stats.levy(scale=0.7)])
def test_of_a_law_it_is_the_change_of_scale_that_is_rejected_half_of_the_time(law: Any) -> None:
    rng, n = np.random.default_rng(0), 2000
    resolution = samples("law", law.rvs(n, random_state=rng), because=WHY).follow(law).resolution
    assert resolution is not None and resolution < 0.5
    drawn = [samples("law", (1 + resolution) * law.rvs(n, random_state=rng), because=WHY) for _ in range(40)]
    rejected = sum(not each.follow(law).passed for each in drawn)
    assert 6 <= rejected <= 39


def test_of_a_law_it_may_be_the_change_of_its_parameter() -> None:
    draws = stats.chi2(12).rvs(4000, random_state=np.random.default_rng(0))
    check = samples("law", draws, because=WHY).follow(lambda k: stats.chi2(12 * k))
    assert check.passed and check.resolution is not None and 0.02 < check.resolution < 0.06
    assert not samples("law", draws, because=WHY).follow(stats.chi2(12.9)).passed


def test_what_it_has_to_resolve_is_declared_with_a_reason() -> None:
    subject: Subject = off_by(1.0, 0.2)
    assert off_by(1.0, 0.2).equals(1.0).is_undecided
    declared = off_by(1.0, 0.2).resolving(0.25, because="five seeds").equals(1.0)
    assert not declared.is_undecided and declared.reason == f"{WHY}; resolves no more: five seeds"
    assert not off_by(1.0).within_factor(3, because="a chain of inequalities").at_most(2.5).is_undecided
    assert off_by(1.0).within_factor(2, because="a chain of inequalities").at_most(2.5).is_undecided
    for share, because in ((0.05, "why"), (0.3, ""), (np.inf, "why"), (np.nan, "why")):
        with pytest.raises(InvalidArgument, match="resolving of 'it' = .*: expected a share above 0.05, and why"):
            subject.resolving(share, because=because)


def test_a_failed_check_is_not_undecided() -> None:
    check: Check = off_by(3.0, 0.5).equals(1.0)
    assert not check.passed and not check.is_undecided and check.resolution is None


@pytest.mark.parametrize(
    ("declared", "profile", "limit"),
    [(0.05, "quick", 0.05), (0.05, "smoke", 0.3), (0.2, "smoke", 0.5), (65.0, "smoke", 65.0), (65.0, "paper", 65.0)],
)
def test_limits(declared: float, profile: str, limit: float) -> None:
    assert limit_in(profile, declared) == pytest.approx(limit)


def test_in_words() -> None:
    assert [percent(x) for x in (2e-4, 0.0316, 1.2e-13, np.inf)] == ["0.02 %", "3.2 %", "1.2e-11 %", "any %"]
    assert [times(x) for x in (0.0, 65.0, 0.1, np.inf)] == ["1 times", "66 times", "1.1 times", "over 10000 times"]


@given(st.floats(-14, -0.1), st.floats(-0.9, 0.9), st.sampled_from((0.3, 1.0, 2.5)))
def test_guesses_end_where_the_search_without_them_does(exponent: float, share: float, power: float) -> None:
    """Lines with an offset, powers and jumps."""
    size = 10.0**exponent
    excesses = (
        lambda x: abs(x / size - share),
        lambda x: (x / size) ** power,
        lambda x: np.inf if x > size else 0.0,
        lambda x: 1.2 * np.tanh(x / size),
    )
    for excess in excesses:
        found = search._first_refused(excess, search.SHARE)
        assert found == search._search(lambda x, excess=excess: excess(x) > 1, search.SHARE)[1]


def test_guesses_spare_most_of_the_search() -> None:
    asked: list[float] = []

    def excess(x: float) -> float:
        asked.append(x)
        return x / 3e-7

    assert search._first_refused(excess, search.SHARE) == pytest.approx(3e-7, rel=0.01)
    assert len(asked) <= 4
