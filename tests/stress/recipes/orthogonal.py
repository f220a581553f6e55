"""Rotations, skew and symmetric matrices, planes: what functions of orthogonal training ask of their arguments."""

import typing
from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.core.arrays import Array
from theory.orthogonal import decay, double_bracket, energy, gamma, maps, preserving, procrustes, rotations, two_sided
from theory.orthogonal.generalisation import Teacher
from theory.orthogonal.procrustes import Component, LinearOPT, component

SIZES = (1e-100, 1e-60, 1e-8, 1.0, 1.0, 1.0, 1e8, 1e60)
NEARLY_HALF = (0.0, 1e-300, 1e-9, 0.3, np.pi / 2, np.pi - 1e-6, np.pi, -np.pi, 3 * np.pi, 1e9)


def size(draw: Draw) -> float:
    """Of all entries of one argument: ordinary, or one at which squares and fourth powers are extreme."""
    return float(draw.rng.choice(SIZES)) if draw.chance(draw.wildness) else 1.0


def normal(draw: Draw, *shape: int) -> Array:
    return draw.rng.standard_normal(shape)


def rotation(draw: Draw, d: int, runs: tuple[int, ...]) -> Array:
    """Of either component, signed permutations among them: those turn by half and quarter turns."""
    if draw.chance(draw.wildness):
        return np.eye(d)[draw.rng.permutation(d)] * draw.rng.choice([-1.0, 1.0], (*runs, 1, d))
    return np.linalg.qr(normal(draw, *runs, d, d))[0]


def skew(draw: Draw, d: int, runs: tuple[int, ...]) -> Array:
    """Some pairs do not turn."""
    half = size(draw) * normal(draw, *runs, d, d) * (draw.rng.random((d, d)) < 0.8)
    return half - half.mT


def symmetric(draw: Draw, d: int, runs: tuple[int, ...]) -> Array:
    """Eigenvalues coincide or vanish now and then."""
    Q = rotation(draw, d, runs)
    values = draw.rng.integers(0, 3, (*runs, 1, d)) if draw.chance(0.5) else normal(draw, *runs, 1, d) ** 2
    half = size(draw) * values * Q @ Q.mT
    return (half + half.mT) / 2


def drawn_sizes(draw: Draw) -> tuple[int, tuple[int, ...]]:
    return int(draw.rng.integers(1, 5)), (2,) * int(draw.rng.integers(0, 2))


def matrices(**kinds: Any) -> Any:
    """Arguments of a function of such matrices, of one size and as many runs."""

    def arguments(draw: Draw) -> dict[str, Any]:
        d, runs = drawn_sizes(draw)
        return {name: kind(draw, d, runs) for name, kind in kinds.items()}

    return arguments


def any_matrix(draw: Draw, d: int, runs: tuple[int, ...]) -> Array:
    return size(draw) * normal(draw, *runs, d, d)


def run_of_symmetric(draw: Draw) -> dict[str, Any]:
    d, _ = drawn_sizes(draw)
    return {"Sigma": symmetric(draw, d, ()), "Omega": symmetric(draw, d, ())}


def frame(draw: Draw) -> dict[str, Any]:
    d, runs = drawn_sizes(draw)
    g, N = size(draw), int(draw.rng.integers(1, d + 1))
    W = np.sqrt(g) * rotation(draw, d, runs)[..., :N]
    return {"Sigma": symmetric(draw, d, runs), "W": W, "g": g, "t": time(draw)}


def time(draw: Draw) -> Array:
    return np.abs(draw.entries((2,) * int(draw.rng.integers(0, 2))))


def solvable(draw: Draw) -> LinearOPT:
    """White inputs, or a tight frame of neurons; the labels may teach nothing, or the same twice."""
    d, runs = drawn_sizes(draw)
    n, N = d + int(draw.rng.integers(0, 3)), d + int(draw.rng.integers(0, 3))
    X, W0 = (size(draw) * np.linalg.qr(normal(draw, *runs, many, d))[0].mT for many in (n, N))
    spread = draw.rng.integers(0, 3, (d, 1)) if draw.chance(0.5) else 1.0
    X, W0 = (spread * X, W0) if draw.chance(0.5) else (X, spread * W0)
    return LinearOPT(X, size(draw) * draw.rng.choice([0.0, 1.0, 1.0]) * normal(draw, *runs, N, n), W0)


def chart(draw: Draw) -> Component:
    problem = solvable(draw)
    return component(problem, rotation(draw, problem.d, problem.X.shape[:-2]))


def on_a_problem(*names: str) -> Any:
    """Arguments among a solvable problem, a rotation, its chart, coordinates, a time."""

    def arguments(draw: Draw) -> dict[str, Any]:
        problem = solvable(draw)
        d, runs = problem.d, problem.X.shape[:-2]
        R = rotation(draw, d, runs)
        made = {
            "problem": problem,
            "R": R,
            "chart": component(problem, R),
            "A": skew(draw, d, runs),
            "t": time(draw),
            "aligned": rotation(draw, d, runs),
        }
        made["s"] = made["chart"].s
        return {name: made[name] for name in names}

    return arguments


