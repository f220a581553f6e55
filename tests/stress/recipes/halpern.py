"""Steps and learning rates of norm-minimising descent that mostly fit the data, and now and then do not."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw
from recipes.problems import runs

from theory.core.regression import Regression
from theory.core.separable import Separable
from theory.halpern import exponential_loss, fixed_points, least_squares, nonconvex, schedules, squared_hinge

WHOLE = (0.0, 1.0, 2.0, 3.0, 17.0, 1e6, 1e15, 1e300, np.inf)
SHARES = (1e-16, 1e-3, 0.3, 0.5, 0.5 * (1 + 1e-15), 0.9, 1.0)  # of the largest step
LEFT = (schedules.none, schedules.harmonic, schedules.inverse_square, partial(schedules.constant, 0.3))


def weights(draw: Draw) -> Any:
    return draw.entries((*runs(draw), *draw.sizes["D"], *draw.sizes["m"]))


def steps(draw: Draw) -> Any:
    """Whole numbers of steps, of any shape."""
    shape = tuple(int(size) for size in draw.rng.integers(1, 4, draw.rng.integers(0, 3)))
    return draw.rng.choice(WHOLE, shape) if draw.chance(0.5) else draw.rng.integers(0, 20, shape).astype(float)


def rate(draw: Draw, problem: Regression) -> float:
    return draw.number() if draw.chance(0.2) else float(draw.rng.choice(SHARES)) * least_squares.largest_step(problem)


MAKERS: dict[str, Callable[[Draw, Regression], Any]] = {
    "eta": rate,
    "w": lambda draw, _: weights(draw),
    "v": lambda draw, _: weights(draw),
    "k": lambda draw, _: steps(draw),
    "multipliers": lambda draw, problem: draw.entries((2, problem.r)),
    "share": lambda draw, problem: draw.entries((problem.r,)),
}


def descent(*names: str) -> Callable[[Draw], dict[str, Any]]:
    """A regression problem, and what descends on it."""

    def arguments(draw: Draw) -> dict[str, Any]:
        problem = RECIPES[Regression](draw)
        return {"problem": problem} | {name: MAKERS[name](draw, problem) for name in names}

    return arguments


def scheduled(draw: Draw) -> dict[str, Any]:
    made = descent("eta", "w")(draw)
    return made | {"left": LEFT[draw.rng.integers(4)], "k": draw.rng.integers(0, 20, (2,) * draw.rng.integers(0, 2))}


def shares_and_steps(draw: Draw) -> dict[str, Any]:
    """Shares up to 2, for as long as one likes; or larger ones, for which few steps are finite."""
    if draw.chance(0.8):
        return {"x": draw.rng.choice((0.0, 1e-300, 1e-16, 0.3, 1.0, 1.7, 2.0), 3), "k": steps(draw)}
    return {"x": np.abs(draw.rng.standard_normal(2)) * 10, "k": draw.rng.integers(0, 20, 3).astype(float)}


def regularised(draw: Draw) -> dict[str, Any]:
    problem = RECIPES[Separable](draw)
    tau = np.cumsum(0.1 + np.abs(draw.entries((2,))))
    return {"problem": problem, "w": draw.entries(draw.sizes["d"]), "tau": tau, "c": draw.number()}


def before_a_step(draw: Draw) -> dict[str, Any]:
    W = draw.stack()
    return {"W": W, "G": [draw.entries(layer.shape) for layer in W], "eta": draw.number(), "weight": draw.number()}


def near_the_margin(draw: Draw) -> dict[str, Any]:
    problem, k = RECIPES[Separable](draw), steps(draw)
    around = problem.w * (1 - 1 / (1 + np.asarray(k)[..., None]))
    w = around if draw.chance(0.5) else draw.entries((*np.shape(k), *draw.sizes["d"]))
    return {"problem": problem, "eta": draw.number(), "w": w, "k": k}


ARGUMENTS |= {
    exponential_loss.regularised_flow: regularised,
    fixed_points.residual: descent("eta", "w", "v", "k"),
    least_squares.descent_solution: descent("eta", "w", "k"),
    least_squares.distance_to_ridge: descent("eta", "k"),
    least_squares.in_eigendirections: descent("multipliers", "w"),
    least_squares.mean_gone: shares_and_steps,
    least_squares.powers: shares_and_steps,
    least_squares.scaled_error_limit: descent("eta", "w", "v"),
    least_squares.scheduled_solution: scheduled,
    least_squares.solution: descent("eta", "w", "v", "k"),
    least_squares.sums: shares_and_steps,
    least_squares.towards: descent("share", "w"),
    least_squares.whole_steps: descent("eta", "k"),
    nonconvex.imbalances_after_halpern: before_a_step,
    squared_hinge.duals_read_off: near_the_margin,
}
