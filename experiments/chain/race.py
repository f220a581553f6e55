"""Five methods on random chains: how many gradients each takes to an accuracy, at the best of equally many settings.

One setting has to serve several targets at once: of a chain whose target is known, each method can kill the imbalance
in one step. Settings are drawn from the ranges in which the best of some thousands lay, on draws that are not judged;
every method has as many of them, and the best of a draw counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.minnorm.arrivals import gradients_until
from experiments.training import State
from experiments.updates import GradientDescent
from theory.claims import Study
from theory.core.arrays import Array

LENGTH = 3  # weights of a chain
TARGETS = (1.0, 1.7, 3.0)
STARTS = (0.6, 2.0)  # between which the weights of a start lie
BOX = 1e3  # a setting that diverges is held in this box, and never arrives

FIXED, TWO_PHASES, TWO_WITH_MOMENTUM, MINNORM, WITH_MOMENTUM = METHODS = (
    "L2",
    "two-phase L2",
    "two-phase L2, momentum",
    "Minnorm",
    "Minnorm, momentum",
)
RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    FIXED: {"rate": (0.06, 0.23), "decay": (0.005, 0.15)},
    TWO_PHASES: {"rate": (0.2, 0.38), "decay": (0.3, 0.7), "switch": (4, 20), "late_rate": (0.105, 0.155)},
    TWO_WITH_MOMENTUM: {
        "rate": (0.07, 0.28),
        "decay": (0.3, 1.0),
        "switch": (2, 14),
        "late_rate": (0.09, 0.195),
        "momentum": (0.25, 0.52),
    },
    MINNORM: {"rate": (0.06, 0.107), "integration": (0.35, 0.86), "augmentation": (1.1, 2.2)},
    WITH_MOMENTUM: {
        "rate": (0.055, 0.095),
        "integration": (0.39, 1.4),
        "augmentation": (1.5, 3.0),
        "momentum": (0.18, 0.42),
    },
}
# What a setting has that its method's ranges do not name.
USUAL = {
    "rate": 1.0,
    "decay": 1.0,
    "switch": np.inf,
    "late_rate": 0.0,
    "momentum": 0.0,
    "integration": 0.0,
    "augmentation": 1.0,
}


@dataclass(frozen=True)
class Settings:
    """One of each a run (runs,): w <- w - rate v, v <- momentum v + decay w + mu grad h, mu = lambda + augmentation h,
    lambda <- lambda + integration h, with h = s - w_1 ... w_L; after `switch` steps no decay, and the late rate.

    Weight decay has no integration, and augmentation 1: then mu grad h is the gradient of h^2 / 2. Minnorm has decay 1;
    with c + b in place of c its steps are those that alternate.
    """

    rate: Array
    decay: Array
    switch: Array
    late_rate: Array
    momentum: Array
    integration: Array
    augmentation: Array


class Steps(GradientDescent):
    """All methods in one rule; the gradient is torch's own, in single precision."""

    def __init__(self, targets: Array, settings: Settings, device: str) -> None:
        super().__init__(lambda state: 0.5 * self._h(state).square())

        def single(numbers: Array) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float32, device=device)

        self.targets = single(targets)
        self.omega = self.targets ** (1 / LENGTH)
        self.settings = {name: single(each) for name, each in vars(settings).items()}

    def begin(self, state: State) -> None:
        super().begin(state)
        state["velocity"] = torch.zeros_like(state["w"])
        for name in ("multiplier", "count"):
            state[name] = torch.zeros_like(self.targets)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        w = state["w"].detach().requires_grad_()
        with torch.enable_grad():
            h = self._h({"w": w})
            effective = state["multiplier"] + self.settings["augmentation"] * h.detach()
            (gradient,) = torch.autograd.grad((effective * h).sum(), w)
        return 0.5 * h.detach().square(), (gradient, h.detach())

    def apply(self, state: State, work: tuple[Tensor, Tensor], learning_rate: Tensor) -> None:
        gradient, h = work
        each = self.settings
        early = state["count"] < each["switch"]
        rate = learning_rate * torch.where(early, each["rate"], each["late_rate"])
        gradient = gradient + (each["decay"] * early)[:, None] * state["w"]
        state["velocity"].mul_(each["momentum"][:, None]).add_(gradient)
        state["w"].addcmul_(rate[:, None], state["velocity"], value=-1).clamp_(-BOX, BOX)
        state["velocity"].clamp_(-BOX, BOX)
        state["multiplier"].add_(each["integration"] * h).clamp_(-BOX, BOX)
        state["count"] += 1

    def distance(self, state: State) -> Tensor:
        """|w - w*| (runs,) to the positive minimum of the norm."""
        return (state["w"] - self.omega[:, None]).norm(dim=-1)

    def _h(self, state: State) -> Tensor:
        w = state["w"]
        return self.targets - w[:, 0] * w[:, 1] * w[:, 2]


def gradients_to(
    study: Study, accuracies: Sequence[float], *, draws: int, settings: int, steps: int
) -> dict[str, Array]:
    """Gradients (draws, accuracies) until each method stays within an accuracy on every target, at its best setting;
    `steps` + 1 where it takes more than so many."""
    rng = study.rng("race")
    starts = _log_uniform(rng, STARTS, (draws, 1, 1, LENGTH))
    shape = (draws, len(METHODS) * settings, len(TARGETS))
    drawn = Settings(**_settings(rng, draws, settings))
    each = Settings(**{name: np.broadcast_to(array[..., None], shape).ravel() for name, array in vars(drawn).items()})
    targets = np.broadcast_to(TARGETS, shape).ravel()
    w = np.broadcast_to(starts, (*shape, LENGTH)).reshape(-1, LENGTH)
    rule, start = Steps(targets, each, study.device), torch.tensor(w, dtype=torch.float32)
    late = gradients_until(study, rule, start, rule.distance, accuracies, steps)
    counts = late.reshape(draws, len(METHODS), settings, len(TARGETS), -1).max(3).min(2)
    return {method: counts[:, i] for i, method in enumerate(METHODS)}


def _settings(rng: np.random.Generator, draws: int, settings: int) -> dict[str, Array]:
    """Settings (draws, methods x settings) by name."""
    shape = (draws, settings)
    each = [
        {name: _log_uniform(rng, RANGES[method].get(name, (usual, usual)), shape) for name, usual in USUAL.items()}
        for method in METHODS
    ]
    return {name: np.concatenate([drawn[name] for drawn in each], axis=1) for name in USUAL}


def _log_uniform(rng: np.random.Generator, ends: tuple[float, float], shape: tuple[int, ...]) -> Array:
    low, high = ends
    return low * (high / low) ** rng.random(shape) if low < high else np.full(shape, low)
