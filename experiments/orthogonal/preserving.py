"""Orthogonality-preserving descent: the published step leaves O(d) by an amount known exactly, Cayley's does not."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from experiments.methods.orthogonal.descent import PreservingUpdate, Step, capped, cayley_step, tangent, two_iterations
from experiments.training.loop import train
from experiments.training.updates import Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import halving_order
from theory.claims.legacy import at_most, equal, identity, order, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.orthogonal import preserving

SIZE, MOMENTUM = 6, 0.9


@claim(
    "liu2021.preserving_descent",
    source="Liu et al. 2021, orthogonality-preserving gradient descent (two fixed-point iterations)",
    statement=r"Y Y^\top = I - \tfrac{1}{4} w^4 - \tfrac{1}{16} w^6 \text{ after two iterations};"
    r"\quad Y Y^\top = I \text{ after Cayley's step}",
    hypotheses=("w skew", "R orthogonal before the step"),
    controls=(
        "symbolic: one iteration",
        "the published step keeps R orthogonal",
        "defect of a step 10 % smaller",
        "accumulated defect 10 % smaller",
    ),
)
def the_published_step_leaves_the_orthogonal_matrices(study: Study) -> Iterator[Check | Curves]:
    because = "polynomials in one matrix, expanded"
    yield identity("symbolic: defect of two iterations", preserving.symbolic_defect(2), because=because)
    one = identity("one iteration", preserving.symbolic_defect(1), because=because)
    yield refuted("symbolic: one iteration", one)
    yield from _direction(study)
    yield from _every_step(study)
    yield from _adds_up(study)
    yield from _in_the_learning_rate(study)


def _direction(study: Study) -> Iterator[Check]:
    rng = study.rng("direction")
    M = rng.standard_normal((20, SIZE, SIZE))
    R = np.linalg.qr(rng.standard_normal((20, SIZE, SIZE)))[0]
    tensors = [torch.from_numpy(array).to(study.device) for array in (R, M)]
    measured = tangent(*tensors).cpu().numpy()
    tolerance = 8 * SIZE**2 * EPS * float(np.abs(M).max())
    because = "8 d^2 roundings of the largest entry of M"
    yield equal("tangent on O(d)", measured, preserving.tangent(R, M), tolerance=tolerance, because=because)
    length = torch.linalg.matrix_norm(capped(100 * tangent(*tensors), 0.5)).cpu().numpy()
    because = "alpha <= 1 / |What - What^T|; 8 d roundings"
    yield equal("|w| at a large gradient", length, 1.0, tolerance=8 * SIZE * EPS, because=because)


def _problem(study: Study) -> tuple[Array, Array, Array]:
    """1/2 |R A - B|^2 from R = I: A (runs, d, n), B = Q A for a random rotation Q, and I."""
    runs = study.pick(smoke=3, quick=8, paper=32)
    rng = study.rng("problem")
    A = rng.standard_normal((runs, SIZE, 10)) / np.sqrt(10)
    Q = np.linalg.qr(rng.standard_normal((runs, SIZE, SIZE)))[0]
    return A, Q @ A, np.broadcast_to(np.eye(SIZE), Q.shape).copy()


def _loss(A: Array, B: Array, device: str) -> Loss:
    inputs, targets = (torch.from_numpy(array).to(device) for array in (A, B))
    return lambda state: 0.5 * (state["R"] @ inputs - targets).square().sum((-2, -1))


def _observe(state: State) -> State:
    return {name: state[name] for name in ("R", "R.momentum")}


def _descend(study: Study, name: str, step: Step, eta: float, steps: int, momentum: float = MOMENTUM) -> Trajectory:
    A, B, R = _problem(study)
    loss = _loss(A, B, study.device)
    return train(
        loss,
        {"R": R},
        learning_rate=eta,
        steps=steps,
        record=range(steps + 1),
        observe=_observe,
        update=PreservingUpdate(loss, momentum, step),
        **study.training(name),
    )


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
    run = _descend(study, "each step", two_iterations, eta, steps)
    left = _defect(run["R"])
    predicted = preserving.defect_after_step(_turns(study, run, eta), left[:-1])
    tolerance = 16 * SIZE * EPS
    because = "16 d roundings of entries no larger than 1, a step"
    yield equal("defect after each step", left[1:], predicted, tolerance=tolerance, because=because)
    smaller = equal("90 % of it", left[1:], 0.9 * predicted, tolerance=tolerance, because=because)
    yield refuted("defect of a step 10 % smaller", smaller)


def _adds_up(study: Study) -> Iterator[Check | Curves]:
    eta, steps = 0.2, study.pick(smoke=100, quick=300, paper=1000)
    published = _descend(study, "published", two_iterations, eta, steps)
    exact = _descend(study, "cayley", cayley_step, eta, steps)
    rounding = 4 * SIZE * EPS * np.arange(1, steps + 2)
    lost = np.abs(_defect(exact["R"])).max((-2, -1))
    because = "4 d roundings a step, all of one sign"
    yield at_most("Cayley's step: |R R^T - I|", lost, rounding[:, None], because=because)
    left = _defect(published["R"])
    kept = at_most("published step", np.abs(left[-1]).max((-2, -1)), rounding[-1], because=because)
    yield refuted("the published step keeps R orthogonal", kept)
    each = preserving.defect_of_step(_turns(study, published, eta))
    trace = partial(np.trace, axis1=-2, axis2=-1)
    total = np.cumsum(trace(each), axis=0)
    # tr E' = tr E + tr D - tr(E D): the sum of the D is too much, by the sum of tr E |D| at most.
    excess = np.cumsum(trace(left[:-1]) * np.linalg.norm(each, ord=2, axis=(-2, -1)), axis=0)
    measured, tolerance = trace(left)[1:], excess + SIZE * rounding[1:, None]
    because = "the sum of the defects of each step counts tr E |D| twice at most; rounding"
    yield equal("accumulated defect", measured, total, tolerance=tolerance, because=because)
    smaller = equal("90 %", measured, 0.9 * total, tolerance=tolerance, because=because)
    yield refuted("accumulated defect 10 % smaller", smaller)
    yield curves(
        t=published.t[1:],
        trace_defect=measured[:, 0],
        predicted_trace_defect=total[:, 0],
        cayley_defect=lost[1:, 0],
    )


def _in_the_learning_rate(study: Study) -> Iterator[Check]:
    """eta^4 a step makes eta^3 at a fixed time: without momentum, and below the cap of the step."""
    horizon, step_sizes = 3.0, (0.05, 0.025)
    ends = [
        _defect(_descend(study, f"eta {eta}", two_iterations, eta, round(horizon / eta), momentum=0.0)["R"][-1])
        for eta in step_sizes
    ]
    yield order("defect at a fixed time", halving_order(*ends, expected=3), 3, excludes=(2, 4))
