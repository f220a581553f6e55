"""Layers and gradients that fit, and shares that add up to 1."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.core import linear_networks, separable, validation


def gradient_of_layers(draw: Draw) -> dict[str, Any]:
    W = draw.stack()
    return {"W": W, "gradient": draw.entries((len(W[-1]), W[0].shape[1]))}


def planted(draw: Draw) -> dict[str, Any]:
    """Of one share up to one more than there are dimensions."""
    d = int(draw.rng.integers(1, 5))
    shares = draw.rng.dirichlet(np.ones(int(draw.rng.integers(1, d + 2))))
    slack = np.abs(draw.entries((int(draw.rng.integers(0, 3)),)))
    numbers = {"margin": draw.number(), "spread": draw.number(), "runs": draw.whole()}
    return {"rng": RECIPES[np.random.Generator](draw), "shares": shares, "d": d, "slack": slack, **numbers}


ARGUMENTS |= {
    linear_networks.layer_gradients: gradient_of_layers,
    separable.planted: planted,
    validation.increasing_times: lambda draw: {"value": np.cumsum(np.abs(draw.entries((3,))))},
}
