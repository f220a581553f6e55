"""Orthogonality-preserving descent: the published step leaves O(d) by an amount known exactly, Cayley's does not."""

from collections.abc import Iterator
from dataclasses import dataclass
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
    varies,
)
from theory.claims.estimates import observed_order
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.orthogonal import preserving


@dataclass(frozen=True)
class Sizes:
    """Of the rotations, and of their training."""

    inputs: int = varies("d of R (d, d)", 6, low=2, high=24)
    learning_rate: float = varies("where defects add up; 1.5 times it where each is judged", 0.2, low=0.02, high=0.3)
    momentum: float = varies("of the descent", 0.9, low=0, high=0.95)
    steps: int = varies("over which defects add up", 300, smoke=100, paper=1000, low=20, high=3000)
    runs: int = varies("random problems", 8, smoke=3, paper=32, low=1, high=200)


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
    parameters=Sizes,
)
def the_published_step_leaves_the_orthogonal_matrices(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    because = "polynomials in one matrix, expanded"
    yield residual("symbolic: defect of two iterations", preserving.symbolic_defect(2), because=because).vanishes()
    one = residual("defect of one iteration", preserving.symbolic_defect(1), because=because)
    yield one.control("symbolic: one iteration").vanishes()
    yield from _direction(study, sizes.inputs)
    yield from _every_step(study, sizes)
    yield from _adds_up(study, sizes)
    yield from _in_the_learning_rate(study, sizes)


def _direction(study: Study, d: int) -> Iterator[Check]:
    rng = study.rng("direction")
    M = rng.standard_normal((20, d, d))
    R = np.linalg.qr(rng.standard_normal((20, d, d)))[0]
    W = tangent(*(torch.from_numpy(array).to(study.device) for array in (R, M)))
    within = rounding(8 * d**2, float(np.abs(M).max()), of="the largest entry of M")
    yield measured("tangent on O(d)", W.cpu(), within=within, axes=("run",)).equals(preserving.tangent(R, M))
    length = torch.linalg.matrix_norm(capped(100 * W, 0.5)).cpu()
    within = rounding(8 * d, of="|w|, since alpha <= 1 / |What - What^T|")
    yield measured("|w| at a large gradient", length, within=within, axes=("run",)).equals(1)


def _problem(study: Study, sizes: Sizes) -> tuple[Array, Array, Array]:
    """1/2 |R A - B|^2 from R = I: A (runs, d, n), B = Q A for a random rotation Q, and I."""
    d, runs, rng = sizes.inputs, sizes.runs, study.rng("problem")
    A = rng.standard_normal((runs, d, d + 4)) / np.sqrt(d + 4)
    Q = np.linalg.qr(rng.standard_normal((runs, d, d)))[0]
    return A, Q @ A, np.broadcast_to(np.eye(d), Q.shape)


def _train(study: Study, sizes: Sizes, step: Step, eta: float, steps: int, momentum: float) -> Trajectory:
    """R and its momentum before every step, and after the last."""
    A, B, R = _problem(study, sizes)
    inputs, targets = (torch.from_numpy(array).to(study.device) for array in (A, B))

    def loss(state: State) -> Tensor:
        return 0.5 * (state["R"] @ inputs - targets).square().sum((-2, -1))

    trainee = Trainee(study, loss, {"R": R}, PreservingUpdate(loss, momentum, step))
    return trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))


def _turns(study: Study, sizes: Sizes, run: Trajectory, eta: float) -> Array:
    """w (T - 1, runs, d, d) of each step, from the recorded states and the gradient (R A - B) A^T."""
    A, B, _ = _problem(study, sizes)
    R, memory = run["R"][:-1], run["R.momentum"][:-1]
    gradient = (R @ A - B) @ A.mT
    return preserving.direction(R, sizes.momentum * memory - gradient, eta)


def _defect(R: Array) -> Array:
    return np.eye(R.shape[-1]) - R @ R.mT


def _every_step(study: Study, sizes: Sizes) -> Iterator[Check]:
    eta, steps = 1.5 * sizes.learning_rate, 40
    run = _train(study, sizes, two_iterations, eta, steps, sizes.momentum)
    left = _defect(run["R"])
    turns = _turns(study, sizes, run, eta)
    predicted, own = preserving.defect_after_step(turns, left[:-1]), preserving.defect_of_step(turns)
    within = rounding(16 * sizes.inputs, of="entries no larger than 1, 16 d a step")
    after = measured("defect after each step", left[1:], within=within, axes=("step", "run"))
    yield after.equals(lambda k: predicted + (k - 1) * own)
    yield after.control("defect of a step 10 % smaller").equals(predicted - 0.1 * own)


def _adds_up(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    eta, steps, d = sizes.learning_rate, sizes.steps, sizes.inputs
    published, exact = (
        _train(study, sizes, step, eta, steps, sizes.momentum) for step in (two_iterations, cayley_step)
    )
    allowed = 4 * d * EPS * np.arange(1, steps + 2)[:, None]
    within = Tolerance(allowed, "4 d roundings a step, all of one sign")
    left, lost = _defect(published["R"]), np.abs(_defect(exact["R"])).max((-2, -1))
    gone = np.abs(left).max((-2, -1))
    kept = measured("|R R^T - I|", lost, within=within, case="Cayley's step", axes=("step", "run"))
    yield kept.equals(0, against=float(gone[-1].min()))
    end = measured("|R R^T - I|", gone, within=within, case="published step", axes=("step", "run"))
    yield end.control("the published step keeps R orthogonal").equals(0)
    each = preserving.defect_of_step(_turns(study, sizes, published, eta))
    trace = partial(np.trace, axis1=-2, axis2=-1)
    total = np.cumsum(trace(each), axis=0)
    # tr E' = tr E + tr D - tr(E D): the sum of the D is too much, by the sum of tr E |D| at most.
    excess = np.cumsum(trace(left[:-1]) * np.linalg.norm(each, ord=2, axis=(-2, -1)), axis=0)
    because = "the sum of the defects of each step counts tr E |D| twice at most; rounding"
    within = Tolerance(excess + d * allowed[1:], because)
    summed = measured("accumulated defect", trace(left)[1:], within=within, axes=("step", "run"))
    yield summed.equals(total)
    yield summed.control("accumulated defect 10 % smaller").equals(0.9 * total)
    yield curves(
        t=published.t[1:],
        trace_defect=summed.value[:, 0],
        predicted_trace_defect=total[:, 0],
        cayley_defect=lost[1:, 0],
    )


def _in_the_learning_rate(study: Study, sizes: Sizes) -> Iterator[Check]:
    """eta^4 a step makes eta^3 at a fixed time: without momentum, and below the cap of the step."""
    runs = [_train(study, sizes, two_iterations, eta, round(3 / eta), 0.0) for eta in (0.05, 0.025, 0.0125)]
    cubic = observed_order([_defect(run["R"][-1]) for run in runs])
    yield order("defect at a fixed time", cubic).equals(3, excludes=(2.75, 3.25))
