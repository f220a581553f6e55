"""`pytest --theory`: claims as tests, in a folder of the user's; and the fixture `study`."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from theory.claims import Study
from theory.pytest_plugin import asked

ROOT = Path(__file__).parents[2]
CLAIM = """
from theory.claims import claim, exactly, measured


@claim("user.{name}", source="nobody", statement="1 = 1", hypotheses=(), theory_side="identity", controls=("2 = 1",))
def {name}(study):
    within = exactly("counting")
    yield measured("one", {one}, within=within).at_most(1)
    yield measured("another", 1, within=within).at_most(1)
    yield measured("one", 2, within=within).control("2 = 1").at_most(1)
"""
TESTS = """
import numpy as np
import pytest


@pytest.mark.parametrize("case", [1, 2])
def test_of_mine(study, case):
    print("draws", case, study.profile, study.seed, study.rng("noise").random())
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", "-v", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_it_is_registered() -> None:
    """Installed anew after pyproject.toml has changed: `make test` does."""
    assert {point.value for point in entry_points(group="pytest11") if point.name == "theory"} == {
        "theory.pytest_plugin"
    }


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, theory.pytest_plugin as _; assert not {'numpy', 'torch', 'theory.claims'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_claims_beside_tests(tmp_path: Path) -> None:
    (tmp_path / "user_good.py").write_text(CLAIM.format(name="good", one="1"))
    (tmp_path / "user_bad.py").write_text(CLAIM.format(name="bad", one="1.5"))
    (tmp_path / "user_broken.py").write_text(CLAIM.format(name="broken", one="1 / 0"))
    (tmp_path / "test_mine.py").write_text(TESTS)
    files = (f"--theory={tmp_path}", "--theory=user_good.py", "--theory=user_bad.py::user.bad")
    done = run(tmp_path, *files, "--theory-seed=3", "test_mine.py")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "2 failed, 3 passed" in done.stdout
    assert "theory::user.good PASSED" in done.stdout and "theory::user.bad FAILED" in done.stdout
    assert "FAILED  user.bad: one (at_most): predicted 1, measured 1.5" in done.stdout
    assert "another" not in done.stdout, "checks that pass are no news"
    assert "user.broken stopped: ZeroDivisionError: division by zero" in done.stdout
    assert "hypotheses  none" in done.stdout and "verdict     fails" in done.stdout
    drawn = [line.split() for line in done.stdout.splitlines() if "draws" in line]
    assert {line[-2] for line in drawn} == {"3"} and {line[-3] for line in drawn} == {"smoke"}
    assert len({line[-1] for line in drawn}) == 2, "each test has random numbers of its own"
    its_own = Study("test_mine.py::test_of_mine[2]", "smoke", 3).rng("noise").random()
    assert float(drawn[1][-1]) == its_own, "the same in every run"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"--theory-profile": "huge"}, "profile = 'huge': expected one of smoke, quick, paper"),
        ({"--theory-seed": -1}, "seed = -1: expected a whole number of at least 0"),
    ],
)
def test_wrong_use_is_one_line(options: dict[str, Any], line: str) -> None:
    stated = {"--theory": ["min2021.*"], "--theory-profile": "smoke", "--theory-seed": 0} | options
    with pytest.raises(pytest.UsageError) as raised:
        asked(SimpleNamespace(getoption=stated.get))
    assert str(raised.value).startswith(line) and "\n" not in str(raised.value)


def test_wrong_use_ends_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, "--theory=nosuch.claim")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (complaint,) = (text for text in done.stderr.splitlines() if text)
    assert complaint.startswith("ERROR: claim = 'nosuch.claim': expected a name")


def test_claims_are_chosen_as_tests_are(tmp_path: Path) -> None:
    done = run(tmp_path, "--theory=min2021.*", "--theory=min2021.theorem1", "-k", "theorem1", "--collect-only")
    assert done.stdout.count("min2021.theorem1") == 1 and "theorem2" not in done.stdout
    assert "1/" in done.stdout and "deselected" in done.stdout
    assert done.returncode == 0
