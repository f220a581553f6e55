"""Why the normalised step approaches a minimiser: the Lyapunov inequality, the cap on its length, its groups."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.methods.manifolds.descent import GROUPS, FineGrainedStep
from experiments.methods.manifolds.spaces import Oblique, Sphere, Spheres
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.manifolds import steps

AGREE = "groupings agree for large gradients"
SCALES = (1e-3, 0.1, 1.0, 3.0)


@claim(
    "ozay2019.lyapunov",
    source="Ozay 2019 (convergence, our reading of the proof); Bonnabel 2013; Zhang & Sra 2016, lemma 5",
    statement=r"d(\mathrm{Exp}_w v, w^*)^2 \le \rho^2 - 2 \langle v, \mathrm{Log}_w w^* \rangle + \zeta |v|^2,\quad"
    r" \zeta = 1\ (K \ge 0),\quad \sqrt{k} \rho \coth \sqrt{k} \rho\ (K \ge -k)",
    hypotheses=("curvature at least -k", "a shortest geodesic from w to w*"),
    controls=("zeta = 1 where curvature is negative", "zeta = 0.9 on a sphere", "zeta of half the curvature"),
)
def the_distance_to_the_minimiser_is_controlled(study: Study) -> Iterator[Check | Curves]:
    draws = study.pick(smoke=2000, quick=20_000, paper=200_000)
    for manifold, A, B in ((Sphere(), 4, 1), (Sphere(), 3, 2), (Oblique(), 4, 3)):
        name = f"{type(manifold).__name__.lower()} {A} x {B}"
        spherical = _triangles(study, manifold, A, B, draws)
        yield _bounded(f"{name}: squared distance", spherical, 1.0)
    yield refuted("zeta = 0.9 on a sphere", _bounded("squared distance", spherical, 0.9))
    rho, inner, size, after = triangles = _hyperbolic(study, draws)
    weight = steps.zeta(1.0, rho)
    yield _bounded("hyperbolic plane: squared distance", triangles, weight)
    yield refuted("zeta = 1 where curvature is negative", _bounded("squared distance", triangles, 1.0))
    yield refuted("zeta of half the curvature", _bounded("squared distance", triangles, steps.zeta(0.5, rho)))
    # A short step across the way to w* attains it, to second order.
    across = (np.abs(inner) < 1e-9) & (size < 1e-2)
    tight = (after**2 - rho**2)[across] / size[across] ** 2
    tolerance = 10 * (1e-3) ** 2 * (1 + rho[across]) ** 2 + 1e3 * EPS * np.cosh(rho[across]) / 1e-6
    because = "the fourth order of the step, and rounding of a squared distance over a squared step"
    yield equal("hyperbolic plane: zeta of a short step", tight, weight[across], tolerance=tolerance, because=because)


class Triangles(NamedTuple):
    """Steps v from w, w* beside: d(w, w*), <v, log_w w*>, |v| and d(exp_w v, w*), each (draws,)."""

    rho: Array
    inner: Array
    size: Array
    after: Array


def _bounded(name: str, triangles: Triangles, weight: Array | float) -> Check:
    """The excess over the bound against rounding: bounds near 0 have no use for a ratio."""
    bound = steps.squared_distance_bound(triangles.rho, triangles.inner, triangles.size, weight)
    excess = np.maximum(triangles.after**2 - bound, 0)
    because = "comparison of triangles; tolerance is ten thousand roundings"
    return equal(name, excess, 0, tolerance=1e4 * EPS * (1 + np.abs(bound)), because=because)


def _triangles(study: Study, manifold: Spheres, A: int, B: int, draws: int) -> Triangles:
    """Steps of all sizes from points at all distances."""
    rng = study.rng(type(manifold).__name__, A, B)
    w, toward, v = torch.tensor(rng.standard_normal((3, draws, A, B)), device=study.device)
    w = manifold.project(w)
    way, size = (torch.tensor(rng.choice(SCALES, (draws, 1, 1)), device=study.device) for _ in range(2))
    y = manifold.exponential(w, way * _unit(manifold.tangent(w, toward)))
    v = size * _unit(manifold.tangent(w, v))
    inner = (v * manifold.logarithm(w, y)).sum((-2, -1))
    after = manifold.distance(manifold.exponential(w, v), y)
    sides = manifold.distance(w, y), inner, v.square().sum((-2, -1)).sqrt(), after
    return Triangles(*(side.cpu().numpy() for side in sides))


def _hyperbolic(study: Study, draws: int) -> Triangles:
    """On the hyperboloid x0^2 - x1^2 - x2^2 = 1 from its lowest point, where tangent vectors are (0, v); w* ahead. Half
    of the steps go across the way to it."""
    rng = study.rng("hyperbolic")
    rho, size = rng.uniform(0.1, 3, draws), np.resize(SCALES, draws)
    angle = np.where(np.arange(draws) % 8 < 4, np.pi / 2, rng.uniform(0, np.pi, draws))
    far = np.stack([np.cosh(rho), np.sinh(rho), np.zeros(draws)])
    moved = np.stack([np.cosh(size), np.sinh(size) * np.cos(angle), np.sinh(size) * np.sin(angle)])
    between = (far - moved) ** 2
    after = 2 * np.arcsinh(np.sqrt(np.maximum(between[1] + between[2] - between[0], 0)) / 2)
    return Triangles(rho, size * rho * np.cos(angle), size, after)


@claim(
    "ozay2019.step_cap",
    source="Ozay 2019 (normalised step; its form is our reading); cap derived",
    statement=r"\frac{R}{\mathfrak{g}} \le r,\ r^2 \max\{(2\rho + r)^2, 1 + c(\rho + r)\} = 1;\quad"
    r" \rho = 0,\ c = 1:\ r^3 + r^2 = 1,\ r = 0.7549;\quad"
    r" R \to \infty:\ \tfrac{R}{\mathfrak{g}} \sim \tfrac{1}{2\rho + R}",
    hypotheses=("exponential map", "rho >= 0, c >= 0"),
    controls=("a cap 10 % lower", "the cap of flat manifolds", "larger gradients make larger steps"),
)
def no_step_is_longer_than_its_cap(study: Study) -> Iterator[Check | Curves]:
    because = "rounding of a distance and the spacing of the gradients squared"
    R = np.geomspace(1e-2, 1e3, study.pick(smoke=2000, quick=10_000, paper=50_000))
    slack = 1e3 * EPS
    for rho, c in ((0.0, 0.0), (0.0, 1.0), (0.0, 0.5), (0.3, 1.0), (1.0, 1.0), (np.pi, 0.5)):
        moved, cap = _moved(study, R, rho, c), steps.largest_step(rho, c)
        name = f"rho = {rho:.3g}, c = {c:g}"
        yield equal(f"{name}: step", moved, R / steps.normaliser(R, rho, c), tolerance=slack, because="rounding")
        yield at_most(f"{name}: length of a step", moved, cap, because="R^2 Gamma = 1 at the cap", slack=slack)
        # The steps rise to the cap at slope 1 and fall from it at no more than slope 1.
        spacing = cap * np.log(R[1] / R[0])
        yield equal(f"{name}: longest step", moved.max(), cap, tolerance=spacing, because=because)
        if (rho, c) == (0.0, 1.0):
            for control, other in (("a cap 10 % lower", 0.9 * cap), ("the cap of flat manifolds", 1.0)):
                yield refuted(control, equal("cap", moved.max(), other, tolerance=spacing, because=because))
            growing = at_least("length of a step", moved[-1], 0.9 * moved.max(), because="gradients grow", slack=slack)
            yield refuted("larger gradients make larger steps", growing)
    tail = moved[-1] * (2 * rho + R[-1])
    yield equal("large gradients", tail, 1, tolerance=slack * R[-1], because="rounding of a short step")
    yield curves(gradient=R, moved=moved)


def _moved(study: Study, R: Array, rho: float, c: float) -> Array:
    """Distance that torch's step of size 1 moves points of S^3, for gradients of length R."""
    x, G = torch.tensor(study.rng("cap", rho, c).standard_normal((2, len(R), 4, 1)), device=study.device)
    x = Sphere().project(x)
    G = torch.tensor(R, device=study.device).reshape(-1, 1, 1) * _unit(Sphere().tangent(x, G))
    step = FineGrainedStep(Sphere(), curvature=c, distance=rho)
    return Sphere().distance(x, step(x, G, 1.0)).cpu().numpy()


