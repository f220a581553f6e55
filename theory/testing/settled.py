"""What assertions on a slope in the limit share: the worst run, and what would decide."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from theory.claims import Estimated
from theory.claims.limit_slope import Settled
from theory.core.arrays import Array
from theory.core.validation import inside, reject
from theory.testing.verdict import LARGEST, MANY, more_parts, more_runs, settle

GROWS = 1.1  # a change that shrinks by less from third to third does not shrink
Decide = Callable[[float], Iterator[str]]  # what narrows an interval to that half-width


def equals(subject: Estimated, predicted: float, resolves: float, found: Settled, decide: Decide) -> None:
    """The interval holds the prediction; `resolves` is a share of it, or of 1 where it is 0."""
    __tracebackhide__ = True
    scale = abs(predicted) or 1.0
    check = replace(subject.equals(predicted, against=scale), where=worst(found, lambda each: abs(each - predicted)))
    settle(check, resolves, lambda: decide(resolves * scale / 2), lambda: found.half_width / scale)


def nonzero(name: str, value: Any) -> float:
    """`value` as a number other than 0."""
    number = inside(name, value, -np.inf, np.inf, "()")
    return number or reject(name, value, "a number other than 0; assert_conserved is for what does not change")


def worst(found: Settled, off: Callable[[float], float]) -> str:
    """The run that is furthest off, and its own slope over the last third."""
    if found.runs == 1:
        return ""
    run, its_own = max(enumerate(found.each), key=lambda item: off(item[1]))
    return f"run {run} (counted from 0), with {its_own:.6g}"


def decide(axis: Array, found: Settled, goal: float, name: str, back: Callable[[float], float]) -> Iterator[str]:
    """What would narrow the interval to `goal`, half of it each for noise and for the change that may follow.

    Args:
        axis: what the slope is against; `back` makes of it what the user calls `name`.
    """
    name = f"{name} {'up' if axis[-1] > axis[0] else 'down'} to"
    changes = np.abs(np.diff(found.local))
    shrinks = changes[-2] / changes[-1] if len(changes) > 1 and changes[-1] else 2.0
    if np.isinf(found.left):
        if shrinks < GROWS:
            yield f"{name} what lies much further on, if the slope settles at all: so far its changes do not shrink"
        else:  # in thirds so much longer they halve
            further = back(axis[0] + (axis[-1] - axis[0]) * np.log(2) / np.log(shrinks))
            yield f"{name} about {further:.3g}, where the slope will have settled"
        return
    if max(goal / 2, found.chance) < found.left < LARGEST * goal:
        reach = back(axis[-1] + _further(axis, found, goal / 2, max(shrinks, GROWS)))
        yield f"{name} {reach:.3g} instead of {back(axis[-1]):.3g}"
    if found.chance > goal / 2 and found.runs > 1:
        runs = more_runs(found.runs, found.chance, goal / 2, found.significance)
        yield f"{runs} runs instead of {found.runs}" if runs < MANY else "less noise: a million runs would be too few"
    elif found.chance > goal / 2:
        yield f"noise {2 * found.chance / goal:.3g} times smaller, or several independent runs (T, R)"


def _further(axis: Array, found: Settled, goal: float, shrinks: float) -> float:
    """How much further the axis has to go until what is left has shrunk to the goal.

    Of a curve without noise, in intervals like the last, in each of which it shrinks so. Else in thirds, where what is
    left is as much as was left in the middle third, whose middle moves on by half of what the end does.
    """
    if not found.each:
        return float(more_parts(found.left, goal, shrinks) * (axis[-1] - axis[-2]))
    return float(2 * (axis[-1] - axis[0]) / 3 * np.log(found.left / goal) / np.log(shrinks))
