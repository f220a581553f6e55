"""What the assertions take, what they say where they do not pass, and whether what they advise decides."""

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from theory.claims.limit_slope import Settled
from theory.core.validation import InvalidArgument
from theory.testing import (
    Undecided,
    assert_below,
    assert_conserved,
    assert_distributed,
    assert_order,
    assert_rate,
    assert_rate_at_least,
    assert_same_law,
    assert_slope,
    assert_tends_to,
    fitted_limit,
    fitted_order,
    fitted_rate,
    fitted_slope,
)

T = np.linspace(0, 5, 40)
WIDTH = np.geomspace(100, 1e5, 13)


def said(assertion: Any, *arguments: Any, kind: type = AssertionError, **options: Any) -> str:
    with pytest.raises(kind) as raised:
        assertion(*arguments, **options)
    assert type(raised.value) is kind
    return str(raised.value)


def test_a_refusal_is_a_diagnosis() -> None:
    rates = 1 + 0.001 * np.arange(5)
    text = said(assert_rate, T, np.exp(-2 * np.multiply.outer(T, rates)), 2.2)
    assert re.match(r"rate \(rate\) does not hold\n", text)
    assert "predicted   2.2" in text and "measured    2.004 +- 0.02" in text
    assert "resolution  1.3 % would have been seen" in text
    assert "headroom    0.1" in text and "missed by chance with probability 0.001" in text
    assert "worst at    run 0 (counted from 0), with 2\n" in text
    assert "local slopes 2.004, 2.004, 2.004; spread of 5 independent runs" in text
    assert "would decide" not in text


def test_the_slowest_run_is_the_worst_of_a_least_rate() -> None:
    rates = 1 + 0.001 * np.array([1, 0, 2, 3, 4])
    assert "run 1 (counted from 0), with 2\n" in said(
        assert_rate_at_least, T, np.exp(-2 * np.multiply.outer(T, rates)), 2.2
    )


def test_more_runs_decide_as_said() -> None:
    rng = np.random.default_rng(0)
    rates = 1 + 0.01 * rng.standard_normal(500)
    few = np.exp(-2 * np.multiply.outer(T, rates[:5]))
    runs = re.search(
        r"would decide: (\d+) runs instead of 5", said(assert_rate, T, few, 2, resolves=0.02, kind=Undecided)
    )
    assert runs and 20 < int(runs[1]) < 60
    many = np.exp(-2 * np.multiply.outer(T, rates[: int(runs[1])]))
    assert_rate(T, many, 2, resolves=0.02)


@pytest.mark.parametrize("gap", [0.7, 1.0, 1.5])
def test_later_times_decide_as_said(gap: float) -> None:
    def values(t: np.ndarray) -> np.ndarray:
        return np.exp(-2 * t) * (1 + 3 * np.exp(-gap * t))

    t = T
    for _ in range(4):  # first of when the slope settles, then of when it is known finely enough
        try:
            assert_rate(t, values(t), 2, resolves=0.002, off_by=0)
            break
        except Undecided as undecided:
            until = re.search(r"t up to (?:about )?([\d.]+)", str(undecided))
            assert until and t[-1] < float(until[1]) < 60
            t = np.linspace(0, float(until[1]), 120)
    else:
        pytest.fail("advice that does not decide")


def test_finer_steps_decide_as_said() -> None:
    def euler(finest: float) -> dict[float, float]:
        steps = [1 / 4]
        while steps[-1] > 1.01 * finest:
            steps.append(steps[-1] / 2)
        return {h: (1 - h) ** round(1 / h) for h in steps}

    text = said(assert_tends_to, euler(1 / 16), np.exp(-1), resolves=1e-4, kind=Undecided)
    until = re.search(r"step sizes down to ([\d.]+) instead of 0.0625", text)
    assert until
    assert_tends_to(euler(float(until[1])), np.exp(-1), resolves=1e-4)
    assert "step size down to 0.0125" in said(assert_order, [0.4, 0.2, 0.1], [0.5, 0.23, 0.11], 1, kind=Undecided)


def test_more_draws_decide_as_said() -> None:
    rng = np.random.default_rng(1)
    text = said(assert_distributed, rng.standard_normal(500), stats.norm(), kind=Undecided)
    draws = re.search(r"would decide: (\d+) draws instead of 500", text)
    assert draws
    assert_distributed(rng.standard_normal(int(1.05 * int(draws[1]))), stats.norm())
    text = said(assert_same_law, rng.exponential(size=500), rng.exponential(size=700), kind=Undecided)
    draws = re.search(r"would decide: (\d+) draws instead of 500", text)
    assert draws
    n = int(1.05 * int(draws[1]))
    assert_same_law(rng.exponential(size=n), rng.exponential(size=n))


