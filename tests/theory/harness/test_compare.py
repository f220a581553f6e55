"""What two evidence files differ in: verdicts, checks gained, lost and renamed, numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

from theory import verify
from theory.core.validation import InvalidArgument
from theory.harness.compare import compare, load


def check(name: str, measured: float = 1.0, **changes: Any) -> dict[str, Any]:
    return {"name": name, "predicted": 1.0, "measured": measured, "tolerance": 0.1} | changes


def content(**claims: Any) -> dict[str, Any]:
    """Claims `a.<name>`, each a list of checks or a verdict with them."""
    entries = [(checks if isinstance(checks, tuple) else ("holds", checks)) for checks in claims.values()]
    return {
        "claims": [{"id": f"a.{name}", "verdict": v, "checks": checks} for name, (v, checks) in zip(claims, entries)]
    }


def test_equal_evidence() -> None:
    same = content(one=[check("x"), check("y", 2.0)])
    comparison = compare(same, same)
    assert comparison.agrees and list(comparison.lines()) == [comparison.summary]
    assert comparison.summary.startswith("1 claims and 2 checks in both: 0 verdicts changed, 0 checks gained, 0 lost")
    assert "largest relative difference 0" in comparison.summary


def test_nothing_in_common() -> None:
    comparison = compare(content(), content(one=[check("x")]))
    assert "0 claims and 0 checks in both" in comparison.summary and "(no claim: no check)" in comparison.summary
    assert comparison.verdicts == ["a.one: no such claim  ->  holds"] and not comparison.agrees


def test_verdicts() -> None:
    comparison = compare(content(one=[check("x")], two=[]), content(one=("fails", [check("x")])))
    assert comparison.verdicts == ["a.one: holds  ->  fails", "a.two: holds  ->  no such claim"]
    assert not comparison.agrees


def test_a_lost_check_is_a_disagreement_and_a_gained_one_is_not() -> None:
    more, less = content(one=[check("x"), check("y", 2.0)]), content(one=[check("x")])
    lost, gained = compare(more, less), compare(less, more)
    assert lost.lost == [("a.one", "y")] and not lost.agrees and "lost     a.one: y" in list(lost.lines())
    assert gained.gained == [("a.one", "y")] and gained.agrees and "gained   a.one: y" in list(gained.lines())


def test_a_case_stands_before_the_name() -> None:
    old, new = content(one=[check("r = 2: x")]), content(one=[check("x", case="r = 2")])
    assert compare(old, new).renamed == [] and compare(old, new).checks == 1


def test_checks_of_other_names_are_known_by_their_numbers() -> None:
    old = content(one=[check("x", 3.0), check("y", 5.0)])
    comparison = compare(old, content(one=[check("z", 3.0)], two=[check("w", 5.0)]))
    assert comparison.renamed == [(("a.one", "x"), ("a.one", "z")), (("a.one", "y"), ("a.two", "w"))]
    assert comparison.lost == comparison.gained == []
    assert "renamed  a.one: y  ->  a.two: w" in list(comparison.lines())


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ({"measured": 2.0}, {"measured": 1.0}, 0.5),
        ({"predicted": 0.0, "measured": 1e-9}, {"predicted": 0.0, "measured": 2e-9}, 1e-8),
        ({"tolerance": 0.1}, {"tolerance": 0.2}, 0.1),
        ({"measured": "NaN"}, {"measured": "NaN"}, 0.0),
        ({"measured": 1.0}, {"measured": "NaN"}, float("inf")),
        ({"measured": "Infinity"}, {"measured": "Infinity"}, 0.0),
        ({"where": "run 1", "predicted": 5.0, "measured": 5.01}, {"where": "run 2", "measured": 1.01}, 0.0),
        ({"where": "run 1", "predicted": 4.0, "measured": 4.5}, {"where": "run 2", "measured": 1.0}, 0.5 / 4.5),
    ],
)
def test_differences(old: dict, new: dict, difference: float) -> None:
    comparison = compare(content(one=[check("x", **old)]), content(one=[check("x", **new)]))
    ((size, _),) = comparison.differences
    assert size == pytest.approx(difference, abs=1e-12)


def test_many_changes_are_counted() -> None:
    old = content(one=[check(str(i), float(i)) for i in range(40)])
    lines = list(compare(old, content(one=[])).lines())
    assert len(lines) == 14 and lines[-2] == "lost     and 28 more"


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json"])
def test_files_that_are_no_evidence(tmp_path: Path, text: str) -> None:
    (tmp_path / "old.json").write_text(text)
    with pytest.raises(InvalidArgument, match=r"old.json: expected an evidence file, as --json writes it"):
        load(tmp_path / "old.json")


def test_the_command_on_two_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(content(one=[check("x")])))
    new.write_text(json.dumps(content(one=("fails", [check("x", 2.0)]))))
    assert verify.main(["--compare", str(old), str(old)]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert verify.main(["--compare", str(old), str(new)]) == 1
    assert "a.one: holds  ->  fails" in capsys.readouterr().out
    assert verify.main(["b.*", "--compare", str(old), str(new)]) == 0
    assert "0 claims and 0 checks in both" in capsys.readouterr().out
    assert verify.main(["--compare", str(old), str(new), str(new)]) == 2
    assert "compare = 3 files: expected one or two" in capsys.readouterr().err
    assert verify.main(["--compare", str(tmp_path / "none.json"), str(new)]) == 2
    assert "none.json" in capsys.readouterr().err
