"""Every refusal names the argument, its value and what was expected."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core import validation
from theory.core.validation import InvalidArgument


def test_message_names_argument_value_and_expectation() -> None:
    with pytest.raises(InvalidArgument, match=r"^width = 0: expected a whole number of at least 1$"):
        validation.positive_integer("width", 0)


def test_invalid_argument_is_a_value_error() -> None:
    assert issubclass(InvalidArgument, ValueError)


@given(st.integers(1, 4), st.integers(1, 4))
def test_finite_matrix_is_a_float64_copy(rows: int, columns: int) -> None:
    given_matrix = np.arange(rows * columns).reshape(rows, columns)
    matrix = validation.finite_matrix("X", given_matrix, rows=rows, columns=columns)
    assert matrix.dtype == np.float64
    assert np.array_equal(matrix, given_matrix)
    assert not np.shares_memory(matrix, given_matrix)


@pytest.mark.parametrize(
    ("value", "sizes", "message"),
    [
        ("abc", {}, "X = an object of type str: expected an array of real numbers"),
        ([[1, 2], [3]], {}, "X = an object of type list: expected an array"),
        ([["1", "2"]], {}, "X = an object of type list: expected an array of real numbers"),
        (np.array([["1"]], dtype=object), {}, "X = an object of type ndarray: expected an array of real numbers"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), {}, "X = an object of type ndarray: expected an array of real"),
        (np.ma.masked_equal([[1.0, 2.0]], 2.0), {}, "X = a masked array: expected an array without masked entries"),
        ([[10**400]], {}, "X = an object of type list: expected an array of real numbers"),
        ([[1j]], {}, "X = an object of type list: expected an array of real numbers"),
        (np.array([[1 + 1j]]), {}, "X = an object of type ndarray: expected an array of real numbers"),
        ([1.0, 2.0], {}, r"X.shape = \(2,\): expected \(any, any\)"),
        (np.zeros((0, 3)), {}, r"X.shape = \(0, 3\): expected \(any, any\)"),
        (np.zeros((2, 3)), {"rows": 4}, r"X.shape = \(2, 3\): expected \(4, any\)"),
        (np.zeros((2, 3)), {"columns": 4}, r"X.shape = \(2, 3\): expected \(any, 4\)"),
        ([[1.0, 2.0], [3.0, np.nan]], {}, r"X\[1, 1\] = nan: expected a finite number"),
        ([[1.0, -np.inf]], {}, r"X\[0, 1\] = -inf: expected a finite number"),
    ],
)
def test_finite_matrix_refuses(value: object, sizes: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        validation.finite_matrix("X", value, **sizes)


@dataclass(frozen=True)
class Pair:
    X: Any
    Y: Any

    def __post_init__(self) -> None:
        validation.finite_arrays(self, X="*runs n d", Y="*runs n")


@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 3), st.integers(1, 3))
def test_arrays_of_a_layout_become_float64(runs: list[int], n: int, d: int) -> None:
    given_array = np.arange(np.prod([*runs, n, d])).reshape(*runs, n, d)
    pair = Pair(given_array, np.ones((*runs, n), dtype=int).tolist())
    assert pair.X.dtype == pair.Y.dtype == np.float64 and np.array_equal(pair.X, given_array)


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.ones(3), np.ones(3), r"X.shape = \(3,\): expected \(\*runs, n, d\), no dimension empty"),
        (np.ones((3, 0)), np.ones(3), r"X.shape = \(3, 0\): expected \(\*runs, n, d\), no dimension empty"),
        (np.ones((3, 2)), np.ones(4), r"Y.shape = \(4,\): expected \(\*runs, n\) with n = 3"),
        (np.ones((5, 3, 2)), np.ones(3), r"Y.shape = \(3,\): expected \(\*runs, n\) with \*runs = \(5,\)"),
        ([[1.0, np.inf]], [1.0], r"X\[0, 1\] = inf: expected a finite number"),
        ([[[1.0]], [[np.nan]]], [[1.0], [1.0]], r"X\[1, 0, 0\] = nan: expected a finite number"),
        ("abc", [1.0], "X = an object of type str: expected an array of real numbers"),
        ([[1j]], [1.0], "X = an object of type list: expected an array of real numbers"),
    ],
)
def test_arrays_of_another_layout_are_refused(X: Any, Y: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Pair(X, Y)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_positive_keeps_what_is_positive(value: float) -> None:
    assert validation.positive("rate", value) == value


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_positive_refuses(value: float) -> None:
    with pytest.raises(InvalidArgument, match="rate = .*: expected a finite number above 0"):
        validation.positive("rate", value)


def test_positive_integer_takes_numpy_integers() -> None:
    assert validation.positive_integer("h", np.int32(7)) == 7


@pytest.mark.parametrize("value", [0, -3, True, 2.0, "2", None])
def test_positive_integer_refuses(value: object) -> None:
    with pytest.raises(InvalidArgument, match="h = .*: expected a whole number of at least 1"):
        validation.positive_integer("h", value)  # type: ignore[arg-type]


@pytest.mark.parametrize("brackets", ["[]", "[)", "(]", "()"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -0.1, 1.1, np.nan])
def test_inside_is_the_interval_it_is_written_as(value: float, brackets: str) -> None:
    belongs = 0 < value < 1 or (value == 0 and brackets[0] == "[") or (value == 1 and brackets[1] == "]")
    if belongs:
        assert validation.inside("delta", value, 0, 1, brackets) == value
        return
    with pytest.raises(InvalidArgument) as refusal:
        validation.inside("delta", value, 0, 1, brackets)
    assert str(refusal.value) == f"delta = {value}: expected a number in {brackets[0]}0, 1{brackets[1]}"


@pytest.mark.parametrize("brackets", ["[]", "[)", "(]", "()"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -0.1, 1.1, np.nan])
def test_entries_lie_inside_as_numbers_do(value: float, brackets: str) -> None:
    try:
        validation.inside("delta", value, 0, 1, brackets)
    except InvalidArgument:
        for values, entry in ((value, "delta"), ([0.5, value], r"delta\[1\]"), ([[0.3], [value]], r"delta\[1, 0\]")):
            with pytest.raises(InvalidArgument, match=f"^{entry} = {value}: expected a number in "):
                validation.entries_inside("delta", values, 0, 1, brackets)
    else:
        assert validation.entries_inside("delta", [[0.5, value]], 0, 1, brackets).tolist() == [[0.5, value]]


def test_entries_without_an_interval_are_finite() -> None:
    assert validation.entries_inside("w", [-1e300, 2]).tolist() == [-1e300, 2.0]
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(InvalidArgument, match=r"^w\[0\] = .*: expected a finite number$"):
            validation.entries_inside("w", [wrong, 1.0])


def test_times_take_any_shape_and_infinity() -> None:
    assert validation.times(3).shape == ()
    assert np.array_equal(validation.times([[0, 1], [2, np.inf]]), [[0.0, 1.0], [2.0, np.inf]])


@pytest.mark.parametrize("value", [-1.0, [0.0, np.nan], [[0.0, -1e-300]]])
def test_times_refuse(value: object) -> None:
    with pytest.raises(InvalidArgument, match="t = .*: expected times of at least 0"):
        validation.times(value)


@pytest.mark.parametrize("value", ["1", b"1", [1.0], np.ones(2), 1j, None, 10**400])
def test_what_is_no_number_is_named(value: Any) -> None:
    """Text is none, even if it reads like one."""
    with pytest.raises(InvalidArgument, match="^width = .*: expected a finite number above 0$"):
        validation.positive("width", value)
    with pytest.raises(InvalidArgument, match=r"^share = .*: expected a number in \[0, 1\]$"):
        validation.inside("share", value, 0, 1)
    if not isinstance(value, (list, np.ndarray)):
        with pytest.raises(InvalidArgument, match="^t = .*: expected an array of real numbers$"):
            validation.times(value)


def test_numbers_of_other_types_are_numbers() -> None:
    for two in (2, 2.0, np.float32(2), np.int8(2), Fraction(2), np.array(2.0)):
        assert validation.positive("width", two) == 2.0 == validation.inside("width", two, 2, 3)
        assert validation.times(two) == 2.0
    assert validation.finite_matrix("X", [[Fraction(1, 2), 2]])[0, 0] == 0.5
    assert validation.finite_matrix("X", np.ma.masked_equal([[1.0, 2.0]], 3.0)).tolist() == [[1.0, 2.0]]
