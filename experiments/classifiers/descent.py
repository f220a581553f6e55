"""Adam whose learning rate falls to 0, and networks in single precision to train by it or by any other rule."""

from typing import Any

import torch
from torch import Tensor

from experiments.training import Loss, Observe, State, Trainee, Update
from experiments.training.batches import state_of
from experiments.updates import Adam
from theory.claims import Study
from theory.core.linear_networks import Layers


class FallingAdam(Adam):
    """Adam with a learning rate that falls to 0 like a cosine over so many steps (Loshchilov & Hutter 2017)."""

    def __init__(self, loss: Loss, steps: int) -> None:
        super().__init__(loss)
        self.steps = steps

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        fall = (1 + torch.cos(torch.pi * state["count"] / self.steps)) / 2
        super().apply(state, work, learning_rate * fall)


def single_precision(study: Study, loss: Loss, start: Layers, rule: Update, observe: Observe) -> Trainee:
    """Networks to be trained by `rule` from the layers W_l (runs, h_l, h_{l-1}) of their starts."""
    layers = {name: torch.tensor(weights, dtype=torch.float32) for name, weights in state_of(start).items()}
    return Trainee(study, loss, layers, rule, observe)
