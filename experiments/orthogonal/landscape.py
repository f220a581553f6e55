"""The landscape of the Procrustes loss: its critical points, their indices, and that descent finds the optimum."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.orthogonal.linear import (
    Spectrum,
    components,
    derivatives,
    minimised,
    random_data,
    single_problem,
    squared_loss,
)
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.orthogonal import landscape, maps, procrustes
from theory.orthogonal.procrustes import Component, LinearOPT, component, random_problem, skew
from theory.orthogonal.rotations import random_rotation

NEWTON_STEPS, NEWTON = 10, np.array([2.0, 1.5, 1.1])  # steps, and singular values of M there
SETTLED = 1e-11  # largest entry of the gradient where Newton's method has arrived
WHOLE = Tolerance(0.25, "whole numbers")


@dataclass(frozen=True)
class Sizes(Spectrum):
    """Of the problem, and of the searches."""

    starts: int = varies("of Newton's method on SO(3)", 256, paper=2048, low=100, high=5000)
    runs: int = varies("starts of descent in each component of O(d)", 32, smoke=8, paper=256, low=1, high=500)


@claim(
    "orthogonal.landscape",
    source="ours, of OPT (Liu et al. 2021) on a linear layer: all critical points on SO(d)",
    source_kind=OURS,
    statement=r"\nabla L(R) = 0 \iff R = P\,\mathrm{diag}(e)\,Q^\top,\ e \in \{\pm 1\}^d,\ \textstyle\prod e = 1;\quad"
    r" \mathrm{index} = \sum_{e_i s_i < 0} (d - i),\quad \sum_e z^{\mathrm{index}} = \prod_{k<d} (1 + z^k)",
    hypotheses=(
        "whitened inputs or a tight frame of neurons",
        "M = X Y^T W0^T = P diag(s) Q^T, P Q^T in SO(d); |s| distinct, decreasing, none 0",
    ),
    theory_side="closed form",
    controls=(
        "curvatures without the signs",
        "the index counts negative signs",
        "equal singular values leave nothing but signs",
        "every critical point is a minimum",
    ),
    parameters=Sizes,
)
def descent_meets_no_other_minimum(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    s = sizes.s
    problem = single_problem(study.rng("problem"), s)
    for side, chart in components(problem):
        curvature, within = yield from _critical_points(study, side, problem, chart)
    unsigned = np.sort(chart.rates[np.triu_indices(len(s), 1)])
    wrong = measured("curvatures", curvature, within=within)
    yield wrong.control("curvatures without the signs").equals(unsigned)
    least = measured("least curvature", curvature[:, 0], within=within)
    yield least.control("every critical point is a minimum").at_least(0)
    index = measured("index", (curvature < 0).sum(-1), within=WHOLE)
    yield index.control("the index counts negative signs").equals((landscape.signs(len(s)) < 0).sum(-1))
    yield from _nothing_else_is_critical(study, sizes.starts)
    yield from _descent_ends_at_the_optimum(study, s, sizes.runs)


def _critical_points(
    study: Study, side: str, problem: LinearOPT, chart: Component
) -> Generator[Check | Curves, None, tuple[Array, Tolerance]]:
    """Gradient, loss and Hessian at each point of the list, all torch's; returns the curvatures and their rounding."""
    case, d = f"det R {side} det M", len(chart.s)
    points = landscape.critical_points(chart)
    loss = squared_loss(problem, study.device)
    first, second = derivatives(lambda R: loss({"R": R}).sum(), points[:, None], study.device)
    size = float((problem.X**2).sum() * (problem.W0**2).sum() + (problem.Y**2).sum())
    within = rounding(10 * d, size, of="|X|^2 |W0|^2 + |Y|^2")
    elsewhere = random_rotation(study.rng("elsewhere"), d, len(points))
    there = derivatives(lambda R: loss({"R": R}).sum(), elsewhere[:, None], study.device)[0]
    gradient = measured("gradient", first, within=within, case=case, axes=("point",))
    yield gradient.equals(0, against=float(np.abs(there).max()))
    curvature = np.linalg.eigvalsh(second / 2)
    yield measured("curvatures", curvature, within=within, case=case, axes=("point",)).equals(landscape.spectrum(chart))
    negative = (curvature < -within.value).sum(-1)
    yield measured("index", negative, within=WHOLE, case=case).equals(landscape.index(chart))
    counts = np.bincount(negative, minlength=d * (d - 1) // 2 + 1)
    yield measured("points of each index", counts, within=WHOLE, case=case).equals(landscape.poincare_polynomial(d))
    height = loss({"R": torch.tensor(points, device=study.device)}).cpu().numpy()
    height -= procrustes.optimal_loss(problem, chart)
    predicted = landscape.excess_loss(chart)
    yield measured("height", height, within=within, case=case, axes=("point",)).equals(predicted)
    yield curves(side, index=negative, height=height, predicted=predicted)
    return curvature, within


def _nothing_else_is_critical(study: Study, starts: int) -> Iterator[Check]:
    """Newton's method from everywhere on SO(3) ends at the four points of the list, and at each of them."""
    problem = random_problem(study.rng("Newton"), NEWTON, N=5, n=6)
    chart = _first(problem)
    listed = landscape.critical_points(chart)
    distances = _from_the_list(study, problem, starts, listed)
    # |dR| = 2^(1/2) |x|, the Hessian by x is twice the curvatures, and x has three entries.
    left = SETTLED * np.sqrt(6) / 2 / np.abs(landscape.spectrum(chart)).min()
    within = Tolerance(left, "what is left of the gradient over the least curvature")
    degenerate = random_problem(study.rng("Newton"), np.array([2.0, 1.0, 1.0]), N=5, n=6)
    chart = _first(degenerate)
    elsewhere = _from_the_list(study, degenerate, 32, chart.P * landscape.signs(3)[:, None] @ chart.Q.T).min(-1)
    found = measured("Newton ends in the list", distances.min(-1), within=within)
    yield found.equals(0, against=float(elsewhere.max()))
    reached = len(set(distances.argmin(-1)))
    yield measured("Newton finds the whole list", reached, within=WHOLE).equals(len(listed))
    ends = measured("Newton ends in the list", elsewhere, within=within)
    yield ends.control("equal singular values leave nothing but signs").equals(0)


def _first(problem: LinearOPT) -> Component:
    chart = component(problem, np.eye(problem.d)[None])
    return Component(chart.P[0], chart.s[0], chart.Q[0])


def _from_the_list(study: Study, problem: LinearOPT, starts: int, listed: Array) -> Array:
    """Distances (found, points) of where Newton's method ends from each point of a list."""
    return np.linalg.norm(_newton(study, problem, starts)[:, None] - listed, axis=(-2, -1))


def _newton(study: Study, problem: LinearOPT, starts: int) -> Array:
    """Where Newton's method on the gradient ends (found, d, d), from uniform starts; those that wander are left out."""
    loss = squared_loss(problem, study.device)
    point_loss = lambda R: loss({"R": R}).sum()  # noqa: E731
    R = random_rotation(study.rng("starts"), problem.d, starts)
    i, j = np.triu_indices(problem.d, 1)
    for _ in range(NEWTON_STEPS):
        first, second = derivatives(point_loss, R[:, None], study.device)
        step = np.zeros_like(R)
        step[:, i, j] = -(np.linalg.pinv(second, rcond=1e-9, hermitian=True) @ first[..., None])[..., 0]
        # Half of a step of Cayley's map turns by it, to first order, and keeps large ones on SO(d), but for rounding:
        # where the Hessian is nearly singular a step can be 1e5 long, and the solution is off by eps times that.
        step = skew(step)
        R = maps.polar(R @ np.linalg.solve(np.eye(problem.d) - step, np.eye(problem.d) + step))
    settled = np.abs(derivatives(point_loss, R[:, None], study.device)[0]).max(-1) < SETTLED
    return R[settled]


def _descent_ends_at_the_optimum(study: Study, s: Array, runs: int) -> Iterator[Check]:
    """From uniform starts in both components: a start whose way to the optimum is too long has probability 1e-8."""
    problem = random_data(study.rng("descent"), s, 2 * runs)
    R = random_rotation(study.rng("everywhere"), len(s), 2 * runs)
    R[runs:, 0] *= -1
    end, within = minimised(study, problem, R)
    optimal = procrustes.optimal_loss(problem, component(problem, R))
    yield measured("descent from everywhere", end, within=within, axes=("run",)).equals(optimal)
