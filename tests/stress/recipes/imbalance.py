"""Networks that fit their data, starts that meet the hypotheses of closed forms, and now and then just miss them."""

import inspect
import typing
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from arguments import ARGUMENTS, RECIPES, Draw
from recipes.problems import full_rank, network, runs

from theory.core import regression
from theory.core.regression import Regression
from theory.imbalance import (
    closed_forms,
    compression,
    convergence,
    dynamics,
    identities,
    invariant_set,
    one_mode,
    problem,
    rescaling,
    three_layers,
    tighter_rate,
    wide_limit,
    width,
)

EVALUATIONS = 120  # of a velocity, so that no flow takes long
Arguments = dict[str, Any]


def adjusted(function: Callable, **how: Callable[[Draw, Arguments], Any]) -> None:
    """Draw the arguments of `function` by their annotations, and some of them by a function of those before them."""
    hints, parameters = typing.get_type_hints(function), inspect.signature(function).parameters.values()

    def arguments(draw: Draw) -> Arguments:
        made: Arguments = {}
        for each in parameters:
            if each.name in how:
                made[each.name] = how[each.name](draw, made)
            elif each.default is each.empty or draw.chance(0.5):
                made[each.name] = draw.value(hints[each.name])
        return made

    ARGUMENTS[function] = arguments


def sizes(draw: Draw) -> tuple[int, int, int]:
    r, m = (int(size) for size in draw.rng.integers(1, 4, 2))
    return r, m, m + r + int(draw.rng.integers(-1, 4))


def whitened(draw: Draw, _: Arguments) -> Regression:
    """Every singular value 1, or all but."""
    r, m, h = sizes(draw)
    X = np.linalg.qr(draw.rng.standard_normal((r + int(draw.rng.integers(0, 2)), r)))[0].T
    made = Regression(X * draw._choice((1.0, 1.0, 1.0, 1.0 + 1e-12, 1.1)), draw.entries((r, m)))
    draw.sizes |= {"D": (made.D,), "m": (m,), "r": (made.r,), "m_plus_r": (m + made.r,), "h": (max(h, 1),)}
    return made


def at_times(draw: Draw, _: Arguments) -> Any:
    shape = tuple(int(size) for size in draw.rng.integers(1, 4, draw.rng.integers(0, 3)))
    return np.abs(draw.entries(shape)) if draw.chance(0.9) else draw.entries(shape)


def decoupled(draw: Draw, made: Arguments) -> Any:
    data = made["problem"]
    start = closed_forms.decoupled(data, data.m + data.r + 1, np.random.default_rng(draw.whole() % 7))
    unit = draw.number()
    return problem.Network(unit * start.U, unit * start.V) if draw.chance(0.9) else network(draw)


def homogeneous(draw: Draw, made: Arguments) -> Any:
    data = made["problem"]
    lam = float(draw.rng.choice([0, 1, -0.3, 1e-9])) * draw.number()
    start = closed_forms.homogeneous(data, lam, int(draw.rng.integers(1, 6)), np.random.default_rng(0))
    return start if draw.chance(0.9) else network(draw)


def of_an_equation(draw: Draw) -> Arguments:
    """Blocks of F and rows of Z, some of which are 0 or depend on each other."""
    r, m, h = sizes(draw)
    return {
        "targets": draw.entries((r, m)),
        "lam": draw._choice((0.0, draw.number(), -draw.number())),
        "Z": draw.entries((m + r, max(h, 1))),
        "t": at_times(draw, {}),
    }


def compressed(draw: Draw) -> compression.Compressed:
    data = RECIPES[Regression](draw)
    return compression.compress(data, network(draw))


def recorded(draw: Draw, made: Arguments) -> list[int]:
    return [int(step) for step in draw.rng.integers(0, max(made["steps"], 0) + 1, 3)]


def increasing(draw: Draw, _: Arguments) -> Any:
    t = np.cumsum(np.abs(draw.entries((3,))))
    draw.sizes["T"] = draw.sizes["times"] = (3,)
    return t


def states(draw: Draw, _: Arguments) -> Any:
    return draw.entries((3, *runs(draw), *draw.sizes["m_plus_r"], 3))


def rows(draw: Draw, made: Arguments) -> Any:
    """As long as the network is wide, and not all independent."""
    return draw.entries((*made["network"].U.shape[:-2], int(draw.rng.integers(1, 4)), made["network"].h))


