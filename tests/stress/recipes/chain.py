"""Chains, and weights of their length."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.chain import times
from theory.chain.problem import Chain


def chain(draw: Draw) -> Chain:
    made = Chain(**draw.arguments(Chain))
    draw.sizes["L"] = (made.L,)
    return made


def falling(draw: Draw) -> tuple[Any, Any]:
    """Distances along time, with coincidences and a return now and then."""
    size = int(draw.rng.integers(1, 12))
    t = np.cumsum(np.abs(draw.entries((size,))))
    return t, np.abs(draw.entries((size,))) * np.exp(-draw.number() * t)


def one_accuracy(draw: Draw) -> dict[str, Any]:
    t, distances = falling(draw)
    return {"t": t, "distances": distances, "epsilon": draw.number()}


def accuracies(draw: Draw) -> dict[str, Any]:
    t, distances = falling(draw)
    return {"t": t, "distances": distances, "epsilons": np.abs(draw.entries((3,)))}


RECIPES[Chain] = chain
ARGUMENTS |= {times.hitting_time: one_accuracy, times.hitting_times: accuracies}
