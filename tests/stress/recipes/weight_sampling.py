"""Descent with noise that mostly converges, and whole numbers of steps, samples and epochs that mostly are."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.weight_sampling import averages, descent, directions, reshuffling, restart, up_moves
from theory.weight_sampling.descent import Descent

WHOLE = (0.0, 1.0, 2.0, 3.0, 17.0, 1e6, 1e15, 1e300, np.inf)
SHARES = (1e-16, 1e-8, 1e-3, 0.3, 0.5, 0.5 * (1 + 1e-15), 0.9, 1.0 - 1e-12, 1.0)  # of the largest step, 2 / h
COUNTS = ("k", "K", "P", "steps", "epoch")


def noisy(draw: Draw) -> Descent:
    h = draw.number()
    return Descent(h, draw.number() if draw.chance(0.2) else float(draw.rng.choice(SHARES)) * 2 / h, draw.number())


def counts(draw: Draw) -> Any:
    return draw.rng.choice(WHOLE) if draw.chance(draw.wildness) else float(draw.rng.integers(1, 40))


def of_samples(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    hints = typing.get_type_hints(function)

    def arguments(draw: Draw) -> dict[str, Any]:
        names = inspect.signature(function).parameters
        return {name: counts(draw) if name in COUNTS else draw.value(hints[name]) for name in names}

    return arguments


def covariance(draw: Draw, d: int) -> np.ndarray:
    root = draw.entries((d, d))
    with np.errstate(all="ignore"):
        return root @ root.T


def matrices(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    """Curvatures and covariances that are such; what descends with a learning rate that is small enough for most."""

    def arguments(draw: Draw) -> dict[str, Any]:
        d, made = int(draw.rng.integers(1, 4)), {}
        for name in inspect.signature(function).parameters:
            if name == "M":
                made[name] = np.eye(d) - 0.1 * covariance(draw, d)
            elif name == "C":
                made[name] = draw.number() / 4 * made["S"]
            elif name in ("K", "P"):
                made[name] = draw.whole()
            else:
                made[name] = draw.number() if name in ("eta", "beta") else covariance(draw, d)
        return made

    return arguments


def named_counts(draw: Draw) -> dict[str, Any]:
    return {"name": "k", "value": counts(draw) + (0.5 if draw.chance(0.1) else 0.0), "least": draw.whole()}


def examples(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    def arguments(draw: Draw) -> dict[str, Any]:
        names = inspect.signature(function).parameters
        return {name: noisy(draw) if name == "descent" else draw.whole() for name in names}

    return arguments


RECIPES[Descent] = noisy
ARGUMENTS[descent.whole] = named_counts
for module in (averages, descent, restart):
    for function in vars(module).values():
        ours = inspect.isfunction(function) and function.__module__ == module.__name__
        if ours and function is not descent.whole and not function.__name__.startswith("_"):
            ARGUMENTS[function] = of_samples(function)
for function in (
    directions.averaging_limit,
    directions.covariance_of_average,
    directions.recursion,
    directions.stationary_covariance,
    up_moves.chance_of_rise,
):
    ARGUMENTS[function] = matrices(function)
for function in (reshuffling.averaged_variance, reshuffling.variance_between_epochs):
    ARGUMENTS[function] = examples(function)
