"""Fine-grained SGD on products of weight manifolds: as an optimiser for modules, and for batches of runs.

The gradient of each component is projected to its tangent space, the step divided by the normaliser of its group of
components, and the point moved along the geodesic or a retraction. A layer (D, C, A, B), as `nn.Conv2d` keeps it, has
the components w_dc (A, B); its groups are our reading of the paper:

    PI     for every input channel c the kernels of all outputs d;    PO    for every output the kernels of all inputs
    PIO    all kernels of the layer;                                  alone each matrix by itself
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor

from experiments.methods.factors import widened
from experiments.methods.groups import Grouped
from experiments.methods.manifolds.spaces import Manifold
from experiments.updates import GradientDescent, Loss, State, along
from theory.core.validation import inside, positive, reject
from theory.manifolds.schedules import Schedule

TOGETHER = 2**14  # entries of the largest weights that step with others of their shape: larger ones gain nothing
GROUPS: dict[str, tuple[int, ...]] = {"alone": (), "PI": (-4,), "PO": (-3,), "PIO": (-4, -3)}  # pooled dimensions


@dataclass(frozen=True)
class RiemannianStep:
    """w <- Exp_w(-g G): no normaliser.

    Args:
        manifold: of the last two dimensions.
        move: along the geodesic, or the manifold's retraction.

    Raises:
        InvalidArgument: no manifold, or another move.
    """

    manifold: Manifold
    move: Literal["exponential", "retraction"] = "exponential"

    def __post_init__(self) -> None:
        if isinstance(self.manifold, type) or not isinstance(self.manifold, Manifold):
            reject("manifold", repr(self.manifold), "a manifold, such as Sphere()")
        if self.move not in ("exponential", "retraction"):
            reject("move", repr(self.move), "'exponential' or 'retraction'")

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
        super().__post_init__()
        if self.grouping not in GROUPS:
            reject("grouping", repr(self.grouping), f"one of {', '.join(GROUPS)}")
        inside("curvature", self.curvature, 0, torch.inf, "[)")
        inside("distance", self.distance or 0.0, 0, torch.inf, "[)")

    def normaliser(self, G: Tensor) -> Tensor:
        dims = GROUPS[self.grouping]
        if dims and G.dim() < 4:
            reject("grouping", repr(self.grouping), f"'alone', weights of shape {tuple(G.shape)} having no channels")
        R = torch.linalg.vector_norm(G, dim=(*dims, -2, -1), keepdim=True)
        rho = self.distance
        if rho is None:
            rho = self.manifold.spread(*G.shape[-2:]) * prod(G.shape[dim] for dim in dims) ** 0.5
        # R times the root of Gamma: squares would overflow, and make the step 0, long before.
        return (R * torch.maximum(2 * rho + R, (1 + self.curvature * (rho + R)).sqrt())).clamp_min(1)


class FineGrainedSGD(Grouped):
    """FG-SGD for weights that lie on a manifold: put them there with `manifold.project` first.

    Steps in half precision are taken in single, and rounded. Small weights of one shape step together.

    Args:
        params: weights, or groups of them with steps of their own, `{"params": ..., "step": FineGrainedStep(...)}`.
        step: how a weight is moved, where its group does not say.
        schedule: g_t; convergence wants 1/2 < q <= 1 (`schedule.converges`).
        lr: multiplies g_t; torch's learning-rate schedulers change it. It is saved with the state, step and schedule
            are not.

    Raises:
        InvalidArgument: a weight does not lie on its manifold or has no matrices, lr is not above 0, or step or
            schedule are none.
    """

    functions = ("step", "schedule")

    def __init__(self, params: Iterable[Any], step: RiemannianStep, schedule: Schedule, lr: float = 1.0) -> None:
        super().__init__(params, {"step": step, "schedule": schedule, "lr": lr})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        # "move" is what the key was called before.
        super().add_param_group({"step" if key == "move" else key: value for key, value in param_group.items()})

    def check(self, group: dict[str, Any]) -> None:
        positive("lr", group["lr"])
        step, schedule = group["step"], group["schedule"]
        if not isinstance(step, RiemannianStep):
            reject("step", repr(step), "a RiemannianStep or FineGrainedStep")
        if not callable(schedule):
            reject("schedule", repr(schedule), "a Schedule, or a function of the number of steps")
        for w in group["params"]:
            _on(step.manifold, w)
            step.normaliser(w.detach())

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for count, weights in self._alike(group["params"]):
                g = float(group["lr"] * group["schedule"](count))
                w, G = _stacked(weights), _stacked([weight.grad.to_dense() for weight in weights])
                for weight, moved in zip(weights, group["step"](w, G, g), strict=True):
                    weight.copy_(moved)
                    self.state[weight]["count"] = count + 1
        return loss

    def _alike(self, params: Iterable[Tensor]) -> Iterator[tuple[int, list[Tensor]]]:
        """How many steps weights with gradients have taken, and those of one kind that step at once."""
        kinds: dict[Any, list[Tensor]] = {}
        for index, w in enumerate(params):
            if w.grad is not None:
                count, alone = self.state[w].get("count", 0), index if w.numel() > TOGETHER else None
                kinds.setdefault((count, w.shape, w.dtype, w.device, alone), []).append(w)
        for (count, *_), weights in kinds.items():
            yield count, weights


class FineGrainedUpdate(GradientDescent):
    """The same for a batch of runs, an update rule of `experiments.training.train`.

    Args:
        steps: how each tensor of the state moves; those without one take steps of gradient descent.
        a, q: g_t = learning rate x (t + a)^-q; a constant step by default.

    Raises:
        InvalidArgument: a not above 0, q below 0, or, as training begins, a step for a tensor that is not there.
    """

    def __init__(self, loss: Loss, steps: Mapping[str, RiemannianStep], *, a: float = 1.0, q: float = 0.0) -> None:
        super().__init__(loss)
        self.steps, self.a, self.q = steps, positive("a", a), inside("q", q, 0, torch.inf, "[)")

    def begin(self, state: State) -> None:
        super().begin(state)
        unknown = self.steps.keys() - state.keys()
        if unknown:
            reject("steps", f"steps for {sorted(unknown)}", f"names of the state: {', '.join(state)}")
        first = state[self.names[0]]
        state["count"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        g = learning_rate * (state["count"] + self.a) ** -self.q
        for name, gradient in zip(self.names, work):
            w, size = state[name], along(g, gradient)
            w.copy_(self.steps[name](w, gradient, size) if name in self.steps else w - size * gradient)
        state["count"] += 1


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """(k, ...) of k tensors (...), in single precision at least."""
    return widened(tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors)))


def _on(manifold: Manifold, w: Tensor) -> None:
    shape = f"a weight of shape {tuple(w.shape)}"
    if w.dim() < 2:
        reject("params", shape, "matrices (..., A, B)")
    manifold.spread(*w.shape[-2:])
    at = widened(w.detach())
    near = manifold.project(at)
    away, size = (torch.linalg.matrix_norm(each) for each in (near - at, near))
    farthest = float((away / size).max())
    # In half precision, the rounding of a projection there, a few eps, and not a thousand.
    if not farthest <= min(1e3 * torch.finfo(w.dtype).eps, 0.02):
        reject("params", f"{shape}, {farthest:.2g} of its size away from it", f"points of {manifold}")
