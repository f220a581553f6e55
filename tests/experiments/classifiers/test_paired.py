"""Paired comparisons: decided, undecided or refused by an end of the interval, with the power that is stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.classifiers.paired import drawn, paired, power
from theory.claims.estimates import SIGNIFICANCE
from theory.claims.verdicts import limit_in
from theory.core.validation import InvalidArgument

RNG = np.random.default_rng(0)
UNIT = RNG.standard_normal(100)
UNIT = (UNIT - UNIT.mean()) / UNIT.std(ddof=1)  # mean 0, deviation 1
HALF = float(paired("unit", UNIT).estimate.half_width)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_whole_interval_decides(sign: int) -> None:
    compared = paired("difference", sign * (UNIT - 1.0))
    judge = compared.below if sign > 0 else compared.above
    check = judge(0.0)
    assert check.passed and check.headroom == pytest.approx(1 / HALF, rel=0.05) and check.significance == SIGNIFICANCE
    assert check.resolution == pytest.approx(HALF, rel=0.05) and check.resolution <= limit_in("smoke", check.resolves)
    assert not judge(-sign * 2.0).passed
    assert judge(0.0, effect=4.0).resolution == pytest.approx(HALF / 4, rel=0.05)


def test_an_interval_that_holds_the_bound_decides_nothing() -> None:
    check = paired("difference", UNIT - 0.3).below(0.0)
    assert check.passed and check.headroom == 1 and check.resolution == np.inf > check.resolves


def test_a_control_fails_the_same_inequality() -> None:
    at_the_bound = paired("difference", UNIT).control("no difference").below(0.0)
    beyond = paired("difference", UNIT + 2).control("worse").below(0.0)
    better = paired("difference", UNIT - 2).control("better").below(0.0)
    assert at_the_bound.passed and at_the_bound.headroom == pytest.approx(2, abs=0.1)
    assert beyond.passed and beyond.headroom > 3 and not better.passed


def test_looks_share_the_significance() -> None:
    assert paired("one of four", UNIT, looks=4).estimate.significance == SIGNIFICANCE / 4
    assert paired("one of four", UNIT, looks=4).estimate.half_width > HALF


@given(st.floats(0.05, 5), st.integers(3, 400), st.floats(1e-7, 0.2))
def test_power_is_that_of_students_interval(effect: float, seeds: int, significance: float) -> None:
    found = power(effect, seeds, significance)
    assert significance / 2 <= found + 1e-9 and found <= 1 + 1e-9
    assert power(2 * effect, seeds, significance) >= found - 1e-9


def test_power_is_how_often_a_bound_is_told() -> None:
    effect, seeds, significance = 0.6, 20, 0.05
    draws = RNG.standard_normal((20_000, seeds)) + effect
    t = draws.mean(1) / stats.sem(draws, axis=1)
    often = (t > stats.t.isf(significance / 2, seeds - 1)).mean()
    assert power(effect, seeds, significance) == pytest.approx(often, abs=5 * 0.5 / np.sqrt(20_000))


def test_what_is_drawn_states_effect_interval_seeds_and_power() -> None:
    shown = drawn("gain", UNIT - 1.0, 0.0).arrays
    assert shown["effect"] == pytest.approx(-1) and shown["seeds"] == 100 and shown["deviation"] == pytest.approx(1)
    assert shown["interval"][0] < -1 < shown["interval"][1] < 0
    assert shown["power"] == pytest.approx(power(1.0, 100)) and shown["power"] > 0.99


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((0.0, 10), "effect = 0.0"), ((1.0, 2), "seeds = 2: expected at least 3"), ((1.0, 10, 1.0), "significance = 1.0")],
)
def test_what_has_no_power(arguments: tuple, expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected):
        power(*arguments)


def test_too_few_draws() -> None:
    with pytest.raises(InvalidArgument, match="samples = 2 values"):
        paired("difference", UNIT[:2])
