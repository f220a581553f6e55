"""The limit at step size 0 of what is computed at several step sizes, in one run or many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from theory.claims import few_runs
from theory.claims.estimates import SIGNIFICANCE, Estimate, richardson
from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.validation import entries_inside, inside, positive, reject

OFF = 0.3  # of an order: what tells one from another, where the next term of the error is still at work
SAME = 1e-6  # relative difference between ratios of step sizes that are one


@dataclass(frozen=True)
class StepLimit(Estimate):
    """The limit at step size 0, with what made its interval as wide as it is.

    Attributes:
        values: what was computed, coarse to fine; means over the runs.
        ratio, order: of the step sizes, and of the leading error.
        chance: the part of the half-width that is noise.
        left: the part that is the last correction of the extrapolation; infinite if the order is another.
        runs: how many independent ones; 1 for a computation that was judged by itself.
    """

    values: tuple[float, ...] = ()
    ratio: float = 2.0
    order: int = 1
    chance: float = 0.0
    left: float = 0.0
    runs: int = 1


def step_limit(
    step_sizes: Sequence[float] | Array, values: Array, order: int = 1, significance: float = SIGNIFICANCE
) -> StepLimit:
    """Limit of values (S,), or of R >= 3 independent runs (S, R), at S >= 3 step sizes in one ratio, coarse to fine.

    Richardson's extrapolation, with its last correction for what it may be off by. It presumes the order of the error,
    so the order is looked at, without the limit: successive differences have to shrink by ratio^order, as far as
    rounding and chance let it be seen.

    Raises:
        InvalidArgument: fewer step sizes or runs, or step sizes that are not in one ratio.
    """
    h, values = (
        entries_inside("step_sizes", step_sizes, 0, np.inf),
        entries_inside("values", values, -SQUARABLE, SQUARABLE),
    )
    ratio, runs = _ratio(h), 1 if values.ndim == 1 else values.shape[-1]
    if values.ndim not in (1, 2) or len(values) != len(h) or (values.ndim == 2 and runs < 3):
        reject("values.shape", values.shape, f"({len(h)},), or ({len(h)}, R) of at least 3 independent runs")
    positive("order", order)
    inside("significance", significance, 0, 1, "()")
    limit, half = of_steps(values, ratio, order, significance)
    chance = 0.0 if runs == 1 else float(few_runs.half_width(richardson(list(values), ratio, order)[0], significance))
    means = values if runs == 1 else values.mean(1)
    seen = _observed(values, ratio, significance)
    by = "no noise" if runs == 1 else f"spread of {runs} independent runs, significance {significance:g}"
    reason = f"Richardson's extrapolation over {len(h)} step sizes, its last correction; {by}"
    if np.isinf(half):
        reason += f"; differences of order {seen:.3g}, not {order}: finer step sizes, or another order"
    parts = {"chance": chance, "left": float(half) - chance, "runs": runs, "ratio": ratio, "order": order}
    of_chance = 0.0 if runs == 1 else significance
    low, high = float(limit - half), float(limit + half)
    return StepLimit(float(limit), low, high, reason, of_chance, tuple(float(v) for v in means), **parts)


def of_steps(values: Array, ratio: float, order: int, significance: float) -> tuple[Array, Array]:
    """Limit and half-width of its interval, of values (S,) or (S, R, ...) with R independent runs."""
    limit, correction = richardson(list(values), ratio, order)
    rounding = EPS * np.abs(values).max() * 2 ** len(values)
    half = correction + rounding
    if values.ndim > 1:
        half, limit = half.mean(0) + few_runs.half_width(limit, significance), limit.mean(0)
    seen = _observed(values, ratio, significance)
    return limit, np.where(np.abs(np.nan_to_num(seen, nan=order) - order) > OFF, np.inf, half)


def _observed(values: Array, ratio: float, significance: float) -> Array:
    """Order at which the last two differences shrink; NaN where rounding or chance hides it."""
    coarse, fine = values[-3] - values[-2], values[-2] - values[-1]
    noise = 4 * EPS * np.abs(values).max()
    if values.ndim > 1:
        noise = noise + few_runs.half_width(fine, significance) + few_runs.half_width(coarse, significance)
        coarse, fine = coarse.mean(0), fine.mean(0)
    # The order is known to OFF once the smaller difference is known to log(ratio) OFF of itself; half of that is asked.
    hidden = noise > np.log(ratio) * OFF / 2 * np.minimum(np.abs(coarse), np.abs(fine))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(hidden, np.nan, np.log(np.abs(coarse / fine)) / np.log(ratio))


def _ratio(h: Array) -> float:
    if h.ndim != 1 or len(h) < 3:
        reject("step_sizes", f"{h.size} of them", "at least 3, such as h, h/2, h/4")
    ratios = h[:-1] / h[1:]
    if ratios.min() <= 1 or np.ptp(ratios) > SAME * ratios[0]:
        reject("step_sizes", h, "step sizes in one ratio, coarse to fine, such as h, h/2, h/4")
    return float(ratios[0])
