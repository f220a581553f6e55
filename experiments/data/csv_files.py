"""CSV files with a header: numbers in the columns of the inputs, numbers or text in those of the targets."""

import csv
import math
import re
from array import array
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument, reject

TARGET = re.compile(r"y_?\d*|target|label", re.IGNORECASE)
SEPARATORS = ",;\t"


def read_csv(path: Path) -> tuple[Array, np.ndarray]:
    """Inputs X (n, D) and targets Y (n, m) of a CSV file; Y is of text where a column of it is.

    The first line names the columns. Targets are those named y, y1, y2, ..., target or label, in any case, or the last
    one where there is none. Empty lines do not count.

    Raises:
        InvalidArgument: no header, fewer than two columns, no row, a line of another length, an entry that is no finite
            number where one has to be (named by line and column), or no text at all.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            separator = max(SEPARATORS, key=file.readline().count)
            file.seek(0)
            return _read(path, csv.reader(file, delimiter=separator, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        reject("data", path, f"a CSV file of text in UTF-8 ({error})")


def _read(path: Path, lines: "csv._reader") -> tuple[Array, np.ndarray]:
    columns = _header(path, next(lines, []))
    targets = [name for name in columns if TARGET.fullmatch(name)] or columns[-1:]
    if len(targets) == len(columns):
        reject("data", path, f"columns of inputs beside the targets ({', '.join(targets)})")
    is_target = [name in targets for name in columns]
    inputs = [name for name in columns if name not in targets]
    X, Y = array("d"), []
    for line in filter(None, lines):
        if len(line) != len(columns):
            reject(f"data {path}: line {lines.line_num}", f"{len(line)} entries", f"{len(columns)}, as in the header")
        X.extend(_numbers(path, lines.line_num, inputs, [word for word, out in zip(line, is_target) if not out]))
        Y.append([word.strip() for word, out in zip(line, is_target) if out])
    if not Y:
        reject("data", path, "rows below the header")
    return np.frombuffer(X).reshape(len(Y), len(inputs)), _as_numbers(np.array(Y))


def _header(path: Path, words: Sequence[str]) -> list[str]:
    """The names of the columns."""
    names = [word.strip() for word in words]
    if not any(names):
        reject("data", path, "a first line that names the columns (it is empty)")
    for number, name in enumerate(names, start=1):
        if not name:
            reject(
                f"data {path}: column {number}", "no name", "a name in the first line; leave out an index of the rows"
            )
        if _is_number(name):
            reject(f"data {path}: the first line", repr(name), "names of the columns, not numbers: a header")
    if len(names) < 2:
        reject("data", path, f"two columns at least, inputs and a target, not {names[0]!r} alone")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice:
        reject("data", path, f"columns of different names, not {twice!r} twice")
    return names


def _numbers(path: Path, line: int, names: Sequence[str], words: Sequence[str]) -> list[float]:
    with suppress(ValueError):
        numbers = [float(word) for word in words]
        if all(map(math.isfinite, numbers)):
            return numbers
    return _refuse(path, line, names, words)


def _refuse(path: Path, line: int, names: Sequence[str], words: Sequence[str]) -> NoReturn:
    name, word = next(
        pair for pair in zip(names, words) if not _is_number(pair[1]) or not math.isfinite(float(pair[1]))
    )
    expected = "a finite number" if word.strip() else "a finite number, not nothing"
    raise InvalidArgument(f"data {path}: line {line}, column {name!r} = {word!r}: expected {expected}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _as_numbers(words: np.ndarray) -> np.ndarray:
    """Text as numbers, where all of it are some."""
    try:
        return words.astype(np.float64)
    except ValueError:
        return words
