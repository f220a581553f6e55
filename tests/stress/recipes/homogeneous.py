"""Networks that fit their examples, sizes above 0 beside those at the edges, labels of classes that exist."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw
from recipes.problems import before_a_step, examples, layers, layers_and_rates, sized

from theory.core.arrays import Array
from theory.homogeneous import (
    balance,
    critical_points,
    decomposition,
    dynamics,
    margin_growth,
    max_margin,
    normalisation,
    smoothed_margin,
)
from theory.homogeneous.decomposition import Polar

LAWS = (balance.matrices, balance.neurons, balance.layers)
RULES = (
    dynamics.gradient_flow,
    dynamics.lagrange_multiplier,
    dynamics.tangent_gradient,
    dynamics.weight_normalisation,
    dynamics.exponential_weight_normalisation,
)
SLOPES = (
    decomposition.exponential_slope,
    decomposition.logistic_slope,
    decomposition.squared_slope,
    decomposition.log_slope,
)
EVALUATIONS = 200  # of a velocity, so that no flow takes long


def adjusted(function: Callable, **how: Callable[[Draw, Any], Any]) -> None:
    """Draw the arguments of `function` by their annotations, and put some of them through a function of their own."""
    hints, parameters = typing.get_type_hints(function), inspect.signature(function).parameters.values()

    def arguments(draw: Draw) -> dict[str, Any]:
        wanted = [each.name for each in parameters if each.default is each.empty or draw.chance(0.5)]
        made = {name: draw.value(hints[name]) for name in wanted}
        return {name: how[name](draw, value) if name in how else value for name, value in made.items()}

    ARGUMENTS[function] = arguments


def above_zero(draw: Draw, values: Any) -> Any:
    """Mostly; what is 0 stays 0."""
    return np.abs(values) if draw.chance(0.9) else values


def network(draw: Draw, outputs: int = 1) -> dict[str, Any]:
    """Examples, and layers for them, now and then of several runs."""
    problem = examples(draw)
    W = layers(draw, problem.X.shape[1], outputs)
    return {"examples": problem, "W": W if draw.chance(0.5) else [np.stack([layer, layer]) for layer in W]}


def polar(draw: Draw) -> Polar:
    return in_sizes(draw, network(draw)["W"])


def in_sizes(draw: Draw, W: list[Array]) -> Polar:
    """Directions that point somewhere, and sizes of their own."""
    V = decomposition.polar([np.where(np.isfinite(layer) & (layer != 0), np.sign(layer), 0.5) for layer in W]).V
    return Polar(np.asarray(above_zero(draw, draw.entries((*V[0].shape[:-2], len(V))))), V)


def with_sizes(draw: Draw) -> dict[str, Any]:
    made = network(draw)
    return {"examples": made["examples"], "state": in_sizes(draw, made["W"])}


def with_weights(draw: Draw) -> dict[str, Any]:
    made = network(draw)
    return {**made, "weight": draw.entries((*made["W"][0].shape[:-2], len(made["examples"].y)))}


def along(draw: Draw, times: str) -> dict[str, Any]:
    made = with_sizes(draw)
    return {
        "dynamics": draw._choice(RULES),
        "examples": made["examples"],
        "start": made["state"],
        times: np.cumsum(np.abs(draw.entries((2,)))),
        "slope": draw._choice(SLOPES),
        "relative_tolerance": 1e-6,
        "evaluations": EVALUATIONS,
    }


def beside_the_start(draw: Draw) -> dict[str, Any]:
    start = layers_and_rates(draw)["W"]
    first, second = (above_zero(draw, draw.entries((len(start),))) for _ in range(2))
    return {"start": start, "first": first, "second": second}


def orthogonal(draw: Draw) -> dict[str, Any]:
    """Examples along the axes, which may be 0 or alike, and starts that classify them, most of them."""
    n = int(draw.rng.integers(1, 4))
    heights, w0 = draw.entries((n,)), draw.entries((*(2,) * int(draw.rng.integers(0, 2)), n))
    Z = np.diag(heights) if draw.chance(0.9) else draw.entries((n, n))
    start = np.abs(w0) * np.where(heights < 0, -1, 1) if draw.chance(0.9) else w0
    return {"Z": Z, "w0": start, "t": np.abs(draw.entries((2,))), "power": draw.number()}


def on_the_sphere(draw: Draw, V: Array) -> Array:
    finite = np.where(np.isfinite(V) & (V != 0), np.sign(V), 0.5)
    return finite / np.linalg.norm(finite, axis=-1, keepdims=True) if draw.chance(0.9) else V


RECIPES |= {Polar: polar}
ARGUMENTS |= {
    balance.imbalance: lambda draw: {**layers_and_rates(draw), "law": draw._choice(LAWS)},
    balance.after_step: lambda draw: {**before_a_step(draw), "law": draw._choice(LAWS)},
    decomposition.margins: network,
    decomposition.gradients: with_weights,
    decomposition.radial_and_tangential: lambda draw: {**with_sizes(draw), "slope": draw._choice(SLOPES)},
    dynamics.flow: lambda draw: along(draw, "t"),
    dynamics.orbit: lambda draw: along(draw, "log_growth"),
    dynamics.finite_until: lambda draw: {"examples": examples(draw), "start": polar(draw)},
    max_margin.misalignment_bound: beside_the_start,
    max_margin.second_singular_bound: lambda draw: {"start": layers(draw, *sized(draw, "d"))},
    max_margin.polynomial_solution: orthogonal,
}
for rule in RULES:
    adjusted(rule, rho=above_zero)
for unseen in (
    dynamics.unseen_of_gradient_flow,
    dynamics.unseen_of_exponential_weight_normalisation,
    dynamics.unseen_of_weight_normalisation,
):
    adjusted(unseen, rho0=above_zero, rho=above_zero)
adjusted(max_margin.unseen, growth=above_zero)
for law in (margin_growth.layer_norms, margin_growth.growth):
    adjusted(law, m=above_zero)
for time in (margin_growth.growth_time, margin_growth.logistic_growth_time):
    adjusted(time, start=above_zero, m=above_zero)
for margin in (
    smoothed_margin.normalised_margin,
    smoothed_margin.smoothed_margin,
    smoothed_margin.smoothed_margin_rate,
):
    adjusted(margin, squared_norm=above_zero)
adjusted(normalisation.squared_norm_after_step, squared_norm=above_zero, squared_gradient=above_zero)
for derivative in (critical_points.tangential_gradient, critical_points.curvature):
    adjusted(derivative, rho=above_zero, V=on_the_sphere)
adjusted(critical_points.equilibrium, rho=above_zero)
adjusted(
    max_margin.crammer_singer, labels=lambda draw, labels: labels % 3, classes=lambda draw, classes: max(classes, 3)
)
