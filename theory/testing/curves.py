"""Rates, exponents and orders: slopes in the limit, of t against log y, log x against log y, log h against log e."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from theory.claims import by_chance, measured, rate, slope
from theory.claims.estimates import above_floor
from theory.claims.limit_slope import ONE_RUN, Settled, limit_slope, limit_slope_without_noise
from theory.claims.subject import over
from theory.core.arrays import Array
from theory.core.validation import entries_inside, increasing_times, inside, reject
from theory.testing.numbers import numbers
from theory.testing.verdict import MANY, RESOLVES, SIGNIFICANCE, more_parts, more_runs, options, settle

HALF = 0.5 * (1 + 1e-9)  # of a step size, up to its rounding


def fitted_rate(t: Any, values: Any, *, significance: float = SIGNIFICANCE, off_by: Any = None) -> Settled:
    """Rate k of values ~ exp(-k t) that a curve settles at: (T,) of one run, or (T, R) of independent runs.

    Times from which on a value is known no better than to a hundredth of itself judge nothing.

    Args:
        t: times (T,), increasing; 10 at least of one run, 4 of three or more.
        values: positive; a rate below 0 is one of growth.
        off_by: what each value may be off by; by default a rounding of the largest before it, in the type it came in.

    Raises:
        InvalidArgument: too few times or runs, values that are not positive, shapes that differ.

    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> estimate = fitted_rate(t, np.exp(-2 * t) + np.exp(-5 * t))
    >>> print(f"{estimate.value:.3f} +- {estimate.half_width:.3f}")
    1.996 +- 0.006
    """
    _, found = _rate(t, values, significance, off_by)
    return found


def assert_rate(
    t: Any,
    values: Any,
    rate: float,
    *,
    resolves: float = RESOLVES,
    significance: float = SIGNIFICANCE,
    off_by: Any = None,
) -> None:
    """Values decay as exp(-rate t) in the end, and a rate that is off by the share `resolves` would be refused.

    Arguments are those of `fitted_rate`; a rate below 0 is one of growth.

    Raises:
        AssertionError: another rate was measured.
        Undecided: the interval holds the rate, but is wider than asked.

    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> assert_rate(t, 3 * np.exp(-2 * t), 2)
    >>> assert_rate(t, 3 * np.exp(-2 * t), 2.1)
    Traceback (most recent call last):
        ...
    AssertionError: rate (rate) does not hold
      predicted   2.1
      measured    2 +- ...
    """
    __tracebackhide__ = True
    options(resolves, significance)
    predicted = _nonzero("rate", rate)
    axis, found = _rate(t, values, significance, off_by)
    _equals(_rate_of("rate", found), predicted, resolves, found, lambda goal: _decide(axis, found, goal, "t", _itself))


def assert_rate_at_least(
    t: Any,
    values: Any,
    rate: float,
    *,
    resolves: float = RESOLVES,
    significance: float = SIGNIFICANCE,
    off_by: Any = None,
) -> None:
    """Values decay at this rate or faster in the end, and a rate that is slower by the share `resolves` would be seen.

    Arguments are those of `fitted_rate`.

    Raises:
        AssertionError: the rate measured is smaller.
        Undecided: the interval begins too far below the rate.

    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> assert_rate_at_least(t, np.exp(-2 * t), 1.5)
    """
    __tracebackhide__ = True
    options(resolves, significance)
    bound = inside("rate", rate, -np.inf, np.inf, "()")
    axis, found = _rate(t, values, significance, off_by)
    check = measured("rate", found.value, within=by_chance(found)).at_least(bound)
    unseen = over(bound - found.low, bound) if found.low < bound else 0.0
    goal = resolves * abs(bound) / 2
    settle(
        replace(check, resolution=unseen, where=_worst(found, np.inf)),
        resolves,
        lambda: _decide(axis, found, goal, "t", _itself),
    )


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
    _equals(slope("slope", found), predicted, resolves, found, lambda goal: _decide(axis, found, goal, "x", np.exp))


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
    2.006 +- 0.038
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
    predicted = _nonzero("order", order)
    axis, found = _order(step_sizes, errors, significance, off_by)
    _equals(
        _rate_of("order", found),
        predicted,
        resolves,
        found,
        lambda goal: _decide(axis, found, goal, "step size", np.exp),
    )


_rate_of = rate  # of theory.claims: an argument has its name here


def _itself(number: float) -> float:
    return number


def _nonzero(name: str, value: Any) -> float:
    number = inside(name, value, -np.inf, np.inf, "()")
    return number or reject(name, value, "a number other than 0; assert_conserved is for what does not change")


def _equals(
    subject: Any, predicted: float, resolves: float, found: Settled, decide: Callable[[float], Iterator[str]]
) -> None:
    __tracebackhide__ = True
    scale = abs(predicted) or 1.0
    check = replace(subject.equals(predicted, against=scale), where=_worst(found, predicted))
    settle(check, resolves, lambda: decide(resolves * scale / 2))


def _worst(found: Settled, predicted: float) -> str:
    """The run that is furthest from the prediction, and its own slope over the last third."""
    if found.runs == 1:
        return ""
    run = int(np.argmax(np.abs(np.array(found.each) - predicted)))
    return f"run {run}, with {found.each[run]:.6g}"


def _rate(t: Any, values: Any, significance: float, off_by: Any) -> tuple[Array, Settled]:
    t, (y, eps) = increasing_times(numbers("t", t).array), numbers("values", values)
    if y.shape[:1] != t.shape or y.ndim > 2:
        reject("values.shape", y.shape, f"({t.size},), as t has it, or ({t.size}, R) of independent runs")
    floor = eps * np.maximum.accumulate(np.abs(y)) if off_by is None else _off_by(off_by, y)
    known = above_floor(y, floor).reshape(len(y), -1).all(1)
    kept = len(y) if known.all() else int(known.argmin())
    fewest = ONE_RUN if y.ndim == 1 else 4
    if kept < fewest <= len(y):
        reject("values", f"{kept} of {len(y)} before they are off by a hundredth of themselves", f"at least {fewest}")
    return t[:kept], limit_slope(t[:kept], -np.log(_positive("values", y[:kept])), significance)


def _power(x: Any, y: Any, significance: float) -> tuple[Array, Settled]:
    log_x, log_y = (np.log(_positive(name, numbers(name, each).array)) for name, each in (("x", x), ("y", y)))
    return log_x, limit_slope(log_x, log_y, significance)


def _order(step_sizes: Any, errors: Any, significance: float, off_by: Any) -> tuple[Array, Settled]:
    h, (sizes, eps) = _positive("step_sizes", numbers("step_sizes", step_sizes).array), numbers("errors", errors)
    if h.ndim != 1 or (h[1:] > HALF * h[:-1]).any():
        reject("step_sizes", h, "coarse to fine, each at most half the one before: the next term of the error halves")
    sizes = _positive("|errors|", np.abs(sizes))
    off = np.maximum(_off_by(off_by, sizes), eps * sizes)
    if not above_floor(sizes, off).all():
        reject("errors", f"{sizes.min():g}, off by {off.max():g}", "errors known to a hundredth of themselves")
    log_h = np.log(h)
    if sizes.ndim == 1:
        return log_h, limit_slope_without_noise(log_h, np.log(sizes), off / sizes)
    return log_h, limit_slope(log_h, np.log(sizes), significance)


def _off_by(off_by: Any, values: Array) -> Array:
    off = entries_inside("off_by", numbers("off_by", off_by).array, 0, np.inf, "[)")
    try:
        return np.broadcast_to(off, values.shape)
    except ValueError:
        reject("off_by.shape", off.shape, f"one that broadcasts to {values.shape}")


def _positive(name: str, values: Array) -> Array:
    return entries_inside(name, values, 0, np.inf)


def _decide(axis: Array, found: Settled, goal: float, name: str, back: Callable[[float], float]) -> Iterator[str]:
    """What would narrow the interval to `goal`, half of it each for noise and for the change that may follow.

    Args:
        axis: what the slope is against; `back` makes of it what the user calls `name`.
    """
    local = np.diff(found.local)
    shrinks = abs(local[-2] / local[-1]) if len(local) > 1 and local[-1] else 2.0
    third = (axis[-1] - axis[0]) / 3 if len(found.local) == 3 and len(axis) > 4 else axis[-1] - axis[-2]
    if np.isinf(found.left):
        if shrinks <= 1:
            yield f"nothing of this kind: local slopes {_listed(found.local)} move away from each other"
        else:
            further = back(axis[0] + (axis[-1] - axis[0]) * np.log(2) / np.log(shrinks))
            yield f"{name} up to about {further:.3g}, where the slope will have settled"
        return
    parts = more_parts(found.left, goal / 2, shrinks)
    if parts:
        yield f"{name} up to {back(axis[-1] + parts * third):.3g} instead of {back(axis[-1]):.3g}"
    if found.chance > goal / 2 and found.runs > 1:
        runs = more_runs(found.runs, found.chance, goal / 2, found.significance)
        yield f"{runs} runs instead of {found.runs}" if runs < MANY else "less noise: a million runs would be too few"
    elif found.chance > goal / 2:
        yield f"noise {2 * found.chance / goal:.3g} times smaller, or several independent runs (T, R)"


def _listed(slopes: tuple[float, ...]) -> str:
    return ", ".join(f"{each:.4g}" for each in slopes)
