"""What was measured against what is predicted: on the line what holds, off it every control."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from figures.agreement import ROUNDING, apart, controls, depth, diagonal, named, numbers
from theory.claims import Check, Evidence, Tolerance, measured

WITHIN = Tolerance(0.1, "a toy")


def toy(name: str, value: float, predicted: float, case: str = "") -> Check:
    return measured(name, value, within=WITHIN, case=case).equals(predicted)


def evidence() -> Evidence:
    wrong = measured("rate", 2.0, within=WITHIN).control("rate 10 % larger").equals(2.2)
    checks = toy("rate", 2.0, 2.05, "depth 2"), toy("limit", 1.0, 1.0, "depth 13, wide"), wrong
    return Evidence("toy.x", "Toys", "ours", "x = x", (), "law", (), checks)


def test_checks_are_found_by_their_words() -> None:
    toys = evidence()
    assert [check.name for check in named(toys, "rate", "nothing")] == ["rate"]
    assert [check.name for check in controls(toys, "rate")] == ["rate 10 % larger"]
    assert controls(toys, "limit") == [] == named(toys, "10 %")
    assert len(controls(toys, "")) == 1 and len(numbers(toys)) == 3
    assert [depth(check) for check in named(toys, "")] == [2, 13]


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_what_is_between_them_can_stand_on_a_logarithmic_axis(value: float, predicted: float) -> None:
    check = toy("x", value, predicted)
    assert apart(check) == max(abs(value - predicted), ROUNDING) > 0


def test_controls_are_off_the_line() -> None:
    toys = evidence()
    upper, lower = Figure().subplots(2, 1)
    diagonal(upper, lower, {"rates": named(toys, "")}, controls(toys, ""))
    drawn = {line.get_label(): line for line in upper.lines}
    x, y = drawn["rates"].get_data()
    assert list(x) == [2.05, 1.0] and list(y) == [2.0, 1.0]
    x, y = drawn["controls: theory changed"].get_data()
    assert list(x) == [2.2] and list(y) == [2.0]
    heights = np.concatenate([line.get_ydata() for line in lower.lines])
    assert heights == pytest.approx([0.05, ROUNDING, 0.2]) and lower.get_yscale() == "log"
    assert lower.get_xlim() == upper.get_xlim()
