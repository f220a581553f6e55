"""Students whose layers fit their problem, their forces and memories; chains of one problem's modes."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw
from recipes.problems import ensemble, of_a_function, runs, sized, teacher_student

from theory.chain.problem import Chain
from theory.core.arrays import Array
from theory.deep_linear import frozen, generalisation, minnorm, modes, saddle_to_saddle, weight_decay
from theory.deep_linear import problem as problems
from theory.deep_linear.problem import TeacherStudent
from theory.deep_linear.problem import draw as drawn
from theory.minnorm.tuning import Tuning


def layers(draw: Draw, inputs: str, outputs: str, depth: int | None = None) -> list[Array]:
    """Of a student between these dimensions, so small that products of all layers, and their squares, are numbers."""
    depth = depth or int(draw.rng.integers(1, 5))
    widths = [*sized(draw, inputs), *(int(h) for h in draw.rng.integers(1, 5, depth - 1)), *sized(draw, outputs)]
    draw.sizes["h"] = (widths[1],)
    most = 1e30
    shapes = [(*runs(draw), rows, columns) for columns, rows in zip(widths, widths[1:])]
    return [np.clip(draw.entries(shape), -most, most) for shape in shapes]


def of_a_student(function: Callable, seen: bool = False, depth: int | None = None) -> Callable[[Draw], dict[str, Any]]:
    """A problem and layers that fit it; the other arguments by their annotations."""

    def arguments(draw: Draw) -> dict[str, Any]:
        made: dict[str, Any] = {}
        hints = typing.get_type_hints(function)
        for name in inspect.signature(function).parameters:
            if name in ("W", "layers") and "Sequence" in str(hints[name]):
                made[name] = layers(draw, "r" if seen else "d", "K", depth)
            else:
                made[name] = draw.value(hints[name])
        return made

    return arguments


def moving(draw: Draw) -> dict[str, Any]:
    """At times in order, and now and then not, of the order of the problem's own."""
    made = of_a_student(frozen.seen_flow)(draw)
    speed = made["problem"].rates.max() * max(1.0, np.abs(made["problem"].minimum_norm_solution).max()) ** 2
    t = np.clip(np.abs(draw.entries((int(draw.rng.integers(1, 4)),))), 0, 3) / (speed or 1.0)
    W = [np.clip(layer, -1, 1) for layer in made["W"]]
    return {**made, "t": np.cumsum(t) if draw.chance(0.9) else t, "W": W, "relative_tolerance": 1e-6}


def with_room(draw: Draw) -> dict[str, Any]:
    """More inputs than examples, rows and outputs together, most of the time."""
    draw.sizes["d"] = (12,) if draw.chance(0.8) else (3,)
    return of_a_student(frozen.typical_start)(draw)


def before_a_step(draw: Draw) -> dict[str, Any]:
    W = layers(draw, "d", "K")
    force = draw.entries((*runs(draw), *sized(draw, "K", "d")))
    return {"W": W, "force": force if draw.chance(0.1) else np.clip(force, -1e30, 1e30), "shrinkage": draw.number()}


def end_to_end(draw: Draw) -> dict[str, Any]:
    problem = teacher_student(draw)
    return {"problem": problem, "W": np.clip(draw.entries(problem.teacher.shape), -1e100, 1e100)}


def conditioned(draw: Draw) -> dict[str, Any]:
    """Sizes that fit, most of the time."""
    ranks, n, K, d = np.sort(draw.rng.integers(1, 5, 4)) if draw.chance(0.9) else draw.rng.integers(0, 5, 4)
    values = {"singular_values": np.abs(draw.entries((n,))), "strengths": np.abs(draw.entries((ranks,)))}
    return {"rng": RECIPES[np.random.Generator](draw), "d": int(d), **values, "K": int(K), "draws": draw.whole()}


def framed(draw: Draw) -> dict[str, Any]:
    """Frames of as many columns as modes, one more than layers, now and then one too few."""
    L, (r,) = int(draw.rng.integers(1, 5)), sized(draw, "r")
    widths = draw.rng.integers(r, r + 3, L + 1 - draw.chance(0.1))
    frames = [np.linalg.qr(draw.rng.standard_normal((*runs(draw), width, r)))[0] for width in widths]
    return {"frames": frames, "w": draw.entries((*runs(draw), r, L))}


def framed_layers(draw: Draw) -> dict[str, Any]:
    frames = framed(draw)["frames"]
    shapes = [(*runs(draw), after.shape[-2], before.shape[-2]) for before, after in zip(frames, frames[1:])]
    return {"frames": frames, "W": [draw.entries(shape) for shape in shapes]}


def two_modes(draw: Draw) -> dict[str, Any]:
    """Of one problem, but for a depth or an input now and then."""
    depths = (3, 3) if draw.chance(0.9) else draw.rng.integers(1, 5, 2)
    x = draw.number()
    chains = [Chain(draw.number(), int(L), x) for L in depths]
    return {"weak": chains[0], "other": chains[1], "tuning": draw.value(Tuning)}


def whitened(draw: Draw) -> dict[str, Any]:
    """Sizes that fit, and now and then a strength too many, or one that is no sequence."""
    d, n, K = (draw.whole() for _ in range(3))
    r = max(min(d, n, K), 0) + draw.chance(0.1)
    strengths = np.abs(draw.entries((r,) if draw.chance(0.9) else ()))
    return {
        "strengths": strengths,
        "x": draw.number(),
        "d": d,
        "n": n,
        "K": K,
        "rng": RECIPES[np.random.Generator](draw),
    }


