"""Theorem 1 on a user's own data: a bound is a finding there, and undecided only where no rate was tested."""

from pathlib import Path

import numpy as np
import pytest

from experiments.imbalance.theorem1 import loss_decays_at_the_rate_of_the_imbalance
from theory.claims import UNDECIDED, Evidence, Study, judge
from theory.core.arrays import Array


def verdict_on(path: Path, X: Array, Y: Array) -> Evidence:
    np.savez(path / "mine.npz", X=X, Y=Y)
    study = Study("min2021.theorem1", "smoke", data=path / "mine.npz")
    return judge(loss_decays_at_the_rate_of_the_imbalance, study)


@pytest.mark.filterwarnings("error")
def test_one_example_with_two_outputs(tmp_path: Path) -> None:
    """More outputs than the rank, and a loss that reaches 0 exactly."""
    evidence = verdict_on(tmp_path, np.array([[1.7]]), np.array([[0.4, -1.3]]))
    assert evidence.in_words.startswith("holds")


def test_noisy_data_are_a_number_of_times_above(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 8))
    Y = X @ rng.standard_normal((8, 1)) + 0.1 * rng.standard_normal((60, 1))
    assert verdict_on(tmp_path, X, Y).in_words.endswith("times above")


def test_a_bound_that_stays_flat_is_undecided_and_says_why(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    evidence = verdict_on(tmp_path, rng.standard_normal((20, 4)) * [1, 1, 1, 1e-4], rng.standard_normal((20, 1)))
    assert evidence.verdict == UNDECIDED
    (undecided,) = (check for check in evidence.checks if check.is_undecided)
    assert "no rate was tested" in undecided.reason
