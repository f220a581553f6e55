"""What a notebook shows: well-formed, whole, and of arrays of any shape."""

import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest

import toys
from theory.claims import Evidence, Study, judge
from theory.core.trajectory import Trajectory
from theory.harness.fingerprint import dependencies
from theory.harness.site.notebook import ends, evidence_html, trajectory_html


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return judge(toys.x_is_x, Study("toy.holds", profile="smoke"))


def test_evidence(evidence: Evidence) -> None:
    html = evidence_html(evidence)
    assert f"toy.holds: {evidence.in_words}" in html and "<math" in html
    assert html.count("<tr><td") == len(evidence.checks)
    for check in evidence.checks:
        assert check.label in html and f"{check.measured:.6g}" in html
    picture = re.search(r"base64,([^\"]*)", html)
    assert picture is not None and b64decode(picture[1]).startswith(b"\x89PNG")


def test_the_command_is_said_where_it_is_known(evidence: Evidence) -> None:
    assert "theory.verify" not in evidence_html(evidence)
    known = replace(evidence, provenance={"profile": "smoke", "seed": 3})
    assert "python -m theory.verify toy.holds --profile smoke --seed 3" in evidence_html(known)


def test_a_trajectory() -> None:
    t = np.array([0.0, 0.5, 1.0])
    loss = np.array([[3.0, 4.0], [2.0, 2.0], [1.0, 0.5]])
    html = trajectory_html(Trajectory(t, {"loss": loss, "<w>": loss[:, 0]}, {"steps": np.array([10, 20])}))
    for said in ("3 times", "t = 0 to 1", "10 to 20 steps", "(3, 2)", "3 to 4", "0.5 to 1", "&lt;w&gt;", "<td>1</td>"):
        assert said in html
    assert "steps" not in trajectory_html(Trajectory(t, {}))
    assert "0 times" in trajectory_html(Trajectory(np.zeros(0), {"empty": np.zeros((0, 2))}))


@pytest.mark.parametrize(
    ("values", "said"),
    [([2.0, 2.0], "2"), ([1, 3], "1 to 3"), ([np.nan, 1], "nan"), ([0, np.inf], "0 to inf"), ([], "empty")],
)
def test_ends(values: list[float], said: str) -> None:
    assert ends(np.array(values)) == said


def test_a_notebook_finds_it(evidence: Evidence) -> None:
    assert evidence._repr_html_() == evidence_html(evidence)
    trajectory = Trajectory(np.zeros(2), {"loss": np.ones(2)})
    assert trajectory._repr_html_() == trajectory_html(trajectory)


def test_no_claim_depends_on_what_it_looks_like() -> None:
    assert not [name for name in dependencies("theory.claims.judging") if name.startswith("theory.harness")]
