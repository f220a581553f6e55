"""Chains, weights of their length, and the coincidences of their times."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.chain import collapse, escape_time, gradient_flow, minnorm, problem, times, weight_decay
from theory.chain.problem import Chain


def chain(draw: Draw) -> Chain:
    made = Chain(**draw.arguments(Chain))
    draw.sizes["L"] = (made.L,)
    return made


def by_annotations(draw: Draw, function: Callable, *given: str) -> dict[str, Any]:
    hints = typing.get_type_hints(function)
    return {name: draw.value(hints[name]) for name in inspect.signature(function).parameters if name not in given}


def of_depth(function: Callable, *depths: int) -> Callable[[Draw], dict[str, Any]]:
    def arguments(draw: Draw) -> dict[str, Any]:
        made = Chain(draw.number(), int(draw.rng.choice(depths)), draw.number())
        draw.sizes["L"] = (made.L,)
        return {"chain": made, **by_annotations(draw, function, "chain")}

    return arguments


def of_a_state(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    """Weights whose product is a float, as large as that allows: beyond, a flow stops."""

    def arguments(draw: Draw) -> dict[str, Any]:
        made = by_annotations(draw, function)
        most = np.finfo(float).max ** (0.99 / made["w"].shape[-1])
        return {**made, "w": np.clip(made["w"], -most, most)}

    return arguments


def on_the_way(draw: Draw) -> dict[str, Any]:
    """From a start to a share of the way to the target, now and then beyond."""
    made, start = chain(draw), draw.number()
    share = draw.rng.choice([0, 1e-16, 1e-9, 0.3, 0.9, 1, 1.1])
    return {"chain": made, "start": start, "p": start + share * (made.s - start)}


def decaying(draw: Draw) -> dict[str, Any]:
    made = chain(draw)
    return {"chain": made, "gamma": draw.number() * min(weight_decay.collapse_threshold(made), 1.0)}


def unbalanced(draw: Draw) -> dict[str, Any]:
    """An accuracy that is small, at times, against what is to forget."""
    made = chain(draw)
    return {
        "chain": made,
        "w": draw.entries((made.L,)),
        "epsilon": draw.number() * made.omega * draw.rng.choice([1e-3, 0.1, 1]),
    }


def falling(draw: Draw) -> tuple[Any, Any]:
    """Distances along time: they come back now and then, or are a number no more."""
    size = int(draw.rng.integers(1, 12))
    t = np.cumsum(np.abs(draw.entries((size,))))
    with np.errstate(all="ignore"):
        return t, np.abs(draw.entries((size,))) * np.exp(-draw.number() * t)


def one_accuracy(draw: Draw) -> dict[str, Any]:
    t, distances = falling(draw)
    return {"t": t, "distances": distances, "epsilon": draw.number()}


def accuracies(draw: Draw) -> dict[str, Any]:
    t, distances = falling(draw)
    return {"t": t, "distances": distances, "epsilons": np.abs(draw.entries((3,)))}


def small(draw: Draw) -> dict[str, Any]:
    """Three or four weights, small and not below 0 most of the time, and now and then one that is 0."""
    made = Chain(draw.number(), int(draw.rng.choice((3, 4))), draw.number())
    w = np.abs(draw.entries((int(draw.rng.integers(1, 4)), made.L))) * (1 if draw.chance(0.9) else -1)
    w[0, 0] *= draw.chance(0.8)
    if draw.chance(0.9):
        with np.errstate(invalid="ignore"):
            w = 0.3 * made.omega * w / max(np.abs(w).max(), 1)
    return {"chain": made, "w": w, "share": draw.rng.choice([0.5, 0.9, 1.0, draw.number()])}


STATES = (
    gradient_flow.velocity,
    gradient_flow.product_velocity,
    minnorm.effective_multiplier,
    minnorm.velocity,
    minnorm.imbalance_velocity,
    problem.imbalance_after_step,
    problem.imbalance_solution,
    weight_decay.velocity,
)
RECIPES[Chain] = chain
ARGUMENTS |= {function: of_a_state(function) for function in STATES} | {
    collapse.collapse_criterion: of_depth(collapse.collapse_criterion, 2, 3, 4, 7),
    collapse.size_bound: of_depth(collapse.size_bound, 2, 3, 4, 7),
    collapse.growth_criterion: of_depth(collapse.growth_criterion, 2, 3, 4, 7),
    escape_time.escape_time: small,
    escape_time.elliptic: lambda draw: {"w": small(draw)["w"]},
    gradient_flow.two_layer_solution: of_depth(gradient_flow.two_layer_solution, 1, 2, 2, 2),
    gradient_flow.balanced_time: on_the_way,
    minnorm.orbit_energy: of_depth(minnorm.orbit_energy, 1, 2, 2, 2),
    minnorm.orbit_dissipation: of_depth(minnorm.orbit_dissipation, 1, 2, 2, 2),
    minnorm.orbit_frequency: of_depth(minnorm.orbit_frequency, 1, 2, 2, 2),
    times.fixed_time: unbalanced,
    times.hitting_time: one_accuracy,
    times.hitting_times: accuracies,
    weight_decay.best_fixed_time: unbalanced,
    weight_decay.equilibrium: decaying,
}