def teacher(draw: Draw) -> Teacher:
    """Neurons of any rank, and labels that a rotation of them gives, or nearly, or not at all."""
    d, N = (int(size) for size in draw.rng.integers((2, 1), 6))
    W0 = size(draw) * normal(draw, d, N)
    beside = draw.rng.choice([0.0, 1e-6, 1.0]) * size(draw) * normal(draw, d, N)
    W0 = W0 if draw.chance(0.8) else np.repeat(W0[:, :1], N, axis=1)
    return Teacher(W0, rotation(draw, d, ()) @ W0 + beside, draw.number(), float(draw.rng.choice([-1, 1])))


def plane(draw: Draw) -> dict[str, Any]:
    pair = tuple(int(i) for i in draw.rng.choice(6, 2, replace=False))
    return {"d": int(draw.rng.integers(2, 7)), "pair": pair, "angles": draw.entries((2,))}


def turning(draw: Draw) -> dict[str, Any]:
    runs = (int(draw.rng.integers(1, 4)),)
    left = np.abs(draw.entries((2, *runs)))
    return {"angle": draw.rng.choice(NEARLY_HALF, runs) if draw.chance(0.5) else draw.entries(runs), "left": left}


def two_planes(draw: Draw) -> dict[str, Any]:
    runs = (int(draw.rng.integers(1, 4)),)
    alpha, beta = (draw.rng.choice(NEARLY_HALF, runs) if draw.chance(0.5) else draw.entries(runs) for _ in range(2))
    return {"rates": np.abs(draw.entries((2, *runs))), "alpha": alpha, "beta": beta, "t": time(draw)}


def below(share: float) -> Any:
    """x and an r of at most this share of it, the whole share among them."""

    def arguments(draw: Draw) -> dict[str, Any]:
        x = draw.number()
        return {"x": x, "r": x * share * float(draw.rng.choice([0, 1e-9, 0.3, 0.5, 1 - 1e-15, 1, draw.rng.random()]))}

    return arguments


def now_and_then_anything(function: Any, fitting: Any) -> Any:
    """Fitting arguments, and some that only annotations describe, which the function has to refuse."""

    def arguments(draw: Draw) -> dict[str, Any]:
        if not draw.chance(draw.wildness / 4):
            return fitting(draw)
        hints = typing.get_type_hints(function)
        return {name: draw.value(hint) for name, hint in hints.items() if name != "return"}

    return arguments


CHECKED = {
    energy.kernel: lambda draw: {"squared_distance": np.abs(draw.entries((3,))), "s": draw.number()},
    two_sided.plane_solution: two_planes,
    gamma.log_quotient: below(1.0),
    gamma.excess: below(1.0),
    gamma.second_difference: below(0.5),
    double_bracket.optimum: matrices(Sigma=symmetric, Omega=symmetric),
    double_bracket.optimal_loss: matrices(Sigma=symmetric, Omega=symmetric),
    double_bracket.rates: run_of_symmetric,
    double_bracket.frame_solution: frame,
    maps.nearest_to_reflection: matrices(A=skew),
    preserving.direction: lambda draw: {**matrices(R=rotation, M=any_matrix)(draw), "cap": draw.number()},
    rotations.plane_rotation: plane,
    procrustes.component: on_a_problem("problem", "R"),
    procrustes.solution: on_a_problem("problem", "R", "t"),
    procrustes.coordinates: on_a_problem("chart", "R"),
    procrustes.matrix: on_a_problem("chart", "A"),
    procrustes.coordinates_solution: on_a_problem("chart", "A", "t"),
    procrustes.excess_loss: on_a_problem("chart", "A"),
    procrustes.distance: on_a_problem("A"),
    procrustes.optimal_loss: on_a_problem("problem", "chart"),
    procrustes.riccati_solution: on_a_problem("s", "aligned", "t"),
}
# Formulas without a check, since flows and steps call them again and again: a flow says where it is not finite. And
# one whose annotations do not tie its shapes.
ALWAYS_FITTING = {
    decay.turned_back: turning,
    double_bracket.velocity: matrices(Sigma=symmetric, H=symmetric),
    preserving.tangent: matrices(R=rotation, M=any_matrix),
    preserving.defect_of_step: lambda draw: {"w": np.clip(skew(draw, 3, ()), -1e45, 1e45)},
    preserving.defect_after_step: lambda draw: {
        "w": np.clip(skew(draw, 3, ()), -1e45, 1e45),
        "before": symmetric(draw, 3, ()) / 1e9,
    },
    procrustes.skew: matrices(matrix=any_matrix),
    procrustes.loss: on_a_problem("problem", "R"),
    procrustes.velocity: on_a_problem("problem", "R"),
}
ARGUMENTS |= ALWAYS_FITTING | {
    function: now_and_then_anything(function, recipe) for function, recipe in CHECKED.items()
}
RECIPES |= {Teacher: teacher}
