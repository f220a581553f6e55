"""Halpern's step after the step of any torch optimiser: towards the origin, or another anchor, ever less.

    halpern = Halpern(optimizer)          # from now on every optimizer.step() ends with Halpern's
    ...
    optimizer.step()

Around gradient descent it is the norm-minimising descent of Banburski et al. 2019 (reconstructed from their abstract).
`halpern_` is the bare step, for a loop that is not an optimiser's; `HalpernDescent` is the rule for batches of runs.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import compress
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from experiments.methods.steps import was_skipped
from experiments.updates import State, Update, along
from theory.core.validation import positive, reject

Schedule = Callable[[Any], Any]


def harmonic(k: Any) -> Any:
    """lambda_k = 1 / (k + 2), Halpern's own: k + 1 times the distance to the nearest solution stays bounded."""
    return 1 / (k + 2)


def vanishing(learning_rate: float, c: float = 1.0) -> Schedule:
    """lambda_k = c eta / (1 + eta (k + 1)): the flow's c / (1 + t), gentler on the first steps than `harmonic`.

    At c = 1 what is left of the start is 1 / (1 + t), exactly, t = step x learning rate. The learning rate is this
    one for good, whatever a scheduler does.

    Raises:
        InvalidArgument: a learning rate or c that is not above 0.
    """
    eta, c = positive("learning_rate", learning_rate), positive("c", c)
    return partial(vanishing_weight, eta=eta, c=c)


def vanishing_weight(k: Any, eta: Any, c: Any = 1.0) -> Any:
    """c eta / (1 + eta (k + 1)) of numbers or tensors: lambda_k of `vanishing` at the learning rate eta."""
    return c * eta / (1 + eta * (k + 1))


@torch.no_grad()
def halpern_(
    parameters: Iterable[Tensor], k: int, *, anchor: Iterable[Tensor] | None = None, schedule: Schedule = harmonic
) -> None:
    """w <- (1 - lambda_k) w + lambda_k anchor, in place, to be called after the k-th step (the first is k = 0).

    Args:
        parameters: the tensors to move, each once.
        k: how many steps came before this one.
        anchor: a tensor for each of them, of its shape; None: the origin.
        schedule: k -> lambda_k in [0, 1].

    Raises:
        InvalidArgument: k is no whole number of at least 0, lambda_k is outside [0, 1], a tensor comes twice, or the
            anchor does not match.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        reject("k", k, "a whole number of at least 0")
    weight = schedule(k)
    if not 0 <= weight <= 1:
        reject(f"schedule({k})", weight, "a weight in [0, 1]")
    moved = _distinct(parameters)
    if anchor is None:
        for tensor in moved:
            tensor.mul_(1 - weight)
        return
    for tensor, goal in zip(moved, _matching(anchor, moved)):
        tensor.lerp_(goal, weight)


def _distinct(parameters: Iterable[Tensor]) -> list[Tensor]:
    tensors = list(parameters)
    if len(set(tensors)) < len(tensors):
        reject("parameters", f"{len(tensors)} tensors, {len(set(tensors))} of them distinct", "each once")
    return tensors


def _matching(anchor: Iterable[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    """The anchor in the parameters' precision, on their devices."""
    goals = list(anchor)
    shapes = [tuple(tensor.shape) for tensor in parameters]
    if [tuple(goal.shape) for goal in goals] != shapes:
        reject("anchor", f"tensors of shapes {[tuple(goal.shape) for goal in goals]}", f"{shapes}, as the parameters")
    for tensor, goal in zip(parameters, goals):
        if goal.is_complex() and not tensor.is_complex():
            reject("anchor", f"a tensor of {goal.dtype}", f"real numbers, for parameters of {tensor.dtype}")
    return [goal.detach().to(tensor) for tensor, goal in zip(parameters, goals)]


