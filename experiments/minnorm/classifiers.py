"""Linear classifiers on several problems at once, many runs on each: methods that find the largest margin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.methods.minnorm.descent import SimultaneousMinnormDescent, positive_part
from experiments.training import State
from experiments.updates import GradientDescent
from theory.core.arrays import Array
from theory.minnorm.tuning import Tuning

SMALLEST = 1e-30
BOX = 1e12  # a setting that diverges is held in this box, and never arrives; accelerated weights grow as t^2


@dataclass(frozen=True)
class Steps:
    """Of descent on the log of the exponential loss, one of each a run (runs,).

    Attributes:
        rate: of a step.
        power: 1 multiplies the gradient by the loss, which makes it that of the loss itself; 0 leaves it.
        momentum: beta, or infinity for t / (t + 1), which accelerates the dual (Ji, Srebro & Telgarsky 2021).
        decay: lambda at the first step; it falls as 1 / (1 + t).
    """

    rate: Array
    power: Array
    momentum: Array
    decay: Array


class MomentumDescent(GradientDescent):
    """g <- beta (g + u), w <- w - rate (g + u), with u = grad log L x L^power + decay w / (1 + t)."""

    def __init__(self, margins: Callable[[State], Tensor], steps: Steps) -> None:
        super().__init__(lambda state: torch.logsumexp(-margins(state), -1))
        self.steps = steps

    def begin(self, state: State) -> None:
        super().begin(state)
        state["momentum"] = torch.zeros_like(state["w"])
        state["count"] = state["w"].new_zeros(len(state["w"]), 1)
        self.each = {name: state["w"].new_tensor(each)[:, None] for name, each in vars(self.steps).items()}

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses, gradients = super().evaluate(state)
        return losses, (*gradients, losses)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        gradient, losses = work
        t, each = state["count"], self.each
        loss = torch.exp(each["power"] * losses[:, None]).clamp(max=BOX)
        u = gradient * loss + each["decay"] / (1 + t) * state["w"]
        beta = torch.where(torch.isinf(each["momentum"]), t / (t + 1), each["momentum"])
        state["momentum"].add_(u).mul_(beta).clamp_(-BOX, BOX)
        state["w"].sub_(learning_rate[:, None] * each["rate"] * (state["momentum"] + u)).clamp_(-BOX, BOX)
        state["count"] += 1


def grouped_margins(Z: Array, device: str) -> Callable[[State], Tensor]:
    """state -> Z w (runs, n); each of the problems Z (problems, n, d) serves the runs / problems next runs."""
    examples = torch.tensor(Z, dtype=torch.float64, device=device).mT

    def margins(state: State) -> Tensor:
        w = state["w"]
        return (w.unflatten(0, (len(examples), -1)) @ examples).flatten(0, 1)

    return margins


def away_from(directions: Array, cells: int, device: str) -> Callable[[State], Tensor]:
    """state -> | w / |w| - u | (runs,), each u (problems, d) of length 1 for so many runs; 1 where w is 0."""
    towards = torch.tensor(directions, dtype=torch.float64, device=device).repeat_interleave(cells, 0)

    def error(state: State) -> Tensor:
        w = state["w"]
        return (w / w.norm(dim=-1, keepdim=True).clamp(min=SMALLEST) - towards).norm(dim=-1)

    return error


class BoxedMinnorm(SimultaneousMinnormDescent):
    """Minnorm's steps on margins, from lambda = 0: A of the weights, B of the multipliers (runs,).

    Steps that alternate are simultaneous ones with augmentation B.
    """

    def __init__(self, margins: Callable[[State], Tensor], A: Array, B: Array, alternating: Array) -> None:
        tuning = Tuning(A, B, np.where(alternating, B, 0.0))
        super().__init__(lambda state: 1 - margins(state), tuning, project=positive_part)

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate)
        state["w"].clamp_(-BOX, BOX)
        state["multipliers"].clamp_(max=BOX)
