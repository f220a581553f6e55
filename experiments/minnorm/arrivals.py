"""How many gradients a run takes until an error stays within a level: counted while it trains, in the state."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from experiments.training import State, Trainee, Update
from theory.claims import Study
from theory.core.arrays import Array


class Counted:
    """An update rule with `arrived` (runs, levels) beside it: the steps after which the error was last above a level.

    Args:
        rule: what is counted; a step of it takes one gradient.
        error: state -> errors (runs,); one that is no number is above every level.
        levels: of the error.
    """

    def __init__(self, rule: Update, error: Callable[[State], Tensor], levels: Sequence[float]) -> None:
        self.rule, self.error, self.levels = rule, error, levels

    def begin(self, state: State) -> None:
        self.rule.begin(state)
        error = self.error(state)
        self.limits = error.new_tensor(self.levels)
        state["steps"] = torch.zeros_like(error)
        state["arrived"] = error.new_zeros(len(error), len(self.levels))
        self._note(state, error)

    def evaluate(self, state: State) -> tuple[Tensor, Any]:
        return self.rule.evaluate(state)

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        self.rule.apply(state, work, learning_rate)
        state["steps"] += 1
        self._note(state, self.error(state))

    def _note(self, state: State, error: Tensor) -> None:
        above = ~(error[:, None] <= self.limits)
        state["arrived"].copy_(torch.where(above, state["steps"][:, None] + 1, state["arrived"]))


def gradients_until(
    study: Study, rule: Update, start: Tensor, error: Callable[[State], Tensor], levels: Sequence[float], steps: int
) -> Array:
    """Gradients (runs, levels) of runs from w = `start` until they stay within each level; `steps` + 1 if they do not.

    The rule has the `loss` that it descends, as every rule of this project.
    """
    counted = Counted(rule, error, levels)
    trainee = Trainee(study, rule.loss, {"w": start}, counted, lambda state: {"arrived": state["arrived"]})  # type: ignore[attr-defined]
    return trainee.train(learning_rate=1.0, steps=steps, record=[steps])["arrived"][-1]
