"""The method itself: a loss whose gradient is that of the Lagrangian, and a step that also moves the multipliers."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from experiments.methods.minnorm.constraints import Constraint
from theory.core.validation import inside, positive, reject
from theory.minnorm.stability import Mode, require_stable


class Minnorm(nn.Module):
    """Smallest weights that meet the constraints, by alternating steps: the weights feel the multipliers just moved.

    With h the constraints' values, B the dual learning rate, c the augmentation and P the nearest multipliers that
    are allowed (the positive part for inequalities), a step on all n examples is

        lambda <- [lambda + B h(theta)]_P
        theta  <- the optimiser's step along  theta + sum_i [lambda_i + c h_i]_P grad h_i    with the new lambda.

    That is the gradient of the augmented Lagrangian, which is the loss. A batch of b examples stands for all n: its
    sum, and its step in the multipliers, count n / b times.

    Args:
        optimizer: any torch optimiser without weight decay of its own. The norm is that of all it trains, so a weight
            it does not train, or one with `requires_grad=False` left out of it, is not counted.
        constraint: `Equality`, `Margin` or `MulticlassMargin`, made for the number of training examples.
        dual_learning_rate: B, the step of the multipliers.
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
        self.dual_learning_rate = positive("dual_learning_rate", dual_learning_rate)
        self.augmentation = inside("augmentation", augmentation, 0, torch.inf, "[)")
        self.weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        self._require_stable(modes)
        like = self.weights[0].detach()
        self.register_buffer("multipliers", like.new_zeros(constraint.shape))
        self.register_buffer("values", like.new_full(constraint.shape, torch.inf))
        self._pending: tuple[Tensor | slice, Tensor, Tensor] | None = None

    def forward(self, outputs: Tensor, targets: Tensor, index: Tensor | None = None) -> Tensor:
        """The augmented Lagrangian of a batch, a number to call `backward()` on.

        Args:
            outputs: of the network for the batch, (batch, ...) as the constraint says.
            targets: of the batch, as the constraint says.
            index: which training examples these are (batch,), int64, no example twice; None: all of them, in order.
                Kept on the CPU, checking it does not wait for the device.

        Raises:
            InvalidArgument: shape, dtype or labels the constraint does not accept, or an index out of range.
        """
        rows = slice(None) if index is None else self._checked(index)
        values = self.constraint.values(outputs, targets)
        count = len(self.multipliers) if index is None else len(index)
        if len(values) != count:
            reject("outputs.shape", tuple(outputs.shape), f"a batch of {count}, one example an index")
        share = len(self.multipliers) / count
        before, seen = self.multipliers[rows], values.detach()
        after = self.constraint.ascended(before, seen, share * self.dual_learning_rate)
        multipliers, c = self._in_force(before, after), self.augmentation
        excess = self.constraint.slackened(values, multipliers, c)
        norm = sum(weight.square().sum() for weight in self.weights)
        loss = norm / 2 + share * ((multipliers + c / 2 * excess) * excess).sum()
        if loss.requires_grad:
            self._pending = rows, after, seen
        return loss

    def step(self, closure: Callable[[], Tensor] | None = None) -> None:
        """Move weights and multipliers as the last loss says, and clear the gradients.

        Args:
            closure: handed to the optimiser; for those that evaluate the loss themselves, such as LBFGS.

        Raises:
            RuntimeError: no loss was computed since the last step.
        """
        if closure is None and self._pending is None:
            raise RuntimeError("step() without a loss: call method(outputs, targets, index) and backward() before it")
        self.optimizer.step(closure)
        self.optimizer.zero_grad()
        rows, after, seen = self._pending
        self.multipliers[rows] = after
        self.values[rows] = seen
        self._pending = None

    @property
    def violation(self) -> Tensor:
        """Largest violation of a constraint, as last seen; infinite until every example has been."""
        return self.constraint.violation(self.values).max()

    @property
    def complementarity_gap(self) -> Tensor:
        """sum_i |lambda_i h_i|, as last seen; 0 at a solution, infinite until every example has been seen.

        For a linear model with margins, where all are met and w = sum_i lambda_i y_i x_i, it is the duality gap.
        """
        return (self.multipliers * self.values).abs().nan_to_num(nan=torch.inf).sum()

    def _in_force(self, before: Tensor, after: Tensor) -> Tensor:
        """The multipliers the weights feel in this step."""
        return after

    def _added_augmentation(self) -> float:
        """Where simultaneous steps have c, this order of updates has c plus this much."""
        return self.dual_learning_rate

    def _require_stable(self, modes: Sequence[Mode]) -> None:
        for group in self.optimizer.param_groups:
            if group.get("weight_decay", 0) != 0:
                reject("weight_decay", group["weight_decay"], "0: the method holds the whole weight decay itself")
            plain = isinstance(self.optimizer, SGD) and not (group["momentum"] or group["maximize"])
            if plain and group["lr"] >= 2:
                reject("lr", group["lr"], "a number in [0, 2): a step multiplies weights without data by 1 - lr")
            if modes and not plain:
                reject("optimizer", type(self.optimizer).__name__, "plain SGD where modes are given")
            if modes:
                added = self._added_augmentation()
                require_stable(modes, float(group["lr"]), self.dual_learning_rate, self.augmentation, added)

    def _checked(self, index: Tensor) -> Tensor:
        """`index` on the multipliers' device, if it names some of the examples, each once."""
        if index.dim() != 1 or len(index) == 0:
            reject("index.shape", tuple(index.shape), "(batch,), at least one example")
        if index.dtype != torch.int64:
            reject("index.dtype", index.dtype, "torch.int64")
        distinct = index.unique()
        for bad in (distinct[0], distinct[-1]):
            if not 0 <= bad < len(self.multipliers):
                reject("index", f"a tensor with the entry {bad.item()}", f"0 to {len(self.multipliers) - 1}")
        if len(distinct) < len(index):
            reject("index", f"{len(index)} entries, {len(distinct)} of them distinct", "every example at most once")
        return index.to(self.multipliers.device)


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