class Halpern:
    """Makes every step of `optimizer` end with `halpern_` on all it trains.

    It hangs on the optimiser's own hook, so learning-rate schedulers and gradient scalers go on as before, and a step
    that a scaler skips does not count. Copies of either, and what is pickled of either, are an optimiser and a
    Halpern that belong together. Weights that are frozen and have no gradient stay where they are.

    Args:
        optimizer: any torch optimiser whose weights are free: on a manifold, the way to the anchor leads off it.
        anchor: a tensor for each parameter, in the optimiser's order; None: the origin, for weights of least norm.
        schedule: k -> lambda_k in [0, 1]; `harmonic`, or `vanishing(learning_rate)` for deep networks, whose first
            steps `harmonic` shrinks to a half, a third, ... of their size.

    Attributes:
        steps: how many were taken.

    Raises:
        InvalidArgument: the anchor does not match the parameters or is not finite, or the optimiser has a Halpern.
    """

    def __init__(
        self, optimizer: Optimizer, *, anchor: Sequence[Tensor] | None = None, schedule: Schedule = harmonic
    ) -> None:
        if hasattr(optimizer, "_halpern"):
            reject("optimizer", "one whose steps end with Halpern's already", "one without: remove() the other first")
        self.optimizer = optimizer
        self.schedule = schedule
        self._stepping = False
        self.steps, self.anchor = self._checked(0, anchor)
        self._hang()

    @property
    def parameters(self) -> list[Tensor]:
        """All the optimiser trains."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def remove(self) -> None:
        """Let the optimiser's steps be its own again."""
        if vars(self.optimizer).get("_halpern") is self:
            for hook in self._hooks:
                hook.remove()
            del self.optimizer._halpern, self.optimizer.__reduce_ex__

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
        self.steps, self.anchor = self._checked(**state)

    def __reduce__(self) -> tuple[Any, ...]:
        return _halpern_of, (self.optimizer, type(self), self._own())

    def _own(self) -> dict[str, Any]:
        """All but the optimiser and the hook."""
        return {name: value for name, value in vars(self).items() if name not in ("optimizer", "_hooks")}

    def _hang(self) -> None:
        """Onto the optimiser, and onto its copies: torch leaves hooks behind when it copies or pickles one."""
        before = self.optimizer.register_step_pre_hook(self._before_step)
        self._hooks = before, self.optimizer.register_step_post_hook(self._after_step)
        self.optimizer._halpern = self  # type: ignore[attr-defined]
        self.optimizer.__reduce_ex__ = self._reduced_optimizer  # type: ignore[method-assign]

    def _reduced_optimizer(self, protocol: Any) -> tuple[Any, ...]:
        make, arguments, state, *_ = type(self.optimizer).__reduce_ex__(self.optimizer, protocol)
        return _with_halpern, (make, arguments, state, type(self), self._own())

    def _checked(self, steps: int, anchor: Iterable[Tensor] | None) -> tuple[int, list[Tensor] | None]:
        """Steps and a copy of the anchor, if `halpern_` can go on from there."""
        copies = [p.detach().clone() for p in _distinct(self.parameters)]
        goals = None if anchor is None else [goal.clone() for goal in _matching(anchor, copies)]
        for i, goal in enumerate(goals or []):
            if not goal.is_meta and not bool(goal.isfinite().all()):
                reject(f"anchor[{i}]", "a tensor with an infinite or NaN entry", "finite numbers")
        halpern_(copies, steps, anchor=goals, schedule=self.schedule)
        return steps, goals

    def _before_step(self, *_: Any) -> None:
        self._stepping = True

    def _after_step(self, *_: Any) -> None:
        # Where a step calls that of its parent class, torch calls the hooks of both: the first is Halpern's.
        stepped, self._stepping = self._stepping and not was_skipped(self.optimizer), False
        if not stepped:
            return
        parameters = self.parameters
        trained = [p.requires_grad or p.grad is not None for p in parameters]
        anchor = None if self.anchor is None else compress(_matching(self.anchor, parameters), trained)
        halpern_(compress(parameters, trained), self.steps, anchor=anchor, schedule=self.schedule)
        self.steps += 1


def _with_halpern(
    make: Callable[..., Optimizer], arguments: tuple[Any, ...], state: Any, kind: type[Halpern], own: dict[str, Any]
) -> Optimizer:
    """A copy of an optimiser, its Halpern's copy hanging on it."""
    optimizer = make(*arguments)
    optimizer.__setstate__(state)
    _without_hook(optimizer, kind, own)._hang()
    return optimizer


def _halpern_of(optimizer: Optimizer, kind: type[Halpern], own: dict[str, Any]) -> Halpern:
    """The Halpern that hangs on an optimiser's copy; of one that was removed, a copy that is as well."""
    return getattr(optimizer, "_halpern", None) or _without_hook(optimizer, kind, own)


def _without_hook(optimizer: Optimizer, kind: type[Halpern], own: dict[str, Any]) -> Halpern:
    halpern = kind.__new__(kind)
    vars(halpern).update(own, optimizer=optimizer)
    return halpern


class HalpernDescent:
    """The rule for batches of runs: a step of `inner`, then w <- (1 - lambda_k) w + lambda_k v on every parameter.

    Args:
        inner: the rule whose steps are T.
        schedule: k (runs,) -> lambda_k (runs,).
        anchor: v by name, each (runs, ...); None: the origin.

    Raises:
        InvalidArgument: at the start of training, an anchor for other parameters.
    """

    def __init__(self, inner: Update, schedule: Schedule = harmonic, anchor: State | None = None) -> None:
        self.inner, self.schedule, self.anchor = inner, schedule, anchor

    def begin(self, state: State) -> None:
        first = next(iter(state.values()))
        if self.anchor is not None and self.anchor.keys() != state.keys():
            reject("anchor", f"tensors of {sorted(self.anchor)}", f"one each of {sorted(state)}")
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
