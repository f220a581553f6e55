"""Arguments of the functions of the shallow networks."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, Draw

from theory.shallow import minnorm_flow


def for_a_while(draw: Draw) -> dict[str, Any]:
    """A start, two times, and few evaluations."""
    n, d = (int(size) for size in draw.rng.integers(1, 5, 2))
    return {
        "Z": draw.entries((n, d)),
        "w": draw.entries((d,)),
        "multipliers": np.abs(draw.entries((n,))),
        "t": np.cumsum(np.abs(draw.entries((2,)))),
        "a": draw.number(),
        "b": draw.number(),
        "evaluations": 1000,
    }


ARGUMENTS |= {minnorm_flow.integrated: for_a_while}
