"""Minimal models of any length, times of modes on the way, chains of two weights near the edge of stability."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import ARGUMENTS, Draw
from recipes.chain import chain

from theory.chain import flow_sharpness
from theory.chain.problem import Chain
from theory.imbalance import minimal_model, mixed_regime

Recipe = Callable[[Draw], dict[str, Any]]


def of_one_length(function: Callable) -> Recipe:
    """y of r numbers and Z of one more."""

    def arguments(draw: Draw) -> dict[str, Any]:
        r = int(draw.rng.integers(1, 5))
        draw.sizes |= {"r": (r,), "size": (r + 1,)}
        hints = typing.get_type_hints(function)
        return {name: draw.value(hints[name]) for name in inspect.signature(function).parameters}

    return arguments


def separating(draw: Draw) -> dict[str, Any]:
    """Weights of opposite signs, the output's mostly the larger."""
    along = draw.entries(draw._size("*runs"))
    factor = draw._choice((1.0, 1 + 1e-12, 1.5, 3.0, 1e8))
    return {"y": draw.entries((3,)), "a": -factor * along, "along": along}


def on_the_way(draw: Draw) -> dict[str, Any]:
    """Shares of the target, from none to all of it, and now and then beyond."""
    y = draw.entries(draw._size("*modes"))
    k = np.abs(draw.entries(np.shape(y)))
    with np.errstate(all="ignore"):
        return {"y": y, "k": k, "p": y * draw.rng.choice([0, 1e-16, 1e-9, 0.3, 0.9, 1 - 1e-15, 1, 1.1])}


def near_the_edge(function: Callable) -> Recipe:
    """Two weights, a step below the edge of balanced minima, and a start above it."""

    def arguments(draw: Draw) -> dict[str, Any]:
        made = Chain(draw.number(), int(draw.rng.choice([2, 2, 2, 3])), draw.number())
        share = draw._choice((1e-9, 0.3, 0.9, 0.999, 1 - 1e-12, 1.1))
        given = {"chain": made, "learning_rate": share / (made.sigma * made.s), "start": 2 + draw.number()}
        return given | ({"g": draw.number()} if function is flow_sharpness.amplitude else {})

    return arguments


def stepped(draw: Draw) -> dict[str, Any]:
    made = chain(draw)
    return {"chain": made, "w": draw.entries((made.L,)), "learning_rate": draw.number()}


for each in ("imbalance", "solution", "loss", "angle", "tangent", "separation"):
    ARGUMENTS[getattr(minimal_model, each)] = of_one_length(getattr(minimal_model, each))
ARGUMENTS |= {
    minimal_model.separating_length: separating,
    mixed_regime.passage_time: on_the_way,
    flow_sharpness.landing: near_the_edge(flow_sharpness.landing),
    flow_sharpness.amplitude: near_the_edge(flow_sharpness.amplitude),
    flow_sharpness.contraction: stepped,
}