def fitted(draw: Draw, outputs: int | None = None) -> TeacherStudent:
    """Labels without noise, most of the time, and at times a teacher along one eigenvector."""
    if outputs:
        draw.sizes["K"] = (outputs,)
    problem = teacher_student(draw)
    teacher = problem.basis.mT[..., :1, :] if outputs == 1 and draw.chance(0.5) else problem.teacher
    return TeacherStudent(problem.X, teacher, problem.noise * draw.chance(0.1))


def of_fitted(function: Callable, outputs: int | None = None) -> Callable[[Draw], dict[str, Any]]:
    def arguments(draw: Draw) -> dict[str, Any]:
        hints = typing.get_type_hints(function)
        made = {"problem": fitted(draw, outputs)}
        return made | {name: draw.value(hint) for name, hint in hints.items() if name not in ("problem", "return")}

    return arguments


def of_one_output(draw: Draw) -> dict[str, Any]:
    draw.sizes["K"] = (1 + draw.chance(0.1),)
    return {"problem": teacher_student(draw), "gamma": draw.number(), "depth": draw.whole()}


def of_draws(draw: Draw) -> dict[str, Any]:
    """Of the ensemble; now and then of another one."""
    draw.sizes["K"] = (1,)
    made = ensemble(draw)
    rng = RECIPES[np.random.Generator](draw)
    problem = drawn(made, rng, int(draw.rng.integers(1, 4))) if draw.chance(0.9) else teacher_student(draw)
    return {"ensemble": made, "problem": problem, "depth": draw.whole()}


def remembering(draw: Draw) -> dict[str, Any]:
    rates = np.abs(draw.entries((*runs(draw), *draw.sizes.setdefault("r", (2,)))))
    return {"rates": rates, "memory": draw.entries(rates.shape)}


def a_flows_or_a_ridges(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    """The memory of the flow, or one that falls more slowly."""

    def slow(rates: Array, t: float) -> Array:
        return 1 / (1 + rates * t)

    def arguments(draw: Draw) -> dict[str, Any]:
        given = [name for name in inspect.signature(function).parameters if name in ("ensemble", "start")]
        made = of_a_function("memory", slow, *given)(draw)
        return made if draw.chance(0.5) else {name: made[name] for name in given}

    return arguments


def in_order(function: Callable) -> Callable[[Draw], dict[str, Any]]:
    """Strengths that decrease, but for one now and then; a learning rate that may be stable."""

    def arguments(draw: Draw) -> dict[str, Any]:
        s = np.abs(draw.entries(sized(draw, "r")))
        given = {"s": -np.sort(-s) if draw.chance(0.9) else s}
        hints = typing.get_type_hints(function)
        made = given | {name: draw.value(hint) for name, hint in hints.items() if name not in ("s", "return")}
        if "learning_rate" in made and draw.chance(0.9):
            with np.errstate(all="ignore"):
                made["learning_rate"] *= 0.1 / (1 + np.square(made["x"]) * s.max(initial=0))
        return made

    return arguments


STUDENTS = (
    frozen.seen_layers,
    frozen.frozen_layer,
    frozen.output_gain,
    minnorm.force,
    minnorm.velocity,
    minnorm.unseen_solution,
    minnorm.imbalance_solution,
    minnorm.deviation,
)
SEEN = (frozen.velocity, frozen.error_given_seen)
SADDLES = (
    saddle_to_saddle.jump_times,
    saddle_to_saddle.correction,
    saddle_to_saddle.strengths,
    saddle_to_saddle.flow_time,
    saddle_to_saddle.jump_time_laws,
    saddle_to_saddle.error_exponents,
)
STOPPED = (generalisation.best_time, generalisation.best_stopped_error, generalisation.crossover)
ARGUMENTS |= (
    {function: of_a_student(function) for function in STUDENTS}
    | {function: of_a_student(function, seen=True) for function in SEEN}
    | {function: a_flows_or_a_ridges(function) for function in STOPPED}
    | {function: in_order(function) for function in SADDLES}
    | {
        frozen.seen_flow: moving,
        frozen.typical_start: with_room,
        minnorm.imbalances_after_step: before_a_step,
        minnorm.residual: end_to_end,
        problems.conditioned: conditioned,
        frozen.two_layer_invariant: of_a_student(frozen.two_layer_invariant, depth=2),
        minnorm.solution_multiplier: of_fitted(minnorm.solution_multiplier),
        minnorm.linearisation: of_fitted(minnorm.linearisation, outputs=1),
        minnorm.undamped_frequency: of_fitted(minnorm.undamped_frequency, outputs=1),
        weight_decay.decayed_solution: of_one_output,
        weight_decay.best_decay: of_draws,
        generalisation.error: lambda draw: {"ensemble": ensemble(draw), **remembering(draw), "start": draw.number()},
        modes.aligned: framed,
        modes.amplitudes: framed_layers,
        modes.whitened: whitened,
        modes.transverse_jacobian: lambda draw: {**two_modes(draw), "multiplier": draw.number()},
        modes.critical_multiplier: two_modes,
    }
)
