"""The method itself: a loss whose gradient is that of the Lagrangian, and a step that also moves the multipliers."""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from experiments.methods.minnorm.constraints import Constraint
from experiments.methods.steps import was_skipped
from theory.core.validation import inside, positive, reject
from theory.minnorm.stability import Mode, require_stable


class _Batch(NamedTuple):
    """What a loss was of: its examples, their h, the c that was in force, and how many times it counts."""

    rows: Tensor | slice
    values: Tensor
    augmentation: float
    share: float


class Minnorm(nn.Module):
    """Smallest weights that meet the constraints, by alternating steps: the weights feel the multipliers just moved.

    With h the constraints' values, B the dual learning rate, c the augmentation and P the nearest multipliers that
    are allowed (the positive part for inequalities), a step on all n examples is

        lambda <- [lambda + B h(theta)]_P
        theta  <- the optimiser's step along  theta + sum_i [lambda_i + c h_i]_P grad h_i    with the new lambda.

    That is the gradient of the augmented Lagrangian, which is the loss. A batch of b examples stands for all n: its
    sum, and its step in the multipliers, count n / b times. Several batches may be accumulated: divide each loss by
    their number, and they make one step; the multipliers' is that of one batch of them all.

    The multipliers move with every step of the optimiser after a `backward()`, whether `step` or a gradient scaler
    calls it, and stay where it is skipped. Parameters, learning rates, B and c are what they are at a loss.

    Args:
        optimizer: any torch optimiser without weight decay of its own. The norm is that of all it trains, so a weight
            it does not train, or one with `requires_grad=False` left out of it, is not counted.
        constraint: `Equality`, `Margin` or `MulticlassMargin`, made for the number of training examples.
        dual_learning_rate: B, the step of the multipliers. Margins of a linear model, c = 0: plain SGD at a rate of at
            most 1 arrives from every start if B is below 2 / |X|^2 of all inputs, spectral norm
            (`theory.shallow.alternating`). Larger B are faster near the solution; tuned to all inputs they are hardly
            ever trapped on the way there, tuned to the support examples alone they often are.
        augmentation: c, the weight of the ordinary squared loss; it damps the oscillation between weights and
            multipliers, and networks of more than one layer need it.
        modes: what is known of the curvatures at the solution (`linear_model`, `linear_chain`): step sizes that are
            unstable there are refused. Plain SGD only: no range is known for other optimisers.

    Attributes:
        multipliers: (n, *outputs), Lagrange multipliers of the examples; not 0 at the support examples.
        values: (n, *outputs), each constraint's h as last seen; infinite before.

    Raises:
        InvalidArgument: a number out of range, an optimiser with weight decay, a learning rate that is not stable.

    The equations are a reconstruction of Bansal et al. 2018; the constraints' treatment is the augmented Lagrangian's
    of Hestenes, Powell and Rockafellar.
    """

    multipliers: Tensor
    values: Tensor

    def __init__(
        self,
        optimizer: Optimizer,
        constraint: Constraint,
        *,
        dual_learning_rate: float,
        augmentation: float = 0.0,
        modes: Sequence[Mode] = (),
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.constraint = constraint
        self.dual_learning_rate = dual_learning_rate
        self.augmentation = augmentation
        self.modes = tuple(modes)
        self._accepted: tuple[Any, ...] = ()
        self._require_stable()
        like = torch.zeros((), dtype=_precision(self.weights), device=self.weights[0].device)
        self.register_buffer("multipliers", like.new_zeros(constraint.shape))
        self.register_buffer("values", like.new_full(constraint.shape, torch.inf))
        self._pending: list[tuple[_Batch, int]] = []
        self._hang()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copies, and what was saved whole, follow their own optimiser; like torch's they come without gradients."""
        super().__setstate__(state | {"_pending": []})
        self._hang()

    @property
    def weights(self) -> list[Tensor]:
        """All the optimiser trains now, each once."""
        return list(dict.fromkeys(weight for group in self.optimizer.param_groups for weight in group["params"]))

    def forward(self, outputs: Tensor, targets: Tensor, index: Tensor | None = None) -> Tensor:
        """The augmented Lagrangian of a batch, a number to call `backward()` on.

        Args:
            outputs: of the network for the batch, (batch, ...) as the constraint says.
            targets: of the batch, as the constraint says.
            index: which training examples these are (batch,), int64, no example twice; None: all of them, in order.
                Kept on the CPU, checking it does not wait for the device.

        Raises:
            InvalidArgument: shape, dtype or labels the constraint does not accept, an index out of range, values that
                are not finite (where training has diverged), or groups of the optimiser that would not do.
        """
        self._require_stable()
        rows = slice(None) if index is None else self._checked(index)
        multipliers = self.multipliers
        values = self.constraint.values(outputs, targets).to(multipliers.dtype)
        before = multipliers[rows]
        if values.shape[0] != before.shape[0]:
            reject("outputs.shape", tuple(outputs.shape), f"a batch of {before.shape[0]}, one example an index")
        seen = values.detach()
        _require_finite(seen, index)
        share = multipliers.shape[0] / before.shape[0]
        after = self.constraint.ascended(before, seen, share * self.dual_learning_rate)
        batch = _Batch(rows, seen, self.augmentation, share)
        return _AugmentedLagrangian.apply(self, batch, self._in_force(before, after), values, *self.weights)

    def step(self, closure: Callable[[], Tensor] | None = None) -> Any:
        """Move weights and multipliers as the last losses say, and clear the gradients.

        Args:
            closure: handed to the optimiser; for those that evaluate the loss themselves, such as LBFGS.

        Returns:
            What the optimiser's step returns.

        Raises:
            RuntimeError: no loss was differentiated since the last step.
        """
        if closure is None:
            self._require_pending()
            result = self.optimizer.step()
        else:
            result = self.optimizer.step(self._anew(closure))
        self.zero_grad()
        return result

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the optimiser's gradients, and with them what the multipliers were to move.

        The optimiser's own zero_grad does the same where it sets gradients to None, as it does by default.
        """
        self.optimizer.zero_grad(set_to_none)
        self._pending.clear()

    @property
    def violation(self) -> Tensor:
        """Largest violation of a constraint, as last seen; infinite until every example has been, and never NaN."""
        return self.constraint.violation(self.values).nan_to_num(nan=torch.inf, posinf=torch.inf).max()

    @property
    def complementarity_gap(self) -> Tensor:
        """sum_i |lambda_i h_i|, as last seen; 0 at a solution, infinite until every example has been seen.

        For a linear model with margins, where all are met and w = sum_i lambda_i y_i x_i, it is the duality gap.
        """
        return (self.multipliers * self.values).abs().nan_to_num(nan=torch.inf, posinf=torch.inf).sum()

    def _in_force(self, before: Tensor, after: Tensor) -> Tensor:
        """The multipliers the weights feel in this step."""
        return after

    def _added_augmentation(self) -> float:
        """Where simultaneous steps have c, this order of updates has c plus this much."""
        return self.dual_learning_rate

    def _hang(self) -> None:
        """Onto the optimiser's steps."""
        self.optimizer.register_step_pre_hook(self._before_step)
        self.optimizer.register_step_post_hook(self._after_step)

    def _felt(self, batch: _Batch) -> None:
        """A backward pass has reached a loss: the next step moves its multipliers, unless its gradient is cleared."""
        current = torch._C._current_graph_task_id()
        self._forget_cleared(current)
        self._pending.append((batch, current))

    def _forget_cleared(self, current: int | None = None) -> None:
        """Where there are no gradients, only batches of a backward pass under way have not been cleared."""
        groups = self.optimizer.param_groups
        if all(weight.grad is None for group in groups for weight in group["params"]):
            self._pending[:] = [(batch, backward) for batch, backward in self._pending if backward == current]

    def _before_step(self, *_: Any) -> None:
        self._forget_cleared()

    def _after_step(self, *_: Any) -> None:
        """The weights have moved, so the multipliers do: batches that were accumulated count as one."""
        batches = [batch for batch, _ in self._pending]
        self._pending.clear()
        if not batches or was_skipped(self.optimizer):
            return
        multipliers, last_seen = self.multipliers, self.values
        step = self.dual_learning_rate * multipliers.shape[0] / sum(batch.values.shape[0] for batch in batches)
        for rows, values, *_ in batches:
            multipliers[rows] = self.constraint.ascended(multipliers[rows], values, step)
            last_seen[rows] = values

    def _anew(self, closure: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """The closure, each of whose evaluations replaces the one before."""

        def evaluated() -> Tensor:
            if not torch.is_grad_enabled():  # a look at the loss, no more
                return closure()
            self._pending.clear()
            loss = closure()
            self._require_pending()
            return loss

        return evaluated

    def _require_pending(self) -> None:
        self._forget_cleared()
        if not self._pending:
            raise RuntimeError("step() without a loss: call method(outputs, targets, index) and backward() before it")

    def _require_stable(self) -> None:
        """Refuse what the optimiser's groups are now, where it has changed and would not do."""
        groups = self.optimizer.param_groups
        if not any(group["params"] for group in groups):
            reject("optimizer", "one without parameters", "one that trains some")
        now = (self.dual_learning_rate, self.augmentation, *(_settings(group) for group in groups))
        if now != self._accepted:
            positive("dual_learning_rate", self.dual_learning_rate)
            inside("augmentation", self.augmentation, 0, torch.inf, "[)")
            for group in groups:
                self._require_stable_group(group)
            self._accepted = now

    def _require_stable_group(self, group: dict[str, Any]) -> None:
        lr, decay, shrinkage, momentum, maximize = _settings(group)
        if decay or shrinkage:
            reject("weight_decay", decay or shrinkage, "0: the method holds the whole weight decay itself")
        if maximize:
            reject("maximize", maximize, "False: the loss is to be made small")
        inside("lr", lr, 0, torch.inf, "[)")
        plain = isinstance(self.optimizer, SGD) and not momentum
        if plain and lr >= 2:
            reject("lr", lr, "a number in [0, 2): a step multiplies weights without data by 1 - lr")
        if self.modes and not plain:
            reject("optimizer", type(self.optimizer).__name__, "plain SGD where modes are given")
        if self.modes and lr > 0:
            added = self._added_augmentation()
            require_stable(self.modes, lr, self.dual_learning_rate, self.augmentation, added)

    def _checked(self, index: Tensor) -> Tensor:
        """`index` on the multipliers' device, if it names some of the examples, each once."""
        if index.dim() != 1 or len(index) == 0:
            reject("index.shape", tuple(index.shape), "(batch,), at least one example")
        if index.dtype != torch.int64:
            reject("index.dtype", index.dtype, "torch.int64")
        ordered, examples = np.sort(index.numpy(force=True)), self.multipliers.shape[0]
        for bad in (ordered[0], ordered[-1]):
            if not 0 <= bad < examples:
                reject("index", f"a tensor with the entry {bad}", f"0 to {examples - 1}")
        if repeated := np.count_nonzero(ordered[1:] == ordered[:-1]):
            distinct = len(ordered) - repeated
            reject("index", f"{len(ordered)} entries, {distinct} of them distinct", "every example at most once")
        return index.to(self.multipliers.device, copy=True)


class SimultaneousMinnorm(Minnorm):
    """Simultaneous steps: the weights feel the multipliers as they were, and both move from the same state.

        theta  <- the optimiser's step along  theta + sum_i [lambda_i + c h_i]_P grad h_i    with the old lambda
        lambda <- [lambda + B h(theta)]_P                                                    with the old theta.

    Everything else is as for `Minnorm`, whose step is this one with c + B in place of c.
    """

    def _in_force(self, before: Tensor, after: Tensor) -> Tensor:
        return before

    def _added_augmentation(self) -> float:
        return 0.0


class _AugmentedLagrangian(torch.autograd.Function):
    """N(theta) + share sum_i (lambda_i + c/2 e_i) e_i, e = h + slack, of the multipliers that are in force.

    Its gradient is theta and share [lambda_i + c h_i]_P: the slack is the smallest there is, so it has no part in it.
    """

    @staticmethod
    def forward(
        ctx: Any, method: Minnorm, batch: _Batch, multipliers: Tensor, values: Tensor, *weights: Tensor
    ) -> Tensor:
        ctx.method, ctx.batch = method, batch
        ctx.save_for_backward(multipliers, values, *weights)
        excess = method.constraint.slackened(values, multipliers, batch.augmentation)
        violated = (torch.add(multipliers, excess, alpha=batch.augmentation / 2) * excess).sum()
        return _squared_norm(weights, violated) / 2 + batch.share * violated

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        batch: _Batch = ctx.batch
        ctx.method._felt(batch)
        multipliers, values, *weights = ctx.saved_tensors
        force = ctx.method.constraint.ascended(multipliers, values, batch.augmentation)
        decay = (weight * gradient.to(weight.device) for weight in weights)
        return None, None, None, batch.share * gradient * force, *decay


def _squared_norm(weights: Iterable[Tensor], like: Tensor) -> Tensor:
    """|theta|^2, of complex weights too, on the device and in the precision of another number."""
    real = (torch.view_as_real(weight) if weight.is_complex() else weight for weight in weights)
    return reduce(torch.add, (weight.square().sum(dtype=like.dtype).to(like.device) for weight in real))


def _settings(group: dict[str, Any]) -> tuple[float, ...]:
    """Learning rate, decays (ASGD has one of its own), momentum and direction of a group of parameters."""
    return tuple(float(group.get(name) or 0) for name in ("lr", "weight_decay", "lambd", "momentum", "maximize"))


def _precision(weights: Iterable[Tensor]) -> torch.dtype:
    """The finest of the weights', and no half precision: a sum of small steps would stand still in it."""
    return reduce(torch.promote_types, (weight.real.dtype for weight in weights), torch.float32)


def _require_finite(values: Tensor, index: Tensor | None) -> None:
    """Refuse values that are not, and say of which training example; on `meta` there are none to look at."""
    # A finite sum has finite terms, and is quicker to look at.
    if values.is_meta or isfinite(values.sum()) or bool(values.isfinite().all()):
        return
    first = (~values.isfinite()).nonzero()[0].tolist()
    example = first[0] if index is None else int(index[first[0]])
    where = ", ".join(map(str, [example, *first[1:]]))
    reject(f"values[{where}]", values[tuple(first)].item(), "a finite h: where training diverges, take smaller steps")
