"""Problems on weight manifolds, with points of them: generic, at rest, near rest, and off by what rounding makes."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw
from recipes.problems import runs, sized

from theory.manifolds import curvature, escape, norms, oblique, rank_one, rayleigh, schedules, steps
from theory.manifolds.rank_one import RankOne
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule

ANGLES = (0.0, 1e-300, 1e-16, 1e-8, 0.5, np.pi / 2, np.pi - 1e-8, np.pi, 7.0, -1.0, 1e8)


def symmetric(draw: Draw) -> Any:
    (d,) = sized(draw, "d")
    A = draw.entries((d, d))
    return np.triu(A) + np.triu(A, 1).T


def rayleigh_problem(draw: Draw) -> Rayleigh:
    return Rayleigh(symmetric(draw))


def rank_one_problem(draw: Draw) -> RankOne:
    return RankOne(draw.entries(sized(draw, "a", "b")))


def point(draw: Draw, A: Any) -> Any:
    """Any point, or a mixture of eigenvectors in which some have no part."""
    if draw.chance(0.5) or not np.isfinite(A).all():
        return draw.entries((*runs(draw), len(A)))
    return np.linalg.eigh(A)[1] @ draw.rng.choice((0.0, 1e-200, 1e-16, 1.0, -1.0), len(A))


def times(draw: Draw) -> Any:
    t = draw.number()
    return t if draw.chance(0.5) else np.array([0.0, t, np.inf])


def on_the_sphere(draw: Draw) -> dict[str, Any]:
    problem = rayleigh_problem(draw)
    return {"problem": problem, "x0": point(draw, problem.A), "t": times(draw)}


def turning(draw: Draw) -> dict[str, Any]:
    A = symmetric(draw)
    return {"A": A, "x": point(draw, A), "t": times(draw)}


def on_two_spheres(draw: Draw) -> dict[str, Any]:
    problem = rank_one_problem(draw)
    U, _, Vt = np.linalg.svd(problem.M)
    i = int(draw.rng.integers(min(problem.M.shape)))
    rests = {"u": U[:, i], "v": Vt[i]}
    u, v = (draw.entries((*runs(draw), *draw.sizes[name])) for name in "ab")
    return {"problem": problem, **(rests if draw.chance(0.3) else {"u": u, "v": v}), "t": times(draw)}


def unit_columns(draw: Draw) -> tuple[Any, Any]:
    """Targets, and columns of length 1, some of them along or against their targets."""
    A, B = sized(draw, "A", "B")
    T, W = draw.entries((A, B)), draw.rng.standard_normal((*runs(draw), A, B))
    if draw.chance(0.3):
        W[..., 0] = draw.rng.choice((-1, 1)) * T[:, 0]
    size = np.hypot.reduce(W, axis=-2, keepdims=True)
    return T, W / np.where(size > 0, size, 1.0)


def columns(*names: str) -> Any:
    def arguments(draw: Draw) -> dict[str, Any]:
        T, W = unit_columns(draw)
        angles = draw.rng.choice(ANGLES, (*W.shape[:-2], W.shape[-1]))
        made = {"W": W, "phi": angles, "t": times(draw), "learning_rate": draw.number(), "steps": draw.whole()}
        return {"T": T} | {name: made[name] for name in names}

    return arguments


def skew_pair(draw: Draw) -> dict[str, Any]:
    d = int(draw.rng.integers(2, 5))
    return {name: (M := np.triu(draw.entries((d, d)), 1)) - M.T for name in "XY"}


def norms_of_points(draw: Draw) -> dict[str, Any]:
    made = powers_of_2(draw)
    chosen = draw.rng.choice(norms.NORMS, int(draw.rng.integers(0, 4)))
    return made | {"norms": [str(name) for name in chosen]}


def powers_of_2(draw: Draw) -> dict[str, Any]:
    sizes = draw.rng.choice((1, 2, 4, 8, 16, 3, 0), 2)
    A, B = int(sizes.max()), int(sizes.min())
    return {"manifold": norms.MANIFOLDS[draw.rng.integers(3)], "A": A, "B": B}


def what_remains(draw: Draw) -> dict[str, Any]:
    schedule = Schedule(draw.number(), draw.number(), float(draw.rng.integers(0, 3)))
    t = draw.rng.choice((0.0, 1.0, 2.0, 17.0, 1e6, 1e15, 1e300, np.inf), 3)
    return {"schedule": schedule, "h": draw.number(), "t": t}


def jumps(draw: Draw) -> dict[str, Any]:
    """Of a first step up to 1."""
    a, q = float(draw.rng.choice((1e-3, 1.0, 2.5, 40.0, 1e9))), float(draw.rng.choice((0.0, 0.5, 1.0)))
    t = draw.rng.choice((0.0, 1.0, 17.0, 1e6, 1e15, np.inf), 3)
    share = float(draw.rng.choice((1e-200, 1e-3, 0.5, 1.0)))
    return {"schedule": Schedule(share * a**q, a, q), "t": t, "variance": float(draw.rng.choice((0.0, 0.3, 1.0, -1.0)))}


def triangle(draw: Draw) -> dict[str, Any]:
    return {name: draw.entries((2, 3)) for name in ("rho", "inner", "size")} | {"weight": draw.number()}


RECIPES |= {Rayleigh: rayleigh_problem, RankOne: rank_one_problem}
ARGUMENTS |= {
    curvature.rotations: skew_pair,
    escape.stays: jumps,
    norms.extreme_points: powers_of_2,
    norms.scale: norms_of_points,
    oblique.angles: columns("W"),
    oblique.angle_steps: columns("phi", "learning_rate", "steps"),
    oblique.solution: columns("W", "t"),
    oblique.turned: columns("W", "phi"),
    rank_one.solution: on_two_spheres,
    rayleigh.solution: on_the_sphere,
    rayleigh.turned: turning,
    schedules.remaining: what_remains,
    steps.squared_distance_bound: triangle,
}
