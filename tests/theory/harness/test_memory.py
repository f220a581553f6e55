"""What a process held at most is told since it was asked to forget, and includes what it let go of again."""

import sys
from pathlib import Path

import numpy as np
import pytest

from theory.harness import memory
from theory.harness.memory import forget_peak, peak_memory

LARGE = 200  # MiB


def hold(mebibytes: int) -> None:
    np.ones(mebibytes * 2**17)


def test_what_was_let_go_of_counts() -> None:
    forget_peak()
    before = peak_memory()
    hold(LARGE)
    assert peak_memory() - before == pytest.approx(LARGE, abs=LARGE / 4)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets")
def test_a_peak_is_forgotten() -> None:
    hold(LARGE)
    high = peak_memory()
    forget_peak()
    assert peak_memory() < high - LARGE / 2


def test_elsewhere_it_counts_from_the_start_of_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_linux = peak_memory()
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "nothing")
    forget_peak()
    assert peak_memory() >= 0.9 * on_linux
