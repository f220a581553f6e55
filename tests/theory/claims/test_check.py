"""How checks are judged, on both sides of the edge, and what a claim has to bring."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theory import claims
from theory.claims import Check, Curves, Evidence, claim, judge
from theory.claims.estimates import SIGNIFICANCE, Estimate
from theory.claims.legacy import misprint, refuted
from theory.claims.study import Study
from theory.core.validation import InvalidArgument

WHY = "by construction"
STUDY = Study("test.claim", profile="smoke")
sizes = st.floats(1e-3, 1e3)


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "REGISTRY", {})


def equal(measured: Any, predicted: Any, tolerance: Any) -> Check:
    return claims.equal("equal", measured, predicted, tolerance=tolerance, because=WHY)


def at_most(measured: Any, bound: Any, slack: Any = 0.0) -> Check:
    return claims.at_most("at most", measured, bound, because=WHY, slack=slack)


def at_least(measured: Any, bound: Any, slack: Any = 0.0) -> Check:
    return claims.at_least("at least", measured, bound, because=WHY, slack=slack)


@given(st.floats(-10, 10), sizes, st.floats(0, 0.99))
def test_equal_within_the_tolerance(value: float, tolerance: float, share: float) -> None:
    inner, outer = value + share * tolerance, value + (2 - share) * tolerance
    assert equal(inner, value, tolerance).passed
    assert not equal(outer, value, tolerance).passed


def test_equal_on_the_edge_has_margin_one() -> None:
    check = equal(1.5, 1.0, 0.5)
    assert check.passed and check.headroom == 1
    assert equal(1.25, 1.0, 0.5).margin == 2
    assert equal(2.0, 1.0, 0.5).margin == 0.5
    assert equal(1.0, 1.0, 0.5).margin == np.inf


def test_equal_reports_the_worst_entry() -> None:
    check = equal([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.5], [[1.0], [2.0]])
    assert (check.measured, check.predicted, check.tolerance) == (3.0, 1.0, 2.0)
    assert check.headroom == 1


@pytest.mark.parametrize("measured", [np.nan, np.inf, [1.0, np.nan]])
def test_what_is_not_finite_equals_nothing(measured: Any) -> None:
    assert not equal(measured, 1.0, 1e6).passed


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan, [1.0, 0.0]])
def test_a_tolerance_is_positive(tolerance: Any) -> None:
    with pytest.raises(InvalidArgument, match="tolerance of 'equal' = .*: expected a derived tolerance above 0"):
        equal([1.0, 1.0], 1.0, tolerance)


@given(sizes, st.floats(1.001, 100))
def test_bounds_pass_on_one_side_only(value: float, factor: float) -> None:
    assert at_most(value, value * factor).passed and at_least(value * factor, value).passed
    assert not at_most(value * factor, value).passed and not at_least(value, value * factor).passed


def test_bounds_on_the_edge_have_margin_one() -> None:
    for check in (at_most(2.0, 2.0), at_least(2.0, 2.0), at_most(2.0, 1.5, 0.5), at_least(1.5, 2.0, 0.5)):
        assert check.passed and check.headroom == 1


def test_bounds_report_the_tightest_entry() -> None:
    upper, lower = at_most([1.0, 4.0], [10.0, 8.0]), at_least([10.0, 8.0], [1.0, 4.0])
    assert (upper.measured, upper.predicted, upper.margin) == (4.0, 8.0, 2.0)
    assert (lower.measured, lower.predicted, lower.margin) == (8.0, 4.0, 2.0)


def test_bounds_at_zero_and_below() -> None:
    assert at_most(0.0, 0.0).passed and at_most(-1.0, 1.0).passed
    assert not at_most(1.0, 0.0).passed and not at_most(1.0, -1.0).passed and not at_most(0.0, -1.0).passed


@pytest.mark.parametrize("judged", [at_most(np.nan, 1.0), at_most(1.0, np.nan), at_least([2.0, np.nan], 1.0)])
def test_a_bound_does_not_hold_for_nan(judged: Check) -> None:
    assert not judged.passed


@pytest.mark.parametrize("kind", ["order", "slope", "rate"])
def test_intervals_hold_the_prediction_and_exclude_the_rest(kind: str) -> None:
    make: Callable[..., Check] = getattr(claims, kind)
    estimate = Estimate(1.0, 0.9, 1.1, WHY)
    assert make("x", estimate, 1.05, excludes=[0.8, 1.2]).margin == pytest.approx(2)
    assert make("x", estimate, 1.05, excludes=[0.8, 1.2]).kind == kind
    assert not make("x", estimate, 1.15, excludes=[0.8]).passed
    assert not make("x", estimate, 1.0, excludes=[1.05]).passed
    assert make("x", estimate, 1.25, excludes=[2.0]).margin == pytest.approx(0.4)


def test_a_frequency_is_tested_exactly() -> None:
    def check(successes: int) -> Check:
        return claims.frequency_at_least("often", successes, 100, 0.9, because=WHY)

    threshold = int(stats.binom.ppf(SIGNIFICANCE, 100, 0.9))
    assert check(threshold).passed and not check(threshold - 1).passed
    assert check(100).margin == pytest.approx(1 / SIGNIFICANCE)


def test_a_distribution_is_tested_against_its_law() -> None:
    samples = np.random.default_rng(0).normal(size=400)
    assert claims.distributed("normal", samples, stats.norm(), because=WHY).passed
    assert not claims.distributed("shifted", samples, stats.norm(loc=0.5), because=WHY).passed
    assert not claims.distributed("wider", samples, stats.norm(scale=2), because=WHY).passed
    assert not claims.distributed("broken", samples * np.nan, stats.norm(), because=WHY).passed


def test_distributed_rejects_the_truth_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "SIGNIFICANCE", 0.1)
    rng, draws = np.random.default_rng(1), 300
    passed = sum(
        claims.distributed("chi2", rng.chisquare(3, 20), stats.chi2(3), because=WHY).passed for _ in range(draws)
    )
    assert stats.binomtest(passed, draws, 0.9).pvalue > 1e-5


def test_an_identity_counts_what_is_left() -> None:
    x, y = sympy.symbols("x y")
    exact = claims.identity("square", (x + y) ** 2 - x**2 - 2 * x * y - y**2, because=WHY)
    assert exact.passed and exact.measured == 0
    wrong = claims.identity("square", (x + y) ** 2 - x**2, because=WHY)
    assert not wrong.passed and wrong.measured == 2
    assert claims.identity("zero", sympy.zeros(2), because=WHY).passed
    assert claims.identity("matrix", sympy.Matrix([[x - x, y]]), because=WHY).measured == 1


FAILING = [
    equal(3.0, 1.0, 0.5),
    at_most(3.0, 1.0),
    at_most(1.0, -1.0),
    at_least(1.0, 3.0),
    claims.slope("slope", Estimate(1.0, 0.9, 1.1, WHY), 1.3, excludes=[2.0]),
    claims.frequency_at_least("often", 10, 100, 0.9, because=WHY),
    claims.distributed("law", np.linspace(0, 1, 100), stats.norm(), because=WHY),
    claims.identity("x", sympy.Symbol("x"), because=WHY),
]


@pytest.mark.parametrize("check", FAILING, ids=lambda check: check.kind)
def test_refuted_passes_where_the_check_fails(check: Check) -> None:
    control = refuted("broken", check)
    assert not check.passed
    assert control.passed and control.kind == "refuted" and control.margin > 1
    assert "must fail" in control.reason


@pytest.mark.parametrize("check", [equal(1.0, 1.0, 0.5), equal(1.5, 1.0, 0.5), at_most(1.0, 1.0), at_least(2.0, 1.0)])
def test_refuted_fails_where_the_check_passes(check: Check) -> None:
    assert check.passed and not refuted("broken", check).passed


def test_refuted_says_how_far_the_claim_missed() -> None:
    assert refuted("broken", equal(3.0, 1.0, 0.5)).margin == 4
    assert refuted("broken", at_most(3.0, 1.0)).margin == 3
    assert refuted("broken", FAILING[4]).margin == pytest.approx(3)


@pytest.mark.parametrize(
    "check",
    [
        equal(np.nan, 1.0, 0.5),
        at_most(np.nan, 1.0),
        at_least(1.0, np.nan),
        claims.slope("wide", Estimate(1.0, -9.0, 11.0, WHY), 1.1, excludes=[1.0]),
        claims.distributed("law", np.full(9, np.nan), stats.norm(), because=WHY),
    ],
    ids=lambda check: check.kind,
)
def test_not_knowing_refutes_nothing(check: Check) -> None:
    assert not check.passed and not refuted("broken", check).passed


def test_a_misprint_is_a_refuted_printed_form() -> None:
    check = misprint("constant 2", at_most(3.0, 2.0), correction="it is 4")
    assert check.passed and check.misprint and check.kind == "refuted" and check.name == "as printed: constant 2"
    assert check.reason.startswith("it is 4. must fail")
    assert not misprint("constant 2", at_most(1.0, 2.0), correction="it is 4").passed


def register(*items: Check | Curves, controls: tuple[str, ...] = ("broken",), id: str = "test.claim") -> claims.Claim:
    @claim(id, source="here", statement="1 = 1", hypotheses=("none",), controls=controls)
    def experiment(study: Study) -> Iterator[Check | Curves]:
        yield from items

    return experiment


GOOD, CONTROL = equal(1.0, 1.0, 0.5), refuted("broken", equal(3.0, 1.0, 0.5))


def test_judge_collects_checks_and_curves() -> None:
    evidence = judge(register(GOOD, claims.curves(x=[1, 2]), CONTROL, claims.curves(y=np.eye(2))), STUDY)
    assert evidence.verdict == claims.HOLDS
    assert evidence.checks == (GOOD, CONTROL)
    assert set(evidence.curves) == {"x", "y"} and evidence.curves["x"].shape == (2,)
    assert (evidence.id, evidence.source, evidence.statement) == ("test.claim", "here", "1 = 1")


def test_the_claim_is_registered_under_its_id() -> None:
    subject = register(GOOD, CONTROL)
    assert claims.REGISTRY == {"test.claim": subject}
    assert subject.setting == __name__


@pytest.mark.parametrize("item", [equal(3.0, 1.0, 0.5), refuted("second", GOOD)])
def test_one_failing_check_or_control_fails_the_claim(item: Check) -> None:
    broken = Check(**{**vars(item), "name": "broken too"})
    controls = ("broken", "broken too") if item.kind == "refuted" else ("broken",)
    assert judge(register(GOOD, CONTROL, broken, controls=controls), STUDY).verdict == claims.FAILS


def test_a_control_that_was_not_declared_is_refused() -> None:
    second = Check(**{**vars(CONTROL), "name": "second"})
    with pytest.raises(InvalidArgument, match="second"):
        judge(register(GOOD, CONTROL, second, controls=("broken",)), STUDY)


def test_a_misprint_shows_in_the_verdict_only_if_all_else_holds() -> None:
    printed = misprint("2", at_most(3.0, 2.0), correction="4")
    controls = ("as printed: 2",)
    assert judge(register(GOOD, printed, controls=controls), STUDY).verdict == claims.MISPRINTED
    failing = register(equal(3.0, 1.0, 0.5), printed, controls=controls, id="test.other")
    assert judge(failing, STUDY).verdict == claims.FAILS


def test_registration_needs_a_control() -> None:
    with pytest.raises(InvalidArgument, match="controls = .*: expected at least one negative control for test.claim"):
        register(GOOD, controls=())
    assert claims.REGISTRY == {}


def test_ids_are_unique() -> None:
    register(GOOD)
    with pytest.raises(InvalidArgument, match="id = test.claim: expected an id that no other claim has"):
        register(GOOD)


@pytest.mark.parametrize("id", ["theorem", "a.b.c", ""])
def test_ids_have_two_parts(id: str) -> None:
    with pytest.raises(InvalidArgument, match="id = .*: expected 'paper.name' or 'setting.name'"):
        register(GOOD, id=id)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([GOOD], r"controls = \['broken'\]: expected test.claim to yield a refuted check"),
        ([GOOD, equal(1.0, 1.0, 1.0)], "checks = .*'equal'.*: expected names not used before"),
        ([GOOD, Check(**{**vars(GOOD), "name": "broken"})], "controls = .*'broken'"),
        ([CONTROL], "checks = negative controls only: expected test.claim to check what it claims"),
        ([GOOD, CONTROL, claims.curves(x=1), claims.curves(x=2)], r"curves = \['x'\]: expected names not used before"),
        ([], "controls = "),
    ],
)
def test_judge_refuses_incomplete_evidence(items: list, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        judge(register(*items), STUDY)


def test_verdict_of_evidence_alone() -> None:
    assert Evidence("a.b", "", "", (), (GOOD, CONTROL)).verdict == claims.HOLDS
