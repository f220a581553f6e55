"""Parameters of a claim are read as they are written, and refused in one line where they cannot be."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.claims import varies
from theory.claims.parameters import at, declared, in_words, is_list, read, written
from theory.core.validation import InvalidArgument, reject


@dataclass(frozen=True)
class Sizes:
    width: int = varies("units", 20, smoke=5, paper=100, low=2, high=10**9, from_data=True)
    rate: float = varies("step", 0.5, low=0, high=2, brackets="()", unit="time")
    free: float = varies("anything", -1.5)
    powers: tuple[int, ...] = varies("powers", (1, 2), low=1, high=9)

    def __post_init__(self) -> None:
        if max(self.powers) > self.width:
            reject("powers", self.powers, f"at most the width {self.width}")


def test_each_profile_has_its_own_values() -> None:
    assert [at(Sizes, profile, {}).width for profile in ("smoke", "quick", "paper")] == [5, 20, 100]
    assert {at(Sizes, profile, {}).rate for profile in ("smoke", "quick", "paper")} == {0.5}
    assert Sizes() == at(Sizes, "quick", {})


def test_what_is_given_stands_in_place_of_the_profiles_own() -> None:
    assert at(Sizes, "smoke", {"width": 7}) == Sizes(width=7)
    assert list(declared(Sizes)) == ["width", "rate", "free", "powers"]


@given(st.integers(2, 10**9), st.floats(0, 2, exclude_min=True, exclude_max=True, allow_subnormal=False))
def test_what_is_written_is_read(width: int, rate: float) -> None:
    assert read(Sizes, "width", written(width)) == width
    assert read(Sizes, "rate", repr(rate)) == rate
    assert float(written(rate)) == pytest.approx(rate, rel=1e-11)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple))
def test_a_list_that_is_written_is_read(powers: tuple[int, ...]) -> None:
    assert read(Sizes, "powers", written(powers)) == powers and is_list(Sizes, "powers")


@pytest.mark.parametrize(("text", "value"), [("1e6", 10**6), ("2000.0", 2000), (" 30 ", 30), ("1_000", 1000)])
def test_whole_numbers_as_people_write_them(text: str, value: int) -> None:
    assert read(Sizes, "width", text) == value and type(read(Sizes, "width", text)) is int


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("width", "2.5", "width = '2.5': expected a whole number in [2, 1e+09]"),
        ("width", "wide", "width = 'wide': expected a whole number in [2, 1e+09]"),
        ("width", "inf", "width = 'inf': expected a whole number in [2, 1e+09]"),
        ("width", "1", "width = 1: expected a number in [2, 1e+09]"),
        ("rate", "0", "rate = 0.0: expected a number in (0, 2)"),
        ("rate", "nan", "rate = nan: expected a number in (0, 2)"),
        ("rate", "1,2", "rate = '1,2': expected a number in (0, 2)"),
        ("free", "1e999", "free = inf: expected a finite number"),
        ("powers", "1,x", "powers = '1,x': expected a whole number in [1, 9]"),
        ("powers", ",", "powers = (): expected a tuple of at least one number"),
        ("powers", "10", "powers = 10: expected a number in [1, 9]"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, text: str, expected: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read(Sizes, name, text)
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"wide": 3}, "parameter = 'wide': expected one of width, rate, free, powers"),
        ({"width": 3.0}, "width = 3.0: expected a whole number in [2, 1e+09]"),
        ({"rate": 1}, "rate = 1: expected a number in (0, 2)"),
        ({"width": True}, "width = True: expected a whole number in [2, 1e+09]"),
        ({"powers": [1]}, "powers = [1]: expected a tuple of at least one number"),
        ({"powers": (9,)}, "powers = (9,): expected at most the width 5"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, object], expected: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        at(Sizes, "smoke", given)
    assert str(refused.value) == expected


def test_type_and_range_in_words() -> None:
    kinds = [in_words(Sizes, name) for name in ("width", "rate", "free", "powers")]
    assert kinds == [
        "a whole number in [2, 1e+09]",
        "a number in (0, 2)",
        "a number",
        "a list of whole numbers in [1, 9]",
    ]
