"""A new theorem is one function in one new file: it is listed, judged, tested and reported with no list to edit."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THEOREM = '''"""The harmonic oscillator."""

from collections.abc import Iterator

import numpy as np

from theory.claims import Check, Curves, Study, claim, measured, rounding


@claim(
    "oscillator.energy",
    source="Hooke 1678",
    statement=r"x^2 + v^2 = \\text{const}",
    hypotheses=("no friction",),
    theory_side="closed form",
    controls=("friction",),
)
def energy_is_conserved(study: Study) -> Iterator[Check | Curves]:
    t = study.rng("t").uniform(0, 10, 20)
    within = rounding(8, of="x^2 + v^2")
    yield measured("energy", np.cos(t) ** 2 + np.sin(t) ** 2, within=within).equals(1.0)
    yield measured("energy", np.exp(-0.1 * t), within=within).control("friction").equals(1.0)
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one file more."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("theory", "experiments", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "paper_repro.md", "README.md"):
        shutil.copy(ROOT / name, folder)
    rendered = Path("figures", "rendered")
    (folder / rendered).mkdir(parents=True)
    others = (ROOT / rendered / name for name in ("mnist.json", "seeds.json"))
    for file in (*(ROOT / rendered).glob("*-by-*.json"), *others):
        shutil.copy(file, folder / rendered)
    (folder / "experiments" / "oscillator").mkdir()
    (folder / "experiments" / "oscillator" / "energy.py").write_text(THEOREM)
    return folder


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed_with_its_file(copy: Path) -> None:
    (line,) = run(copy, "theory.verify", "--list", "oscillator.*").splitlines()
    assert line.split() == ["oscillator.energy", "experiments/oscillator/energy.py", "Hooke", "1678"]


def test_it_is_judged_and_reported(copy: Path) -> None:
    verdicts = copy / "figures" / "rendered" / "verdicts.json"
    printed = run(copy, "theory.verify", "oscillator.energy", "--device=cpu", "--jobs=1", f"--json={verdicts}")
    assert "x^2 + v^2 = const" in printed and "hypotheses  no friction" in printed and "2/2" in printed
    old = json.loads((ROOT / "figures" / "rendered" / "verdicts.json").read_text())["claims"]
    content = json.loads(verdicts.read_text())
    verdicts.write_text(json.dumps({**content, "claims": old + content["claims"]}))
    run(copy, "theory.tables")
    assert "| Hooke 1678 (*ours*) | `oscillator.energy` | holds, to " in (copy / "paper_repro.md").read_text()


def test_the_tests_of_all_claims_run_it(copy: Path) -> None:
    printed = run(copy, "pytest", "-v", "tests/test_claims.py", "-k", "oscillator", "-p", "no:cacheprovider")
    assert re.search(r"test_the_claim_holds\[oscillator\.energy\] PASSED", printed)
