"""Brockett's function on Stiefel: rates of geodesic and retracted descent, in the metric of the embedding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.manifolds.networks import on_manifolds, tensor, unit
from experiments.manifolds.rates import (
    TWICE,
    Minimum,
    contraction,
    contraction_curves,
    hessian_at,
    require_falling,
    require_stable,
)
from experiments.methods.manifolds import FineGrainedStep, RiemannianStep, Stiefel
from experiments.training import Loss, tends_to
from experiments.training.together import refine_together
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.manifolds import brockett
from theory.manifolds.brockett import Brockett

MOVES = ("exponential", "retraction")


@dataclass(frozen=True)
class Sizes:
    """Of the problem, and of its training."""

    eigenvalues: tuple[float, ...] = varies("l of A, decreasing", (3.0, 2.2, 1.4, 0.9, 0.3), low=-4, high=4)
    weights: tuple[float, ...] = varies("m of N, decreasing, as many as columns", (1.5, 1.0, 0.6), low=0.1, high=3)
    learning_rate: float = varies("near the minimum", 0.17, low=0.01, high=0.5)
    runs: int = varies("starts half a radian from the minimum", 16, smoke=4, paper=128, low=1, high=500)

    def __post_init__(self) -> None:
        require_falling("eigenvalues", self.eigenvalues, 0.2)
        require_falling("weights", self.weights, 0.2)
        l, m = np.array(self.eigenvalues), np.array(self.weights)
        if len(m) > len(l):
            reject("weights", self.weights, f"at most {len(l)} numbers, one for each eigenvalue")
        fastest = float((l[0] - l[-1]) * m[0])
        if fastest > 6:
            reject("weights", self.weights, f"m_1 (l_1 - l_n) at most 6, not {fastest:.4g}: flows part too fast")
        require_stable(self.learning_rate, fastest)


@claim(
    "manifolds.brockett",
    source="ours: Brockett's function by FG-SGD (Ozay 2019) on the Stiefel manifold",
    source_kind=OURS,
    statement=r"L(Q) = -\tfrac{1}{2} \mathrm{tr}(Q^\top A Q N),\ N = \mathrm{diag}(m):\quad"
    r" \dot Q = A Q N - \tfrac{1}{2} Q (Q^\top A Q N + N Q^\top A Q);\quad"
    r" \text{rates about the minimum } h = \tfrac{1}{2} (l_i - l_j)(m_i - m_j)\ (i < j \le p),\quad"
    r" m_j (l_j - l_k)\ (k > p);\quad \min L = -\tfrac{1}{2} \textstyle\sum_i m_i l_i",
    hypotheses=("Q (n, p) with Q^T Q = I", "A = diag(l), distinct l", "m_1 > ... > m_p > 0", "metric of the embedding"),
    theory_side="closed form",
    controls=(TWICE, "rates of the canonical metric", "the minimum of the weights in reverse"),
    parameters=Sizes,
)
def the_largest_eigenvectors_are_found_in_order(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    problem, eta = Brockett(np.array(sizes.eigenvalues), np.array(sizes.weights)), sizes.learning_rate
    loss, rates = _loss(study, problem), brockett.rates(problem)
    optimum, modes = tensor(study, problem.optimum), tensor(study, brockett.modes(problem))
    minimum = Minimum(loss, {"Q": optimum}, {"Q": modes}, rates)
    hessian = hessian_at(study, minimum, {"Q": RiemannianStep(Stiefel())}, "Stiefel")
    yield hessian.equals(np.diag(rates))
    pairs = len(problem.m) * (len(problem.m) - 1) // 2
    # |X|^2 is tr(X^T (I - Q Q^T / 2) X) there: turns within the frame count half, and run twice as fast.
    canonical = np.diag(np.where(np.arange(len(rates)) < pairs, 2, 1) * rates)
    yield hessian.control("rates of the canonical metric").equals(canonical)
    for move in MOVES:
        left = contraction(study, minimum, {"Q": FineGrainedStep(Stiefel(), move)}, eta, move)
        yield left.equals(lambda k: 1 - k * eta * rates)
        yield contraction_curves(left, eta * rates)
    yield left.control(TWICE).equals(1 - 2 * eta * rates)
    yield from _flow(study, problem, loss)
    yield from _limit(study, problem, loss, eta, sizes.runs)


def _loss(study: Study, problem: Brockett) -> Loss:
    l, m = tensor(study, problem.l[:, None]), tensor(study, problem.m)
    return lambda state: -0.5 * (l * state["Q"].square() * m).sum((-2, -1))


def _flow(study: Study, problem: Brockett, loss: Loss) -> Iterator[Check]:
    normal = study.rng("flow").standard_normal((4, len(problem.l), len(problem.m)))
    start = Stiefel().project(tensor(study, normal))
    for move in MOVES:
        trainee = on_manifolds(study, loss, {"Q": RiemannianStep(Stiefel(), move)}, {"Q": start})
        runs = refine_together(trainee, learning_rate=0.02, horizon=1.6, records=9)
        t, at_start = runs[0].t, start.cpu().numpy()
        exact = _integrated(problem, at_start, t)
        # Two flows part at a rate of at most 2 |A| |N|, and A may be shifted by a multiple of I.
        growth = np.exp((problem.l[0] - problem.l[-1]) * problem.m[0] * t[-1])
        solver = exact.facts["local_error"] * exact.facts["steps"] * growth
        found = [run["Q"] for run in runs]
        yield from tends_to("Q(t)", found, lambda k: _integrated(problem, at_start, k * t)["Q"], solver, case=move)  # noqa: B023


def _integrated(problem: Brockett, start: Array, t: Array) -> Trajectory:
    velocity = lambda _, state: {"Q": brockett.velocity(problem, state["Q"])}  # noqa: E731
    return flow(velocity, {"Q": start}, t, relative_tolerance=1e-13, absolute_tolerance=1e-14)


def _limit(study: Study, problem: Brockett, loss: Loss, eta: float, runs: int) -> Iterator[Check]:
    """From half a radian away, long enough for the slowest mode."""
    slowest = float(brockett.rates(problem).min())
    steps = max(500, int(np.ceil(13 / (eta * slowest))))
    normal = study.rng("limit").standard_normal((runs, len(problem.l), len(problem.m)))
    at = tensor(study, np.broadcast_to(problem.optimum, normal.shape))
    start = Stiefel().exponential(at, 0.5 * unit(Stiefel().tangent(at, tensor(study, normal))))
    trainee = on_manifolds(study, loss, {"Q": RiemannianStep(Stiefel(), "retraction")}, {"Q": start})
    Q = trainee.train(learning_rate=eta, steps=steps, record=[steps])["Q"][-1]
    speed = np.square(brockett.velocity(problem, Q)).sum((-2, -1))
    within = Tolerance(speed / slowest, "|Q'|^2 / rate, twice a quadratic minimum's excess")
    within += rounding(100, problem.l[0] * problem.m.sum(), of="the largest value")
    least = measured("least value", loss({"Q": tensor(study, Q)}).cpu().numpy(), within=within, axes=("run",))
    yield least.equals(problem.least)
    reverse = -0.5 * float(problem.m[::-1] @ problem.l[: len(problem.m)])
    yield least.control("the minimum of the weights in reverse").equals(reverse)
