"""Gaussian classes, probabilities, gains and samples of labels that fit, most of them."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.core.separable import Separable
from theory.cost_sensitive import coverage, distillation, gains, gaussian_classes, hybrid, margins
from theory.cost_sensitive.gaussian_classes import Classes


def classes(draw: Draw) -> Classes:
    K = int(draw.rng.integers(2, 5))
    draw.sizes |= {"K": (K,)}
    sigma = draw.number()
    means = np.cumsum(draw.rng.choice((1e-3, 0.5, 1.0, 3.0, 30.0), K)) * sigma
    return Classes(means, probabilities(draw, (K,)), sigma)


def probabilities(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    shares = np.abs(draw.entries(shape))
    with np.errstate(all="ignore"):
        return shares / shares.sum(-1, keepdims=True)


def of_labels(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    """Matrices of gains, probabilities over labels, and what else a function is told."""

    def arguments(draw: Draw) -> dict[str, Any]:
        K, cells = int(draw.rng.integers(1, 5)), int(draw.rng.integers(1, 4))
        one = function.__module__ == distillation.__name__
        rows = (K,) if one else (cells, K)
        n = draw.whole()
        counts = draw.rng.multinomial(max(n, 1), np.ones(K) / K, size=cells)
        made = {
            **{name: probabilities(draw, rows) for name in ("eta", "labels", "teacher")},
            **{name: np.abs(draw.entries((K, K))) for name in ("G", "M", "costs")},
            **{name: draw.entries((K,)) for name in ("log_D", "D")},
            "q": probabilities(draw, (K,)),
            "s": draw.entries((cells, K)),
            "chosen": draw.rng.integers(0, K, cells),
            "counts": counts,
            "share": draw.number() / 4,
            "n": n,
            "K": K,
            "name": "G",
            "value": probabilities(draw, rows) if function is gains.probabilities else draw.entries((K, K)),
        }
        return {name: made[name] for name in inspect.signature(function).parameters}

    return arguments


def of_classes(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    def arguments(draw: Draw) -> dict[str, Any]:
        known = classes(draw)
        made = {
            "classes": known,
            "log_a": draw.entries((known.K,)),
            "multipliers": np.abs(draw.entries((known.K,))),
            "step": draw.number(),
            "rounds": min(draw.whole(), 5),
            "least": draw.number() / (3 * known.K),
            "edges": np.sort(draw.entries((2,))),
            "labels": draw.rng.integers(0, known.K, 3),
        }
        return {name: made[name] for name in inspect.signature(function).parameters}

    return arguments


def of_examples(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    def arguments(draw: Draw) -> dict[str, Any]:
        n = int(draw.rng.integers(1, 4))
        Z = draw.rng.standard_normal((n, n + 2))
        made = {"log_g": draw.entries((n,)), "factors": np.abs(draw.entries((n,))), "Z": Z}
        if "problem" in inspect.signature(function).parameters:
            made["problem"] = Separable(Z)
        return {name: made[name] for name in inspect.signature(function).parameters}

    return arguments


RECIPES[Classes] = classes
for module, recipe in (
    (gains, of_labels),
    (hybrid, of_labels),
    (distillation, of_labels),
    (gaussian_classes, of_classes),
    (coverage, of_classes),
):
    for function in vars(module).values():
        ours = inspect.isfunction(function) and function.__module__ == module.__name__
        if ours and not function.__name__.startswith("_"):
            ARGUMENTS[function] = recipe(function)
for function in (margins.limit_margins, margins.limit_move, margins.scaled):
    ARGUMENTS[function] = of_examples(function)
