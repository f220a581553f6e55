"""Orthogonality-preserving descent: the published step leaves O(d) by an amount known exactly, Cayley's does not."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.descent import PreservingUpdate, Step, capped, cayley_step, tangent, two_iterations
from experiments.training import State, Trainee
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    order,
    residual,
    rounding,
)
from theory.claims.estimates import observed_order
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.orthogonal import preserving

SIZE, MOMENTUM = 6, 0.9


@claim(
    "liu2021.preserving_descent",
    source="Liu et al. 2021, orthogonality-preserving gradient descent (two fixed-point iterations)",
    source_kind=RECONSTRUCTED,
    statement=r"Y Y^\top = I - \tfrac{1}{4} w^4 - \tfrac{1}{16} w^6 \text{ after two iterations};"
    r"\quad Y Y^\top = I \text{ after Cayley's step}",
    hypotheses=("Y what a step along the skew w makes of R", "R orthogonal before the step"),
    theory_side="identity",
    controls=(
        "symbolic: one iteration",
        "the published step keeps R orthogonal",
        "defect of a step 10 % smaller",
        "accumulated defect 10 % smaller",
    ),
)
def the_published_step_leaves_the_orthogonal_matrices(study: Study) -> Iterator[Check | Curves]:
    because = "polynomials in one matrix, expanded"
    yield residual("symbolic: defect of two iterations", preserving.symbolic_defect(2), because=because).vanishes()
    one = residual("defect of one iteration", preserving.symbolic_defect(1), because=because)
    yield one.control("symbolic: one iteration").vanishes()
    yield from _direction(study)
    yield from _every_step(study)
    yield from _adds_up(study)
    yield from _in_the_learning_rate(study)


def _direction(study: Study) -> Iterator[Check]:
    rng = study.rng("direction")
    M = rng.standard_normal((20, SIZE, SIZE))
    R = np.linalg.qr(rng.standard_normal((20, SIZE, SIZE)))[0]
    W = tangent(*(torch.from_numpy(array).to(study.device) for array in (R, M)))
    within = rounding(8 * SIZE**2, float(np.abs(M).max()), of="the largest entry of M")
    yield measured("tangent on O(d)", W.cpu(), within=within, axes=("run",)).equals(preserving.tangent(R, M))
    length = torch.linalg.matrix_norm(capped(100 * W, 0.5)).cpu()
    within = rounding(8 * SIZE, of="|w|, since alpha <= 1 / |What - What^T|")
    yield measured("|w| at a large gradient", length, within=within, axes=("run",)).equals(1)


def _problem(study: Study) -> tuple[Array, Array, Array]:
    """1/2 |R A - B|^2 from R = I: A (runs, d, n), B = Q A for a random rotation Q, and I."""
    runs = study.pick(smoke=3, quick=8, paper=32)
    rng = study.rng("problem")
    A = rng.standard_normal((runs, SIZE, 10)) / np.sqrt(10)
    Q = np.linalg.qr(rng.standard_normal((runs, SIZE, SIZE)))[0]
    return A, Q @ A, np.broadcast_to(np.eye(SIZE), Q.shape)


def _train(study: Study, step: Step, eta: float, steps: int, momentum: float = MOMENTUM) -> Trajectory:
    """R and its momentum before every step, and after the last."""
    A, B, R = _problem(study)
    inputs, targets = (torch.from_numpy(array).to(study.device) for array in (A, B))

    def loss(state: State) -> Tensor:
        return 0.5 * (state["R"] @ inputs - targets).square().sum((-2, -1))

    trainee = Trainee(study, loss, {"R": R}, PreservingUpdate(loss, momentum, step))
    return trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))


def _turns(study: Study, run: Trajectory, eta: float) -> Array:
    """w (T - 1, runs, d, d) of each step, from the recorded states and the gradient (R A - B) A^T."""
    A, B, _ = _problem(study)
    R, memory = run["R"][:-1], run["R.momentum"][:-1]
    gradient = (R @ A - B) @ A.mT
    return preserving.direction(R, MOMENTUM * memory - gradient, eta)


def _defect(R: Array) -> Array:
    return np.eye(SIZE) - R @ R.mT


def _every_step(study: Study) -> Iterator[Check]:
    eta, steps = 0.3, 40
    run = _train(study, two_iterations, eta, steps)
    left = _defect(run["R"])
    turns = _turns(study, run, eta)
    predicted, own = preserving.defect_after_step(turns, left[:-1]), preserving.defect_of_step(turns)
    within = rounding(16 * SIZE, of="entries no larger than 1, 16 d a step")
    after = measured("defect after each step", left[1:], within=within, axes=("step", "run"))
    yield after.equals(lambda k: predicted + (k - 1) * own)
    yield after.control("defect of a step 10 % smaller").equals(predicted - 0.1 * own)


def _adds_up(study: Study) -> Iterator[Check | Curves]:
    eta, steps = 0.2, study.pick(smoke=100, quick=300, paper=1000)
    published, exact = (_train(study, step, eta, steps) for step in (two_iterations, cayley_step))
    allowed = 4 * SIZE * EPS * np.arange(1, steps + 2)[:, None]
    within = Tolerance(allowed, "4 d roundings a step, all of one sign")
    left, lost = _defect(published["R"]), np.abs(_defect(exact["R"])).max((-2, -1))
    gone = np.abs(left).max((-2, -1))
    kept = measured("|R R^T - I|", lost, within=within, case="Cayley's step", axes=("step", "run"))
    yield kept.equals(0, against=float(gone[-1].min()))
    end = measured("|R R^T - I|", gone, within=within, case="published step", axes=("step", "run"))
    yield end.control("the published step keeps R orthogonal").equals(0)
    each = preserving.defect_of_step(_turns(study, published, eta))
    trace = partial(np.trace, axis1=-2, axis2=-1)
    total = np.cumsum(trace(each), axis=0)
    # tr E' = tr E + tr D - tr(E D): the sum of the D is too much, by the sum of tr E |D| at most.
    excess = np.cumsum(trace(left[:-1]) * np.linalg.norm(each, ord=2, axis=(-2, -1)), axis=0)
    because = "the sum of the defects of each step counts tr E |D| twice at most; rounding"
    within = Tolerance(excess + SIZE * allowed[1:], because)
    summed = measured("accumulated defect", trace(left)[1:], within=within, axes=("step", "run"))
    yield summed.equals(total)
    yield summed.control("accumulated defect 10 % smaller").equals(0.9 * total)
    yield curves(
        t=published.t[1:],
        trace_defect=summed.value[:, 0],
        predicted_trace_defect=total[:, 0],
        cayley_defect=lost[1:, 0],
    )


def _in_the_learning_rate(study: Study) -> Iterator[Check]:
    """eta^4 a step makes eta^3 at a fixed time: without momentum, and below the cap of the step."""
    runs = [_train(study, two_iterations, eta, round(3 / eta), momentum=0.0) for eta in (0.05, 0.025, 0.0125)]
    cubic = observed_order([_defect(run["R"][-1]) for run in runs])
    yield order("defect at a fixed time", cubic).equals(3, excludes=(2.75, 3.25))
