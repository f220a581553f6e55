"""Bounds that no value may exceed, and quantities that do not change: within rounding, no chance about it."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from theory.claims import Tolerance, measured, rounding
from theory.claims.check import Check
from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.validation import positive, reject
from theory.testing.numbers import numbers, off_by_as
from theory.testing.verdict import RESOLVES, positive_or_inf, settle

AXES = ("t", "run")


def assert_below(values: Any, bound: Any, *, resolves: float = inf, off_by: Any = None) -> None:
    """values <= bound everywhere, for quantities that are not negative.

    With `resolves=0.05` the bound has to be sharp, too: one that could be lowered by that share everywhere, and still
    hold, does not pass.

    Args:
        values: of any shape; (T,) and (T, R) are times, and runs.
        bound: broadcasts with them.
        off_by: what a value may lie above the bound by; by default one rounding of either, in the type it came in.

    Raises:
        AssertionError: a value lies above its bound.
        Undecided: none does, but the bound is not as sharp as asked.
        InvalidArgument: shapes that do not fit, or a number that is not finite.

    >>> assert_below([0.9, 0.5, 0.2], [1.0, 0.6, 0.3])
    >>> assert_below([0.9, 0.65, 0.2], [1.0, 0.6, 0.3])
    Traceback (most recent call last):
        ...
    AssertionError: values (at_most) does not hold
      predicted   0.6
      measured    0.65 +- ...
    """
    __tracebackhide__ = True
    positive_or_inf("resolves", resolves)
    (v, v_eps), (b, b_eps) = numbers("values", values), numbers("bound", bound)
    if _shape(v, b) != v.shape:
        reject("bound.shape", b.shape, f"one that broadcasts to that of the values, {v.shape}")
    if off_by is None:
        within = Tolerance(v_eps * np.abs(v) + b_eps * np.abs(b), "one rounding of either")
    else:
        within = Tolerance(off_by_as(off_by, v), "what the values are said to be off by")
    check = measured("values", v, within=within, axes=AXES[: v.ndim] if v.ndim < 3 else ()).at_most(lambda k: k * b)
    settle(_where(check), resolves, _sharper)


def assert_conserved(
    values: Any, *, scale: float | None = None, resolves: float = RESOLVES, off_by: Any = None
) -> None:
    """Values (T,), or each run of (T, R), stay what they were at first.

    What a method with step size h conserves only as h -> 0 is no case for it: hand its drift to `assert_tends_to`.

    Args:
        scale: what a change is a share of, for `resolves`; by default the largest value. A quantity that is 0, such as
            the imbalance of a balanced start, needs one: the size of what cancels in it.
        off_by: what a value may be off by; by default T roundings of the scale, in the type it came in.

    Raises:
        AssertionError: a value changes by more than it may be off by.
        Undecided: none does, but what they may be off by is more than the share asked.

    >>> assert_conserved([1.0, 1.0, 1.0 + 2e-16])
    >>> assert_conserved([1.0, 1.001, 1.002], off_by=0.01)
    >>> assert_conserved([1.0, 1.001, 1.002])
    Traceback (most recent call last):
        ...
    AssertionError: change since the start (equal) does not hold
      predicted   0
      measured    0.002 +- ...
    """
    __tracebackhide__ = True
    positive_or_inf("resolves", resolves)
    v, eps = numbers("values", values)
    if v.ndim not in (1, 2) or len(v) < 2:
        reject("values.shape", v.shape, "(T,) or (T, R), with at least 2 times")
    size = float(np.abs(v).max()) if scale is None else positive("scale", scale)
    if size == 0:
        reject("scale", "None, and every value is 0", "the size of what cancels in them")
    if off_by is None:
        within = rounding(len(v), eps / EPS * size, of="the largest value, one a time")
    else:
        within = Tolerance(off_by_as(off_by, v), "what the values are said to be off by")
    least = max(float(np.abs(v).max()) / SQUARABLE, np.finfo(float).tiny)  # which is above 0, and divides any of them
    within = replace(within, value=np.maximum(within.value, least))
    check = measured("change since the start", v - v[0], within=within, axes=AXES[: v.ndim])
    told = float(np.max(within.value)) / size
    settle(_where(check.equals(0.0, against=size)), resolves, _known_better, lambda: told)


def _where(check: Check) -> Check:
    return replace(check, where=f"{check.where} (counted from 0)") if check.where else check


def _sharper() -> Iterator[str]:
    yield "a smaller bound, or values that come nearer to it"


def _known_better() -> Iterator[str]:
    yield "values that are known better than off_by says, or a larger scale"


def _shape(one: Array, other: Array) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(one.shape, other.shape)
    except ValueError:
        return None
