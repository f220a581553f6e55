"""Arguments of the functions of the shallow networks."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, Draw

from theory.core.separable import Separable
from theory.shallow import alternating, minnorm_flow
from theory.shallow.heavy_ball import best_alternating


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


def support_alone(draw: Draw) -> dict[str, Any]:
    """Examples that are all support vectors, and now and then steps at which every mode oscillates."""
    n = int(draw.rng.integers(1, 5))
    Z = np.eye(n) + 0.1 * draw.rng.standard_normal((n, n)) / n
    squares = np.linalg.eigvalsh(Z @ Z.T)
    best = best_alternating(0.9 * squares[0], 1.1 * squares[-1])
    given = {"problem": Separable(Z), "steps": draw.rng.integers(0, 50, 3)}
    if draw.rng.random() < 0.5:
        return given | {"A": float(best.A), "B": float(best.B)}
    return given | {"A": draw.number(), "B": draw.number()}


ARGUMENTS |= {minnorm_flow.integrated: for_a_while, alternating.from_zero: support_alone}
