"""Descents on the log of the exponential loss: accelerated, with momentum, rescaled. Problems on which they settle."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from experiments.minnorm.classifiers import BoxedMinnorm, MomentumDescent, Steps
from experiments.shallow.classifiers import classifier, log_loss
from experiments.training import GradientDescent, Loss, State, Trainee
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.separable import Separable, planted
from theory.core.validation import reject
from theory.shallow import gradient_flow, transients

UNEQUAL = 1.2  # the least ratio of the largest dual to the smallest
LONGEST = 1e15  # weights that are rescaled


class PlainMomentum(GradientDescent):
    """w <- w + t / (t + 1) (w - w before) - eta grad log L, t = 0, 1, ...: a heavy ball that loses ever less speed."""

    def begin(self, state: State) -> None:
        super().begin(state)
        state["moved"] = torch.zeros_like(state["w"])
        state["count"] = torch.zeros(len(state["w"]), 1, dtype=state["w"].dtype, device=state["w"].device)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        t = state["count"]
        state["moved"].mul_(t / (t + 1)).addcmul_(learning_rate[:, None], work[0], value=-1)
        state["w"].add_(state["moved"])
        t += 1


class RescaledDescent(GradientDescent):
    """w <- c w before the first of every S steps of normalised descent; c and S of each run (runs,). Weights of 10^15,
    beside which a step is rounding, are left as they are."""

    def __init__(self, loss: Loss, factor: Array, between: Array) -> None:
        super().__init__(loss)
        self.factor, self.between = factor, between

    def begin(self, state: State) -> None:
        super().begin(state)
        self.c, self.S = (state["w"].new_tensor(each)[:, None] for each in (self.factor, self.between))
        state["count"] = torch.zeros_like(self.S)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        w = state["w"]
        due = (state["count"] % self.S == 0) & (w.abs().amax(-1, keepdim=True) < LONGEST)
        w.mul_(torch.where(due, self.c, 1.0))
        return super().evaluate(state)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate)
        state["count"] += 1


def accelerated_classifier(study: Study, Z: Array, w: Array) -> Trainee:
    """The dual is accelerated (Ji, Srebro & Telgarsky 2021): g <- t / (t + 1) (g + u), w <- w - eta (g + u)."""
    loss, ones = log_loss(Z, study.device), np.ones(len(w))
    steps = Steps(rate=ones, power=0 * ones, momentum=np.inf * ones, decay=0 * ones)
    return classifier(study, loss, w, MomentumDescent(_margins(study, Z), steps))


def momentum_classifier(study: Study, Z: Array, w: Array) -> Trainee:
    loss = log_loss(Z, study.device)
    return classifier(study, loss, w, PlainMomentum(loss))


def rescaled_classifier(study: Study, Z: Array, w: Array, factor: Array, between: Array) -> Trainee:
    loss = log_loss(Z, study.device)
    return classifier(study, loss, w, RescaledDescent(loss, factor, between))


def boxed_minnorm(study: Study, Z: Array, A: Array, B: Array) -> Trainee:
    """Alternating Minnorm from 0, multipliers first, held in a box where it diverges, as steps that are trapped may."""
    rule = BoxedMinnorm(_margins(study, Z), A, B, np.full(len(Z), True))
    return Trainee(study, rule.loss, {"w": np.zeros((len(Z), Z.shape[-1]))}, rule)


def _margins(study: Study, Z: Array) -> Callable[[State], Tensor]:
    examples = torch.tensor(Z, dtype=torch.float64, device=study.device)
    return lambda state: (examples @ state["w"].unsqueeze(-1)).squeeze(-1)


def conditioned(
    rng: np.random.Generator,
    shares: Array,
    runs: int,
    *,
    inputs: int,
    margin: float,
    condition: tuple[float, float],
    slack: tuple[float, ...] = (),
) -> Separable:
    """Random examples with these duals whose curvature at the end, mu_max / mu_min, lies between two numbers, and whose
    descent settles faster than 1 / T.

    Raises:
        InvalidArgument: hardly any of these sizes do.
    """
    drawn = planted(rng, shares, d=inputs, margin=margin, slack=np.array(slack), runs=40 * runs)
    low, high = transients.support_curvature(Separable(drawn))
    fits = (high < condition[1] * low) & (high > condition[0] * low) & (low > SETTLES * margin**2)
    if fits.sum() < runs:
        found = f"{shares.round(3)} ({fits.sum()} of {len(drawn)} problems fit)"
        reject("shares", found, f"{runs} of condition in {condition}: more equal ones, or a smaller margin")
    return Separable(drawn[fits][:runs])


SETTLES = 1.2  # mu_min / margin^2: T to the minus this is left of what descent turns


def require_unequal(shares: tuple[float, ...]) -> None:
    """Refuse duals that are all alike: they have a constant of 0, which no share of it can be told from.

    Raises:
        InvalidArgument: a largest below 1.2 times the smallest.
    """
    if max(shares) < UNEQUAL * min(shares):
        reject("shares", shares, f"a largest at least {UNEQUAL} times the smallest: equal ones have a constant of 0")


def offsets(problem: Separable) -> Array:
    """w~ (runs, d) from w = 0, all examples in the span of the support."""
    starts = np.zeros_like(problem.w)
    return np.stack([gradient_flow.offset(problem.run(i), start) for i, start in enumerate(starts)])


def along(problem: Separable, w: Array) -> Array:
    """tau = w . w_hat / |w_hat|^2 (T, runs)."""
    return (w * problem.w).sum(-1) * problem.margin**2


def across(problem: Separable, w: Array) -> Array:
    """P w (T, runs, d)."""
    return w - along(problem, w)[..., None] * problem.w
