"""The landscape of the Procrustes loss: its critical points, their indices, and that descent finds the optimum."""

from collections.abc import Generator, Iterator

import numpy as np
import torch

from experiments.orthogonal.linear import derivatives, minimised, squared_loss
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import landscape, procrustes
from theory.orthogonal.procrustes import Component, LinearOPT, component, random_problem, random_rotation, transposed

S = np.array([2.0, 1.5, 1.1, 0.8, 0.5])
NEWTON_STEPS = 10
SETTLED = 1e-11  # largest entry of the gradient where Newton's method has arrived


@claim(
    "liu2021.landscape",
    source="Liu et al. 2021 (OPT), derived: linear layer, all critical points on SO(d)",
    statement=r"\nabla L(R) = 0 \iff R = P\,\mathrm{diag}(e)\,Q^\top,\ e \in \{\pm 1\}^d,\ \textstyle\prod e = 1;\quad"
    r" \mathrm{index} = \sum_{e_i s_i < 0} (d - i),\quad \sum_e z^{\mathrm{index}} = \prod_{k<d} (1 + z^k)",
    hypotheses=("whitened inputs or a tight frame", "distinct singular values of M, none 0"),
    controls=(
        "curvatures without the signs",
        "the index counts negative signs",
        "equal singular values leave nothing but signs",
        "every critical point is a minimum",
    ),
)
def descent_meets_no_other_minimum(study: Study) -> Iterator[Check | Curves]:
    s = S[: study.pick(smoke=3, quick=5, paper=5)]
    batch = random_problem(study.rng("problem"), s, N=len(s) + 3, n=len(s) + 4)
    problem = LinearOPT(batch.X[0], batch.Y[0], batch.W0[0])
    for side, determinant in (("against", -1.0), ("with", 1.0)):
        chart = component(problem, np.diag(np.append(np.ones(len(s) - 1), determinant)))
        curvature, rounding = yield from _critical_points(study, side, problem, chart)
    unsigned = np.sort(chart.rates[np.triu_indices(len(s), 1)])
    wrong = equal("curvatures", curvature, unsigned, tolerance=rounding, because="rounding")
    yield refuted("curvatures without the signs", wrong)
    minimum = at_least("least curvature", curvature[:, 0], 0, because="definition of a minimum", slack=rounding)
    yield refuted("every critical point is a minimum", minimum)
    negative, signs = (curvature < 0).sum(-1), (landscape.signs(len(s)) < 0).sum(-1)
    yield refuted("the index counts negative signs", equal("index", negative, signs, tolerance=0.5, because="counts"))
    yield from _nothing_else_is_critical(study)
    yield from _descent_ends_at_the_optimum(study, s)


def _critical_points(
    study: Study, side: str, problem: LinearOPT, chart: Component
) -> Generator[Check | Curves, None, tuple[Array, float]]:
    """Gradient, loss and Hessian at each point of the list, all torch's; returns the curvatures and their rounding."""
    name = f"det R {side} det M"
    d = len(chart.s)
    points = landscape.critical_points(chart)
    loss = squared_loss(problem, study.device)
    first, second = derivatives(lambda R: loss({"R": R}).sum(), points[:, None], study.device)
    scale = float((problem.X**2).sum() * (problem.W0**2).sum() + (problem.Y**2).sum())
    rounding = 10 * d * EPS * scale
    because = "10 d roundings of |X|^2 |W0|^2 + |Y|^2"
    yield equal(f"{name}: gradient", first, 0, tolerance=rounding, because=because)
    curvature = np.linalg.eigvalsh(second / 2)
    yield equal(f"{name}: curvatures", curvature, landscape.spectrum(chart), tolerance=rounding, because=because)
    negative = (curvature < -rounding).sum(-1)
    whole = "whole numbers"
    yield equal(f"{name}: index", negative, landscape.index(chart), tolerance=0.5, because=whole)
    counts = np.bincount(negative, minlength=d * (d - 1) // 2 + 1)
    polynomial = landscape.poincare_polynomial(d)
    yield equal(f"{name}: points of each index", counts, polynomial, tolerance=0.5, because=whole)
    heights = loss({"R": torch.tensor(points, device=study.device)}).cpu().numpy()
    above = heights - procrustes.optimal_loss(problem, chart)
    yield equal(f"{name}: height", above, landscape.excess_loss(chart), tolerance=rounding, because=because)
    predicted = landscape.excess_loss(chart)
    yield curves(**{f"index_{side}": negative, f"height_{side}": above, f"predicted_{side}": predicted})
    return curvature, rounding


def _nothing_else_is_critical(study: Study) -> Iterator[Check]:
    """Newton's method from everywhere on SO(3) ends at the four points of the list, and at each of them."""
    starts = study.pick(smoke=256, quick=256, paper=2048)
    problem = random_problem(study.rng("Newton"), S[:3], N=5, n=6)
    listed = landscape.critical_points(_first(problem))
    found = _newton(study, problem, starts)
    distances = np.linalg.norm(found[:, None] - listed, axis=(-2, -1))
    # |dR| = 2^(1/2) |x|, the Hessian by x is twice the curvatures, and x has three entries.
    tolerance = SETTLED * np.sqrt(6) / 2 / np.abs(landscape.spectrum(_first(problem))).min()
    because = "what is left of the gradient over the least curvature"
    yield equal("Newton ends in the list", distances.min(-1), 0, tolerance=tolerance, because=because)
    reached = len(set(distances.argmin(-1)))
    yield equal("Newton finds the whole list", reached, len(listed), tolerance=0.5, because="whole numbers")
    degenerate = random_problem(study.rng("Newton"), np.array([2.0, 1.0, 1.0]), N=5, n=6)
    chart = _first(degenerate)
    listed = chart.P * landscape.signs(3)[:, None] @ chart.Q.T
    distances = np.linalg.norm(_newton(study, degenerate, 32)[:, None] - listed, axis=(-2, -1)).min(-1)
    wrong = equal("Newton ends in the list", distances, 0, tolerance=tolerance, because=because)
    yield refuted("equal singular values leave nothing but signs", wrong)


def _first(problem: LinearOPT) -> Component:
    chart = component(problem, np.eye(problem.d)[None])
    return Component(chart.P[0], chart.s[0], chart.Q[0])


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
        # Half of a step of Cayley's map turns by it, to first order, and keeps large ones on SO(d).
        step = (step - transposed(step)) / 2
        R = R @ np.linalg.solve(np.eye(problem.d) - step, np.eye(problem.d) + step)
    settled = np.abs(derivatives(point_loss, R[:, None], study.device)[0]).max(-1) < SETTLED
    return R[settled]


def _descent_ends_at_the_optimum(study: Study, s: Array) -> Iterator[Check]:
    """From uniform starts in both components: a start whose way to the optimum is too long has probability 1e-8."""
    runs = study.pick(smoke=8, quick=32, paper=256)
    problem = random_problem(study.rng("descent"), s, N=len(s) + 3, n=len(s) + 4, runs=2 * runs)
    R = random_rotation(study.rng("everywhere"), len(s), 2 * runs)
    R[runs:, 0] *= -1
    end, tolerance = minimised(study, "descent", problem, R)
    optimal = procrustes.optimal_loss(problem, component(problem, R))
    because = "|R'|^2 / rate at the end, twice what a quadratic minimum has above it, and rounding"
    yield equal("descent from everywhere", end, optimal, tolerance=tolerance, because=because)
