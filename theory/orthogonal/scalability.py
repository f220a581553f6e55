r"""Stochastic OPT's scalability: what a step by a random block makes of progress, and what the same progress costs.

A step turns p of the d coordinates, drawn anew. A pair of coordinates is among them with probability
q = p (p - 1) / (d (d - 1)) (`stochastic.captured_share`), so the mean of a step is q times full OPT's: as the learning
rate goes to 0 the path is that of the full flow at time q t.

A map costs the cube of its size, in units of c, and the rest of a step F. The same progress takes 1 / q times as many
steps, and so costs less than full OPT's exactly if

    (p^3 + F) / q < d^3 + F,   that is   F < p d (p d - p - d) / (p + d - 1).
"""

import numpy as np

from theory.core.validation import inside, positive_integer, reject
from theory.orthogonal.stochastic import captured_share


def relative_cost(d: int, p: int, rest: float) -> float:
    """What progress by random blocks costs, of the same by whole rotations: (p^3 + F) / (q (d^3 + F)).

    Args:
        rest: F, cost of a step besides the map, in units in which a map of size d costs d^3; inf for the limit 1 / q.

    Raises:
        InvalidArgument: p not in 2 ... d, a negative rest.
    """
    d, p = _sizes(d, p)
    inside("rest", rest, 0, np.inf)
    share = (p**3 + rest) / (d**3 + rest) if np.isfinite(rest) else 1.0
    return share / captured_share(d, p)


def break_even(d: int, p: int) -> float:
    """The F at which both cost the same, below which random blocks are cheaper: p d (p d - p - d) / (p + d - 1).

    It is 0 for d = p + 1 = 3: never cheaper.

    Raises:
        InvalidArgument: p not in 2 ... d - 1: a block of all coordinates is the whole rotation.
    """
    d, p = _sizes(d, p)
    if p == d:
        reject("p", p, f"a number in [2, {d - 1}]: whole rotations cost what they cost")
    return p * d * (p * d - p - d) / (p + d - 1)


def break_even_of_progress(d: int, p: int, progress: float) -> float:
    """The same where a step makes another share of full OPT's progress: (progress d^3 - p^3) / (1 - progress).

    Negative where no rest of a step makes blocks cheaper.

    Raises:
        InvalidArgument: a share outside (0, 1).
    """
    d, p = _sizes(d, p)
    inside("progress", progress, 0, 1, "()")
    return (progress * d**3 - p**3) / (1 - progress)


def _sizes(d: int, p: int) -> tuple[int, int]:
    inside("d", positive_integer("d", d), 2, np.inf, "[)")
    inside("p", positive_integer("p", p), 2, d)
    return int(d), int(p)