def test_a_slope_that_does_not_settle_is_undecided_whatever_is_asserted() -> None:
    values = np.exp(-(T**2))
    for rate in (1.0, 2.5, 7.7, 12.0):
        assert "its changes do not shrink" in said(assert_rate, T, values, rate, kind=Undecided)


def test_a_power_is_no_rate() -> None:
    """However straight it looks, and whichever rate is asserted."""
    t = np.linspace(10, 12, 40)
    rates = np.linspace(0.01, 0.4, 40)
    passed = [rate for rate in rates if outcome(assert_rate, t, t**-2.0, rate)]
    assert not passed


def outcome(assertion: Any, *arguments: Any) -> bool:
    try:
        assertion(*arguments)
    except AssertionError:
        return False
    return True


def test_values_approaching_at_another_order_decide_nothing() -> None:
    values = {h: 1 + h**0.5 for h in (0.25, 0.125, 0.0625)}
    assert "differences of order 0.5, not 1" in said(assert_tends_to, values, 1, kind=Undecided)


def test_a_law_says_where_it_departs() -> None:
    rng = np.random.default_rng(2)
    text = said(assert_distributed, rng.standard_normal(2000), stats.norm(0.5))
    assert re.search(r"worst at    0\.\d+: \d\d\.\d% lie at or below, \d\d\.\d% as the law says", text)
    assert "resolution  7" in text
    text = said(assert_same_law, rng.standard_normal(2000), 2 * rng.standard_normal(2000))
    assert re.search(r"worst at    -?\d\.\d+: \d+\.\d% lie at or below, \d+\.\d% of b", text)


def test_a_law_by_its_parameter() -> None:
    draws = np.random.default_rng(3).chisquare(5, 4000)
    assert_distributed(draws, lambda k: stats.chi2(5 * k))
    assert outcome(assert_distributed, draws, lambda k: stats.chi2(5.5 * k)) is False


def test_bounds_and_conservation_say_where() -> None:
    assert "worst at    t 1, run 1 (counted from 0)" in said(assert_below, [[0.1, 0.2], [0.3, 0.4]], 0.35)
    text = said(assert_conserved, [[1, 2], [1, 2.1], [1, 1.95]])
    assert "worst at    t 1, run 1 (counted from 0)" in text and "measured    0.1 +-" in text
    assert "a smaller bound" in said(assert_below, [0.1], 0.2, resolves=0.05, kind=Undecided)
    assert "known better" in said(assert_conserved, [1, 1.01], off_by=0.1, kind=Undecided)


def test_what_is_zero_needs_a_scale() -> None:
    imbalance = [1e-17, -3e-17, 2e-17]
    assert_conserved(imbalance, scale=1.0)
    assert outcome(assert_conserved, imbalance) is False
    assert_tends_to({0.4: 0.4, 0.2: 0.2, 0.1: 0.1}, 0)
    assert outcome(assert_tends_to, {0.4: 0.5, 0.2: 0.3, 0.1: 0.2}, 0) is False
    assert_slope(WIDTH, np.full(13, 2.0), 0)


def test_rounding_floor() -> None:
    """From there on a curve is noise: it judges nothing, and too little before it is refused."""
    values = np.exp(-12 * T) + 1e-18 * np.random.default_rng(4).uniform(0.5, 1, 40)
    assert_rate(T, values, 12)
    assert re.search(r"first \d\d of 40 times", fitted_rate(T, values).reason)
    with pytest.raises(InvalidArgument, match="values = 4 of 40 .*: expected at least 10"):
        fitted_rate(T, np.exp(-2 * T), off_by=4e-3)


def test_the_type_that_values_come_in_is_known() -> None:
    t = torch.linspace(0, 5, 40, requires_grad=True)
    y = torch.exp(-2 * t)
    assert y.requires_grad
    assert_rate(t, y, 2)
    assert_rate(list(t), [torch.exp(-2 * each) for each in t], 2)
    assert_rate(t.tolist(), y.tolist(), 2, off_by=1e-7)
    assert_rate(T, np.stack([np.exp(-2 * T)] * 3, axis=1), 2)
    runs = torch.exp(-2 * t[:, None] * torch.tensor([1.0, 1.0001, 0.9999]))
    assert_rate(t, runs, 2)
    sums = torch.full((5,), 0.3, dtype=torch.bfloat16)
    assert_conserved(sums + torch.tensor([0, 0.002, 0, 0, 0], dtype=torch.bfloat16))
    assert_below(torch.tensor([1.0 + 1e-7]), 1)
    assert outcome(assert_below, torch.tensor([1.0 + 1e-7], dtype=torch.float64), 1) is False
    assert_tends_to({h: torch.tensor(1 + h, requires_grad=True) for h in (0.4, 0.2, 0.1)}, 1)
    assert_same_law(torch.arange(9000), np.arange(9000))


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, theory.testing; assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


