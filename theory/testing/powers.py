"""Exponents and orders: slopes of log y against log x, and of log e against log h, in the limit."""

from typing import Any

import numpy as np

from theory.claims import rate as as_rate
from theory.claims import slope as as_slope
from theory.claims.estimates import above_floor
from theory.claims.limit_slope import Settled, limit_slope, limit_slope_without_noise
from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, reject
from theory.testing.numbers import numbers, off_by_as
from theory.testing.settled import decide, equals, nonzero
from theory.testing.verdict import RESOLVES, SIGNIFICANCE, options

FINEST = 0.02  # of an order: what terms of the next two orders that cancel by chance may hide
HALF = 0.5 * (1 + 1e-9)  # of a step size, up to its rounding


def fitted_slope(x: Any, y: Any, *, significance: float = SIGNIFICANCE) -> Settled:
    """Exponent q of y ~ x^q towards the last of x: y (W,) of one run, or (W, R) of independent runs.

    Args:
        x: positive, increasing or decreasing (W,): 10 at least of one run, 4 of three or more.
        y: positive.

    Raises:
        InvalidArgument: too few points or runs, numbers that are not positive, shapes that differ.

    >>> import numpy as np
    >>> width = np.geomspace(100, 1e5, 13)
    >>> print(f"{fitted_slope(width, 3 / np.sqrt(width)).value:.4f}")
    -0.5000
    """
    return _power(x, y, significance)[1]


def assert_slope(
    x: Any, y: Any, exponent: float, *, resolves: float = RESOLVES, significance: float = SIGNIFICANCE
) -> None:
    """y is proportional to x^exponent towards the last of x.

    Arguments are those of `fitted_slope`; `resolves` is a share of the exponent, and of 1 where that is 0.

    Raises:
        AssertionError: another exponent was measured.
        Undecided: the interval holds the exponent, but is wider than asked.

    >>> import numpy as np
    >>> width = np.geomspace(100, 1e5, 13)
    >>> assert_slope(width, 3 / np.sqrt(width), -1 / 2)
    """
    __tracebackhide__ = True
    options(resolves, significance)
    predicted = inside("exponent", exponent, -np.inf, np.inf, "()")
    axis, found = _power(x, y, significance)
    equals(as_slope("slope", found), predicted, resolves, found, lambda goal: decide(axis, found, goal, "x", np.exp))


def fitted_order(step_sizes: Any, errors: Any, *, significance: float = SIGNIFICANCE, off_by: Any = 0.0) -> Settled:
    """Order p of errors ~ h^p as the step size h shrinks: errors (S,) without noise, or (S, R) of independent runs.

    Of one computation the last four step sizes count, and what is taken for the error of the order is how it still
    changes from one to the next.

    Args:
        step_sizes: (S,), each at most half the one before: 3 at least without noise, 4 of independent runs.
        errors: not 0, of any sign.
        off_by: what each error may be off by, rounding and the error of the reference.

    Raises:
        InvalidArgument: too few step sizes or runs, an error of 0, shapes that differ.

    >>> estimate = fitted_order([0.1, 0.05, 0.025], [0.0104, 0.00255, 0.00063], off_by=[5e-5, 5e-6, 5e-6])
    >>> print(f"{estimate.value:.3f} +- {estimate.half_width:.3f}")
    2.006 +- 0.058
    """
    return _order(step_sizes, errors, significance, off_by)[1]


def assert_order(
    step_sizes: Any,
    errors: Any,
    order: float,
    *,
    resolves: float = RESOLVES,
    significance: float = SIGNIFICANCE,
    off_by: Any = 0.0,
) -> None:
    """Errors shrink as h^order. Arguments are those of `fitted_order`.

    Raises:
        AssertionError: another order was measured.
        Undecided: the interval holds the order, but is wider than asked.

    >>> assert_order([0.1, 0.05, 0.025], [0.0104, 0.00255, 0.00063], 2, off_by=[5e-5, 5e-6, 5e-6])
    """
    __tracebackhide__ = True
    options(resolves, significance)
    predicted = nonzero("order", order)
    axis, found = _order(step_sizes, errors, significance, off_by)
    equals(
        as_rate("order", found),
        predicted,
        resolves,
        found,
        lambda goal: decide(axis, found, goal, "step size", np.exp),
    )


def _power(x: Any, y: Any, significance: float) -> tuple[Array, Settled]:
    log_x, log_y = (np.log(_positive(name, numbers(name, each).array)) for name, each in (("x", x), ("y", y)))
    return log_x, limit_slope(log_x, log_y, significance)


def _order(step_sizes: Any, errors: Any, significance: float, off_by: Any) -> tuple[Array, Settled]:
    h, (sizes, eps) = _positive("step_sizes", numbers("step_sizes", step_sizes).array), numbers("errors", errors)
    if h.ndim != 1 or (h[1:] > HALF * h[:-1]).any():
        reject("step_sizes", h, "coarse to fine, each at most half the one before: the next term of the error halves")
    sizes = _positive("|errors|", np.abs(sizes))
    off = np.maximum(off_by_as(off_by, sizes), eps * sizes)
    if not above_floor(sizes, off).all():
        reject("errors", f"{sizes.min():g}, off by {off.max():g}", "errors known to a hundredth of themselves")
    log_h = np.log(h)
    if sizes.ndim == 1:
        return log_h, limit_slope_without_noise(log_h, np.log(sizes), off / sizes, FINEST)
    return log_h, limit_slope(log_h, np.log(sizes), significance)


def _positive(name: str, values: Array) -> Array:
    return entries_inside(name, values, 0, np.inf)