def weights_at(draw: Draw, made: Arguments) -> Any:
    return draw.entries(made["start"].V.shape)


def few(draw: Draw, _: Arguments) -> int:
    return int(draw.rng.integers(0, 4))


def spectrum(draw: Draw, _: Arguments) -> Any:
    return np.sort(np.abs(draw.entries((int(draw.rng.integers(1, 4)),))))[::-1]


def small_whole(draw: Draw, _: Arguments) -> int:
    return draw.whole() if draw.chance(0.1) else int(draw.rng.integers(2, 6))


def rate(draw: Draw, _: Arguments) -> Any:
    return draw._choice((1, -1, 0, sympy.Rational(2, 3), sympy.Symbol("a")))


def order(draw: Draw, _: Arguments) -> int:
    return int(draw._choice((-1, 0, 1, 2, 3)))


def layers(draw: Draw, _: Arguments) -> list[Any]:
    """Of one run or of several; one layer now and then."""
    batch = runs(draw)
    widths = draw.rng.integers(1, 4, draw.rng.integers(2, 5))
    return [draw.entries((*batch, int(after), int(before))) for before, after in pairwise(widths)]


def unimodal(draw: Draw) -> Arguments:
    """Layers unimodal around the layer named, or around another, or not quite."""
    depth = int(draw.rng.integers(2, 5))
    n, m, turn = (int(x) for x in draw.rng.integers(1, (4, 4, depth + 1)))
    W = three_layers.unimodal_layers(
        draw.rng, widths=[n, *[max(n, m)] * (depth - 1), m], turn=turn, gap=0.1, runs=int(draw.rng.integers(1, 3))
    )
    unit = draw.number()
    return {"W": [unit * layer for layer in W], "turn": turn if draw.chance(0.9) else draw.whole()}


def equal_layers(draw: Draw) -> Arguments:
    """Square layers whose imbalances are multiples of the identity."""
    n, depth = int(draw.rng.integers(1, 4)), int(draw.rng.integers(2, 5))
    turns = np.linalg.qr(draw.rng.standard_normal((depth + 1, n, n)))[0]
    squares = np.concatenate([[0], np.cumsum(draw.rng.choice([0, 1, 1e-9, 0.3], depth - 1))])
    unit, core = draw.number(), np.abs(draw.entries((n,)))
    W = [unit * (turns[l + 1] * np.hypot(core, np.sqrt(squares[l]))) @ turns[l].T for l in range(depth)]
    return {"W": W, "turn": 1 if draw.chance(0.9) else draw.whole()}


def end_gradient(draw: Draw, made: Arguments) -> Any:
    W = made["W"]
    return draw.entries((*W[0].shape[:-2], W[-1].shape[-2], W[0].shape[-1]))


def imbalances(draw: Draw, _: Arguments) -> list[Any]:
    """Symmetric, of any size."""
    halves = [draw.entries((int(h), int(h))) for h in draw.rng.integers(1, 4, draw.rng.integers(1, 4))]
    return [half + half.T for half in halves]


def symmetric(name: str) -> Callable[[Draw, Arguments], Any]:
    def made(draw: Draw, _: Arguments) -> Any:
        (h,) = draw.sizes.setdefault(name, (int(draw.rng.integers(1, 5)),))
        half = draw.entries((*runs(draw), h, h))
        return half + half.mT

    return made


def two_layers(draw: Draw) -> Arguments:
    data = full_rank(draw)
    h, batch = int(draw.rng.integers(1, 5)), runs(draw)
    W = [draw.entries((*batch, h, data.D)), draw.entries((*batch, data.m, h))]
    return {"problem": data, "W": W if draw.chance(0.9) else W[:1]}


def level_of_mode(draw: Draw) -> Arguments:
    shape = tuple(int(size) for size in draw.rng.integers(1, 4, draw.rng.integers(0, 2)))
    return {"c": np.abs(draw.entries(shape)), "p": draw.entries(shape)}


