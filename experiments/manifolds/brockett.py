"""Brockett's function on Stiefel: rates of geodesic and retracted descent, in the metric of the embedding."""

from collections.abc import Iterator

import numpy as np

from experiments.manifolds.solved import TWICE, contraction, curvatures, descend, refine, tensor, twice
from experiments.methods.manifolds.descent import FineGrainedStep, RiemannianStep
from experiments.methods.manifolds.spaces import Stiefel
from experiments.training.refinement import tends_to
from experiments.training.updates import Loss
from theory.claims import Check, Curves, claim
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS
from theory.core.flows import flow
from theory.manifolds import brockett
from theory.manifolds.brockett import Brockett

ETA = 0.17


@claim(
    "ozay2019.brockett",
    source="Ozay 2019 (FG-SGD on the Stiefel manifold), derived: Brockett's function",
    statement=r"h = \tfrac{1}{2} (l_i - l_j)(m_i - m_j)\ (i < j \le p),\quad m_j (l_j - l_k)\ (k > p);\quad"
    r" \min L = -\tfrac{1}{2} \textstyle\sum_i m_i l_i",
    hypotheses=("A = diag(l), distinct l", "m_1 > ... > m_p > 0", "metric of the embedding"),
    controls=(TWICE, "rates of the canonical metric", "the minimum of the weights in reverse"),
)
def the_largest_eigenvectors_are_found_in_order(study: Study) -> Iterator[Check | Curves]:
    problem = Brockett(np.array([3.0, 2.2, 1.4, 0.9, 0.3]), np.array([1.5, 1.0, 0.6]))
    loss, rates = _loss(study, problem), brockett.rates(problem)
    optimum, modes = {"Q": tensor(study, problem.optimum)}, {"Q": tensor(study, brockett.modes(problem))}
    hessian = yield from curvatures(study, "Stiefel", loss, {"Q": RiemannianStep(Stiefel())}, optimum, modes, rates)
    pairs = len(problem.m) * (len(problem.m) - 1) // 2
    # |X|^2 is tr(X^T (I - Q Q^T / 2) X) there: turns within the frame count half, and run twice as fast.
    canonical = np.diag(np.where(np.arange(len(rates)) < pairs, 2, 1) * rates)
    wrong = equal("Hessian", hessian, canonical, tolerance=1e-2, because="far beyond any error")
    yield refuted("rates of the canonical metric", wrong)
    for move in ("exponential", "retraction"):
        step = FineGrainedStep(Stiefel(), move)
        found = yield from contraction(study, move, loss, {"Q": step}, optimum, modes, rates, learning_rate=ETA)
    yield twice(*found, rates, ETA)
    yield from _flow(study, problem, loss)
    yield from _limit(study, problem, loss)


def _loss(study: Study, problem: Brockett) -> Loss:
    l, m = tensor(study, problem.l[:, None]), tensor(study, problem.m)
    return lambda state: -0.5 * (l * state["Q"].square() * m).sum((-2, -1))


def _flow(study: Study, problem: Brockett, loss: Loss) -> Iterator[Check]:
    normal = study.rng("flow").standard_normal((4, len(problem.l), len(problem.m)))
    start = Stiefel().project(tensor(study, normal))
    for move in ("exponential", "retraction"):
        step = {"Q": RiemannianStep(Stiefel(), move)}
        runs = refine(study, f"flow {move}", loss, step, {"Q": start}, learning_rate=0.02, horizon=1.6)
        velocity = lambda t, state: {"Q": brockett.velocity(problem, state["Q"])}  # noqa: E731
        tight = {"relative_tolerance": 1e-13, "absolute_tolerance": 1e-14}
        exact = flow(velocity, {"Q": start.cpu().numpy()}, runs[0].t, **tight)
        # Two flows part at a rate of at most 2 |A| |N|, and A may be shifted by a multiple of I.
        growth = np.exp((problem.l[0] - problem.l[-1]) * problem.m[0] * runs[0].t[-1])
        solver = exact.facts["local_error"] * exact.facts["steps"] * growth
        found = [run["Q"] for run in runs]
        yield from tends_to(f"{move}: Q(t)", found, exact["Q"], solver)


def _limit(study: Study, problem: Brockett, loss: Loss) -> Iterator[Check]:
    """From half a radian away, long enough for the slowest mode."""
    runs, steps = study.pick(smoke=4, quick=16, paper=128), 500
    normal = study.rng("limit").standard_normal((runs, len(problem.l), len(problem.m)))
    at = tensor(study, np.broadcast_to(problem.optimum, normal.shape))
    v = Stiefel().tangent(at, tensor(study, normal))
    start = Stiefel().exponential(at, 0.5 * v / v.square().sum((-2, -1), keepdim=True).sqrt())
    step = {"Q": RiemannianStep(Stiefel(), "retraction")}
    Q = descend(study, "limit", loss, step, {"Q": start}, learning_rate=ETA, steps=steps, record=[steps])["Q"][-1]
    end = loss({"Q": tensor(study, Q)}).cpu().numpy()
    speed = np.square(brockett.velocity(problem, Q)).sum((-2, -1))
    tolerance = speed / brockett.rates(problem).min() + 100 * EPS * problem.l[0] * problem.m.sum()
    because = "|Q'|^2 / rate, twice what a quadratic minimum has above it, and rounding"
    yield equal("least value", end, problem.least, tolerance=tolerance, because=because)
    reverse = -0.5 * float(problem.m[::-1] @ problem.l[: len(problem.m)])
    wrong = equal("least value", end, reverse, tolerance=tolerance, because=because)
    yield refuted("the minimum of the weights in reverse", wrong)
