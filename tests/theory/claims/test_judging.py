"""What a claim has to bring, and what judging it leaves behind."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from theory.claims import (
    FAILS,
    HOLDS,
    QUALIFIED,
    REGISTRY,
    Check,
    Claim,
    Curves,
    Evidence,
    Study,
    Tolerance,
    claim,
    curves,
    judge,
    measured,
)
from theory.claims.study import Training
from theory.core.validation import InvalidArgument

STUDY = Study("test.claim", profile="smoke")
ONE = measured("it", 1.0, within=Tolerance(0.5, "by construction"))
GOOD, BAD, CONTROL = ONE.equals(1.0), ONE.equals(3.0), ONE.control("broken").equals(3.0)


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    kept = dict(REGISTRY)
    REGISTRY.clear()
    yield
    REGISTRY.clear()
    REGISTRY.update(kept)


def register(
    *items: Check | Curves, controls: tuple[str, ...] = ("broken",), id: str = "test.claim", side: str = "law"
) -> Claim:
    @claim(id, source="here", statement="1 = 1", hypotheses=("none",), theory_side=side, controls=controls)
    def experiment(study: Study) -> Iterator[Check | Curves]:
        yield from items

    return experiment


def test_judge_collects_checks_and_curves() -> None:
    evidence = judge(register(GOOD, curves(x=[1, 2]), CONTROL, curves("squares", x=np.eye(2), y=1)), STUDY)
    assert evidence.verdict == HOLDS and evidence.headroom == CONTROL.headroom
    assert evidence.checks == (GOOD, CONTROL)
    assert set(evidence.curves) == {"x", "squares/x", "squares/y"} and evidence.curves["x"].shape == (2,)
    assert set(evidence.group("squares")) == {"x", "y"} and evidence.group("squares")["x"].shape == (2, 2)
    assert (evidence.id, evidence.source, evidence.statement) == ("test.claim", "here", "1 = 1")
    assert evidence.theory_side == "law" and evidence.trained == ()


def test_what_was_trained_is_part_of_the_evidence() -> None:
    @claim("test.claim", source="", statement="", hypotheses=(), theory_side="ODE", controls=("broken",))
    def experiment(study: Study) -> Iterator[Check | Curves]:
        for steps in (10, 20):
            study.record(Training("Momentum", {"w": (3, 2)}, (0.1, 0.1), steps))
        study.record(Training("Adam", {"w": (3, 2)}, (0.01, 0.1), 5))
        yield from (GOOD, CONTROL)

    alike, other = judge(experiment, STUDY).trained
    assert alike == "w (3, 2) by Momentum: 10 to 20 steps of 0.1, 2 times"
    assert other == "w (3, 2) by Adam: 5 steps of 0.01 to 0.1"


def test_the_claim_is_registered_under_its_id() -> None:
    subject = register(GOOD, CONTROL)
    assert REGISTRY == {"test.claim": subject}
    assert subject.module == __name__


@pytest.mark.parametrize("item", [replace(BAD, name="broken too"), ONE.control("broken too").equals(1.0)])
def test_one_failing_check_or_control_fails_the_claim(item: Check) -> None:
    controls = ("broken", "broken too") if item.is_control else ("broken",)
    assert judge(register(GOOD, CONTROL, item, controls=controls), STUDY).verdict == FAILS


def test_a_control_that_was_not_declared_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="second"):
        judge(register(GOOD, CONTROL, replace(CONTROL, name="second")), STUDY)


@pytest.mark.parametrize("kind", ["misprint", "proof_step", "overstatement"])
def test_what_a_source_says_and_is_not_so_qualifies_the_verdict(kind: str) -> None:
    said = getattr(ONE, kind)("constant 3", correction="1").equals(3.0)
    verdict = judge(register(GOOD, said, controls=("constant 3",)), STUDY).verdict
    assert verdict == QUALIFIED[kind.replace("_", " ")]
    failing = register(BAD, said, controls=("constant 3",), id="test.other")
    assert judge(failing, STUDY).verdict == FAILS


def test_the_strongest_qualification_decides() -> None:
    said = [
        getattr(ONE, kind)(kind, correction="1").equals(3.0) for kind in ("proof_step", "misprint", "overstatement")
    ]
    verdicts = [Evidence("a.b", "", "", (), "law", (), (GOOD, *said[: i + 1])).verdict for i in range(3)]
    assert verdicts == [QUALIFIED[kind] for kind in ("proof step", "misprint", "overstatement")]


def test_registration_needs_a_control() -> None:
    with pytest.raises(InvalidArgument, match="controls = .*: expected at least one negative control for test.claim"):
        register(GOOD, controls=())
    assert REGISTRY == {}


def test_the_theory_side_is_one_of_a_list() -> None:
    with pytest.raises(InvalidArgument, match="theory_side = 'guess': expected one of closed form, ODE, bound, law"):
        register(GOOD, side="guess")


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
        ([GOOD], r"controls = \['broken'\]: expected test.claim to yield each declared control"),
        ([GOOD, ONE.equals(1.1)], "checks = .*'it'.*: expected names not used before"),
        ([GOOD, replace(GOOD, name="broken")], "controls = .*'broken'"),
        ([CONTROL], "checks = negative controls only: expected test.claim to check what it claims"),
        ([GOOD, CONTROL, curves(x=1), curves(x=2)], r"curves = \['x'\]: expected names not used before"),
        ([], "controls = "),
    ],
)
def test_judge_refuses_incomplete_evidence(items: list, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        judge(register(*items), STUDY)


def test_checks_of_one_name_differ_in_their_case() -> None:
    items = (replace(GOOD, case="r = 1"), replace(GOOD, case="r = 2"), CONTROL)
    assert judge(register(*items), STUDY).verdict == HOLDS


def test_verdict_of_evidence_alone() -> None:
    assert Evidence("a.b", "", "", (), "law", (), (GOOD, CONTROL)).verdict == HOLDS
