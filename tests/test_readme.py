"""The examples of README.md run as they stand there."""

import contextlib
import io
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    """The block after `<!-- example: NAME -->`."""
    block = re.search(rf"<!-- example: {name} -->\s*```python\n(.*?)```", README, flags=re.S)
    assert block, f"README.md has no code block after <!-- example: {name} -->"
    return block.group(1)


def run_example(name: str, variables: dict[str, Any]) -> str:
    """Run that block on `variables`; returns what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(example(name), "README.md", "exec"), variables)
    return printed.getvalue()


def test_minnorm_around_a_network_of_the_user() -> None:
    torch.manual_seed(0)
    printed = run_example("minnorm", {})
    support = [int(number) for number in re.findall(r"\d+", printed)]
    assert 0 < len(support) < 100 and support == sorted(set(support))


def test_predictions_and_their_compressed_networks() -> None:
    variables: dict[str, Any] = {}
    level, bound = (float(number) for number in run_example("imbalance", variables).split())
    assert 0 < level < 30
    assert 0 < bound < 15
    first, last, distance = (float(number) for number in run_example("width", variables).split())
    assert 0 < last < first
    assert distance == pytest.approx(2e-4, rel=0.9)


def test_halpern_finds_the_smallest_weights() -> None:
    torch.manual_seed(0)
    assert float(run_example("halpern", {})) < 0.01


def test_opt_keeps_the_energy() -> None:
    torch.manual_seed(0)
    before, after = run_example("orthogonal", {}).split()
    # Weights of 64 neurons are float32, and a rotation of 20 dimensions is off by a few eps of it.
    assert float(after) == pytest.approx(float(before), rel=100 * torch.finfo(torch.float32).eps)


def test_fine_grained_sgd_stays_on_its_manifold() -> None:
    torch.manual_seed(0)
    loss, away = (float(number) for number in run_example("manifolds", {}).split())
    # |w|^2 of 9 numbers in float32, renormalised every step; log 3 is what knowing nothing of 3 classes costs.
    assert away < 20 * torch.finfo(torch.float32).eps
    assert loss < math.log(3) / 2


def test_a_theorem_of_the_user(tmp_path: Path) -> None:
    """In an empty folder, with the wheel installed and the checkout out of sight, as the commands beside it say."""
    installed, here = tmp_path / "installed", tmp_path / "here"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed, ROOT]
    subprocess.run(pip, check=True, capture_output=True)
    here.mkdir()
    (here / "my_theorem.py").write_text(example("theorem"), encoding="utf-8")
    commands = re.findall(r"^python -m theory\.(verify|reproduce) (my_theorem.py)", README, flags=re.M)
    assert len(commands) == 2
    for command, file in commands:
        python = [sys.executable, "-m", f"theory.{command}", file, "--profile=smoke", "--device=cpu"]
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        done = subprocess.run(python, cwd=here, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "verdict     holds, to" in done.stdout and "2/2" in done.stdout
    assert (here / "results" / "my_theorem.png").is_file()
