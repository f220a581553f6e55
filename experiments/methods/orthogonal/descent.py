"""Descent on the orthogonal matrices themselves, without a parametrisation: as an optimiser, and for batches of runs.

With M the negative gradient (or its momentum) at R, one step turns R along the skew matrix

    What = M R^H - R (R^H M R^H) / 2,  w = alpha (What - What^H),  alpha = min(learning rate, 1 / |What - What^H|_F),

which on O(d) is alpha times the tangent (M R^H - R M^T) / 2. A *step* says how: `cayley_step` stays on O(d) exactly,
`two_iterations` is the published approximation of it, and leaves O(d) by w^4 / 4 + w^6 / 16 each time.
Orthogonal matrices of either determinant; the determinant never changes.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from experiments.methods.groups import Grouped
from experiments.methods.orthogonal.maps import defect
from experiments.updates import GradientDescent, Loss, State, along
from theory.core.validation import inside, positive, reject

Step = Callable[[Tensor, Tensor], Tensor]


def cayley_step(R: Tensor, w: Tensor) -> Tensor:
    """(I - w/2)^(-1) (I + w/2) R: orthogonal to a few d eps a step, one linear solve."""
    identity = torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)
    return torch.linalg.solve(identity - w / 2, R + w @ R / 2)


def two_iterations(R: Tensor, w: Tensor) -> Tensor:
    """Two fixed-point iterations Y <- R + w (R + Y) / 2 from Y = R + w R, as published: (I + w + w^2/2 + w^3/4) R.

    R R^H loses w^4 / 4 + w^6 / 16 with each step, and the losses add up.
    """
    Y = R + w @ R
    for _ in range(2):
        Y = R + w @ (R + Y) / 2
    return Y


def tangent(R: Tensor, M: Tensor) -> Tensor:
    """What - What^H, skew (*runs, d, d); on O(d) it is (M R^H - R M^T) / 2."""
    what = M @ R.mH - R @ (R.mH @ M @ R.mH) / 2
    return what - what.mH


def capped(W: Tensor, learning_rate: Tensor | float) -> Tensor:
    """alpha W with alpha = min(learning_rate, 1 / |W|_F), one alpha a run."""
    size = torch.linalg.matrix_norm(W, keepdim=True)
    return W * torch.minimum(torch.as_tensor(learning_rate, dtype=size.dtype, device=size.device), 1 / size)


def descend(R: Tensor, M: Tensor, learning_rate: Tensor | float, step: Step) -> tuple[Tensor, Tensor]:
    """One step from R along M; returns the next R, and the projection of M that the momentum remembers."""
    W = tangent(R, M)
    return step(R, capped(W, learning_rate)), W @ R


class PreservingDescent(Grouped):
    """Gradient descent with momentum over orthogonal (or unitary) matrices (*runs, d, d).

    Args:
        params: orthogonal matrices, e.g. the weights of `Rotation(d, "free")`, or groups of them with an lr, a momentum
            and a step of their own.
        lr, momentum: as published, 0.02 and 0.9.
        step: `cayley_step`, or `two_iterations` to follow the published code. It is not saved with the state.

    Raises:
        InvalidArgument: lr not above 0, momentum outside [0, 1), a step that is no function, matrices that are not
            square or in half precision, or, for `cayley_step`, which would keep them so, matrices off O(d).
    """

    functions = ("step",)

    def __init__(
        self, params: Iterable[Any], lr: float = 0.02, momentum: float = 0.9, step: Step = cayley_step
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "step": step})

    def check(self, group: dict[str, Any]) -> None:
        positive("lr", group["lr"])
        inside("momentum", group["momentum"], 0, 1, "[)")
        if not callable(group["step"]):
            reject("step", repr(group["step"]), "cayley_step, two_iterations, or a function (R, w) -> R")
        for R in group["params"]:
            _square(R)
            if group["step"] is cayley_step:
                _orthogonal(R)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for R in group["params"]:
                if R.grad is None:
                    continue
                memory = self.state[R].get("momentum", torch.zeros_like(R))
                M = group["momentum"] * memory - R.grad
                turned, self.state[R]["momentum"] = descend(R, M, group["lr"], group["step"])
                R.copy_(turned)
        return loss


def _square(R: Tensor) -> None:
    if R.dim() < 2 or R.shape[-1] != R.shape[-2]:
        reject("params", f"a tensor of shape {tuple(R.shape)}", "square matrices (*runs, d, d)")
    if R.dtype not in (torch.float32, torch.float64, torch.complex64, torch.complex128):
        reject("params", f"a matrix of {R.dtype}", "single precision at least: rounding adds up over the steps")


def _orthogonal(R: Tensor) -> None:
    """Half of the digits: rounding adds up over the steps of a run that is taken up again."""
    away = float(defect(R.detach()).abs().max())
    if not away <= torch.finfo(R.dtype).eps ** 0.5:
        reject("params", f"a matrix of shape {tuple(R.shape)} with |R R^H - I| = {away:.2g}", "orthogonal matrices")


class PreservingUpdate(GradientDescent):
    """`PreservingDescent` as an update rule of `experiments.training.train`: the state's `R` (runs, d, d) is turned.

    The other tensors of the state take steps of gradient descent. `R.momentum`, the M of the next step before its
    gradient is added, is part of the state.
    """

    def __init__(self, loss: Loss, momentum: float = 0.9, step: Step = cayley_step) -> None:
        super().__init__(loss)
        self.momentum, self.turn = inside("momentum", momentum, 0, 1, "[)"), step

    def begin(self, state: State) -> None:
        super().begin(state)
        state["R.momentum"] = torch.zeros_like(state["R"])

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        gradients = dict(zip(self.names, work))
        R, memory = state["R"], state["R.momentum"]
        M = self.momentum * memory - gradients.pop("R")
        for tensor, new in zip((R, memory), descend(R, M, along(learning_rate, R), self.turn)):
            tensor.copy_(new)
        for name, other in gradients.items():
            state[name].addcmul_(along(learning_rate, other), other, value=-1)
