"""Why a step approaches a minimiser: the Lyapunov inequality, on spheres and in the hyperbolic plane."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from experiments.manifolds.networks import tensor, unit
from experiments.methods.manifolds import Oblique, Sphere, Spheres
from theory.claims import RECONSTRUCTED, Check, Measured, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.manifolds import steps

SCALES = (1e-3, 0.1, 1.0, 3.0)


@dataclass(frozen=True)
class Sizes:
    """Of random triangles."""

    rows: int = varies("A of points on the sphere and the oblique manifold", 4, low=3, high=64)
    columns: int = varies("B of points on the oblique manifold", 3, low=1, high=64)
    furthest: float = varies("rho in the hyperbolic plane", 3.0, low=0.5, high=8)
    draws: int = varies("triangles on each manifold", 20_000, smoke=2000, paper=200_000, low=1000, high=200_000)


@claim(
    "ozay2019.lyapunov",
    source="Ozay 2019 (convergence, our reading of the proof); Bonnabel 2013; Zhang & Sra 2016, lemma 5",
    source_kind=RECONSTRUCTED,
    statement=r"\rho = d(w, w^*):\quad d(\mathrm{Exp}_w v, w^*)^2 \le \rho^2 - 2 \langle v, \mathrm{Log}_w w^*"
    r" \rangle + \zeta |v|^2,\quad \zeta = 1\ (K \ge 0),\quad \sqrt{k} \rho \coth \sqrt{k} \rho\ (K \ge -k)",
    hypotheses=("curvature at least -k", "a shortest geodesic from w to w*"),
    theory_side="bound",
    controls=("zeta = 1 where curvature is negative", "zeta = 0.9 on a sphere", "zeta of half the curvature"),
    parameters=Sizes,
)
def the_distance_to_the_minimiser_is_controlled(study: Study, sizes: Sizes) -> Iterator[Check]:
    draws, rows = sizes.draws, sizes.rows
    for manifold, A, B in ((Sphere(), rows, 1), (Sphere(), 3, 2), (Oblique(), rows, sizes.columns)):
        spherical, case = _triangles(study, manifold, A, B, draws), f"{type(manifold).__name__.lower()} {A} x {B}"
        yield _after(spherical, case).at_most(lambda k: _bound(spherical, k * 1.0))  # noqa: B023
    yield _after(spherical).control("zeta = 0.9 on a sphere").at_most(_bound(spherical, 0.9))
    rho, inner, size, after = triangles = _hyperbolic(study, draws, sizes.furthest)
    weight, case = steps.zeta(1.0, rho), "hyperbolic plane"
    yield _after(triangles, case).at_most(lambda k: _bound(triangles, k * weight))
    yield _after(triangles).control("zeta = 1 where curvature is negative").at_most(_bound(triangles, 1.0))
    yield _after(triangles).control("zeta of half the curvature").at_most(_bound(triangles, steps.zeta(0.5, rho)))
    # A short step across the way to w* attains it, to second order.
    across = (np.abs(inner) < 1e-9) & (size < 1e-2)
    tight = (after**2 - rho**2)[across] / size[across] ** 2
    within = Tolerance(10 * (1e-3) ** 2 * (1 + rho[across]) ** 2, "the fourth order of the step")
    within += rounding(1e3, np.cosh(rho[across]) / 1e-6, of="a squared distance over a squared step")
    short = measured("zeta of a short step", tight, within=within, case=case, axes=("draw",))
    yield short.equals(weight[across])


class Triangles(NamedTuple):
    """Steps v from w, w* beside: d(w, w*), <v, log_w w*>, |v| and d(exp_w v, w*), each (draws,)."""

    rho: Array
    inner: Array
    size: Array
    after: Array


def _bound(triangles: Triangles, zeta: Array | float) -> Array:
    return steps.squared_distance_bound(triangles.rho, triangles.inner, triangles.size, zeta)


def _after(triangles: Triangles, case: str = "") -> Measured:
    """The squared distance after the step."""
    largest = triangles.rho**2 + 2 * np.abs(triangles.inner) + triangles.size**2
    within = rounding(1e4, 1 + largest, of="the bound, by comparison of triangles")
    return measured("squared distance", triangles.after**2, within=within, case=case, axes=("draw",))


def _triangles(study: Study, manifold: Spheres, A: int, B: int, draws: int) -> Triangles:
    """Steps of all sizes from points at all distances."""
    rng = study.rng(type(manifold).__name__, A, B)
    w, toward, v = tensor(study, rng.standard_normal((3, draws, A, B)))
    w = manifold.project(w)
    way, size = (tensor(study, rng.choice(SCALES, (draws, 1, 1))) for _ in range(2))
    y = manifold.exponential(w, way * unit(manifold.tangent(w, toward)))
    v = size * unit(manifold.tangent(w, v))
    inner = (v * manifold.logarithm(w, y)).sum((-2, -1))
    after = manifold.distance(manifold.exponential(w, v), y)
    sides = manifold.distance(w, y), inner, v.square().sum((-2, -1)).sqrt(), after
    return Triangles(*(side.cpu().numpy() for side in sides))


def _hyperbolic(study: Study, draws: int, furthest: float) -> Triangles:
    """On the hyperboloid x0^2 - x1^2 - x2^2 = 1 from its lowest point, where tangent vectors are (0, v); w* ahead. Half
    of the steps go across the way to it."""
    rng = study.rng("hyperbolic")
    rho, size = rng.uniform(0.1, furthest, draws), np.resize(SCALES, draws)
    angle = np.where(np.arange(draws) % 8 < 4, np.pi / 2, rng.uniform(0, np.pi, draws))
    far = np.stack([np.cosh(rho), np.sinh(rho), np.zeros(draws)])
    moved = np.stack([np.cosh(size), np.sinh(size) * np.cos(angle), np.sinh(size) * np.sin(angle)])
    between = (far - moved) ** 2
    after = 2 * np.arcsinh(np.sqrt(np.maximum(between[1] + between[2] - between[0], 0)) / 2)
    return Triangles(rho, size * rho * np.cos(angle), size, after)
