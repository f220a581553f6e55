"""What is computed at several step sizes, against its limit at step size 0."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from theory.claims import rate
from theory.claims.step_limit import StepLimit, step_limit
from theory.core.validation import inside, positive_integer
from theory.testing.numbers import by_step_size
from theory.testing.verdict import MANY, RESOLVES, SIGNIFICANCE, more_parts, more_runs, options, settle


def fitted_limit(values_by_step_size: Any, *, order: int = 1, significance: float = SIGNIFICANCE) -> StepLimit:
    """Limit at step size 0 of values at three step sizes or more, each in one ratio to the next.

    Richardson's extrapolation, off by no more than its last correction; that the values do approach at this order is
    looked at first.

    Args:
        values_by_step_size: from step size to a number, or to independent runs (R,), R >= 3.
        order: of the leading error, the next ones being one higher each.

    Raises:
        InvalidArgument: no mapping, fewer than three step sizes, in no one ratio, or values of different shapes.

    >>> euler = {h: (1 - h) ** round(1 / h) for h in (0.1, 0.05, 0.025, 0.0125)}  # y' = -y to t = 1
    >>> print(f"{fitted_limit(euler).value:.5f}")
    0.36788
    """
    h, (values, _) = by_step_size(values_by_step_size)
    return step_limit(h, values, positive_integer("order", order), significance)


def assert_tends_to(
    values_by_step_size: Any,
    limit: float,
    *,
    order: int = 1,
    resolves: float = RESOLVES,
    significance: float = SIGNIFICANCE,
) -> None:
    """Values tend to the limit as the step size tends to 0.

    Arguments are those of `fitted_limit`; `resolves` is a share of the limit, and of the largest value where that is 0.

    Raises:
        AssertionError: they tend to another limit.
        Undecided: the interval holds the limit, but is wider than asked; or they approach at another order.

    >>> euler = {h: (1 - h) ** round(1 / h) for h in (0.1, 0.05, 0.025, 0.0125)}  # y' = -y to t = 1
    >>> assert_tends_to(euler, 0.367879)
    >>> assert_tends_to(euler, 0.371)
    Traceback (most recent call last):
        ...
    AssertionError: limit at step size 0 (rate) does not hold
      predicted   0.371
      measured    0.367879 +- ...
    """
    __tracebackhide__ = True
    options(resolves, significance)
    predicted = inside("limit", limit, -np.inf, np.inf, "()")
    found = fitted_limit(values_by_step_size, order=order, significance=significance)
    scale = abs(predicted) or max(abs(value) for value in found.values) or 1.0
    finest = min(values_by_step_size)
    check = rate("limit at step size 0", found).equals(predicted, against=scale)
    settle(check, resolves, lambda: _decide(found, resolves * scale / 2, finest), lambda: found.half_width / scale)


def _decide(found: StepLimit, goal: float, finest: float) -> Iterator[str]:
    if np.isinf(found.left):
        yield f"step sizes below {finest:g}, or the order at which the values do approach"
        return
    halvings = more_parts(found.left, goal / 2, found.ratio ** (found.order + 1))
    if 0 < halvings < MANY:
        yield f"step sizes down to {finest / found.ratio**halvings:.3g} instead of {finest:g}"
    if found.chance > goal / 2:
        runs = more_runs(found.runs, found.chance, goal / 2, found.significance)
        yield f"{runs} runs instead of {found.runs}" if runs < MANY else "less noise: a million runs would be too few"
