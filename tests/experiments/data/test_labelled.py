"""Labelled examples: of two classes or more, separable or not, and what the targets can be taken for."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.data.kinds import missing_in_table
from experiments.data.labelled import load_labelled, load_multiclass
from experiments.data.separation import load_inseparable, load_separable
from theory.core.arrays import Array
from theory.core.separable import Separable
from theory.core.validation import InvalidArgument

CORNERS = np.array([[2.0, 1.0], [1.0, 2.0], [-1.0, -1.0], [-2.0, -1.0]])
KINDS = ("regression", "multiclass", "labelled", "separable", "inseparable")


def saved(path: Path, y: object, X: Array = CORNERS) -> Path:
    np.savez(path / "mine.npz", X=X, y=np.array(y))
    return path / "mine.npz"


def offered(path: Path) -> set[str]:
    return {kind for kind, lack in missing_in_table(path).items() if not lack}


@pytest.mark.parametrize(
    ("y", "kinds"),
    [
        ([1.0, 1.0, -1.0, -1.0], {"regression", "multiclass", "labelled", "separable"}),
        ([True, True, False, False], {"regression", "multiclass", "labelled", "separable"}),
        ([7, 7, 3, 3], {"regression", "multiclass", "labelled", "separable"}),
        ([0.25, 0.25, 0.75, 0.75], {"regression", "multiclass", "labelled", "separable"}),
        ([1, -1, -1, 1], {"regression", "multiclass", "labelled", "inseparable"}),
        ([0, 1, 2, 2], {"regression", "multiclass"}),
        ([0.5, 1.5, 2.0, 2.0], {"regression"}),
        ([1, 1, 1, 1], {"regression"}),
        (["yes", "yes", "no", "no"], {"multiclass", "labelled", "separable"}),
        ([b"yes", b"no", b"no", b"yes"], {"multiclass", "labelled", "inseparable"}),
        (["a", "b", "c", "c"], {"multiclass"}),
        ([[1, 0], [1, 0], [0, 1], [0, 1]], {"regression"}),
    ],
)
def test_the_file_decides_of_which_kinds_it_is(tmp_path: Path, y: list, kinds: set[str]) -> None:
    path = saved(tmp_path, y)
    assert offered(path) == kinds
    assert all("mine.npz" in line and "\n" not in line for line in missing_in_table(path).values() if line)


def test_classes_in_increasing_order_the_second_positive(tmp_path: Path) -> None:
    examples = load_labelled(saved(tmp_path, [1, 1, 0, 0]))
    assert examples.classes == ("0", "1") and examples.labels.tolist() == [1, 1, 0, 0]
    assert np.array_equal(examples.Z, CORNERS * [[1], [1], [-1], [-1]])
    assert load_labelled(saved(tmp_path, ["b", "a", "b", "a"])).labels.tolist() == [1, 0, 1, 0]
    assert load_labelled(saved(tmp_path, [1.0, -1.0, 1.0, -1.0])).classes == ("-1", "1")
    assert load_multiclass(saved(tmp_path, [9, 5, 7, 5])).labels.tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize(
    ("y", "kind", "said"),
    [
        ([3, 3, 3, 3], "multiclass", "labels = 3 alone: expected two classes or more"),
        ([0, 1, 2, 2], "labelled", r"labels = 3 classes \(0, 1, 2\): expected two classes: keep the rows of two"),
        ([0.5, 1.5, 2.0, 2.0], "labelled", "labels = 3 different numbers: expected whole numbers, two numbers or text"),
        ([[1, 0], [1, 0], [0, 1], [0, 1]], "labelled", "labels = 2 columns: expected one column"),
        (["a", "a", "b", "b"], "regression", "Y = text such as 'a': expected numbers to fit"),
        ([1, -1, -1, 1], "separable", "4 examples in 2 dimensions: expected examples that a classifier without bias"),
        ([1, 1, -1, -1], "inseparable", "4 examples in 2 dimensions: expected examples that no classifier"),
    ],
)
def test_what_keeps_data_from_being_of_a_kind(tmp_path: Path, y: list, kind: str, said: str) -> None:
    assert re.search(said, missing_in_table(saved(tmp_path, y))[kind])


def test_what_is_of_no_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"Y\[1, 0\] = nan: expected a finite number"):
        missing_in_table(saved(tmp_path, [1.0, np.nan, 0.0, 1.0]))
    with pytest.raises(InvalidArgument, match="labels = a alone: expected two classes or more"):
        missing_in_table(saved(tmp_path, ["a", "a", "a", "a"]))
    with pytest.raises(InvalidArgument, match="labels = none for example 1: expected a label for every example"):
        load_multiclass(saved(tmp_path, ["a", "", "b", "b"]))
    with pytest.raises(InvalidArgument, match="labels = 51 different values: expected at most 50 classes"):
        load_multiclass(saved(tmp_path, [f"{i}" for i in range(51)], np.ones((51, 1))))
    with pytest.raises(InvalidArgument, match="Y = an object of type ndarray: expected an array of real numbers"):
        missing_in_table(saved(tmp_path, [1j, 1, 0, 0]))


def test_a_classifier_and_the_lack_of_one(tmp_path: Path) -> None:
    path = saved(tmp_path, [1, 1, -1, -1])
    problem = load_separable(path)
    assert np.array_equal(problem.w, Separable(load_labelled(path).Z).w)
    with pytest.raises(InvalidArgument, match="4 examples in 2 dimensions: expected examples that no classifier"):
        load_inseparable(path)
    with_zero = saved(tmp_path, [1, 1, -1, -1], CORNERS * [[1], [0], [1], [1]])
    assert np.array_equal(load_inseparable(with_zero), load_labelled(with_zero).Z)
    with pytest.raises(InvalidArgument, match="without bias separates; a column of ones in X gives the classifier a"):
        load_separable(with_zero)


def test_what_would_take_too_long_to_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.data.separation.SECONDS", 1e-9)
    lacks = missing_in_table(saved(tmp_path, [1, 1, -1, -1]))
    said = r"X.shape = \(4, 2\): expected examples whose separability is decided in 1e-09 seconds, not about 4e-06"
    assert all(re.search(said, lacks[kind]) for kind in ("separable", "inseparable")) and not lacks["labelled"]


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), d=st.integers(1, 5))
def test_every_labelled_data_are_separable_or_not(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, d: int
) -> None:
    rng = np.random.default_rng(seed)
    path = saved(tmp_path_factory.mktemp("data"), [0, 1, *rng.integers(2, size=n)], rng.standard_normal((n + 2, d)))
    assert len(offered(path) & {"separable", "inseparable"}) == 1
    assert {"multiclass", "labelled", "regression"} <= offered(path) <= set(KINDS)