@claim(
    "ozay2019.groupings",
    source="Ozay 2019 (PI, PO and PIO; what they group is our reading)",
    statement=r"R_{\mathrm{PI}, c}^2 = \sum_d |G_{dc}|^2,\quad R_{\mathrm{PO}, d}^2 = \sum_c |G_{dc}|^2,\quad"
    r" R_{\mathrm{PIO}}^2 = \sum_{dc} |G_{dc}|^2;\quad \mathfrak{g} = 1 \text{ in all where } R \text{ is small}",
    hypotheses=("all components are of one manifold",),
    controls=(AGREE, "inputs and outputs exchanged"),
)
def groups_differ_by_their_normaliser_alone(study: Study) -> Iterator[Check | Curves]:
    D, C, A, B, runs = 3, 4, 3, 3, study.pick(smoke=20, quick=200, paper=2000)
    normal = study.rng("kernels").standard_normal((2, runs, D, C, A, B))
    w, G = torch.tensor(normal, device=study.device)
    w = Sphere().project(w)
    G = Sphere().tangent(w, G)
    for name, size in (("small", 1e-3), ("large", 1.0)):
        after = {group: FineGrainedStep(Sphere(), grouping=group)(w, size * G, 0.5) for group in GROUPS}
        differing = sum(int((after["PIO"] != after[group]).sum()) for group in GROUPS)
        same = equal("entries that differ", differing, 0, tolerance=0.5, because="gfrak = 1 exactly; whole numbers")
        yield replace(same, name="small gradients: bit for bit") if name == "small" else refuted(AGREE, same)
    g = 20.0  # the steps stay shorter than pi
    squares = G.square().sum((-2, -1)).cpu().numpy()
    pooled = {"alone": ((), 1), "PI": ((-2,), D), "PO": ((-1,), C), "PIO": ((-2, -1), D * C)}
    for group, (axes, count) in pooled.items():
        R = np.sqrt(squares.sum(axes, keepdims=True) if axes else squares)
        predicted = g * np.sqrt(squares) / steps.normaliser(R, np.pi * np.sqrt(count), 1.0)
        step = FineGrainedStep(Sphere(), grouping=group)
        moved = _each(Sphere(), w, step(w, G, g))
        because = "a thousand roundings"
        yield equal(f"{group}: length of each step", moved, predicted, tolerance=1e3 * EPS, because=because)
        if group == "PI":
            other = _each(Sphere(), w, FineGrainedStep(Sphere(), grouping="PO")(w, G, g))
            exchanged = equal("length of each step", other, predicted, tolerance=1e3 * EPS, because=because)
            yield refuted("inputs and outputs exchanged", exchanged)


def _each(manifold: Spheres, before: Tensor, after: Tensor) -> Array:
    return manifold.distance(before, after).cpu().numpy()


def _unit(X: Tensor) -> Tensor:
    return X / X.square().sum((-2, -1), keepdim=True).sqrt()
