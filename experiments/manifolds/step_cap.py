"""The normalised step has a greatest length, and is the shorter the larger the gradient beyond it."""

from collections.abc import Iterator

import numpy as np

from experiments.manifolds.networks import tensor, unit
from experiments.methods.manifolds import FineGrainedStep, Sphere
from theory.claims import Check, Curves, Study, Tolerance, claim, curves, measured, rounding
from theory.core.arrays import Array
from theory.manifolds import steps


@claim(
    "ozay2019.step_cap",
    source="Ozay 2019 (normalised step; its form is our reading); cap derived",
    statement=r"\frac{R}{\mathfrak{g}} \le r,\ r^2 \max\{(2\rho + r)^2, 1 + c(\rho + r)\} = 1;\quad"
    r" \rho = 0,\ c = 1:\ r^3 + r^2 = 1,\ r = 0.7549;\quad"
    r" R \to \infty:\ \tfrac{R}{\mathfrak{g}} \sim \tfrac{1}{2\rho + R}",
    hypotheses=("exponential map", "rho >= 0, c >= 0"),
    theory_side="bound",
    controls=("a cap 10 % lower", "the cap of flat manifolds", "larger gradients make larger steps"),
)
def no_step_is_longer_than_its_cap(study: Study) -> Iterator[Check | Curves]:
    R = np.geomspace(1e-2, 1e3, study.pick(smoke=2000, quick=10_000, paper=50_000))
    slack = rounding(1e3, of="a step")
    for rho, c in ((0.0, 0.0), (0.0, 1.0), (0.0, 0.5), (0.3, 1.0), (1.0, 1.0), (np.pi, 0.5)):
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
    yield measured("large gradients", tail, within=rounding(1e3, R[-1], of="a short step, over its length")).equals(1)
    yield curves(gradient=R, moved=moved)


def _moved(study: Study, R: Array, rho: float, c: float) -> Array:
    """Distance that torch's step of size 1 moves points of S^3, for gradients of length R."""
    x, G = tensor(study, study.rng("cap", rho, c).standard_normal((2, len(R), 4, 1)))
    x = Sphere().project(x)
    G = tensor(study, R).reshape(-1, 1, 1) * unit(Sphere().tangent(x, G))
    step = FineGrainedStep(Sphere(), curvature=c, distance=rho)
    return Sphere().distance(x, step(x, G, 1.0)).cpu().numpy()
