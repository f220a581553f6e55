"""Projected gradient ascent on caps of a sphere: adversarial examples that keep the length of their inputs.

    attack = CapAttack(radius=0.2, steps=10, restarts=3)
    worst = attack(lambda x: losses(network(x), y), inputs)

Libraries of attacks (torchattacks, Foolbox, ART) project onto balls and boxes, which leaves the sphere; here a step is
along a great circle, and what is farther than `radius` from its input goes back along one. What it finds is a lower
bound on the largest loss in the cap: more steps and restarts can only raise it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from theory.core.validation import inside, positive, positive_integer, reject

Losses = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class CapAttack:
    """Finds points no farther than `radius` (a chord) from inputs, on their spheres, at which losses are large.

    Attributes:
        radius: how far points may be; twice the length of an input, and beyond, is all of its sphere.
        steps: of each start.
        restarts: the first from the input, the others from random points of its cap.
        kept: so many last coordinates stay as they are, such as one that is constant; the others are the sphere's.
        step: length of a step, as a share of the radius; None: 2.5 / steps, which crosses the cap and comes back.

    Raises:
        InvalidArgument: a radius or step that is not above 0, steps or restarts that are no whole numbers above 0, a
            negative number of kept coordinates.
    """

    radius: float
    steps: int = 10
    restarts: int = 1
    kept: int = 0
    step: float | None = None

    def __post_init__(self) -> None:
        positive("radius", self.radius)
        positive_integer("steps", self.steps)
        positive_integer("restarts", self.restarts)
        inside("kept", self.kept, 0, 10**9)
        if self.step is not None:
            positive("step", self.step)

    def __call__(self, losses: Losses, inputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The points (..., d) at which the highest losses were seen, the inputs among them.

        Args:
            losses: points (..., d) -> (...), each of its own point alone.
            inputs: (..., d), floating point.
            generator: of the random starts.

        Raises:
            InvalidArgument: inputs with fewer than two coordinates that may move, or with none that is not 0; losses of
                another shape.
        """
        free = inputs.shape[-1] - self.kept
        if not inputs.is_floating_point() or free < 2:
            reject(
                "inputs", f"{inputs.dtype}, {tuple(inputs.shape)}", f"floating point, {self.kept + 2} columns or more"
            )
        length = inputs[..., :free].norm(dim=-1, keepdim=True)
        if not bool((length > 0).all()):
            reject("|inputs|", float(length.min()), "inputs whose free coordinates are not all 0")
        centre = inputs[..., :free] / length
        reach = 2 * torch.asin((self.radius / length / 2).clamp(max=1))

        def point(u: Tensor) -> Tensor:
            return torch.cat([length * u, inputs[..., free:]], -1)

        best, highest = inputs.detach().clone(), _judged(losses, inputs.detach())
        for restart in range(self.restarts):
            u = centre if restart == 0 else _random(centre, reach, generator)
            for left in range(self.steps, -1, -1):
                at = point(u).detach().requires_grad_()
                with torch.enable_grad():
                    seen = _judged(losses, at)
                    (slope,) = torch.autograd.grad(seen.sum(), at)
                higher = seen.detach() > highest
                best = torch.where(higher[..., None], at.detach(), best)
                highest = torch.where(higher, seen.detach(), highest)
                if left:
                    share = 2.5 / self.steps if self.step is None else self.step
                    u = _within(_turned(u, slope[..., :free], share * reach), centre, reach)
        return best


def _turned(u: Tensor, towards: Tensor, angle: Tensor) -> Tensor:
    """u, of length 1, turned by an angle into the direction of its tangent part; left where that is 0."""
    across = towards - (towards * u).sum(-1, keepdim=True) * u
    size = across.norm(dim=-1, keepdim=True)
    turned = torch.cos(angle) * u + torch.sin(angle) * across / size
    turned = torch.where(size > 0, turned, u)
    return turned / turned.norm(dim=-1, keepdim=True)


def _within(u: Tensor, centre: Tensor, reach: Tensor) -> Tensor:
    """The point of the cap next to u: u itself, or on the way from the centre."""
    apart, together = ((u + sign * centre).norm(dim=-1, keepdim=True) for sign in (-1, 1))
    return torch.where(2 * torch.atan2(apart, together) > reach, _turned(centre, u, reach), u)


def _random(centre: Tensor, reach: Tensor, generator: torch.Generator | None) -> Tensor:
    noise = torch.randn(centre.shape, generator=generator, dtype=centre.dtype).to(centre.device)
    share = torch.rand(reach.shape, generator=generator, dtype=centre.dtype).to(centre.device)
    return _turned(centre, noise, share * reach)


def _judged(losses: Losses, points: Tensor) -> Tensor:
    seen = losses(points)
    if seen.shape != points.shape[:-1]:
        reject("losses.shape", tuple(seen.shape), f"{tuple(points.shape[:-1])}, a loss a point")
    return seen
