"""Minnorm on mini-batches of many runs at once."""

import torch
from torch import Tensor, nn

from experiments.classifiers.examples import Batch, Examples
from experiments.images.descent import Averaged, by_columns, shortfalls, squared_norm
from experiments.methods.minnorm import Margin
from experiments.updates import State, along


class MinibatchMinnorm(Averaged):
    """Descent in theta on 1/2 |theta|^2 + sum_ik lambda_ik h_ik + c/2 h_ik^2, ascent in lambda: `Minnorm`, batched.

    One multiplier an example and class, since h is one constraint an example and class (`shortfalls`). Over the last
    steps their mean in force is remembered, [lambda + c h]_+: the multipliers that belong to the mean gradient.

    Args:
        dual_learning_rate, augmentation: B and c.
    """

    def __init__(
        self,
        network: nn.Sequential,
        examples: Examples,
        steps: int,
        window: float,
        *,
        dual_learning_rate: float,
        augmentation: float,
    ) -> None:
        super().__init__(network, examples, steps, window, float(examples.size))
        self.constraint = Margin(examples.size, network[-1].out_features)
        self.dual_learning_rate, self.augmentation = dual_learning_rate, augmentation

    def begin(self, state: State) -> None:
        super().begin(state)
        count = state["count"]
        state["multipliers"] = count.new_zeros(len(count), *self.constraint.shape)
        state["multipliers.mean"] = count.new_zeros(len(count), self.examples.size)
        state["gap"] = torch.zeros_like(count)

    def objective(self, weights: State, memory: State, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        h = shortfalls(by_columns(weights, batch.x), batch.y)
        B, c, share = self.dual_learning_rate, self.augmentation, self._share(batch)
        before = memory["multipliers"][:, batch.rows] if "multipliers" in memory else torch.zeros_like(h)
        after = self.constraint.ascended(before, h.detach(), share * B)
        excess = self.constraint.slackened(h, after, c)
        lagrangian = squared_norm(weights) / 2 + share * ((after + c / 2 * excess) * excess).sum((-2, -1))
        return lagrangian / self.examples.size, (after, h.detach())

    def remember(self, state: State, gradients: tuple[Tensor, ...], batch: Batch, seen: tuple[Tensor, ...]) -> None:
        super().remember(state, gradients, batch, seen)
        after, h = seen
        state["multipliers"][:, batch.rows] = after
        in_force = self.constraint.ascended(after, h, self.augmentation)
        weight = self.late(state) * self._share(batch) / self.window
        state["multipliers.mean"][:, batch.rows] += along(weight, h[..., 0]) * in_force.sum(-1)
        state["gap"] += weight * (in_force * h).abs().sum((-2, -1))

    def look(self, state: State) -> State:
        return {"multipliers": state["multipliers.mean"], "gap": state["gap"], **super().look(state)}

    def _share(self, batch: Batch) -> float:
        """How many times the batch's sum counts, to stand for all examples."""
        return self.examples.size / len(batch.rows)
