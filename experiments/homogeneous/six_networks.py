"""Two-layer linear networks under torch's own normalisations: weight_norm of layers or of rows, BatchNorm1d of units.

The runs of a batch have inputs of their own. Gains are frozen at 1; `beta` is what a network computes, f(x) = beta . x.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import weight_norm

from experiments.training import Loss, State
from experiments.updates import Momentum

# torch refuses eps = 0 while training; below the smallest variance times the machine epsilon it is 0 to all digits.
NO_EPS = 1e-100
DECAY = 0.9  # of the velocity


@dataclass(frozen=True)
class Network:
    """a^T W x of states W (runs, h, d), or a^T (w o x) of states W (runs, d), and a (runs, h).

    Attributes:
        product: whether the first layer multiplies each input by a weight of its own.
        normalised: "layer" (one norm a layer), "row" (torch's default), or "batch" (the units; the second layer, which
            is one row, has weight_norm then too).
    """

    product: bool
    normalised: str

    def beta(self, state: State, x: Tensor) -> Tensor:
        """What is computed (runs, d) on the batch x (runs, n, d), whose mean is 0."""
        W, a = state["W"], _normed(state["a"], rows=True)
        if self.normalised == "batch":
            over = _deviations(self._units(W, x))
            return a * W / over if self.product else ((a / over)[..., None] * W).sum(1)
        if self.product:
            return a * (_normed(W[..., None], rows=True)[..., 0] if self.normalised == "row" else _normed(W, rows=True))
        return (a[..., None] * _normed(W, rows=self.normalised == "row")).sum(1)

    def outputs(self, state: State, x: Tensor) -> Tensor:
        """f(x_n) (runs, n)."""
        if self.normalised != "batch":
            return (x @ self.beta(state, x)[..., None])[..., 0]
        units = self._units(state["W"], x)
        runs, n, h = units.shape
        layer = nn.BatchNorm1d(runs * h, eps=NO_EPS, affine=False, track_running_stats=False)
        normal = layer(units.transpose(0, 1).reshape(n, runs * h)).reshape(n, runs, h).transpose(0, 1)
        return (normal @ _normed(state["a"], rows=True)[..., None])[..., 0]

    def size(self, name: str, state: State, x: Tensor) -> Tensor:
        """What a parameter of this name is divided by, in its shape: of W, and of a, what is normalised."""
        v = state[name]
        if name == "W" and self.normalised == "batch":
            over = _deviations(self._units(v, x))
            return over if self.product else over[..., None]
        if name == "W" and self.normalised == "row":
            return v.abs() if self.product else v.norm(dim=-1, keepdim=True)
        return v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.dim() - 1))

    def _units(self, W: Tensor, x: Tensor) -> Tensor:
        return x * W[:, None] if self.product else x @ W.mT


class OnSpheres(Momentum):
    """Momentum; after each step what is normalised returns to its first size, which the network does not see."""

    def __init__(self, loss: Loss, network: Network, x: Tensor) -> None:
        super().__init__(loss, DECAY)
        self.network, self.x = network, x

    def begin(self, state: State) -> None:
        super().begin(state)
        self.sizes = {name: self.network.size(name, state, self.x) for name in self.names}

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate)
        for name in self.names:
            state[name].mul_(self.sizes[name] / self.network.size(name, state, self.x))


class _Weight(nn.Module):
    """A weight whose first dimension is that of the norms."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape, device="meta"))

    def forward(self) -> Tensor:
        return self.weight


def _normed(v: Tensor, *, rows: bool) -> Tensor:
    """v / |v| by torch's weight_norm with gain 1, of each row (..., d), or of each run's whole matrix."""
    flat = v.reshape(-1, v.shape[-1]) if rows else v.flatten(1)
    names = "parametrizations.weight.original0", "parametrizations.weight.original1"
    gains = torch.ones(len(flat), 1, dtype=v.dtype, device=v.device)
    return functional_call(_module(tuple(flat.shape)), dict(zip(names, (gains, flat))), ()).reshape(v.shape)


@cache
def _module(shape: tuple[int, ...]) -> nn.Module:
    return weight_norm(_Weight(shape), dim=0)


def _deviations(units: Tensor) -> Tensor:
    """(runs, h), over n and not n - 1."""
    return units.var(1, correction=0).sqrt()
