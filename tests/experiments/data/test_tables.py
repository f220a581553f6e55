"""Tables in files of every form: the same arrays, whichever it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.data.tables import read_table
from theory.core.validation import InvalidArgument

X, Y = np.arange(6.0).reshape(3, 2), np.array([1.0, -1.0, 1.0])


@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float32, np.uint64, bool])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["Y", "y"])
def test_numbers_of_every_type_and_order(tmp_path: Path, kind: type, order: str, name: str) -> None:
    inputs = np.array(X, kind, order=order)
    np.savez(tmp_path / "data.npz", X=inputs, **{name: Y})
    table = read_table(tmp_path / "data.npz")
    assert table.X.dtype == np.float64 and np.array_equal(table.X, inputs) and table.Y.shape == (3, 1)


def test_a_pair_of_files_lies_in_one_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "in.v2.npy", np.asfortranarray(X))
    np.save(tmp_path / "out.npy", Y)
    table = read_table(tmp_path / "in.v2.npy,out.npy")
    assert np.array_equal(table.X, X) and np.array_equal(table.Y[:, 0], Y)


def test_text_is_a_target_and_no_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=X, y=np.array(["a", "b", "a"]))
    assert read_table(tmp_path / "data.npz").Y.tolist() == [["a"], ["b"], ["a"]]
    np.savez(tmp_path / "data.npz", X=X.astype(str), y=Y)
    with pytest.raises(InvalidArgument, match="X = an object of type ndarray: expected an array of real numbers"):
        read_table(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("inputs", "targets", "said"),
    [
        (X, Y[:2], r"data .*X.npy,Y.npy: Y.shape = \(2,\): expected \(3, any\)"),
        (X, X[None], r"Y.shape = \(1, 3, 2\)"),
        (X, Y[:0], r"Y.shape = \(0,\)"),
        (X[:0], Y[:0], r"X.shape = \(0, 2\)"),
        (X[:, 0], Y, r"X.shape = \(3,\): expected \(any, any\)"),
        (X + 1j, Y, "X = an object of type .*: expected an array of real numbers"),
        (np.where(X == 3, np.nan, X), Y, r"X\[1, 1\] = nan: expected a finite number"),
        (np.array([[{}]]), Y[:1], r"\(Python objects, pickled: save numbers\)"),
        (X, np.array([None, 1, 2]), r"\(Python objects, pickled: save numbers\)"),
    ],
)
def test_what_is_refused(tmp_path: Path, inputs: Any, targets: Any, said: str) -> None:
    np.save(tmp_path / "X.npy", inputs)
    np.save(tmp_path / "Y.npy", targets)
    with pytest.raises(InvalidArgument, match=said) as refusal:
        read_table(tmp_path / "X.npy,Y.npy")
    assert "\n" not in str(refusal.value)


def test_names_of_files(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    for name, said in (
        ("X.npy,Y.npy", r"a pair X.npy,Y.npy in one folder.* \(no such file: .*/Y.npy\)"),
        ("X.npy", r"\(one array: its targets go beside it, X.npy,Y.npy\)"),
        ("X.npy,", "no such file"),
        ("none.csv", "no such file"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            read_table(tmp_path / name)
    np.savez(tmp_path / "data.npz", X=X, Y=Y, y=Y)
    with pytest.raises(InvalidArgument, match=r"an array Y \(n, m\), or y, but not both"):
        read_table(tmp_path / "data.npz")


def test_half_precision_is_counted_as_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.data.tables.LARGEST", 2**14)
    np.savez(tmp_path / "data.npz", X=np.zeros((3, 2000), np.float16), Y=Y)
    with pytest.raises(InvalidArgument, match=r"arrays of at most .* GiB \(these have 4.47e-05\)"):
        read_table(tmp_path / "data.npz")
