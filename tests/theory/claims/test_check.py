"""How checks are judged, on both sides of the edge."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theory import claims
from theory.claims import Check, Estimated, Measured, Tolerance, frequency, measured, residual, samples, slope
from theory.claims.estimates import SIGNIFICANCE, Estimate
from theory.claims.subject import Subject
from theory.core.validation import InvalidArgument

WHY = "by construction"
sizes = st.floats(1e-3, 1e3)


def off_by(value: Any, tolerance: Any = 0.0, **options: Any) -> Measured:
    return measured("it", value, within=Tolerance(tolerance, WHY), **options)


def equal(value: Any, predicted: Any, tolerance: Any) -> Check:
    return off_by(value, tolerance).equals(predicted)


def at_most(value: Any, bound: Any, slack: Any = 0.0) -> Check:
    return off_by(value, slack).at_most(bound)


def at_least(value: Any, bound: Any, slack: Any = 0.0) -> Check:
    return off_by(value, slack).at_least(bound)


@given(st.floats(-10, 10), sizes, st.floats(0, 0.99))
def test_equal_within_the_tolerance(value: float, tolerance: float, share: float) -> None:
    inner, outer = value + share * tolerance, value + (2 - share) * tolerance
    assert equal(inner, value, tolerance).passed
    assert not equal(outer, value, tolerance).passed


def test_equal_on_the_edge_has_headroom_one() -> None:
    check = equal(1.5, 1.0, 0.5)
    assert check.passed and check.headroom == 1
    assert equal(1.25, 1.0, 0.5).headroom == 2
    assert equal(2.0, 1.0, 0.5).headroom == 0.5
    assert equal(1.0, 1.0, 0.5).headroom == np.inf


def test_equal_reports_the_worst_entry() -> None:
    check = equal([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.5], np.array([[1.0], [2.0]]))
    assert (check.measured, check.predicted, check.tolerance) == (3.0, 1.0, 2.0)
    assert check.headroom == 1 and check.where == "entry 1, 0"


def test_the_worst_entry_is_named_by_its_axes() -> None:
    values = off_by([[1.0, 2.0], [3.0, 4.0]], 1.0, axes=("t", "run"))
    assert values.equals([[1.0, 2.5], [3.0, 4.0]]).where == "t 0, run 1"
    assert values.at_most(5.0).where == "t 1, run 1" and values.at_least(0.5).where == "t 0, run 0"
    assert off_by(1.0, 1.0, axes=("t",)).equals(1.0).where == ""


def test_part_and_case_stand_in_the_check() -> None:
    check = off_by(1.0, 1.0, part="equation 3", case="r = 2").equals(1.0)
    assert (check.name, check.part, check.case, check.label) == ("it", "equation 3", "r = 2", "r = 2: it")
    assert equal(1.0, 1.0, 1.0).label == "it"


@pytest.mark.parametrize("value", [np.nan, np.inf, [1.0, np.nan]])
def test_what_is_not_finite_equals_nothing(value: Any) -> None:
    assert not equal(value, 1.0, 1e6).passed


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan, np.array([1.0, 0.0])])
def test_a_tolerance_is_positive(tolerance: Any) -> None:
    with pytest.raises(InvalidArgument, match="tolerance of 'it' = .*: expected a derived tolerance above 0"):
        equal([1.0, 1.0], 1.0, tolerance)


@given(sizes, st.floats(1.001, 100))
def test_bounds_pass_on_one_side_only(value: float, factor: float) -> None:
    assert at_most(value, value * factor).passed and at_least(value * factor, value).passed
    assert not at_most(value * factor, value).passed and not at_least(value, value * factor).passed


def test_bounds_on_the_edge_have_headroom_one() -> None:
    for check in (at_most(2.0, 2.0), at_least(2.0, 2.0), at_most(2.0, 1.5, 0.5), at_least(1.5, 2.0, 0.5)):
        assert check.passed and check.headroom == 1


def test_bounds_report_the_tightest_entry() -> None:
    upper, lower = at_most([1.0, 4.0], [10.0, 8.0]), at_least([10.0, 8.0], [1.0, 4.0])
    assert (upper.measured, upper.predicted, upper.headroom) == (4.0, 8.0, 2.0)
    assert (lower.measured, lower.predicted, lower.headroom) == (8.0, 4.0, 2.0)


def test_bounds_at_zero_and_below() -> None:
    assert at_most(0.0, 0.0).passed and at_most(-1.0, 1.0).passed
    assert not at_most(1.0, 0.0).passed and not at_most(1.0, -1.0).passed and not at_most(0.0, -1.0).passed


@pytest.mark.parametrize("judged", [at_most(np.nan, 1.0), at_most(1.0, np.nan), at_least([2.0, np.nan], 1.0)])
def test_a_bound_does_not_hold_for_nan(judged: Check) -> None:
    assert not judged.passed


@pytest.mark.parametrize("kind", ["order", "slope", "rate"])
def test_intervals_hold_the_prediction_and_exclude_the_rest(kind: str) -> None:
    make: Callable[..., Estimated] = getattr(claims, kind)
    estimated = make("x", Estimate(1.0, 0.9, 1.1, WHY))
    assert estimated.equals(1.05, excludes=[0.8, 1.2]).headroom == pytest.approx(2)
    assert estimated.equals(1.05, excludes=[0.8, 1.2]).kind == kind
    assert not estimated.equals(1.15, excludes=[0.8]).passed
    assert not estimated.equals(1.0, excludes=[1.05]).passed
    assert estimated.equals(1.25, excludes=[2.0]).headroom == pytest.approx(0.4)


@pytest.mark.parametrize("kind", ["order", "slope", "rate"])
def test_an_interval_that_holds_both_refuses_nothing(kind: str) -> None:
    """Too few draws are no counterexample: only an interval without the prediction is."""
    make: Callable[..., Estimated] = getattr(claims, kind)
    both = make("x", Estimate(1.0, 0.9, 1.1, WHY)).equals(1.05, excludes=[0.95])
    assert not both.passed and both.is_undecided and not both and both.headroom == pytest.approx(0.5)
    neither = make("x", Estimate(1.0, 0.9, 1.1, WHY)).equals(1.15, excludes=[0.95])
    assert not neither.passed and not neither.is_undecided
    nothing = make("x", Estimate(0.0, -np.inf, np.inf, WHY)).equals(1.0, excludes=[0.75])
    assert nothing.is_undecided and nothing.headroom == 0
    lost = make("x", Estimate(np.nan, np.nan, np.nan, WHY)).equals(1.0, excludes=[0.75])
    assert not lost.passed and not lost.is_undecided


def test_a_frequency_is_tested_exactly() -> None:
    def check(successes: int) -> Check:
        return frequency("often", successes, 100, because=WHY).at_least(0.9)

    threshold = int(stats.binom.ppf(SIGNIFICANCE, 100, 0.9))
    assert check(threshold).passed and not check(threshold - 1).passed
    assert check(100).headroom == pytest.approx(1 / SIGNIFICANCE)


def test_a_distribution_is_tested_against_its_law() -> None:
    normal = np.random.default_rng(0).normal(size=400)
    drawn = samples("normal", normal, because=WHY)
    assert drawn.follow(stats.norm()).passed
    assert not drawn.follow(stats.norm(loc=0.5)).passed
    assert not drawn.follow(stats.norm(scale=2)).passed
    assert not samples("broken", normal * np.nan, because=WHY).follow(stats.norm()).passed


def test_a_law_is_rejected_as_often_as_it_says() -> None:
    """Three tests of a third each: at most as often, and at least as often as one of them alone."""
    rng, draws = np.random.default_rng(1), 300
    drawn = (samples("chi2", rng.chisquare(3, 20), because=WHY, significance=0.3) for _ in range(draws))
    passed = sum(each.follow(stats.chi2(3)).passed for each in drawn)
    assert stats.binomtest(passed, draws, 0.7, "less").pvalue > 1e-5
    assert stats.binomtest(passed, draws, 0.9, "greater").pvalue > 1e-5


def test_an_identity_counts_what_is_left() -> None:
    x, y = sympy.symbols("x y")

    def left(expression: Any) -> Check:
        return residual("square", expression, because=WHY).vanishes()

    exact, wrong = left((x + y) ** 2 - x**2 - 2 * x * y - y**2), left((x + y) ** 2 - x**2)
    assert exact.passed and exact.measured == 0
    assert not wrong.passed and wrong.measured == 2
    assert left(sympy.zeros(2)).passed
    assert left(sympy.Matrix([[x - x, y]])).measured == 1


# How each kind of check fails: what is judged, and the judgement.
FAILING: list[tuple[Subject, Callable[[Any], Check]]] = [
    (off_by(3.0, 0.5), lambda it: it.equals(1.0)),
    (off_by(3.0), lambda it: it.at_most(1.0)),
    (off_by(1.0), lambda it: it.at_most(-1.0)),
    (off_by(1.0), lambda it: it.at_least(3.0)),
    (slope("slope", Estimate(1.0, 0.9, 1.1, WHY)), lambda it: it.equals(1.3, excludes=[2.0])),
    (frequency("often", 10, 100, because=WHY), lambda it: it.at_least(0.9)),
    (samples("law", np.linspace(0, 1, 100), because=WHY), lambda it: it.follow(stats.norm())),
    (residual("x", sympy.Symbol("x"), because=WHY), lambda it: it.vanishes()),
]


@pytest.mark.parametrize(("subject", "judge"), FAILING, ids=lambda value: type(value).__name__)
def test_a_control_passes_where_the_check_fails(subject: Subject, judge: Callable[[Any], Check]) -> None:
    check, control = judge(subject), judge(subject.control("broken"))
    assert not check.passed and not check.is_control
    assert control.passed and control.is_control and control.kind == "control" and control.headroom > 1
    assert control.name == control.label == "broken" and "must fail" in control.reason
    assert (control.predicted, control.measured) == (check.predicted, check.measured)


@pytest.mark.parametrize(("value", "tolerance"), [(1.0, 0.5), (1.5, 0.5)])
def test_a_control_fails_where_the_check_passes(value: float, tolerance: float) -> None:
    subject = off_by(value, tolerance)
    for judge in (Measured.equals, Measured.at_most, Measured.at_least):
        assert judge(subject, 1.0).passed and not judge(subject.control("broken"), 1.0).passed


def test_a_control_says_how_far_the_claim_missed() -> None:
    misses = [judge(subject.control("broken")).headroom for subject, judge in FAILING]
    assert misses[:2] == [4, 3] and misses[4] == pytest.approx(3)


@pytest.mark.parametrize(
    "control",
    [
        off_by(np.nan, 0.5).control("broken").equals(1.0),
        off_by(np.nan).control("broken").at_most(1.0),
        off_by(1.0).control("broken").at_least(np.nan),
        slope("wide", Estimate(1.0, -9.0, 11.0, WHY)).control("broken").equals(1.1, excludes=[1.0]),
        samples("law", np.full(9, np.nan), because=WHY).control("broken").follow(stats.norm()),
    ],
)
def test_not_knowing_refutes_nothing(control: Check) -> None:
    assert not control.passed


def test_a_control_has_no_case_but_keeps_its_part() -> None:
    check = off_by(3.0, 0.5, part="equation 3", case="r = 2").control("broken").equals(1.0)
    assert (check.part, check.case) == ("equation 3", "") and "r = 2: it" in check.reason


SAID = {
    "misprint": off_by(3.0).misprint("constant 2", correction="it is 4"),
    "proof step": off_by(3.0).proof_step("constant 2", correction="it is 4"),
    "overstatement": off_by(3.0).overstatement("constant 2", correction="it is 4"),
    "condition": off_by(3.0).unconditioned("constant 2", condition="it is 4"),
}


@pytest.mark.parametrize("kind", SAID)
def test_what_a_source_says_and_is_not_so_has_to_fail(kind: str) -> None:
    said = SAID[kind]
    check = said.at_most(2.0)
    assert check.passed and check.is_control and (check.kind, check.name) == (kind, "constant 2")
    assert check.resolution is None and not check.own and not check.is_undecided
    assert check.reason.startswith("it is 4. must fail")
    assert not said.at_most(4.0).passed


def test_a_check_is_true_if_it_passed_and_is_decided() -> None:
    assert equal(1.0, 1.0, 0.01)
    assert not equal(1.0, 2.0, 0.01)
    assert not equal(1.0, 1.0, 0.5)


@pytest.mark.parametrize("judge", [Measured.equals, Measured.at_most, Measured.at_least])
def test_complex_numbers_are_not_cut(judge: Callable[..., Check]) -> None:
    for value, predicted in (([1 + 5j], [1.0]), ([1.0], [1 + 5j])):
        with pytest.raises(InvalidArgument, match="'it' = complex numbers: expected real numbers"):
            judge(off_by(value, 1.0), predicted)
