"""A tutorial run as the script that it is; all of them, with their pages, are run by `make docs`."""

import runpy
import sys
from pathlib import Path

import matplotlib
import pytest

from theory.claims import REGISTRY, judging
from theory.docs import main, scripts

TITLES = {"from_paper_to_verdict", "state_your_own_theorem", "watch_your_network"}


def test_the_tutorials_are_found() -> None:
    assert {script.stem for script in scripts()} == TITLES


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.stem)
def test_a_cell_that_draws_says_what_its_picture_shows(script: Path) -> None:
    cells = script.read_text(encoding="utf-8").split("# %%")
    drawing = [cell for cell in cells if "pyplot" in cell or "draw(" in cell or "watch.figure()" in cell.splitlines()]
    assert drawing and all(cell.startswith(' alt="') for cell in drawing)
    assert cells[1].startswith(" [markdown]\n# # ")


def test_your_own_theorem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each wrong theorem fails, the right one holds, and where its control cannot fail it is undecided."""
    matplotlib.use("agg")
    monkeypatch.setattr(judging, "REGISTRY", dict(REGISTRY))
    runpy.run_path(str(next(script for script in scripts() if script.stem == "state_your_own_theorem")))
    printed = capsys.readouterr().out
    assert printed.count("fails\n") == 2 and "decay   0.0: undecided\n" in printed
    assert printed.count("holds, to ") == 3


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jupytext", None)
    assert main([f"--out={tmp_path}"]) == 2
    assert capsys.readouterr().err == ("docs: jupytext is not installed: pip install 'deep-learning-theory[docs]'\n")
