"""Halpern's step after the step of any torch optimiser: towards the origin, or another anchor, ever less.

    halpern = Halpern(optimizer)          # from now on every optimizer.step() ends with Halpern's
    ...
    optimizer.step()

Around gradient descent it is the norm-minimising descent of Banburski et al. 2019 (reconstructed from their abstract).
`halpern_` is the bare step, for a loop that is not an optimiser's; `HalpernDescent` is the rule for batches of runs.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from experiments.training.updates import State, Update, along
from theory.core.validation import positive, reject

Schedule = Callable[[Any], Any]


def harmonic(k: Any) -> Any:
    """lambda_k = 1 / (k + 2), Halpern's own: k + 1 times the distance to the nearest solution stays bounded."""
    return 1 / (k + 2)


def vanishing(learning_rate: float, c: float = 1.0) -> Schedule:
    """lambda_k = c eta / (1 + eta (k + 1)): the flow's c / (1 + t), gentler on the first steps than `harmonic`.

    At c = 1 what is left of the start is 1 / (1 + t), exactly, t = step x learning rate.

    Raises:
        InvalidArgument: a learning rate or c that is not above 0.
    """
    eta, c = positive("learning_rate", learning_rate), positive("c", c)
    return lambda k: vanishing_weight(k, eta, c)


def vanishing_weight(k: Any, eta: Any, c: Any = 1.0) -> Any:
    """c eta / (1 + eta (k + 1)) of numbers or tensors: lambda_k of `vanishing` at the learning rate eta."""
    return c * eta / (1 + eta * (k + 1))


@torch.no_grad()
def halpern_(
    parameters: Iterable[Tensor], k: int, *, anchor: Iterable[Tensor] | None = None, schedule: Schedule = harmonic
) -> None:
    """w <- (1 - lambda_k) w + lambda_k anchor, in place, to be called after the k-th step (the first is k = 0).

    Args:
        parameters: the tensors to move.
        k: how many steps came before this one.
        anchor: a tensor for each of them, of its shape; None: the origin.
        schedule: k -> lambda_k in [0, 1].

    Raises:
        InvalidArgument: k is no whole number of at least 0, lambda_k is outside [0, 1], or the anchor does not match.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        reject("k", k, "a whole number of at least 0")
    weight = schedule(k)
    if not 0 <= weight <= 1:
        reject(f"schedule({k})", weight, "a weight in [0, 1]")
    moved = list(parameters)
    if anchor is None:
        for tensor in moved:
            tensor.mul_(1 - weight)
        return
    goals = list(anchor)
    shapes = [tuple(tensor.shape) for tensor in moved]
    if [tuple(goal.shape) for goal in goals] != shapes:
        reject("anchor", f"tensors of shapes {[tuple(goal.shape) for goal in goals]}", f"{shapes}, as the parameters")
    for tensor, goal in zip(moved, goals):
        tensor.lerp_(goal, weight)


class Halpern:
    """Makes every step of `optimizer` end with `halpern_` on all it trains.

    It hangs on the optimiser's own hook, so learning-rate schedulers and gradient scalers go on as before, and a step
    that a scaler skips does not count.

    Args:
        optimizer: any torch optimiser.
        anchor: a tensor for each parameter, in the optimiser's order; None: the origin, for weights of least norm.
        schedule: k -> lambda_k in [0, 1]; `harmonic`, or `vanishing(learning_rate)` for deep networks, whose first
            steps `harmonic` shrinks to a half, a third, ... of their size.

    Attributes:
        steps: how many were taken.

    Raises:
        InvalidArgument: the anchor does not match the parameters.
    """

    def __init__(
        self, optimizer: Optimizer, *, anchor: Sequence[Tensor] | None = None, schedule: Schedule = harmonic
    ) -> None:
        self.optimizer = optimizer
        self.anchor = None if anchor is None else [tensor.detach().clone() for tensor in anchor]
        self.schedule = schedule
        self.steps = 0
        halpern_([p.detach().clone() for p in self.parameters], 0, anchor=self.anchor, schedule=schedule)
        self._hook = optimizer.register_step_post_hook(self._after_step)

    @property
    def parameters(self) -> list[Tensor]:
        """All the optimiser trains."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def remove(self) -> None:
        """Let the optimiser's steps be its own again."""
        self._hook.remove()

    def state_dict(self) -> dict[str, Any]:
        """What to save beside the optimiser's: the number of steps and the anchor, not the schedule."""
        return {"steps": self.steps, "anchor": self.anchor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            InvalidArgument: not a state of this class, or an anchor of other parameters.
        """
        if state.keys() != {"steps", "anchor"}:
            reject("state", f"a dictionary of {sorted(state)}", "one of steps and anchor")
        copies = [p.detach().clone() for p in self.parameters]
        anchor = state["anchor"]
        if anchor is not None:
            anchor = [goal.detach().clone().to(copy) for goal, copy in zip(anchor, copies, strict=False)]
        halpern_(copies, state["steps"], anchor=anchor, schedule=self.schedule)
        self.steps, self.anchor = state["steps"], anchor

    def _after_step(self, *_: Any) -> None:
        halpern_(self.parameters, self.steps, anchor=self.anchor, schedule=self.schedule)
        self.steps += 1


class HalpernDescent:
    """The rule for batches of runs: a step of `inner`, then w <- (1 - lambda_k) w + lambda_k v on every parameter.

    Args:
        inner: the rule whose steps are T.
        schedule: k (runs,) -> lambda_k (runs,).
        anchor: v by name, each (runs, ...); None: the origin.
    """

    def __init__(self, inner: Update, schedule: Schedule = harmonic, anchor: State | None = None) -> None:
        self.inner, self.schedule, self.anchor = inner, schedule, anchor

    def begin(self, state: State) -> None:
        first = next(iter(state.values()))
        self.goals = {name: torch.zeros_like(w) for name, w in state.items()} if self.anchor is None else self.anchor
        self.inner.begin(state)
        state["iteration"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def evaluate(self, state: State) -> tuple[Tensor, Any]:
        return self.inner.evaluate(state)

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        self.inner.apply(state, work, learning_rate)
        moving = learning_rate > 0
        weight = self.weight(state["iteration"], learning_rate) * moving
        for name, goal in self.goals.items():
            state[name].lerp_(goal, along(weight, goal))
        state["iteration"] += moving

    def weight(self, k: Tensor, learning_rate: Tensor) -> Tensor:
        """lambda_k (runs,)."""
        return self.schedule(k)


class RegularisedDescent(HalpernDescent):
    """The same with weights that know the learning rate: it tends to a flow with vanishing regularisation.

    Args:
        inner: the rule whose steps are T.
        weight: k and the learning rate, each (runs,), -> lambda_k (runs,); by default `vanishing` at c = 1, for the
            flow w' = -grad L - w / (1 + t).
    """

    def __init__(self, inner: Update, weight: Callable[[Tensor, Tensor], Tensor] = vanishing_weight) -> None:
        super().__init__(inner)
        self._weight = weight

    def weight(self, k: Tensor, learning_rate: Tensor) -> Tensor:
        return self._weight(k, learning_rate)
