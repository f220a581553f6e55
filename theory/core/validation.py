"""Errors that name the argument, its value and what was expected; raised before any work is done."""

from numbers import Real
from typing import Any, NoReturn

import numpy as np

from theory.core.arrays import Array


class InvalidArgument(ValueError):
    """An argument outside its domain."""


def reject(name: str, value: Any, expected: str) -> NoReturn:
    """Raise `InvalidArgument` with the one form every message of this package has."""
    raise InvalidArgument(f"{name} = {' '.join(str(value).split())}: expected {expected}")


def finite_matrix(name: str, value: Any, rows: int | None = None, columns: int | None = None) -> Array:
    """`value` as a float64 matrix with the shape asked for (None: any positive size), all entries finite."""
    array = _real_array(name, value).copy()
    wanted = f"({'any' if rows is None else rows}, {'any' if columns is None else columns})"
    fits = array.ndim == 2 and array.size > 0
    fits = fits and rows in (None, array.shape[0]) and columns in (None, array.shape[1])
    if not fits:
        reject(f"{name}.shape", array.shape, wanted)
    entries_inside(name, array)
    return array


def finite_arrays(problem: Any, **layouts: str) -> None:
    """Make the named fields of a frozen dataclass float64 arrays of these layouts, all entries finite.

    A layout names the dimensions, such as "*runs n d": within one call a name stands for one size, and "*runs" for any
    number of dimensions in front, the same for every field.

        finite_arrays(self, X="*runs d n", Y="*runs N n", W0="*runs d N")

    Raises:
        InvalidArgument: a field is no such array; its dimensions, or a first entry that is not finite, are named.
    """
    sizes: dict[str, Any] = {}
    for name, layout in layouts.items():
        array = _real_array(name, getattr(problem, name))
        words = layout.split()
        runs = words.pop(0) if words[0].startswith("*") else ""
        lead = array.ndim - len(words)
        if lead < 0 or (lead and not runs) or array.size == 0:
            reject(f"{name}.shape", array.shape, f"({', '.join(layout.split())}), no dimension empty")
        seen = {runs: array.shape[:lead]} if runs else {}
        seen |= dict(zip(words, array.shape[lead:]))
        wrong = {word: sizes[word] for word, size in seen.items() if sizes.setdefault(word, size) != size}
        if wrong:
            known = ", ".join(f"{word} = {size}" for word, size in wrong.items())
            reject(f"{name}.shape", array.shape, f"({', '.join(layout.split())}) with {known}")
        entries_inside(name, array)
        object.__setattr__(problem, name, array)


def positive(name: str, value: Any) -> float:
    """`value` if it is a finite number above zero."""
    number = _number(name, value, "a finite number above 0")
    if not (np.isfinite(number) and number > 0):
        reject(name, value, "a finite number above 0")
    return number


def positive_integer(name: str, value: Any) -> int:
    """`value` if it is a whole number of at least one."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        reject(name, value, "a whole number of at least 1")
    return int(value)


def inside(name: str, value: Any, low: float | int, high: float | int, brackets: str = "[]") -> float:
    """`value` if it lies between `low` and `high`; `brackets` says which ends belong, as in mathematics."""
    expected = _interval(low, high, brackets)
    number = _number(name, value, expected)
    if not _lies_inside(number, low, high, brackets):
        reject(name, value, expected)
    return number


def entries_inside(
    name: str, values: Any, low: float | int = -np.inf, high: float | int = np.inf, brackets: str = "()"
) -> Array:
    """`values` as a float64 array of any shape, each inside as `inside` has it; without an interval, each finite.

    Raises:
        InvalidArgument: it is no array of real numbers; the first entry outside is named.
    """
    array = _real_array(name, values)
    outside = ~_lies_inside(array, low, high, brackets)
    if outside.any():
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        entry = f"{name}[{', '.join(map(str, first))}]" if first else name
        reject(entry, array[first], _interval(low, high, brackets))
    return array


def times(value: Any) -> Array:
    """`value` as times: any shape, none negative, none NaN (infinity is allowed: it asks for the limit)."""
    t = _real_array("t", value)
    if np.isnan(t).any() or (t < 0).any():
        bad = t[np.isnan(t) | (t < 0)].flat[0]
        reject("t", bad, "times of at least 0 (infinity asks for the limit)")
    return t


def _interval(low: float | int, high: float | int, brackets: str) -> str:
    if (low, high, brackets) == (-np.inf, np.inf, "()"):
        return "a finite number"
    return f"a number in {brackets[0]}{low:g}, {high:g}{brackets[1]}"


def _lies_inside(x: Any, low: float | int, high: float | int, brackets: str) -> Any:
    above = x >= low if brackets[0] == "[" else x > low
    below = x <= high if brackets[1] == "]" else x < high
    return above & below


def increasing_times(value: Any) -> Array:
    """`value` as times (T,), at least one, finite and strictly increasing."""
    t = times(value)
    if t.ndim != 1 or t.size == 0 or not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        reject("t", t if t.size < 8 else f"{t.size} times", "finite times in strictly increasing order")
    return t


def _number(name: str, value: Any, expected: str) -> float:
    """`value` as a number: not text that reads like one, not an array of several, not complex."""
    if isinstance(value, (str, bytes)) or np.ndim(value) > 0 or np.iscomplexobj(value):
        reject(name, repr(value), expected)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        reject(name, repr(value), expected)


REAL = "biuf"  # numpy's kinds of numbers; text and dates would be read as such, imaginary parts dropped


def _real_array(name: str, value: Any) -> Array:
    """`value` as float64."""
    try:
        array = np.asanyarray(value)
        if array.dtype.kind not in REAL and not (
            array.dtype.kind == "O" and all(isinstance(x, Real) for x in array.flat)
        ):
            raise TypeError
        if np.ma.is_masked(array):
            reject(name, "a masked array", "an array without masked entries")
        return np.asarray(array, dtype=np.float64)
    except InvalidArgument:
        raise
    except (TypeError, ValueError, OverflowError):
        reject(name, f"an object of type {type(value).__name__}", "an array of real numbers")
