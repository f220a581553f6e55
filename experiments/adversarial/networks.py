"""Networks f(x) = sum_r a_r relu(w_r . x + b_r) in torch, and their pseudo-networks, linear in the weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.methods.cap_attack import CapAttack
from experiments.training import State
from theory.claims import Study
from theory.core.arrays import Array


@dataclass(frozen=True)
class Networks:
    """A batch of networks of one width as they start: w_r ~ N(0, I / m), b_r ~ N(0, bias / m), a_r = +-m^(-1/3).

    Attributes:
        W: (runs, m, d); trained from here.
        b, a: (runs, m); never trained.
    """

    W: Tensor
    b: Tensor
    a: Tensor

    @property
    def m(self) -> int:
        """Neurons."""
        return int(self.W.shape[1])

    def f(self, W: Tensor, x: Tensor) -> Tensor:
        """Outputs (runs, points) at points (points, d), or at each run's own, (runs, points, d)."""
        return self._summed(torch.relu(self._before(W, x)))

    def g(self, W: Tensor, x: Tensor) -> Tensor:
        """sum_r a_r (w_r - w_r(0)) . x 1{w_r(0) . x + b_r >= 0}, of the same shape."""
        seen = self._before(self.W, x) >= 0
        return self._summed(torch.where(seen, (W - self.W) @ x.mT, 0.0))

    def error(self, W: Tensor, x: Tensor) -> Tensor:
        """f - f(start) - g."""
        return self.f(W, x) - self.f(self.W, x) - self.g(W, x)

    def _before(self, W: Tensor, x: Tensor) -> Tensor:
        """w_r . x + b_r (runs, m, points)."""
        return W @ x.mT + self.b[..., None]

    def _summed(self, hidden: Tensor) -> Tensor:
        return (self.a[:, None] @ hidden).squeeze(1)


def random_networks(
    study: Study, m: int, runs: int, d: int, rng: np.random.Generator, *, bias: float = 1.0
) -> Networks:
    """Of m neurons on d inputs."""
    W, b = rng.standard_normal((runs, m, d)), rng.standard_normal((runs, m)) * bias**0.5
    a = rng.choice([-1.0, 1.0], (runs, m))
    scaled = (W / m**0.5, b / m**0.5, a / m ** (1 / 3))
    return Networks(*(torch.tensor(array, device=study.device) for array in scaled))


def absolute(residual: Tensor) -> Tensor:
    """The loss |f - y|: convex, with slopes +-1."""
    return residual.abs()


@dataclass(frozen=True)
class Robustly:
    """Mean over examples of the loss at what the adversary makes of them.

    Attributes:
        outputs: W, points -> outputs: those of the network, or of its pseudo-network.
        y: labels (n,).
        adversary: of these losses and W: the points (n, d) or (runs, n, d) at which the loss is taken.
    """

    outputs: Callable[[Tensor, Tensor], Tensor]
    y: Tensor
    adversary: "Adversary"
    loss: Callable[[Tensor], Tensor] = absolute

    def at(self, W: Tensor, x: Tensor) -> Tensor:
        """Losses (runs, n) at points (n, d) or (runs, n, d)."""
        return self.loss(self.outputs(W, x) - self.y)

    def on_caps(self, W: Tensor, caps: Tensor) -> Tensor:
        """Losses (runs, n, k) at points of each cap (n, k, d)."""
        n, k, d = caps.shape
        return self.loss(self.outputs(W, caps.reshape(n * k, d)).reshape(-1, n, k) - self.y[:, None])

    def __call__(self, state: State) -> Tensor:
        W = state["W"]
        with torch.no_grad():
            points = self.adversary(self, W.detach())
        return self.at(W, points).mean(1)


Adversary = Callable[[Robustly, Tensor], Tensor]


def on_a_grid(caps: Array, study: Study) -> Adversary:
    """The worst of given points of each cap (n, k, d)."""
    grid = torch.tensor(caps, device=study.device)
    examples = torch.arange(len(grid), device=study.device)
    return lambda rule, W: grid[examples, rule.on_caps(W, grid).argmax(-1)]


def by_ascent(attack: CapAttack, inputs: Array, study: Study) -> Adversary:
    """Projected gradient ascent on the caps of inputs (n, d), for each run; the same random starts at every step."""
    clean = torch.tensor(inputs, device=study.device)

    def adversary(rule: Robustly, W: Tensor) -> Tensor:
        each = clean.expand(len(W), *clean.shape)
        return attack(lambda x: rule.at(W, x), each, torch.Generator().manual_seed(study.seed))

    return adversary


def unmoved(inputs: Array, study: Study) -> Adversary:
    """No adversary: the inputs (n, d) themselves."""
    clean = torch.tensor(inputs, device=study.device)
    return lambda rule, W: clean
