"""The slope that a curve settles at, from one run or many: rates, exponents and orders that hold in the limit.

A theorem's rate is one of the limit, and a measured curve is on its way there: the slope that a line through all of it
has is no estimate of it, however straight it looks. So the curve is cut into thirds of equally many points, with a
local slope each: k_1, k_2, k_3. If what is left of the transient halves from third to third, as it does for
exp(-k t) + a exp(-k' t) where a third is log 2 / (k' - k) long, and for errors C h^p + D h^(p+1) with halved steps h,
then the limit is 2 k_3 - k_2; if it shrinks faster, the limit lies between that and k_3. The interval goes from the
one to the other, with what chance adds to either: over many runs by `few_runs.half_width`; of one run by the scatter of
the slopes of its blocks; and nothing where a curve is declared to be without noise. And it reaches as far beyond
2 k_3 - k_2 again, to 3 k_3 - 2 k_2, since "halves" is itself true up to higher orders only: a transient that shrinks to
two thirds is still inside, and one that is seen to shrink less has no limit in sight.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from theory.claims import few_runs
from theory.claims.estimates import SIGNIFICANCE, Estimate, line_slope
from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.validation import entries_inside, inside, reject

BLOCKS = 8  # of a third: fewer have too few degrees of freedom, more are too short
ONE_RUN = 10  # points, the fewest in which one run shows its own noise
SHRINKS = 2 / 3
UNSETTLED = "the slope changes by more than two thirds of what it changed by before, so no limit is in sight"


@dataclass(frozen=True)
class Settled(Estimate):
    """The limit of a local slope, with what made its interval as wide as it is.

    Attributes:
        local: the slopes of the thirds, or of the last intervals of a curve without noise; means over the runs.
        chance: the part of the half-width that is noise.
        left: the part that is a change of the slope which may still follow; infinite if the slope does not settle.
        runs: how many independent ones; 1 for a curve that was judged by itself.
        each: the slope of each run's last third.
    """

    local: tuple[float, ...] = ()
    chance: float = 0.0
    left: float = 0.0
    runs: int = 1
    each: tuple[float, ...] = field(default=(), repr=False)


def limit_slope(x: Array, y: Array, significance: float = SIGNIFICANCE) -> Settled:
    """Slope of y (T,) or (T, R) against x (T,) that it settles at towards the last of x.

    One run (T,) needs 10 points, from whose scatter its noise is read; R >= 3 independent runs need 4.

    Raises:
        InvalidArgument: too few points or runs, shapes that differ, x not strictly monotone.
    """
    x, y = _curve(x, y)
    inside("significance", significance, 0, 1, "()")
    if y.ndim == 1 and len(x) < ONE_RUN:
        reject("points", len(x), f"at least {ONE_RUN} of one run (T,), or at least 3 independent runs (T, R)")
    if len(x) < 4:
        reject("points", len(x), "at least 4")
    runs = 1 if y.ndim == 1 else y.shape[1]
    local, noise = (of_one_run if runs == 1 else over_runs)(x, y, significance)
    by = "scatter of its blocks" if runs == 1 else f"spread of {runs} independent runs"
    thirds = _cut(len(x), 3)
    noise = noise + _rounding(y, min(np.ptp(x[third]) for third in thirds))
    found = _settled(local, noise, f"{by}, significance {significance:g}", significance, runs)
    return replace(found, each=tuple(np.atleast_1d(line_slope(x[thirds[-1]], y[thirds[-1]])).tolist()))


def limit_slope_without_noise(x: Array, y: Array, off_by: Array | float = 0.0, finest: float = 0.0) -> Settled:
    """The same for a curve (T,) without noise, such as errors of a method against its step size: T >= 3 points.

    The last four count: the local slopes are those between neighbours. Their change can vanish by chance, where terms
    of the next two orders cancel. So it is not taken for less than a quarter of the change before it, to which terms
    of second order shrink, nor for less than `finest`.

    Args:
        off_by: what each y may be off by, rounding for one; broadcasts with it.
        finest: a slope is not read finer than this.

    Raises:
        InvalidArgument: fewer points, shapes that differ, x not strictly monotone.
    """
    x, y = _curve(x, y)
    if y.ndim > 1 or len(x) < 3:
        reject("points", len(x), "at least 3 points of one curve (T,)")
    local, spans = np.diff(y[-4:]) / np.diff(x[-4:]), np.abs(np.diff(x))
    off = np.broadcast_to(off_by, y.shape)
    before, last = ((off[-k] + off[-k - 1]) / spans[-k] for k in (2, 1))
    noise = without_noise(local, finest) + np.array([last, 2 * last + before, last + before])
    return _settled(local, noise + _rounding(y, spans[-2:].min()), "no noise", 0.0, 1)


def without_noise(local: Array, finest: float) -> Array:
    """What the interval of local slopes (2 or 3, ...) without noise is wider by, in place of noise: (3, ...)."""
    earlier = np.abs(local[1] - local[0]) / 4 if len(local) > 2 else 0.0
    wider = np.maximum(earlier, finest)
    return np.broadcast_to(wider, (3, *local.shape[1:]))


def over_runs(x: Array, y: Array, significance: float) -> tuple[Array, Array]:
    """Local slopes (3, ...) of y (T, R, ...), and what chance adds to k_3, to 2 k_3 - k_2 and to k_3 - k_2 (3, ...)."""
    each = np.stack([line_slope(x[third], y[third]) for third in _cut(len(x), 3)])
    last, before = each[2], each[1]
    noise = [few_runs.half_width(slopes, significance) for slopes in (last, 2 * last - before, last - before)]
    return each.mean(1), np.stack(noise)


def of_one_run(x: Array, y: Array, significance: float) -> tuple[Array, Array]:
    """The same for each curve of y (T, ...) by itself: Student's interval over blocks of a third, their trend out.

    Blocks share their end points, so that white noise moves neighbours in opposite directions and the interval is
    wider than it needs; it is right for noise that adds up, as a random walk's does.
    """
    local, chances = np.stack([_of_blocks(x[third], y[third], significance) for third in _cut(len(x), 3)], axis=1)
    noise = chances[2], np.hypot(2 * chances[2], chances[1]), np.hypot(chances[2], chances[1])
    return local, np.stack(noise)


def between(local: Array, noise: Array) -> tuple[Array, Array]:
    """The interval [low, high] of the limit, given local slopes (k, ...) and noise (3, ...); all numbers if unsettled.

    With a transient that at least halves, the limit is (1 - w) k_3 + w (2 k_3 - k_2) with some w in [0, 1], and the
    noise of a mixture is at most the mixture of the noises: so the interval misses no more often than each of its ends.
    """
    chance, ahead, change = noise
    last, left = local[-1], local[-1] - local[-2]
    low = np.minimum.reduce([last - chance, last + left - ahead, last + 2 * left])
    high = np.maximum.reduce([last + chance, last + left + ahead, last + 2 * left])
    earlier = np.abs(local[-2] - local[-3]) if len(local) > 2 else np.inf
    settles = np.abs(left) <= SHRINKS * earlier + change
    return np.where(settles, low, -np.inf), np.where(settles, high, np.inf)


def _settled(local: Array, noise: Array, by: str, significance: float, runs: int) -> Settled:
    low, high = (float(end) for end in between(local, noise))
    words = f"local slopes {', '.join(f'{slope:.6g}' for slope in local)}; {by}"
    slopes = tuple(float(slope) for slope in local)
    if np.isinf(high):
        parts = {"chance": float(noise[0]), "left": np.inf}
        return Settled(slopes[-1], low, high, f"{words}; {UNSETTLED}", significance, slopes, runs=runs, **parts)
    left = abs(slopes[-1] - slopes[-2])
    chance = max((high - low) / 2 - left, 0.0) if significance else 0.0
    parts = {"chance": chance, "left": (high - low) / 2 - chance}
    return Settled((low + high) / 2, low, high, words, significance, slopes, runs=runs, **parts)


def _rounding(y: Array, span: float) -> float:
    """What rounding moves 2 k_3 - k_2 by: three slopes over a span, of y and of the numbers y is the logarithm of."""
    return float(6 * EPS * (1 + np.abs(y).max()) / span)


def _curve(x: Array, y: Array) -> tuple[Array, Array]:
    x, y = entries_inside("x", x, -SQUARABLE, SQUARABLE), entries_inside("y", y)
    if x.ndim != 1 or y.ndim not in (1, 2) or len(y) != len(x):
        reject("y.shape", y.shape, f"(T,) or (T, R), with x (T,) that has the shape {x.shape}")
    if not ((np.diff(x) > 0).all() or (np.diff(x) < 0).all()):
        reject("x", "numbers in no order", "strictly increasing or decreasing ones")
    if (np.abs(np.diff(x)) < 1 / SQUARABLE).any():
        reject("x", f"numbers {np.abs(np.diff(x)).min():g} apart", f"at least {1 / SQUARABLE:g} apart")
    if y.ndim == 2 and y.shape[1] < 3:
        reject("runs", y.shape[1], "one curve (T,), or at least 3 independent runs (T, R)")
    return x, y


def _cut(points: int, parts: int) -> list[slice]:
    """Parts of equally many intervals; neighbours share a point."""
    ends = np.linspace(0, points - 1, parts + 1).round().astype(int)
    return [slice(first, last + 1) for first, last in zip(ends[:-1], ends[1:])]


def _of_blocks(x: Array, y: Array, significance: float) -> Array:
    """Slope of a third of one run, and what chance moves it by."""
    blocks = _cut(len(x), min(BLOCKS, len(x) - 1))
    slopes = np.stack([line_slope(x[block], y[block]) for block in blocks])
    middles, spans = (np.array([f(x[block]) for block in blocks]) for f in (np.mean, np.ptp))
    weights = spans / spans.sum()
    centred = middles - weights @ middles
    value = np.tensordot(weights, slopes, 1)
    trend = np.tensordot(weights * centred / ((weights * centred) @ centred), slopes, 1)
    off = slopes - value - np.multiply.outer(centred, trend)
    freedom = len(blocks) - 2
    variance = np.tensordot(weights**2, off**2, 1) * len(blocks) / freedom
    return np.stack([value, np.sqrt(variance) * stats.t.isf(significance / 2, freedom)])