ROWS = np.exp(-T)[:, None] * np.ones(3)
WRONG = [
    (lambda: assert_rate(T, np.exp(-T)[:-1], 1), r"values.shape = \(39,\): expected \(40,\), as t has it"),
    (lambda: assert_rate(T[::-1], np.exp(-T), 1), r"t = 40 times: expected finite times in strictly increasing order"),
    (lambda: assert_rate(T, -np.exp(-T), 1), r"values\[0\] = -1\.0: expected a number in \(0, inf\)"),
    (lambda: assert_rate(T, np.where(T > 3, np.nan, 1), 1), r"values\[24\] = nan: expected a finite number"),
    (lambda: assert_rate(T, ROWS[:, :2], 1), r"runs = 2: expected one curve \(T,\), or at least 3 independent runs"),
    (lambda: assert_rate(T[:5], np.exp(-T[:5]), 1), r"points = 5: expected at least 10 of one run"),
    (lambda: assert_rate(T, np.exp(-T), 0), r"rate = 0: expected a number other than 0; assert_conserved"),
    (lambda: assert_rate(T, np.exp(-T), np.nan), r"rate = nan: expected a finite number"),
    (lambda: assert_rate(T, np.exp(-T), 1, resolves=0), r"resolves = 0: expected a finite number above 0"),
    (lambda: assert_rate(T, np.exp(-T), 1, significance=1), r"significance = 1: expected a number in \(0, 1\)"),
    (lambda: assert_rate(T, np.exp(-T), 1, off_by=-1), r"off_by = -1\.0: expected a number in \[0, inf\)"),
    (lambda: assert_rate(T, np.exp(-T), 1, off_by=[0, 0]), r"off_by.shape = \(2,\): expected one that broadcasts"),
    (lambda: assert_rate(T, ["a"] * 40, 1), r"values = an object of type list: expected an array of real numbers"),
    (lambda: assert_rate_at_least(T, np.exp(-T), np.inf), r"rate = inf: expected a finite number"),
    (lambda: assert_slope([1, 0], [1, 1], 1), r"x\[1\] = 0\.0: expected a number in \(0, inf\)"),
    (lambda: assert_slope(WIDTH[[0, 2, 1, 3]], ROWS[:4], 1), r"x = numbers in no order: expected strictly"),
    (lambda: assert_order([0.1, 0.05], [0.1, 0.05], 1), r"points = 2: expected at least 3 points"),
    (lambda: assert_order([0.1, 0.09, 0.08], [3, 2, 1], 1), r"step_sizes = .*each at most half the one before"),
    (lambda: assert_order([0.4, 0.2, 0.1], [0.4, 0.2, 0], 1), r"\|errors\|\[2\] = 0\.0: expected a number in"),
    (
        lambda: assert_order([0.4, 0.2, 0.1], [4, 2, 1], 1, off_by=0.1),
        r"errors = 1, off by 0\.1: expected errors known",
    ),
    (lambda: assert_tends_to([1, 2, 3], 1), r"values_by_step_size = an object of type list: expected \{step size"),
    (lambda: assert_tends_to({0.4: 1, 0.2: 1}, 1), r"step_sizes = 2 of them: expected at least 3"),
    (lambda: assert_tends_to({0.4: 1, 0.2: 1, 0.15: 1}, 1), r"step_sizes = .*: expected step sizes in one ratio"),
    (lambda: assert_tends_to({0.4: [1, 2, 3], 0.2: 1, 0.1: 1}, 1), r"values_by_step_size = values of shapes"),
    (lambda: assert_tends_to({0.4: 1, 0.2: 1, 0.1: 1}, 1, order=0), r"order = 0: expected a whole number"),
    (lambda: assert_below([[1, 2]], [1, 2, 3]), r"bound.shape = \(3,\): expected one that broadcasts to that of"),
    (lambda: assert_below([], 1), r"values.shape = \(0,\): expected at least one number"),
    (lambda: assert_conserved([1.0]), r"values.shape = \(1,\): expected \(T,\) or \(T, R\), with at least 2 times"),
    (lambda: assert_conserved([0, 0, 0]), r"scale = None, and every value is 0: expected the size of what cancels"),
    (lambda: assert_distributed([1, 2], stats.norm()), r"samples = 2 draws: expected at least 5"),
    (lambda: assert_distributed(T, stats.norm), r"law = an object of type norm_gen: expected a frozen continuous law"),
    (lambda: assert_distributed(T, stats.poisson(3)), r"law = .*: expected a frozen continuous law of scipy.stats"),
    (
        lambda: assert_distributed(T, lambda: stats.norm()),
        r"law = .*takes 0 positional arguments.*: expected a function",
    ),
    (lambda: assert_rate(T, torch.exp(torch.tensor(-T)).to_sparse(), 1), r"values = a Tensor that numpy cannot read"),
    (lambda: assert_distributed(T, T), r"law = an object of type ndarray: expected a frozen continuous law"),
    (lambda: assert_same_law(T, [1 + 2j] * 9), r"b = an object of type list: expected an array of real numbers"),
]


