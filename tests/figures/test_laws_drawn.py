"""What figures work out of their evidence on the way: places, steps, where multipliers rest, weights told by a loss."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import (
    fig9_halpern,
    fig27_separable,
    fig29_halpern_losses,
    fig31_orthogonal_training,
    fig35_manifold_training,
)
from theory.chain.problem import Chain
from theory.claims import Check, Evidence, Tolerance, measured
from theory.halpern import nonconvex
from theory.manifolds import escape
from theory.manifolds.schedules import Schedule

WITHIN = Tolerance(1e-12, "a toy")


def toy(name: str, value: float, predicted: float, case: str = "") -> Check:
    return measured(name, value, within=WITHIN, case=case).equals(predicted)


def wrong(name: str, value: float, predicted: float) -> Check:
    return measured("x", value, within=WITHIN).control(name).equals(predicted)


def evidence(*checks: Check, **more: Any) -> Evidence:
    return Evidence("toy.x", "Toys", "ours", "x = x", (), "law", (), checks, **more)


def labelled(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


@given(st.integers(2, 3000), st.integers(2, 40))
def test_places_are_apart_and_reach_both_ends(last: int, count: int) -> None:
    steps = np.arange(1, last + 1)
    places = fig9_halpern._apart(steps, count)
    assert places[0] == 0 and places[-1] == last - 1 and len(places) <= count
    assert (np.diff(places) > 0).all()


@given(st.floats(0.01, 0.999))
def test_steps_leave_one_part_in_e(contraction: float) -> None:
    assert contraction ** fig27_separable._steps(contraction) == pytest.approx(1 / np.e)


def test_multipliers_rest_where_their_sum_and_difference_meet() -> None:
    checks = (toy("sum of two", 0.8, 0.8), toy("difference of two", 0.2, 0.2), wrong("forget", 0.3, 0.5))
    axes = Figure().subplots()
    fig27_separable._draw_duals(axes, evidence(*checks))
    first, second = labelled(axes)["trained: where each comes to rest"]
    assert first == pytest.approx([0.5, 0.3]) and second == pytest.approx([0.3, 0.5])


def test_a_loss_tells_the_weights_that_collapsed() -> None:
    chain, w = Chain(4.0, 4), 0.01
    loss = 0.5 * chain.sigma * (chain.s - w**4) ** 2
    checks = (
        toy("size at the end", chain.omega, chain.omega),
        wrong("threshold 10 % higher", 20.0, 1.0),
        wrong("fixed points of least norm", loss, 0.0),
        toy("lower bound", 1.0, 1.0),
    )
    axes = Figure().subplots()
    fig29_halpern_losses._draw_collapse(axes, evidence(*checks))
    drawn = labelled(axes)
    assert drawn["from 0.5 of it: trained"][1] == pytest.approx([w], rel=1e-6)
    bounds = [np.array(y) for label, (_, y) in drawn.items() if "of it: bound" in label]
    threshold = nonconvex.collapse_threshold(chain, 1.0)
    assert len(bounds) == 3 and all((np.diff(y) < 0).all() and y[0] < threshold for y in bounds)


def test_a_slower_clock_reads_the_law_later() -> None:
    grid = np.linspace(0, 5, 11)
    assert fig31_orthogonal_training._at(2.0 * grid[:6], grid, 10 - grid) == pytest.approx(10 - 2 * grid[:6])


def test_the_line_of_what_stays_is_the_law_of_the_claim() -> None:
    starts, names = np.array([8, 64]), np.array(["c / t", "c / t^(1/2)"])
    schedules = [[Schedule(3.0, float(m), 1.0) for m in starts], [Schedule(0.8, float(m), 0.5) for m in starts]]
    shares = np.array([[float(escape.stays(each, 6 * each.a)) for each in row] for row in schedules])
    curves = {"starts": starts, "names": names, "shares": shares, "half": 0 * shares}
    item = evidence(
        curves={f"laws/{name}": curve for name, curve in curves.items()}, parameters={"harmonic": 3.0, "slow": 0.8}
    )
    axes = Figure().subplots()
    fig35_manifold_training._draw_stays(axes, item)
    lines = [line for line in axes.lines if len(line.get_xdata()) > 2 and line.get_linestyle() == "-"]
    for line, share in zip(lines, shares, strict=True):
        drawn = np.interp(starts, line.get_xdata(), line.get_ydata())
        assert drawn == pytest.approx(share, abs=2e-3)
