"""Quantities over their laws: at 0 what agrees, and a control where its wrong law puts it."""

import pytest
from matplotlib.figure import Figure

from figures.agreement import room
from figures.ratios import percents, ratios
from theory.claims import Tolerance, measured

WITHIN = Tolerance(0.02, "a toy")


def test_a_row_has_its_checks_with_intervals_and_its_controls() -> None:
    check = measured("mean over its law", 1.01, within=WITHIN).equals(1.0)
    wrong = measured("mean over its law", 1.01, within=WITHIN).control("10 % more").equals(1.1)
    assert percents(check) == pytest.approx(1.0) and percents(wrong) == pytest.approx(100 * (1.01 / 1.1 - 1))
    axes = Figure().subplots()
    ratios(axes, {"a mean": ([check], [wrong]), "nothing": ([], [])})
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a mean", "nothing"]
    (bars,) = axes.containers[0].lines[2]
    ((low, _), (high, _)) = bars.get_segments()[0]
    assert (low, high) == pytest.approx((-1.0, 3.0))
    crosses = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert crosses == pytest.approx([percents(wrong)])


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_room_is_a_share_of_the_height_on_any_scale(scale: str) -> None:
    axes = Figure().subplots()
    axes.set_yscale(scale)
    axes.set_ylim(1, 100)
    room(axes, 0.5)
    assert axes.get_ylim() == pytest.approx((1, 149.5 if scale == "linear" else 1000))
