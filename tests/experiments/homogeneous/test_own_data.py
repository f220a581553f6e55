"""Networks on a user's own labelled examples: starts that are alive, laws that hold whatever the data."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.homogeneous import multiclass, own_balance, own_data, smoothed_margin
from theory.claims import Check, Study
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.homogeneous import balance

X = np.random.default_rng(0).standard_normal((14, 3))
SEPARABLE, CONTRADICTING = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no"), np.array([0, 1] * 7)


def study_of(path: Path, inputs: Array, y: np.ndarray) -> Study:
    np.savez(path / "mine.npz", X=inputs, y=y)
    return Study("a.b", "smoke", data=path / "mine.npz")


def checks(items: Iterator[object]) -> list[Check]:
    return [item for item in items if isinstance(item, Check)]


@pytest.mark.parametrize("y", [SEPARABLE, CONTRADICTING])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_balance_holds_on_any_examples(tmp_path: Path, y: np.ndarray, scale: float) -> None:
    study = study_of(tmp_path, X * [1, scale, scale**2], y)
    found = checks(own_balance.layers_stay_balanced(study))
    assert len(found) == len(own_balance.CASES) and all(found)
    assert f"{'not ' if y is CONTRADICTING else ''}separable by a linear network without bias" in study.remarks


def test_another_law_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = own_balance.CASES["ReLU"]._replace(law=balance.matrices)
    monkeypatch.setattr(own_balance, "CASES", {"ReLU": case})
    (check,) = checks(own_balance.layers_stay_balanced(study_of(tmp_path, X, SEPARABLE)))
    assert not check.passed


def test_the_smoothed_margin_rises_where_the_loss_is_below_1(tmp_path: Path) -> None:
    found = checks(smoothed_margin._on_own_data(study_of(tmp_path, X, SEPARABLE)))
    assert all(check.passed for check in found)
    assert any(check.name == "the rate where the loss is below 1" for check in found)
    study = study_of(tmp_path, X, CONTRADICTING)
    found = checks(smoothed_margin._on_own_data(study))
    assert all(found) and "linear: the loss is below 1, where the bound holds, at 0% of the states looked at" in (
        study.remarks
    )
    assert not any(check.case == "own data, linear" and "below 1" in check.name for check in found)


def test_several_classes(tmp_path: Path) -> None:
    teacher = np.random.default_rng(1).standard_normal((3, 3))
    study = study_of(tmp_path, X, (X @ teacher).argmax(1))
    found = checks(multiclass._on_own_data(study))
    assert all(found) and [check.name for check in found][1:] == ["e^(-z.W~) on the support"]
    study = study_of(tmp_path, X, np.arange(14) % 3)
    found = checks(multiclass._on_own_data(study))
    assert all(found) and len(found) == 1
    assert study.remarks[-1].startswith("no linear classifier without biases is right on all examples")


def test_too_many_rows_for_several_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiclass, "MOST_NUMBERS", 100)
    with pytest.raises(InvalidArgument, match=r"n, d, K = \(14, 3, 3\): expected n \(K - 1\) K d of at most 1e\+02: "):
        checks(multiclass._on_own_data(study_of(tmp_path, X, np.arange(14) % 3)))


@given(seed=st.integers(0, 10**6), d=st.integers(1, 20), runs=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_starts_are_alive_on_positive_inputs(seed: int, d: int, runs: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = np.exp(rng.uniform(0, 8, (10, d)))
    W = own_data.layers(rng, inputs, (d, 12, 12, 1), runs)
    hidden = np.maximum(np.maximum(inputs @ W[0].mT, 0) @ W[1].mT, 0)
    outputs = (hidden @ W[2].mT)[..., 0]
    assert outputs.shape == (runs, 10) and (outputs != 0).any(1).all() and np.abs(outputs).max() < 30


def test_what_cannot_be_afforded_is_refused_before_any_work(tmp_path: Path) -> None:
    study = study_of(tmp_path, X, SEPARABLE)
    many = np.broadcast_to(np.zeros(1), (10**8, 3))
    W = own_data.layers(np.random.default_rng(0), X, (3, 4, 1), 1)
    assert own_data.affordable(study, X, W, 200) == 200
    with pytest.raises(
        InvalidArgument, match=r"X.shape = \(100000000, 3\): expected a hundred steps in 30 seconds, not"
    ):
        own_data.affordable(study, many, W, 200)
