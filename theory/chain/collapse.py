"""From depth 3 on w = 0 attracts: the constraint's gradient q vanishes there, and no multiplier moves the weights back.

A balanced chain, every weight w, has w' = a w (m w^(L-2) - 1) with m = x (lambda + c h). (k = 2; ours.)
"""

import numpy as np
from jaxtyping import Float

from theory.chain.problem import Chain
from theory.core.arrays import Array
from theory.core.validation import reject, times
from theory.minnorm.tuning import Number, Tuning


def collapse_criterion(chain: Chain, tuning: Tuning, w: Number, multiplier: Number) -> Number:
    """w^(L-2) (x lambda + c sigma s + b sigma s / (a (L-2))): below 1 the chain collapses for certain.

    v = w^(2-L) obeys v' = a (L-2) (v - m), and m grows at most as x lambda(0) + c sigma s + b sigma s t, because
    s - p < s: v stays above it for ever if it starts more than b sigma s / (a (L-2)) above.

    Raises:
        InvalidArgument: depth below 3, a norm that is not squared, a weight below 0 or whose powers are no numbers.
    """
    largest, growth = _largest_force(chain, tuning, w, multiplier)
    return w ** (chain.L - 2) * (largest + growth / (tuning.a * (chain.L - 2)))


def size_bound(
    chain: Chain, tuning: Tuning, w: Number, multiplier: Number, t: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    """Upper bound on w(t) from the solution of v' = a (L-2) (v - largest m): it falls to 0 if `collapse_criterion` is
    below 1; otherwise it says nothing from some time on, and is infinite.

    Tight while p is small against s.

    Raises:
        InvalidArgument: a negative or NaN time, and as `collapse_criterion`.
    """
    largest, growth = _largest_force(chain, tuning, w, multiplier)
    t, rate = times(t), tuning.a * (chain.L - 2)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        above = np.asarray(w) ** (2.0 - chain.L) - largest - growth / rate
        forced = largest + growth * (np.where(np.isinf(t) & (growth == 0), 0.0, t) + 1 / rate)
        departed = np.where(above == 0, 0.0, above * np.exp(rate * t))
        v = np.where(np.isneginf(departed), -np.inf, forced + departed)
        return np.where(v > 0, np.maximum(v, 0) ** (-1 / (chain.L - 2)), np.inf)


def growth_criterion(chain: Chain, tuning: Tuning, w: Number) -> Number:
    """c sigma (s - w^L) w^(L-2): where it is above 1, and lambda >= 0, the weights grow until it is 1 again.

    Raises:
        InvalidArgument: as `collapse_criterion`.
    """
    _require_balanced(chain, w)
    return tuning.c * chain.sigma * (chain.s - w**chain.L) * w ** (chain.L - 2)


def _largest_force(chain: Chain, tuning: Tuning, w: Number, multiplier: Number) -> tuple[Number, Number]:
    """The most that m can be at time 0, and by how much it can grow in a unit of time."""
    _require_balanced(chain, w)
    return chain.x * multiplier + tuning.c * chain.sigma * chain.s, tuning.b * chain.sigma * chain.s


def _require_balanced(chain: Chain, w: Number) -> None:
    if chain.L < 3 or chain.power != 2:
        reject("(chain.L, chain.power)", (chain.L, chain.power), "depth 3 or more, squared norm: (3 or more, 2)")
    with np.errstate(over="ignore"):
        if not ((np.asarray(w) >= 0) & np.isfinite(np.asarray(w) ** (2.0 * chain.L))).all():
            reject("w", w, f"weights of at least 0 whose power {2 * chain.L} is a number")
