"""Inputs on the sphere: in general position, equal, antipodal, nearly so, and numbers that fit them."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.kernel import corrections
from theory.kernel.inputs import Inputs, unit_rows


def inputs(draw: Draw) -> Inputs:
    n, d = (int(size) for size in draw.rng.integers(1, 6, 2))
    draw.sizes |= {"n": (n,), "d": (d,)}
    X = draw.rng.standard_normal((n, d))
    if draw.chance(0.3):
        X[-1] = draw.rng.choice((1.0, -1.0)) * X[0] + draw.rng.choice((0.0, 1e-12, 1e-8)) * X[-1]
    return unit_rows(X)


def others(draw: Draw) -> dict[str, Any]:
    return {"angle": draw.number(), "others": inputs(draw)}


def planes(draw: Draw) -> dict[str, Any]:
    made = {"inputs": inputs(draw), "learning_rate": draw.number()}
    start, rng = draw.entries(draw.sizes["n"]), np.random.default_rng(draw.whole() % 7)
    return made | {"start": start, "steps": draw.whole(), "rng": rng, "draws": draw.whole()}


RECIPES |= {Inputs: inputs}
ARGUMENTS |= {corrections.crossings: planes}
