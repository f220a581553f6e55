"""What fixed neurons leave: the least loss of a rotation, which free weights would not have."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.orthogonal.linear import SIZE, Spectrum, both_components, minimised
from experiments.training import Trainee
from theory.claims import OURS, Check, Curves, Study, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.orthogonal import procrustes
from theory.orthogonal.procrustes import LinearOPT, component, start_near
from theory.orthogonal.rotations import random_rotation


@dataclass(frozen=True)
class Sizes(Spectrum):
    """Of the layers."""

    runs: int = varies("random problems, each in both components of O(d)", 8, smoke=2, paper=32, low=1, high=200)


@claim(
    "orthogonal.expressivity_gap",
    source="ours: what the fixed neurons of OPT (Liu et al. 2021) leave",
    source_kind=OURS,
    statement=r"\min_{R \in O(d)} \tfrac12 |R W_0 - T|_F^2 = \tfrac12 (|W_0|_F^2 + |T|_F^2) - |T W_0^\top|_*,"
    r"\quad 2 s_{\min}(T W_0^\top) \text{ more in the other component};\quad 0 \iff T^\top T = W_0^\top W_0",
    hypotheses=("linear layer of fixed neurons W0, taught T", "T W0^T of full rank", "|.|_* the nuclear norm"),
    theory_side="closed form",
    controls=("free weights keep the gap", "both components leave the same", "nuclear norm 1 % larger"),
    parameters=Sizes,
)
def rotations_leave_a_gap(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    s, runs = sizes.s, sizes.runs
    problem, R = both_components(study, s, runs, neurons=np.linspace(1.3, 0.7, len(s)))
    layer = _without_inputs(problem.W0, problem.X @ problem.Y.mT)
    gap, other = procrustes.expressivity_gap(layer.W0, layer.Y.mT)
    predicted = np.concatenate([gap[:runs], other[runs:]])
    end, within = minimised(study, layer, R)
    least = measured("loss of trained rotations", end, within=within, axes=("run",))
    yield least.equals(predicted)
    yield least.control("both components leave the same").equals(gap)
    yield least.control("nuclear norm 1 % larger").equals(predicted - 0.01 * s.sum())

    turned = _without_inputs(problem.W0, random_rotation(study.rng("turn"), len(s), 2 * runs) @ problem.W0)
    start = start_near(component(turned, np.broadcast_to(np.eye(len(s)), R.shape)), study.rng("near"), SIZE)
    end, within = minimised(study, turned, start)
    yield measured("no gap", end, within=within, case="T^T T = W0^T W0", axes=("run",)).equals(
        0, against=float(gap.min())
    )

    target = torch.tensor(layer.Y.mT, dtype=torch.float64, device=study.device)
    free = lambda state: 0.5 * (state["W"] - target).square().sum((1, 2))  # noqa: E731
    trainee = Trainee(study, free, {"W": layer.W0}, observe=lambda state: {"loss": free(state)})
    end = trainee.train(learning_rate=0.5, steps=60, record=[60])["loss"][-1]
    kept = measured("loss of free weights", end, within=rounding(100, predicted, of="the gap"))
    yield kept.control("free weights keep the gap").equals(predicted)


def _without_inputs(W0: Array, T: Array) -> LinearOPT:
    """1/2 |R W0 - T|^2: X = I, Y = T^T."""
    return LinearOPT(np.broadcast_to(np.eye(W0.shape[-2]), (*W0.shape[:-1], W0.shape[-2])), T.mT, W0)
