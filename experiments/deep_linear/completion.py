"""Matrix completion by Minnorm: without all entries known, depth changes the answer, and multipliers certify it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.deep_linear.convergence import settled
from experiments.deep_linear.networks import Constraint, isometries, students
from experiments.methods.minnorm.descent import SimultaneousMinnormDescent
from experiments.training import State, Trainee
from experiments.training.batches import layers_of
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, end_to_end, squared_norm
from theory.core.trajectory import Trajectory
from theory.deep_linear.completion import (
    Completion,
    corner,
    duality_gap,
    nuclear_fill,
    planted,
    rank_one_fill,
    schatten_fill,
)
from theory.deep_linear.minnorm import least_norm
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

CORNER = (1.0, 2.0, 3.0)
SLOWEST = 0.25  # of all rates at the completions below, where a = 1
# What other depths fill in, by depth.
WRONG = {
    1: {"depth 1 fills in the nuclear norm's entry": nuclear_fill(*CORNER)},
    2: {"depth 2 fills in 0": 0.0, "depth 2 fills in what the rank wants": CORNER[1] * CORNER[2] / CORNER[0]},
    3: {
        "depth 3 fills in the nuclear norm's entry": nuclear_fill(*CORNER),
        "depth 3 with the power of depth 4": schatten_fill(*CORNER, 4),
    },
}


@dataclass(frozen=True)
class Completing:
    depths: tuple[int, ...] = varies(
        "numbers of layers; 1, 2 and 3 beside them", (1, 2, 3, 4), smoke=(1, 2, 3), low=1, high=4
    )
    runs: int = varies("starts of each depth", 6, smoke=3, paper=24, low=1, high=200)
    horizon: float = varies("until when they are trained", 32.0, smoke=24.0, paper=48.0, low=16, high=100, unit="time")
    width: int = varies("of hidden layers", 4, low=2, high=20)
    certified: int = varies(
        "starts whose multipliers certify the least nuclear norm", 8, smoke=3, paper=32, low=1, high=200
    )


@claim(
    "minnorm.deep_completion",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    source_kind=OURS,
    statement=r"\min \sum_l |W_l|_F^2 \text{ s.t. } W_{ij} = Y_{ij},\ (i, j) \text{ known} \;=\; \min L \sum_k"
    r" \sigma_k(W)^{2/L}:\ \begin{pmatrix} 1 & 2 \\ 3 & ? \end{pmatrix} \text{ has } ? = 0, 1, 2.29\ldots, 6"
    r" \text{ at } L = 1, 2, 3, 4;\quad L = 2:\ \langle \Lambda, Y \rangle \to |W|_*,\ \sigma_1(\Lambda) \le 1",
    hypotheses=(
        "Minnorm on W = W_L ... W_1, multipliers Lambda of the known entries of Y; |W|_*: the nuclear norm",
        "augmentation above the critical one",
        "start outside the basin of collapse; at depth 3 also outside that of rank 1, ? = 6, another local minimum",
        "not all entries known",
    ),
    theory_side="closed form",
    controls=(
        *(control for wrong in WRONG.values() for control in wrong),
        "gradient descent finds the least nuclear norm",
        "depth 1 finds the least nuclear norm",
        "certificate with multipliers 10 % smaller",
    ),
    parameters=Completing,
)
def depth_changes_the_completion(study: Study, given: Completing) -> Iterator[Check | Curves]:
    fills = []
    for L in sorted({*WRONG, *given.depths}):
        fills.append((yield from _corner(study, L, given)))
    yield curves(fills=fills)
    yield from _certified(study, given.certified)


def _corner(study: Study, L: int, given: Completing) -> Iterator[Check | Curves]:
    """[[1, 2], [3, ?]]: one unknown entry, another one for every depth. Returns what a run filled in."""
    problem, case, eta = corner(*CORNER), f"depth {L}", 0.008 if L == 4 else 0.02
    W = isometries(study.rng("corner", L), [2, *[given.width] * (L - 1), 2], given.runs)
    run = _train(_minnorm(study, problem, W, Tuning(b=3.0, c=3.0)), eta, given.horizon)
    end, size = end_to_end(layers_of(run.arrays)), squared_norm(layers_of(run.arrays))
    steps = run.facts["recorded"]
    a_step = rounding(L * steps[-1], np.square(CORNER).sum(), of="the squared labels, one a layer and step")
    fill = {1: 0.0, 2: nuclear_fill(*CORNER)}.get(L, schatten_fill(*CORNER, L))
    within = a_step + Tolerance(4 * EPS**0.5 * np.abs(CORNER).max(), "a minimum is known to the root of its rounding")
    filled = settled("the unknown entry", run.t, end[..., 1, 1], within, SLOWEST, case=case)
    reached = _minima(L, fill, end[-1, :, 1, 1], size[-1])
    # Next to depth 1's 0 stands what depth 2 fills in.
    yield filled.equals(reached, against=nuclear_fill(*CORNER) if L == 1 else None)
    for control, other in WRONG.get(L, {}).items():
        yield filled.control(control).equals(other)
    if L == 1:
        # Nothing but the shrinkage moves an unknown entry of one layer.
        each = measured("step by step", end[..., 1, 1], within=a_step, case=case, axes=("t", "run"))
        yield each.equals(lambda k: (1 - k * eta) ** steps[:, None] * W[0][:, 1, 1])
    slack = a_step + Tolerance(L * (8 * EPS * np.abs(end).max()) ** (2 / L), "8 roundings in a singular value")
    bounded = measured("layers no smaller than the product asks for", size, within=slack, case=case, axes=("t", "run"))
    yield bounded.at_least(lambda k: k * least_norm(end, L))
    completed = np.array([[CORNER[:2], [CORNER[2], each]] for each in reached])
    yield settled("and no larger", run.t, size, within, SLOWEST, case=case).equals(least_norm(completed, L))
    yield curves(case, t=run.t, entries=end[-1, :, 1, 1])
    return end[-1, np.argmin(size[-1]), 1, 1]


def _minima(L: int, fill: float, ends: Array, sizes: Array) -> Array:
    """Which local minimum each run (runs,) is to reach: the least, but for a start in the basin of the other."""
    other = rank_one_fill(*CORNER) if L >= 3 else fill
    reached = np.where(np.abs(ends - other) < np.abs(ends - fill), other, fill)
    reached[np.argmin(sizes)] = fill  # one run at least has to find it
    return reached


def _certified(study: Study, runs: int) -> Iterator[Check]:
    """Five by four entries, a third of them unknown: the multipliers prove that no completion is smaller."""
    rng = study.rng("certified")
    K, d = 4, 5
    known = np.add.outer(np.arange(K), np.arange(d)) % 3 > 0
    problem, solution = planted(known, 1.5, rng)
    W = isometries(rng, [d, 5, K], runs)
    run = _train(_minnorm(study, problem, W, Tuning(b=4.0, c=4.0)), 0.05, 32.0)
    end, multipliers = end_to_end(layers_of(run.arrays)), run["multipliers"].mT
    a_step = rounding(run.facts["recorded"][-1] * (K + d), of="K + d numbers of size 1 a step")
    yield settled("the planted completion", run.t, end, a_step, SLOWEST, case="depth 2").equals(solution)

    def certificate(W: Array, multipliers: Array) -> Measured:
        share = 1 - 2 * duality_gap(problem, W, multipliers) / least_norm(W, 2)
        return settled("what its multipliers certify of |W|_*", run.t, share, a_step, SLOWEST, case="depth 2")

    yield certificate(end, multipliers).equals(1.0)
    smaller = certificate(end, 0.9 * multipliers)
    yield smaller.control("certificate with multipliers 10 % smaller").equals(1.0)
    descended = _train(students(study, Known(problem, W, study.device), W), 0.05, 32.0)
    control = certificate(end_to_end(layers_of(descended.arrays)), multipliers)
    yield control.control("gradient descent finds the least nuclear norm").equals(1.0)
    frobenius = certificate(np.broadcast_to(np.where(known, problem.Y, 0.0), end.shape), multipliers)
    yield frobenius.control("depth 1 finds the least nuclear norm").equals(1.0)


class Known(Constraint):
    """h = Y - W_L ... W_1 at the known entries, 0 at the others; the inputs are the columns of the identity."""

    def __init__(self, problem: Completion, W: Layers, device: str) -> None:
        (K, d), runs = problem.Y.shape, len(W[0])
        inputs, labels = (np.broadcast_to(array, (runs, *array.shape)) for array in (np.eye(d), problem.Y))
        super().__init__(TeacherStudent(inputs, labels, np.zeros((runs, K, d))), W, device)
        self.known = torch.tensor(problem.known.T.copy(), device=device)

    def __call__(self, state: State) -> Tensor:
        return torch.where(self.known, super().__call__(state), 0.0)


def _minnorm(study: Study, problem: Completion, W: Layers, tuning: Tuning) -> Trainee:
    constraint = Known(problem, W, study.device)
    return students(study, constraint, W, SimultaneousMinnormDescent(constraint, tuning))


def _train(trainee: Trainee, eta: float, horizon: float) -> Trajectory:
    """Until the horizon, recorded from its half on."""
    steps = 16 * round(horizon / eta / 16)
    return trainee.train(learning_rate=eta, steps=steps, record=range(steps // 2, steps + 1, steps // 16))
