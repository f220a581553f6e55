"""The picture of a claim's checks: what agrees lies in the band, what has to fail lies outside of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from figures.forest import CONTROLS, OWN, REACH, SUPPORTING, draw, group, place
from theory.claims import Check, Evidence, Tolerance, exactly, frequency, measured

WITHIN = Tolerance(0.1, "a toy")


def number(value: float) -> Any:
    return measured("x", value, within=WITHIN)


def evidence(*checks: Check) -> dict[str, Evidence]:
    return {"toy.x": Evidence("toy.x", "Toys", "ours", "x = x", (), "law", (), checks)}


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_what_passes_lies_inside_and_a_control_outside(value: float, predicted: float) -> None:
    for check in (number(value).equals(predicted), number(value).at_most(predicted), number(value).at_least(predicted)):
        assert (abs(place(check)) <= 1 + 1e-12) == check.passed
    wrong = number(value).control("wrong").equals(predicted)
    assert (abs(place(wrong)) > 1) == wrong.passed


def test_the_side_is_that_of_the_difference() -> None:
    assert place(number(1.05).equals(1.0)) == pytest.approx(0.5) == -place(number(0.95).equals(1.0))
    assert place(number(0.5).at_most(1.0)) > 0 > place(number(2.0).at_least(1.0))
    assert place(number(2.0).control("half").equals(1.0)) == pytest.approx(10)
    far = measured("x", 2.0, within=Tolerance(1e-9, "a toy")).control("half").equals(1.0)
    assert place(far) == REACH
    assert place(frequency("x", 100, 100, because="a toy").at_least(0.9)) == pytest.approx(0, abs=1e-3)


def test_a_row_a_check_in_three_groups() -> None:
    checks = (
        number(2.0).control("half").equals(1.0),
        number(1.0).supporting().equals(1.0),
        number(1.0).resolving(0.2, because="a toy").equals(1.0),
        measured("a name with $ and _, which goes on " * 4, 3, within=exactly("counted")).at_most(3),
        number(9.0).equals(1.0),
    )
    assert [group(check) for check in checks] == [CONTROLS, SUPPORTING, OWN, OWN, OWN]
    figure = draw(evidence(*checks))
    axes, numbers = figure.axes
    labels = [label.get_text() for label in axes.texts]
    assert labels[0] == "x" and labels[1].startswith(r"a name with \$ and _") and labels[1].endswith("…")
    assert labels[-1] == "half" and len(labels) == len(checks)
    texts = {text.get_text() for text in numbers.texts}
    assert {"10 %", "misses 10 times", "fails", "9"} <= texts
    figure.canvas.draw()


@pytest.mark.parametrize("name", ["x", "a name of many words, which goes on, " * 3])
def test_nothing_lies_on_another_or_outside(name: str) -> None:
    far = Tolerance(1e-9, "a toy")
    shown = measured(name, 1.0, within=WITHIN)
    checks = (
        shown.equals(1.0),
        shown.supporting().equals(1.0),
        measured(name, 1.0, within=far).control(name).equals(2.0),
    )
    figure = draw(evidence(*checks))
    figure.dpi = 160  # that of pictures in files
    figure.canvas.draw()
    axes, numbers = figure.axes
    assert min(label.get_window_extent().x0 for label in axes.texts) >= 0
    cells = [text.get_window_extent() for text in numbers.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(cells) for b in cells[:i])
    legend = axes.get_legend().get_window_extent()
    heading, foot, *_ = (text.get_window_extent() for text in figure.texts)
    ticks = axes.xaxis.get_tightbbox()
    assert legend.x1 < min(cell.x0 for cell in cells)
    assert foot.y0 >= 0 and foot.y1 < ticks.y0 and legend.y1 < heading.y1 < figure.bbox.y1


def test_nothing_measured_is_at_the_end() -> None:
    assert place(number(np.nan).equals(1.0)) in (REACH, -REACH)
