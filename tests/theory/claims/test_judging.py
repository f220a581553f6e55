"""What a claim has to bring, and what judging it leaves behind."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from theory.claims import (
    FAILS,
    HOLDS,
    QUALIFIED,
    REGISTRY,
    UNDECIDED,
    VERDICTS,
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
    on_data,
)
from theory.claims.study import Training
from theory.claims.verdicts import in_words
from theory.core.validation import InvalidArgument

STUDY = Study("test.claim")
ONE = measured("it", 1.0, within=Tolerance(0.04, "by construction"))
GOOD, BAD, CONTROL = ONE.equals(1.0), ONE.equals(3.0), ONE.control("broken").equals(3.0)


def evidence(*checks: Check) -> Evidence:
    return Evidence("a.b", "", "ours", "", (), "law", (), checks)


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


SAID = {
    "overstatement": ONE.overstatement("constant 3", correction="1").equals(3.0),
    "misprint": ONE.misprint("constant 3", correction="1").equals(3.0),
    "condition": ONE.unconditioned("constant 3", condition="a larger unit").equals(3.0),
    "proof step": ONE.proof_step("constant 3", correction="1").equals(3.0),
}


@pytest.mark.parametrize("kind", SAID)
def test_what_a_source_says_and_is_not_so_qualifies_the_verdict(kind: str) -> None:
    said = SAID[kind]
    verdict = judge(register(GOOD, said, controls=("constant 3",)), STUDY).verdict
    assert verdict == QUALIFIED[kind]
    failing = register(BAD, said, controls=("constant 3",), id="test.other")
    assert judge(failing, STUDY).verdict == FAILS


def test_the_strongest_qualification_decides() -> None:
    weakest_first = list(reversed(SAID))
    said = [SAID[kind] for kind in weakest_first]
    assert [evidence(GOOD, *said[: i + 1]).verdict for i in range(4)] == [QUALIFIED[kind] for kind in weakest_first]


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
        ([GOOD, ONE.equals(1.01)], "checks = .*'it'.*: expected names not used before"),
        ([GOOD, replace(GOOD, name="broken")], "controls = .*'broken'"),
        ([CONTROL], "checks = none of the theorem's own: expected test.claim to check what it claims"),
        ([CONTROL, replace(GOOD, own=False)], "checks = none of the theorem's own"),
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
    assert evidence(GOOD, CONTROL).verdict == HOLDS


def resolving(resolution: float, kind: str = "equal", **changes: object) -> Check:
    return replace(GOOD, kind=kind, resolution=resolution, **changes)


def test_the_coarsest_own_check_is_the_claims_resolution() -> None:
    judged = evidence(resolving(2e-4), resolving(1e-6), resolving(0.4, own=False), CONTROL)
    assert judged.resolution == 2e-4 and judged.verdict == HOLDS and judged.in_words == "holds, to 0.02 %"
    assert evidence(resolving(0.0), CONTROL).in_words == "holds exactly"


def test_a_check_that_resolves_too_little_is_undecided() -> None:
    assert evidence(resolving(0.051), CONTROL).verdict == UNDECIDED
    assert evidence(resolving(0.05), CONTROL).verdict == HOLDS
    assert evidence(resolving(0.2, resolves=0.2), CONTROL).in_words == "holds, to 20 %"
    assert evidence(resolving(np.inf), CONTROL).in_words == "undecided"
    assert evidence(resolving(np.inf), BAD, CONTROL).verdict == FAILS
    said = ONE.misprint("constant 3", correction="1").equals(3.0)
    assert evidence(resolving(np.inf), said).verdict == UNDECIDED
    assert evidence(resolving(3e-3), said).in_words == "holds, not as printed (to 0.3 %)"


def test_a_loose_bound_says_how_loose() -> None:
    loose = resolving(65.0, "at_most", resolves=70.0)
    assert evidence(loose, resolving(2e-4), CONTROL).in_words == "holds, 66 times above"
    assert evidence(resolving(0.03, "at_most"), CONTROL).in_words == "holds, to 3 %"
    assert evidence(resolving(0.3, resolves=0.3), resolving(0.2, "at_least", resolves=1.0)).in_words == "holds, to 30 %"


def test_in_smoke_a_check_may_be_six_times_coarser_and_at_most_a_half() -> None:
    wide = measured("it", 1.0, within=Tolerance(0.29, "by construction"))
    smoke = Study("test.claim", profile="smoke")
    assert judge(register(wide.equals(1.0), CONTROL), smoke).verdict == HOLDS
    assert judge(register(wide.equals(1.0), CONTROL, id="test.quick"), STUDY).verdict == UNDECIDED
    wider = measured("it", 1.0, within=Tolerance(0.51, "by construction")).resolving(0.1, because="it is wide")
    assert judge(register(wider.equals(1.0), CONTROL, id="test.wider"), smoke).verdict == UNDECIDED


def judged_on_data(id: str, *items: Check, path: Path) -> Evidence:
    marked = replace(register(*items, id=id), experiment=on_data(lambda study: iter(items)))
    return judge(marked, replace(STUDY, data=path / "mine.npz"))


def test_how_near_a_bound_comes_to_a_users_data_is_a_finding(tmp_path: Path) -> None:
    bound = measured("it", 1.0, within=Tolerance(0.0, "by construction")).at_most(500.0)
    assert judged_on_data("test.data", bound, CONTROL, path=tmp_path).in_words == "holds, 500 times above"
    assert judge(register(bound, CONTROL, id="test.own"), STUDY).verdict == UNDECIDED


def test_what_a_users_data_do_not_refuse_is_undecided(tmp_path: Path) -> None:
    blunt = ONE.control("broken").equals(1.01)
    assert judged_on_data("test.data", GOOD, blunt, path=tmp_path).verdict == UNDECIDED
    assert judged_on_data("test.bad", BAD, CONTROL, path=tmp_path).verdict == FAILS
    assert judge(register(GOOD, blunt, id="test.own"), STUDY).verdict == FAILS


def test_what_is_judged_on_a_users_data_is_marked(tmp_path: Path) -> None:
    assert {check.data for check in judged_on_data("test.data", GOOD, CONTROL, path=tmp_path).checks} == {"mine.npz"}
    assert {check.data for check in judge(register(GOOD, CONTROL, id="test.none"), STUDY).checks} == {""}
    with pytest.raises(InvalidArgument, match="none marked as made on the data: expected test.own to say by `on_data`"):
        judge(register(GOOD, CONTROL, id="test.own"), replace(STUDY, data=tmp_path / "mine.npz"))


def test_every_verdict_has_its_words() -> None:
    words = [in_words(verdict, 1e-3, 1.0) for verdict in VERDICTS]
    assert words[0] == words[1] == "holds, 2 times above" and words[2] == "holds, not as printed (2 times above)"
    words = [in_words(verdict, 1e-3, 1e-4) for verdict in VERDICTS]
    assert words[0] == "holds, to 0.1 %" and words[2] == "holds, not as printed (to 0.1 %)"
    assert words[3:5] == ["holds, a step of the printed proof does not (to 0.1 %)", "holds on a condition (to 0.1 %)"]
    assert words[5:] == ["does not hold as the abstract says", "fails", "undecided"]
    assert [VERDICTS[verdict] for verdict in VERDICTS] == [0] * 6 + [1, 1]


def test_the_source_kind_is_one_of_a_list() -> None:
    with pytest.raises(InvalidArgument, match="source_kind = 'hearsay': expected one of as printed, as the abstract"):
        claim("a.b", source="", source_kind="hearsay", statement="", hypotheses=(), theory_side="law", controls=("x",))
