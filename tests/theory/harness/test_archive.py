"""Evidence survives the files it is written to, and the files have the one form that is promised."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.claims import Check, Evidence
from theory.claims.study import Study
from theory.harness import archive
from theory.harness.provenance import commit, provenance

floats = st.floats(allow_nan=False)
PROVENANCE = provenance(Study("toy.claim", "smoke", 3), 1.5)


def evidence(*checks: Check, **curves: Any) -> Evidence:
    facts = {"seconds": 1.25, "memory": 512, "fingerprint": "abc"}
    stated = "toy.claim", "Toys, 1", "ours", r"\alpha \le |x|", ("flow", "c > 0"), "bound", ("w (1, 2) by Adam",)
    return Evidence(*stated, checks, curves, facts)


def check(name: str = "a check", **numbers: float) -> Check:
    values = {"predicted": 1.0, "measured": 2.0, "tolerance": 0.1, "headroom": 3.0, "resolution": 0.01} | numbers
    return Check(name=name, kind="equal", reason="counting", passed=True, **values)


@given(floats, floats, floats, st.text())
def test_checks_come_back_as_they_were(predicted: float, measured: float, headroom: float, name: str) -> None:
    before = evidence(check(f"check {name}", predicted=predicted, measured=measured, headroom=headroom))
    after = archive.restore(json.loads(archive.document([before], PROVENANCE)), {})["toy.claim"]
    assert after.checks == before.checks
    assert (after.source, after.statement, after.hypotheses) == (before.source, before.statement, before.hypotheses)
    assert (after.theory_side, after.trained) == (before.theory_side, before.trained)


def test_nan_and_infinities_are_strings() -> None:
    text = archive.document([evidence(check(predicted=np.nan, measured=np.inf, headroom=-np.inf))], PROVENANCE)
    (line,) = json.loads(text, parse_constant=lambda name: pytest.fail(f"bare {name}"))["claims"][0]["checks"]
    assert (line["predicted"], line["measured"], line["headroom"]) == ("NaN", "Infinity", "-Infinity")
    (restored,) = archive.restore(json.loads(text), {})["toy.claim"].checks
    assert np.isnan(restored.predicted) and restored.measured == np.inf and restored.headroom == -np.inf


def test_the_form_of_the_verdict_file() -> None:
    content = json.loads(archive.document([evidence(check())], PROVENANCE))
    assert list(content) == ["provenance", "claims"]
    names = "version commit python numpy scipy torch device dtype threads seed profile data seconds"
    assert list(content["provenance"]) == names.split()
    names = "id statement source source_kind hypotheses theory_side parameters given remarks trained verdict"
    names += " in_words resolution seconds memory fingerprint checks"
    assert list(content["claims"][0]) == names.split()
    names = "name kind predicted measured tolerance reason passed headroom part case where own resolution resolves"
    names += " significance data varied"
    assert list(content["claims"][0]["checks"][0]) == names.split()


def test_a_misprint_comes_back_as_one() -> None:
    printed = Check("x", "misprint", 1.0, 2.0, 0.1, "so", True, 3.0, part="equation 3", where="run 2", resolution=None)
    before = evidence(check(), printed)
    after = archive.restore(json.loads(archive.document([before], PROVENANCE)), {})["toy.claim"]
    assert after.checks == before.checks
    assert after.verdict == "holds, not as printed"


def test_curves_come_back_bit_by_bit(tmp_path: Path) -> None:
    curves = {"file": np.random.default_rng(0).standard_normal((3, 4)), "steps": np.arange(5), "one": np.array(np.nan)}
    archive.write(tmp_path / "min2021.x", [evidence(check(), **curves)], PROVENANCE)
    restored = archive.read(tmp_path / "min2021.x")["toy.claim"].curves
    assert restored.keys() == curves.keys()
    for name, array in curves.items():
        assert restored[name].dtype == array.dtype and restored[name].tobytes() == array.tobytes()
    assert {file.name for file in tmp_path.iterdir()} == {"min2021.x.npz", "min2021.x.json"}


def test_equal_evidence_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        archive.write(tmp_path / name, [evidence(check(), x=np.arange(3))], PROVENANCE)
    for ending in ("npz", "json"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_nothing_is_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        archive.write(tmp_path / "x", [evidence(check(), bad=np.array([{}]))], PROVENANCE)
    assert not list(tmp_path.iterdir())


def test_no_commit_outside_git(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    (tmp_path / ".git").mkdir()
    assert commit(tmp_path) is None
