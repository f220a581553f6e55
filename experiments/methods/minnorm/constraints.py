"""What it means to fit an example: a value h of each constraint, and where its multiplier may lie."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from theory.core.validation import positive_integer, reject


def any_sign(multipliers: Tensor) -> Tensor:
    """Multipliers of equalities h = 0."""
    return multipliers


def positive_part(multipliers: Tensor) -> Tensor:
    """Multipliers of inequalities h <= 0."""
    return multipliers.clamp(min=0)


def ascended(multipliers: Tensor, values: Tensor, step: Tensor | float, project: Callable[[Tensor], Tensor]) -> Tensor:
    """[lambda + step h]_P: the multipliers after a step, or those in effect if the step is the augmentation c."""
    return project(multipliers + step * values)


class Constraint(ABC):
    """Constraints on the outputs of a network; one value h and one multiplier a training example and output.

    Args:
        examples: how many training examples there are.
        outputs: the shape of one example's outputs; none for a network that returns a vector (batch,).

    Raises:
        InvalidArgument: a size that is not a whole number of at least 1.
    """

    def __init__(self, examples: int, *outputs: int) -> None:
        sizes = {"examples": examples, **{f"outputs[{k}]": size for k, size in enumerate(outputs)}}
        self.shape = tuple(positive_integer(name, size) for name, size in sizes.items())

    @abstractmethod
    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """h (batch, *outputs), differentiable.

        Raises:
            InvalidArgument: outputs or targets of another shape or dtype, or targets that are no such numbers.
        """

    @abstractmethod
    def project(self, multipliers: Tensor) -> Tensor:
        """The nearest multipliers that are allowed."""

    @abstractmethod
    def violation(self, values: Tensor) -> Tensor:
        """How much each constraint is violated, at least 0."""

    def ascended(self, multipliers: Tensor, values: Tensor, step: Tensor | float) -> Tensor:
        """[lambda + step h]_P, see the function of this name."""
        return ascended(multipliers, values, step, self.project)

    @abstractmethod
    def slackened(self, values: Tensor, multipliers: Tensor, augmentation: float) -> Tensor:
        """h plus the slack that minimises the augmented Lagrangian."""


class Equality(Constraint):
    """Regression: h = target - output = 0, multipliers of either sign. Targets: like the outputs."""

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        _require_alike(outputs, targets, self.shape[1:])
        _require("targets", targets, targets.isfinite(), "finite numbers")
        return targets - outputs

    def project(self, multipliers: Tensor) -> Tensor:
        return any_sign(multipliers)

    def violation(self, values: Tensor) -> Tensor:
        return values.abs()

    def slackened(self, values: Tensor, multipliers: Tensor, augmentation: float) -> Tensor:
        return values


class _Inequality(Constraint):
    """h <= 0, multipliers at least 0."""

    def project(self, multipliers: Tensor) -> Tensor:
        return positive_part(multipliers)

    def violation(self, values: Tensor) -> Tensor:
        return values.clamp(min=0)

    def slackened(self, values: Tensor, multipliers: Tensor, augmentation: float) -> Tensor:
        # The slack is max(0, -h - multiplier / c); a c of 0 leaves none, but where the multiplier is 0 it does not
        # matter, and 0 / tiny is 0.
        tiny = torch.finfo(multipliers.dtype).tiny
        return torch.maximum(values, multipliers / -max(augmentation, tiny))


class Margin(_Inequality):
    """Two classes: h = 1 - target x output <= 0. Targets: -1 or 1, of the outputs' shape and dtype."""

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        _require_alike(outputs, targets, self.shape[1:])
        _require("targets", targets, targets.abs() == 1, "-1 or 1 everywhere")
        return 1 - targets * outputs


class MulticlassMargin(_Inequality):
    """Several classes: h = 1 - (output of the right class - largest other output) <= 0.

    Outputs (batch, classes); targets (batch,), the right class of each example, dtype int64.
    """

    def __init__(self, examples: int) -> None:
        super().__init__(examples)

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        _require_real(outputs)
        if outputs.dim() != 2 or outputs.shape[1] < 2:
            reject("outputs.shape", tuple(outputs.shape), "(batch, classes), with at least 2 classes")
        if targets.shape != outputs.shape[:1]:
            reject("targets.shape", tuple(targets.shape), f"({len(outputs)},), one class an example")
        if targets.dtype != torch.int64:
            reject("targets.dtype", targets.dtype, "torch.int64")
        named = (targets >= 0) & (targets < outputs.shape[1])
        _require("targets", targets, named, f"0 to {outputs.shape[1] - 1}")
        right = targets[:, None]
        others = outputs.scatter(1, right, -torch.inf).amax(1)
        return 1 - (outputs.gather(1, right).squeeze(1) - others)


def _require_alike(outputs: Tensor, targets: Tensor, shape: tuple[int, ...]) -> None:
    """Both (batch, *shape), of one floating dtype: (batch,) and (batch, 1) would broadcast to something else."""
    _require_real(outputs)
    if outputs.dim() == 0 or outputs.shape[1:] != shape:
        expected = f"({', '.join(['batch', *map(str, shape)])}), one entry a multiplier"
        reject("outputs.shape", tuple(outputs.shape), expected)
    if targets.shape != outputs.shape:
        reject("targets.shape", tuple(targets.shape), f"{tuple(outputs.shape)}, the shape of the outputs")
    if targets.dtype != outputs.dtype:
        reject("targets.dtype", targets.dtype, f"{outputs.dtype}, the dtype of the outputs")


def _require_real(outputs: Tensor) -> None:
    if not outputs.is_floating_point():
        reject("outputs.dtype", outputs.dtype, "a real floating dtype")


def _require(name: str, tensor: Tensor, fine: Tensor, expected: str) -> None:
    """Refuse a tensor with an entry that is not fine; on `meta` there are none to look at."""
    if not tensor.is_meta and not bool(fine.all()):
        reject(name, f"a tensor with the entry {tensor[~fine][0].item():.9g}", expected)
