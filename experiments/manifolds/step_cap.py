"""The normalised step has a greatest length, and is the shorter the larger the gradient beyond it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from experiments.manifolds.networks import tensor, unit
from experiments.methods.manifolds import FineGrainedStep, Sphere
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.manifolds import steps

CASES = ((0.0, 0.0), (0.0, 1.0), (0.0, 0.5), (1.0, 1.0), (float(np.pi), 0.5))  # rho and c


@dataclass(frozen=True)
class Sizes:
    """Of the gradients, and of one normaliser beside others."""

    distance: float = varies("rho that the normaliser is told", 0.3, low=0, high=float(np.pi))
    curvature: float = varies("c that it is told", 1.0, low=0, high=10)
    gradients: int = varies(
        "from 0.01 to 1000, evenly in their logarithm", 10_000, smoke=2000, paper=50_000, low=1000, high=10**5
    )

    @property
    def cases(self) -> dict[tuple[float, float], None]:
        """rho and c; each once."""
        return dict.fromkeys((*CASES[:3], (self.distance, self.curvature), *CASES[3:]))


@claim(
    "ozay2019.step_cap",
    source="Ozay 2019 (normalised step; its form is our reading, after Bonnabel 2013, Theorem 2); cap derived",
    source_kind=RECONSTRUCTED,
    statement=r"v = -\tfrac{g}{\mathfrak{g}} G,\ R = |G|,\ \mathfrak{g}^2 = \max\{1, R^2 (2\rho + R)^2, R^2 (1 +"
    r" c(\rho + R))\}:\quad |d(\mathrm{Exp}_w v, w^*)^2 - \rho^2| \le g \text{ and } (1 + c(\rho + R)) |v|^2 \le g^2"
    r" \text{ for } g \le 1;\quad \frac{R}{\mathfrak{g}} \le r,\ r^2 \max\{(2\rho + r)^2, 1 + c(\rho + r)\} = 1;\quad"
    r" \rho = 0,\ c = 1:\ r^3 + r^2 = 1,\ r = 0.7549;\quad"
    r" R \to \infty:\ \tfrac{R}{\mathfrak{g}} \sim \tfrac{1}{2\rho + R}",
    hypotheses=("exponential map", "rho = d(w, w*)", "c >= 0"),
    theory_side="bound",
    controls=(
        "a cap 10 % lower",
        "the cap of flat manifolds",
        "larger gradients make larger steps",
        "2.2 rho for 2 rho",
        "1.1 c for c",
    ),
    parameters=Sizes,
)
def no_step_is_longer_than_its_cap(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    R = np.geomspace(1e-2, 1e3, sizes.gradients)
    slack = rounding(1e3, of="a step")
    yield from _farther(study, R)
    yield from _second_order(study, R)
    for rho, c in sizes.cases:
        moved, cap = _moved(study, R, rho, c), steps.largest_step(rho, c)
        case = f"rho = {rho:.3g}, c = {c:g}"
        step = measured("step", moved, within=slack, case=case, axes=("gradient",))
        yield step.equals(R / steps.normaliser(R, rho, c))
        yield measured("length of a step", moved, within=slack, case=case, axes=("gradient",)).at_most(cap)
        # The steps rise to the cap at slope 1 and fall from it at no more than slope 1.
        spacing = Tolerance(cap * np.log(R[1] / R[0]), "the spacing of the gradients")
        longest = measured("longest step", moved.max(), within=spacing, case=case)
        yield longest.equals(cap)
        if (rho, c) == (0.0, 1.0):
            yield longest.control("a cap 10 % lower").equals(0.9 * cap)
            yield longest.control("the cap of flat manifolds").equals(1.0)
            last = measured("step for the largest gradient", moved[-1], within=slack)
            yield last.control("larger gradients make larger steps").at_least(0.9 * moved.max())
    tail = moved[-1] * (2 * rho + R[-1])
    yield measured("large gradients", tail, within=rounding(1e3, R[-1], of="a short step, over its length")).equals(1.0)
    yield curves(gradient=R, moved=moved)


def _farther(study: Study, R: Array) -> Iterator[Check]:
    """What (2 rho + R)^2 is for: straight away from the minimiser the squared distance grows by 2 rho R + R^2 at
    most, and the normaliser makes that g = 1, where R (2 rho + R) = 1."""
    # Up to there it grows at a slope of 2 at most in log R, and falls from there on.
    spacing = Tolerance(2 * np.log(R[1] / R[0]), "the spacing of the gradients")
    for rho, c in ((1.0, 1.0), (0.8, 0.5)):
        name, case = "greatest change of the squared distance", f"rho = {rho:g}, c = {c:g}"
        greatest = measured(name, _change(study, R, rho, c, rho).max(), within=spacing, case=case)
        yield greatest.equals(1.0)
    wrong = measured(name, _change(study, R, rho, c, 1.1 * rho).max(), within=spacing)
    yield wrong.control("2.2 rho for 2 rho").equals(1.0)


def _second_order(study: Study, R: Array) -> Iterator[Check]:
    """What 1 + c (rho + R) is for: it bounds zeta, and a step loses zeta |v|^2 at most: g^2 = 1 of it, and no less."""
    rho, c, name = 0.1, 0.7, "greatest (1 + c (rho + R)) |v|^2"
    for strength, case in ((c, f"rho = {rho:g}, c = {c:g}"), (1.1 * c, "")):
        lost = (1 + c * (rho + R)) * _moved(study, R, rho, strength) ** 2
        greatest = measured(name, lost.max(), within=rounding(1e3, of="a squared step"), case=case)
        yield greatest.equals(1.0) if case else greatest.control("1.1 c for c").equals(1.0)


def _moved(study: Study, R: Array, rho: float, c: float) -> Array:
    """Distance that torch's step of size 1 moves points of S^3, for gradients of length R."""
    x, way = _points(study, len(R), rho, c)
    step = FineGrainedStep(Sphere(), curvature=c, distance=rho)
    return Sphere().distance(x, step(x, tensor(study, R).reshape(-1, 1, 1) * way, 1.0)).cpu().numpy()


def _change(study: Study, R: Array, rho: float, c: float, assumed: float) -> Array:
    """d(w, w*)^2 after a step of size 1 away from w*, less rho^2 before it; the step takes `assumed` for rho."""
    x, way = _points(study, len(R), rho, c)
    minimiser = Sphere().exponential(x, rho * way)
    step = FineGrainedStep(Sphere(), curvature=c, distance=assumed)
    after = Sphere().distance(step(x, tensor(study, R).reshape(-1, 1, 1) * way, 1.0), minimiser)
    return after.square().cpu().numpy() - rho**2


def _points(study: Study, count: int, rho: float, c: float) -> tuple[Tensor, Tensor]:
    """Points of S^3, and a unit tangent vector at each."""
    x, way = tensor(study, study.rng("cap", rho, c).standard_normal((2, count, 4, 1)))
    x = Sphere().project(x)
    return x, unit(Sphere().tangent(x, way))