def where_equal(draw: Draw) -> Arguments:
    r, m, _ = sizes(draw)
    above, below, extra = draw.number(), draw.number(), draw.rng.choice([0, 0.5, 1, 1.01], abs(r - m))
    return {
        "rng": draw.rng,
        "S": np.sort(np.abs(draw.entries((r,))))[::-1],
        "m": m,
        "above": above,
        "below": below,
        "products": draw.entries((min(r, m),)),
        "extra": (above if r > m else below) * np.sort(extra)[::-1],
        "residual_size": draw.number(),
    }


def exponent(draw: Draw, _: Arguments) -> float:
    return draw.number() if draw.chance(0.1) else float(draw._choice((0.25, 0.25 + 1e-15, 0.3, 0.4, 0.5)))


def seen_little(draw: Draw, _: Arguments) -> Regression:
    """Many more inputs than examples."""
    n, m = (int(size) for size in draw.rng.integers(1, 3, 2))
    return Regression(draw.entries((n, m + 2 * n + int(draw.rng.integers(-1, 3)))), draw.entries((n, m)))


def share_of_width(draw: Draw, made: Arguments) -> float:
    return draw.number() * float(draw._choice((1.0, np.sqrt(abs(made["h"])), 1e-8)))


def norms(draw: Draw, _: Arguments) -> Any:
    return np.abs(draw.entries((3,))) if draw.chance(0.5) else draw.number()


RECIPES[compression.Compressed] = compressed
ARGUMENTS |= {
    closed_forms.riccati_gram: of_an_equation,
    three_layers.unimodal_bound: unimodal,
    three_layers.homogeneous_bound: equal_layers,
    three_layers.two_layer_rate: two_layers,
    one_mode.squared_norm: level_of_mode,
    one_mode.scalar_rate: level_of_mode,
    tighter_rate.equality_case: where_equal,
}
adjusted(regression.random_regression, D=small_whole, n=small_whole, singular_values=spectrum)
adjusted(closed_forms.require_whitened, problem=whitened)
adjusted(closed_forms.decoupled_solution, problem=whitened, network=decoupled, t=at_times)
adjusted(closed_forms.riccati_solution, problem=whitened, network=homogeneous, t=at_times)
adjusted(closed_forms.modes, problem=whitened)
for descent in (compression.gradient_descent, compression.gradient_descent_in_numpy):
    adjusted(descent, steps=few, record=recorded)
adjusted(dynamics.gradient_flow, t=increasing, evaluations=lambda draw, made: EVALUATIONS)
adjusted(dynamics.lie_euler, steps=few)
adjusted(convergence.loss_bound, t=at_times)
adjusted(invariant_set.without_overlap, rows=rows)
adjusted(invariant_set.unseen_end_to_end, V=weights_at)
adjusted(invariant_set.growth_bound, t=increasing)
adjusted(tighter_rate.restarted_exponent, Z=states, t=increasing)
adjusted(three_layers.curvature, W=layers)
adjusted(three_layers.smallest_curvature, W=layers)
adjusted(three_layers.imbalance_drift, W=layers, gradient=end_gradient)
adjusted(three_layers.turning_factors, D=imbalances)
adjusted(three_layers.two_layer_level, D=symmetric("h"))
adjusted(three_layers.three_layer_bound, D1=symmetric("h1"), D2=symmetric("h2"))
adjusted(tighter_rate.smallest_gram_eigenvalue, D=symmetric("h"))
adjusted(
    wide_limit.product,
    t=at_times,
    relative_tolerance=lambda draw, made: 1e-5,
    evaluations=lambda draw, made: EVALUATIONS,
)
adjusted(width.extreme_network, problem=seen_little, exponent=exponent, s=share_of_width)
adjusted(width.extreme_rows, s=share_of_width)
for law in (width.residual_bound, width.printed_residual_bound):
    adjusted(law, product_norm=norms)
for by_exponent in (
    problem.fan_in_scale,
    wide_limit.level,
    wide_limit.squared_distance,
    width.imbalance_level_bound,
    width.worst_imbalance_level,
    width.overlap_bound,
    width.product_bound,
    width.theorem_width,
    width.printed_theorem_width,
    width.distance_bound,
    rescaling.speedup,
):
    adjusted(by_exponent, exponent=exponent)
for proof in (identities.imbalance_velocity, identities.descent_drift_error, identities.generator_anticommutator):
    adjusted(proof, output_rate=rate, hidden_rate=rate)
adjusted(identities.lie_euler_drift, order=order, output_rate=rate, hidden_rate=rate)
