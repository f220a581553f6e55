"""Fine-grained SGD on products of weight manifolds: as an optimiser for modules, and for batches of runs.

The gradient of each component is projected to its tangent space, the step divided by the normaliser of its group of
components, and the point moved along the geodesic or a retraction. A layer (D, C, A, B), as `nn.Conv2d` keeps it, has
the components w_dc (A, B); its groups are our reading of the paper:

    PI     for every input channel c the kernels of all outputs d;    PO    for every output the kernels of all inputs
    PIO    all kernels of the layer;                                  alone each matrix by itself
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor

from experiments.methods.manifolds.spaces import Manifold
from experiments.training.updates import GradientDescent, Loss, State, along
from theory.core.validation import inside, positive, reject
from theory.manifolds.schedules import Schedule

GROUPS: dict[str, tuple[int, ...]] = {"alone": (), "PI": (-4,), "PO": (-3,), "PIO": (-4, -3)}  # pooled dimensions


@dataclass(frozen=True)
class RiemannianStep:
    """w <- Exp_w(-g G): no normaliser.

    Args:
        manifold: of the last two dimensions.
        move: along the geodesic, or the manifold's retraction.
    """

    manifold: Manifold
    move: Literal["exponential", "retraction"] = "exponential"

    def __call__(self, w: Tensor, gradient: Tensor, g: Tensor | float) -> Tensor:
        """The point after the step of size g; g broadcasts with w."""
        G = self.manifold.tangent(w, gradient)
        return getattr(self.manifold, self.move)(w, -g / self.normaliser(G) * G)

    def normaliser(self, G: Tensor) -> Tensor:
        """What divides the step of each component, (..., 1, 1)."""
        return torch.ones_like(G[..., :1, :1])


@dataclass(frozen=True)
class FineGrainedStep(RiemannianStep):
    """The normalised step: gfrak = max(1, R^2 Gamma)^(1/2), Gamma = max((2 rho + R)^2, 1 + c (rho + R)).

    Args:
        grouping: PI, PO, PIO, or alone; all but the last need weights (..., D, C, A, B).
        curvature: c.
        distance: rho, how far a group may be from the minimiser; None for the most that the manifolds allow.

    Raises:
        InvalidArgument: an unknown grouping, or a curvature or distance below 0.
    """

    grouping: str = "alone"
    curvature: float = 1.0
    distance: float | None = None

    def __post_init__(self) -> None:
        if self.grouping not in GROUPS:
            reject("grouping", repr(self.grouping), f"one of {', '.join(GROUPS)}")
        inside("curvature", self.curvature, 0, torch.inf, "[)")
        inside("distance", self.distance or 0.0, 0, torch.inf, "[)")

    def normaliser(self, G: Tensor) -> Tensor:
        dims = GROUPS[self.grouping]
        if dims and G.dim() < 4:
            reject("grouping", repr(self.grouping), f"'alone', weights of shape {tuple(G.shape)} having no channels")
        R = G.square().sum((*dims, -2, -1), keepdim=True).sqrt()
        rho = self.distance
        if rho is None:
            rho = self.manifold.spread(*G.shape[-2:]) * prod(G.shape[dim] for dim in dims) ** 0.5
        Gamma = torch.maximum((2 * rho + R).square(), 1 + self.curvature * (rho + R))
        return (R.square() * Gamma).clamp_min(1).sqrt()


class FineGrainedSGD(torch.optim.Optimizer):
    """FG-SGD for weights that lie on a manifold: put them there with `manifold.project` first.

    Args:
        params: weights, or groups of them with steps of their own, `{"params": ..., "move": FineGrainedStep(...)}`.
        step: how a weight is moved, where its group does not say.
        schedule: g_t; convergence wants 1/2 < q <= 1 (`schedule.converges`).

    Raises:
        InvalidArgument: a weight does not lie on its manifold.
    """

    def __init__(self, params: Iterable[Any], step: RiemannianStep, schedule: Schedule) -> None:
        super().__init__(params, {"move": step, "schedule": schedule})
        for group in self.param_groups:
            for w in group["params"]:
                _on(group["move"].manifold, w)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                count = self.state[w].get("count", 0)
                w.copy_(group["move"](w, w.grad, float(group["schedule"](count))))
                self.state[w]["count"] = count + 1
        return loss


class FineGrainedUpdate(GradientDescent):
    """The same for a batch of runs, an update rule of `experiments.training.train`.

    Args:
        steps: how each tensor of the state moves; those without one take steps of gradient descent.
        a, q: g_t = learning rate x (t + a)^-q; a constant step by default.
    """

    def __init__(self, loss: Loss, steps: Mapping[str, RiemannianStep], *, a: float = 1.0, q: float = 0.0) -> None:
        super().__init__(loss)
        self.steps, self.a, self.q = steps, positive("a", a), inside("q", q, 0, torch.inf, "[)")

    def begin(self, state: State) -> None:
        super().begin(state)
        first = state[self.names[0]]
        state["count"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        g = learning_rate * (state["count"] + self.a) ** -self.q
        for name, gradient in zip(self.names, work):
            w, size = state[name], along(g, gradient)
            w.copy_(self.steps[name](w, gradient, size) if name in self.steps else w - size * gradient)
        state["count"] += 1


def _on(manifold: Manifold, w: Tensor) -> None:
    manifold.spread(*w.shape[-2:])
    away = float((manifold.project(w.detach()) - w.detach()).abs().max())
    if not away <= 1e3 * torch.finfo(w.dtype).eps:
        reject("params", f"a weight of shape {tuple(w.shape)}, {away:.2g} away from it", f"points of {manifold}")
