"""CSV files with a header: read, or refused in one line that names the place."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.data.csv_files import read_csv
from theory.core.validation import InvalidArgument

SOUND = "a,b,y\n1,2,3\n4,5,6\n"


def written(path: Path, text: str | bytes) -> Path:
    (path / "data.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return path / "data.csv"


@pytest.mark.parametrize(
    ("text", "X", "Y"),
    [
        (SOUND, [[1, 2], [4, 5]], [[3], [6]]),
        ("a;b;y\n1;2;3\n4;5;6\n", [[1, 2], [4, 5]], [[3], [6]]),
        ("a\tb\ty\n1\t2\t3\n4\t5\t6", [[1, 2], [4, 5]], [[3], [6]]),
        ('"a, b",c\r\n"1",2\r\n\r\n-4e0, 5\r\n', [[1], [-4]], [[2], [5]]),
        ("y,a,b\n3,1,2\n6,4,5\n", [[1, 2], [4, 5]], [[3], [6]]),
        ("y1,a,Y2\n3,1,2\n6,4,5\n", [[1], [4]], [[3, 2], [6, 5]]),
        ("Label,a\nred,1\nblue,4\n", [[1], [4]], [["red"], ["blue"]]),
        ("a,species\n1, red\n4,2\n", [[1], [4]], [["red"], ["2"]]),
        ("\ufeffa,y\n1,0\n2,1\n", [[1], [2]], [[0], [1]]),
    ],
)
def test_what_is_read(tmp_path: Path, text: str, X: list, Y: list) -> None:
    found = read_csv(written(tmp_path, text))
    assert found[0].tolist() == X and found[1].tolist() == Y


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"a first line that names the columns \(it is empty\)"),
        ("\n1,2\n", r"a first line that names the columns \(it is empty\)"),
        ("1,2,3\n4,5,6\n", "the first line = '1': expected names of the columns, not numbers: a header"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "the first line = '5.1': expected names of the columns"),
        (",a,y\n0,1,2\n", "column 1 = no name: expected a name in the first line; leave out an index of the rows"),
        ("a,a,y\n0,1,2\n", "columns of different names, not 'a' twice"),
        ("y\n1\n2\n", "two columns at least, inputs and a target, not 'y' alone"),
        ("y1,y2\n1,2\n", r"columns of inputs beside the targets \(y1, y2\)"),
        ("a,y\n", "rows below the header"),
        ("a,b,y\n1,2,3\n4,5\n", "line 3 = 2 entries: expected 3, as in the header"),
        ("a,b,y\n1,2,3\n\n4,5,6,7\n", "line 4 = 4 entries: expected 3, as in the header"),
        ("a,b,y\n1,2,3\n4,five,6\n", "line 3, column 'b' = 'five': expected a finite number"),
        ("a,b,y\n1,,3\n", "line 2, column 'b' = '': expected a finite number, not nothing"),
        ("a,b,y\n1,2,3\nnan,5,6\n", "line 3, column 'a' = 'nan': expected a finite number"),
        ("a,b,y\n1,2,3\n4,-inf,6\n", "line 3, column 'b' = '-inf': expected a finite number"),
        ("a,b,y\n1,2+3j,3\n", r"line 2, column 'b' = '2\+3j': expected a finite number"),
        ('a,b,y\n1,"2,3\n', "a CSV file of text in UTF-8"),
        (b"a,b,y\n1,\xff\xfe,3\n", "a CSV file of text in UTF-8"),
        (b"PK\x03\x04\x00\x00 cut short", "two columns at least|a CSV file of text"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(InvalidArgument, match=f"data .*data.csv.*{said}") as refusal:
        read_csv(written(tmp_path, text))
    assert "\n" not in str(refusal.value)


@given(
    st.integers(1, 4).flatmap(
        lambda d: st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=d + 1, max_size=d + 1))
    )
)
def test_every_digit_is_kept(tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]) -> None:
    if not rows:
        return
    header = [f"x{i}" for i in range(len(rows[0]) - 1)] + ["out"]
    text = "\n".join(",".join(map(str, line)) for line in [header, *rows])
    X, Y = read_csv(written(tmp_path_factory.mktemp("csv"), text))
    assert np.array_equal(np.hstack([X, Y]), rows)


@pytest.mark.parametrize("shape", [(50_000, 4), (20, 10_000)])
def test_long_and_wide_files_take_a_second(tmp_path: Path, shape: tuple[int, int]) -> None:
    numbers = np.random.default_rng(0).integers(100, size=shape)
    header = ",".join([*(f"x{i}" for i in range(shape[1] - 1)), "y"])
    np.savetxt(tmp_path / "data.csv", numbers, "%d", ",", header=header, comments="")
    begun = time.process_time()
    X, Y = read_csv(tmp_path / "data.csv")
    assert time.process_time() - begun < 3 and np.array_equal(np.hstack([X, Y]), numbers)
