"""The tables of paper_repro.md are those the committed verdicts make, and the verdicts are those of this code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from theory import tables
from theory.catalogue import CATALOGUE
from theory.claims import VERDICTS
from theory.core.validation import InvalidArgument
from theory.harness import prose
from theory.harness.catalogue import Entry
from theory.harness.discovery import stated_claims
from theory.harness.fingerprint import fingerprint
from theory.papers import PAPERS, captions, texts

FIGURES = {"fig9": Entry("figures.none", "None", ("paper.one",))}
NUMBERS = {"predicted": 1.0, "measured": 1.00001, "headroom": "Infinity", "resolution": 2e-4, "part": "", "case": ""}
CHECK = {"name": "|x| < 1", "kind": "equal", "own": True, "passed": True, **NUMBERS}
PAGE = "# Title\n<!-- table: paper -->\nstale row\n<!-- end -->\nprose\n<!-- table: ours -->\n<!-- end -->\n"


def claim(id: str, **changes: Any) -> dict[str, Any]:
    stated = {"id": id, "source": "Theorem 1", "source_kind": "as printed", "in_words": "holds, to 0.02 %"}
    return stated | {"verdict": "holds", "checks": [CHECK | changes]}


CLAIMS = [claim("paper.one"), claim("ours.two", passed=False)]


def test_rows() -> None:
    page = tables.rewritten(PAGE, CLAIMS, FIGURES)
    stated = "Theorem 1 (*as printed*)"
    assert f"| {stated} | `paper.one` | holds, to 0.02 % | [fig9] |\n" in page
    assert "| `ours.two` | holds, to 0.02 % |  |\n" in page
    assert page.startswith("# Title\n<!-- table: paper -->\n| theorem | claim |") and "<!-- end -->\nprose\n" in page
    assert "stale row" not in page


def test_writing_twice_changes_nothing() -> None:
    page = tables.rewritten(PAGE, CLAIMS, FIGURES)
    assert tables.rewritten(page, CLAIMS, FIGURES) == page


def test_every_claim_has_a_table_and_every_table_claims() -> None:
    with pytest.raises(InvalidArgument, match=re.escape("['ours', 'paper']: expected one for each of ['paper']")):
        tables.rewritten(PAGE, CLAIMS[:1], FIGURES)
    with pytest.raises(InvalidArgument, match="expected one for each"):
        tables.rewritten(PAGE, [*CLAIMS, claim("other.x")], FIGURES)


def test_seeds_count_for_the_code_that_was_judged() -> None:
    claims = [claim(id) | {"fingerprint": f"{id} now"} for id in ("a.many", "a.few", "a.changed", "a.none")]
    failure = {"seed": 3, "check": "x"}

    def record(id: str, code: str, seeds: str, failures: int = 0, earlier: int = 0) -> dict[str, Any]:
        past = [{"failures": [], "stopped": [failure] * earlier}]
        judged = {"claim": id, "conditions": "smoke", "code": f"{id} {code}", "seeds": seeds}
        return judged | {"failures": [failure] * failures, "stopped": [], "earlier": past}

    records = [
        record("a.many", "now", "0:60,70:110", failures=1),
        record("a.few", "now", "0:99", earlier=2),
        record("a.changed", "before", "0:500", failures=3),
    ]
    printed = tables.judged_on_seeds([*records, records[1] | {"conditions": "quick"}], claims).splitlines()
    assert printed[0].startswith("| profile | claims | on 100 seeds or more | on 1 to 99 | on none |")
    assert printed[2:] == ["| quick | 4 | 0 | 1 | 3 | 0 | 2 |", "| smoke | 4 | 1 | 1 | 2 | 1 | 5 |"]


def test_what_a_file_tells_stands_a_level_down() -> None:
    paper = "# Title\n\n## One\n\nIt is\n<!-- number: a -->3<!-- / -->\nnow.\n\n<!-- claims: x -->\n\n## Two\n\nToo.\n"
    assert tables.told(paper) == "### One\n\nIt is 3 now.\n\n### Two\n\nToo.\n"


def test_what_was_timed_on_an_accelerator() -> None:
    assert tables.on_an_accelerator(None).startswith("Not measured: ")
    rows = [{"step": "h = 10^4", "cpu": 4.2e-3, "device": 5e-5}]
    printed = tables.on_an_accelerator({"cpu": "8 cores", "device": "a GPU", "rows": rows}).splitlines()
    assert printed[0] == "| one step of | 8 cores | a GPU | ratio |"
    assert printed[2] == "| h = 10^4 | 4.2 ms | 0.05 ms | 84 |"


def test_a_sweep_is_a_row_a_value() -> None:
    claims = [
        claim("paper.one", headroom=2.0) | {"parameters": {"width": width, "scales": [1, 2]}} for width in (3, 10**6)
    ]
    numbers = r"\|x\| &lt; 1 (equal): 1, 1, 2, 0.02 %"
    heading = "| width | verdict | rests on: predicted, measured, headroom, resolution |\n| --- | --- | --- |\n"
    rows = "".join(f"| {value} | holds, to 0.02 % | {numbers} |\n" for value in ("3", "1000000"))
    assert tables.swept(claims, "width") == heading + rows
    assert "| 1,2 | holds" in tables.swept(claims, "scales")


def test_a_verdict_rests_on_what_failed_or_on_what_is_coarsest() -> None:
    coarse, fine = CHECK | {"name": "coarse", "resolution": 0.5, "headroom": 9.0}, CHECK | {"headroom": 1.5}
    supporting = CHECK | {"own": False, "resolution": "Infinity"}
    failed = [CHECK | {"name": f"failed {h}", "passed": False, "headroom": h, "resolution": None} for h in (0.5, 0.1)]
    for checks, name in (([fine, coarse, supporting], "coarse"), ([coarse, *failed], "failed 0.1")):
        row = tables.swept([claim("paper.one") | {"parameters": {"n": 1}, "checks": checks}], "n").splitlines()[-1]
        assert f"{name} (equal)" in row


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert tables.main([], tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / tables.PAGE).write_text(PAGE)
    readme = tmp_path / "README.md"
    readme.write_text("<!-- number: paper.one :: |x| < 1 :: measured :: .6f -->1<!-- / -->")
    (tmp_path / tables.VERDICTS).parent.mkdir(parents=True)
    (tmp_path / tables.VERDICTS).write_text(json.dumps({"claims": CLAIMS}))
    assert tables.main(["--check"], tmp_path) == 1
    assert "stale" in capsys.readouterr().err and (tmp_path / tables.PAGE).read_text() == PAGE
    assert tables.main([], tmp_path) == 0
    assert tables.main(["--check"], tmp_path) == 0
    assert "1.000010" in readme.read_text()
    readme.write_text(readme.read_text().replace("1.000010", "1.000011"))
    assert tables.main(["--check"], tmp_path) == 1 and "numbers of README.md are stale" in capsys.readouterr().err


def test_an_abstract_is_what_the_papers_file_says_of_it() -> None:
    paper = "# Paper\nprose\n\n## Its abstract, sentence by sentence\n\n| <!-- number: x -->1<!-- / --> |\n\n## More\n"
    assert tables.abstract(paper) == "| 1 |\n" == tables.abstract(paper.removesuffix("\n## More\n"))
    with pytest.raises(InvalidArgument, match=re.escape("# Other: expected one with a section")):
        tables.abstract("# Other\n")


def test_the_page_has_the_papers_in_their_order_and_can_be_read_in_one_sitting() -> None:
    page = (tables.ROOT / tables.PAGE).read_text(encoding="utf-8")
    assert tuple(re.findall(r"\(theory/papers/(\w+)\.md\)", page)) == (*PAPERS, "limits")
    assert {file.stem for file in (tables.ROOT / tables.PAPERS).glob("*.md")} == {*PAPERS, "figures", "limits"}
    assert re.findall(r"^## (.+)", page, re.MULTILINE)[: len(PAPERS)] == [text.splitlines()[0][2:] for text in texts()]
    assert len(page.encode()) < 60_000


def test_what_is_to_be_seen_in_a_figure_is_said_of_every_one() -> None:
    assert list(captions()) == list(CATALOGUE.figures) and all(captions().values())


def test_the_committed_tables_are_fresh(capsys: pytest.CaptureFixture) -> None:
    assert tables.main(["--check"]) == 0, capsys.readouterr().err


def test_measured_numbers_in_prose_are_written_by_the_program() -> None:
    """In the column *measured* of a table of sentences every number with a decimal point or an exponent."""
    column, loose = None, []
    for row in "\n".join(texts()).splitlines():
        cells = re.split(r"(?<!\\)\|", row)
        if not row.startswith("|"):
            column = None
        elif "measured" in (headings := [cell.strip() for cell in cells]):
            column = headings.index("measured")
        elif column is not None:
            bare = prose.NUMBER.sub("", cells[column])
            loose += [f"{number} in {cells[1]}" for number in re.findall(r"\d+\.\d+(?:e-?\d+)?|\d+e-\d+", bare)]
    assert not loose, "\n".join(loose)


@pytest.mark.parametrize("profile", ["verdicts", "smoke"])
def test_all_random_checks_together_raise_an_alarm_less_than_once_in_a_thousand_runs(profile: str) -> None:
    claims = json.loads((tables.ROOT / tables.EVIDENCE / f"{profile}.json").read_text(encoding="utf-8"))["claims"]
    random = [check["significance"] for claim in claims for check in claim["checks"] if check["significance"]]
    assert len(random) > 100 and sum(random) < 1e-3


@pytest.mark.parametrize("profile", ["verdicts", "smoke"])
def test_random_checks_have_the_power_to_be_decided_on_any_seed(profile: str) -> None:
    """An interval's estimate lies within one half-width of the truth: with two it excludes what it has to, always."""
    claims = json.loads((tables.ROOT / tables.EVIDENCE / f"{profile}.json").read_text(encoding="utf-8"))["claims"]
    weak = [
        f"{claim['id']}: {check['name']}"
        for claim in claims
        for check in claim["checks"]
        if check["own"]
        and check["significance"]
        and check["kind"] in ("equal", "rate", "slope")
        and not check["where"]  # of many numbers the worst is not the one that tells
        and 2 * float(check["tolerance"]) > float(check["resolves"]) * abs(float(check["predicted"])) > 0
    ]
    assert not weak, "\n".join(weak)


def test_the_committed_sweeps_are_of_this_code() -> None:
    page = (tables.ROOT / tables.PAPERS / "limits.md").read_text(encoding="utf-8")
    known = stated_claims(CATALOGUE.packages)
    sweeps = list(tables.SWEEP.finditer(page))
    assert len(sweeps) == 5
    for match in sweeps:
        content = json.loads((tables.ROOT / tables.EVIDENCE / f"{match['file']}.json").read_text(encoding="utf-8"))
        for item in content["claims"]:
            assert item["fingerprint"] == fingerprint(known[item["id"]].module), "`make paper` makes them anew"


def test_the_committed_verdicts_are_those_of_this_code() -> None:
    content = json.loads((tables.ROOT / tables.VERDICTS).read_text(encoding="utf-8"))
    assert content["provenance"]["profile"] == "quick"
    stored = {item["id"]: item["fingerprint"] for item in content["claims"]}
    known = stated_claims(CATALOGUE.packages)
    assert stored == {name: fingerprint(item.module) for name, item in known.items()}, "`make paper` makes them anew"
    assert not [item["id"] for item in content["claims"] if VERDICTS[item["verdict"]]]
