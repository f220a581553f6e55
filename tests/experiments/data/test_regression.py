"""Files of the user's own data: used, or refused in one line before anything is trained."""

import gzip
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.data.regression import load_regression
from theory.core.validation import InvalidArgument

X, Y = np.arange(6.0).reshape(3, 2) + 1, np.ones((3, 1))


def saved(path: Path, compressed: bool = False, **arrays: Any) -> Path:
    (np.savez_compressed if compressed else np.savez)(path / "data.npz", **{"X": X, "Y": Y} | arrays)
    return path / "data.npz"


def member(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_as_they_are(tmp_path: Path, compressed: bool) -> None:
    problem = load_regression(saved(tmp_path, compressed, Y=Y[:, 0]))
    assert np.array_equal(problem.X, X) and np.array_equal(problem.Y, Y)
    assert load_regression(saved(tmp_path, X=X.astype(np.int8), more=np.array([{}]))).r == 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X.astype(str)}, "X = an object of type ndarray: expected an array of real numbers"),
        ({"X": X.astype("M8[s]")}, "X = an object of type ndarray: expected an array of real numbers"),
        ({"X": X + 1j}, "X = an object of type ndarray: expected an array of real numbers"),
        ({"X": X * 1e160}, r"X\[0, 0\] = 1e\+160: expected numbers between 1e-70 and 1e\+70; rescale the data"),
        ({"X": X * 1e-310}, r"X\[0, 0\] = 1e-310: expected numbers between 1e-70 and 1e\+70"),
        ({"Y": Y * -1e80}, r"Y\[0, 0\] = -1e\+80: expected numbers between"),
        ({"Y": np.float64(1)}, r"Y.shape = \(\): expected \(3, any\)"),
        ({"X": X[:0], "Y": Y[:0]}, r"X.shape = \(0, 2\)"),
    ],
)
def test_arrays_that_are_no_data(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"data .*data.npz: {message}"):
        load_regression(saved(tmp_path, **arrays))


def test_small_entries_beside_large_ones_are_data(tmp_path: Path) -> None:
    assert load_regression(saved(tmp_path, X=X * [[1.0, 1e-90]])).r == 1
    assert load_regression(saved(tmp_path, Y=0 * Y)).m == 1


@pytest.mark.parametrize("place", range(10))
def test_a_flipped_byte_is_noticed_or_harmless(tmp_path: Path, place: int) -> None:
    path = saved(tmp_path, compressed=True)
    content = bytearray(path.read_bytes())
    content[len(content) * place // 10 + 3] ^= 0x5A
    path.write_bytes(content)
    try:
        problem = load_regression(path)
    except InvalidArgument as error:
        assert "\n" not in str(error)
    else:
        assert np.array_equal(problem.X, X)


def test_what_is_no_npz(tmp_path: Path) -> None:
    contents = {
        "empty": b"",
        "text": b"1,2\n3,4\n",
        "cut": saved(tmp_path).read_bytes()[:150],
        "gzip": gzip.compress(bytes(10**7)),
        "npy": member(X),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidArgument, match=r"expected an .npz file of real numbers, .* \(cannot be read\)"):
            load_regression(tmp_path / name)
    with pytest.raises(InvalidArgument, match="no such file"):
        load_regression(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (member(X).replace(b"(3, 2)", b"(3, 9)"), "cannot be read"),
        (member(X).replace(b"(3, 2), }" + b" " * 10, b"(3000000000, 2000), }"[:19]), "cannot be read"),
        (b"no array", "cannot be read"),
    ],
)
def test_members_that_are_no_arrays(tmp_path: Path, content: bytes, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as file:
        file.writestr("X.npy", content)
        file.writestr("Y.npy", member(Y))
    with pytest.raises(InvalidArgument, match="data.npz"):
        load_regression(tmp_path / "data.npz")


def test_encrypted_members(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag of encryption, in both headers
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 1)
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match="cannot be read"):
        load_regression(path)


def test_more_than_memory_holds_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.data.tables.LARGEST", 2**20)
    path = saved(tmp_path, compressed=True, X=np.zeros((3, 2**16)))
    with pytest.raises(InvalidArgument, match=r"arrays of at most 0.000976562 GiB \(these have 0.00147\)"):
        load_regression(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.npz")
    for path in (tmp_path / "data.npz", tmp_path, Path("/dev/null")):
        with pytest.raises(InvalidArgument, match="not a folder, a pipe or a device"):
            load_regression(path)