@pytest.mark.parametrize(("call", "line"), WRONG)
def test_wrong_use_is_refused_in_one_line(call: Any, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line) as raised:
        call()
    assert "\n" not in str(raised.value)


positive = st.floats(0.1, 10)


@settings(max_examples=20, deadline=None)
@given(positive, positive, st.sampled_from([-1, 1]))
def test_exact_curves_have_their_rate_and_no_other(rate: float, size: float, sign: int) -> None:
    values = size * np.exp(-sign * rate * T)
    assert_rate(T, values, sign * rate, off_by=0)
    assert_rate_at_least(T, values, sign * rate - 0.1, off_by=0, resolves=np.inf)
    assert sign * rate in fitted_rate(T, values, off_by=0)
    assert not outcome(lambda: assert_rate(T, values, 1.06 * sign * rate, off_by=0))


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3), positive)
def test_exact_powers_have_their_exponent(exponent: float, size: float) -> None:
    y = size * WIDTH**exponent
    assert exponent in fitted_slope(WIDTH, y)
    assert_slope(WIDTH, y, exponent, resolves=np.inf)
    assert not outcome(lambda: assert_slope(WIDTH, y, exponent + 0.2))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([0.5, 1, 2, 3, 4]), st.floats(-1, 1), positive, st.integers(3, 5))
def test_expansions_have_their_order_and_limit(order: float, second: float, size: float, levels: int) -> None:
    h = 0.1 / 2.0 ** np.arange(levels)
    errors = size * h**order * (1 + second * h)
    assert order in fitted_order(h, errors)
    assert_order(h, errors, order, resolves=0.25)
    assert not outcome(lambda: assert_order(h, errors, order + 0.25))
    if order >= 1:
        values = dict(zip(h, 3 + errors))
        assert 3 in fitted_limit(values, order=int(order))
        assert_tends_to(values, 3, order=int(order))
        assert not outcome(lambda: assert_tends_to(values, 3.3, order=int(order)))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=9), positive)
def test_bounds_hold_exactly_where_they_do(values: list[float], bound: float) -> None:
    within = 2 * np.finfo(float).eps * (max(values) + bound)
    assert outcome(assert_below, values, bound) or max(values) > bound
    assert not outcome(assert_below, values, bound) or max(values) <= bound + within


@settings(max_examples=20, deadline=None)
@given(st.floats(-10, 10).filter(lambda x: abs(x) > 0.1), st.floats(1e-9, 1))
def test_what_changes_is_not_conserved(value: float, change: float) -> None:
    assert_conserved([value] * 4)
    assert not outcome(lambda: assert_conserved([value, value, value * (1 + change)]))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 99), st.floats(0.5, 2))
def test_laws_have_their_scale(seed: int, scale: float) -> None:
    draws = np.random.default_rng(seed).standard_normal(300)
    assert not outcome(lambda: assert_distributed(draws, stats.norm(scale=3)))
    assert not outcome(lambda: assert_same_law(draws, 3 * draws + scale))
    assert_distributed(scale * stats.norm.ppf((np.arange(300) + 0.5) / 300), stats.norm(scale=scale), resolves=0.5)
    assert_same_law(scale * draws, scale * draws, resolves=0.5)


def test_an_estimate_is_what_the_claims_take() -> None:
    from theory.claims import rate

    found = fitted_rate(T, np.exp(-2 * T))
    assert isinstance(found, Settled) and found.runs == 1 and found.significance == 1e-3
    assert rate("rate", found).equals(2.0).passed
