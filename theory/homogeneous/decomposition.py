"""Sizes and directions of layers, W_k = rho_k V_k, and how a loss moves either (Banburski et al. 2019)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit, softmax

from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.validation import entries_inside, finite_matrix, inside, reject

# -l'(q) of a loss, how steeply it falls: margins (*runs, n) -> weights (*runs, n) of the examples.
LossSlope = Callable[[Array], Array]


@dataclass(frozen=True)
class Examples:
    """Inputs, labels, and the activation max(x, leak x) of the networks that classify them.

    Attributes:
        X: inputs, (n, d).
        y: labels, (n,), each 1 or -1.
        leak: slope below 0: 0 is ReLU, 1 is no activation at all.

    Raises:
        InvalidArgument: X is no finite matrix, y has another length or another value, leak is not in [0, 1].
    """

    X: Array
    y: Array
    leak: float = 1.0

    def __post_init__(self) -> None:
        X = finite_matrix("X", self.X)
        y = np.asarray(self.y, dtype=np.float64)
        if y.shape != X.shape[:1] or not (np.abs(y) == 1).all():
            reject("y", y, f"{len(X)} labels, each 1 or -1")
        inside("leak", self.leak, 0, 1)
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y)


class Polar(NamedTuple):
    """Sizes rho (*runs, L), and directions V_k (*runs, h_k, h_{k-1}) with |V_k|_F = 1."""

    rho: Array
    V: list[Array]

    @property
    def product(self) -> Array:
        """rho = prod_k rho_k, (*runs)."""
        return self.rho.prod(-1)


def polar(W: Layers) -> Polar:
    """rho_k = |W_k|_F, V_k = W_k / rho_k.

    Raises:
        InvalidArgument: a layer of size 0, which has no direction, or of no finite size.
    """
    # In units of a power of 2 that is near the largest entry: exact, and no square overflows.
    units = [np.exp2(np.frexp(np.abs(layer).max((-2, -1), keepdims=True))[1] - 1) for layer in W]
    scaled = [layer / unit for layer, unit in zip(W, units)]
    sizes = np.stack([np.linalg.norm(layer, axis=(-2, -1)) for layer in scaled], axis=-1)
    if (sizes == 0).any():
        reject("W", "a layer of zeros", "layers of positive size")
    V = [layer / size for layer, size in zip(scaled, per_layer(sizes))]
    rho = sizes * np.stack([unit[..., 0, 0] for unit in units], axis=-1)
    return Polar(entries_inside("|W_k|_F", rho), V)


def weights(state: Polar) -> list[Array]:
    """W_k = rho_k V_k.

    Raises:
        InvalidArgument: a size that is not finite.
    """
    entries_inside("rho", state.rho)
    return [size * direction for size, direction in zip(per_layer(state.rho), state.V)]


def per_layer(numbers: Float[Array, "*runs L"]) -> list[Array]:
    """One number a layer, each (*runs, 1, 1): what a layer can be multiplied by."""
    return [numbers[..., k, None, None] for k in range(numbers.shape[-1])]


def margins(examples: Examples, W: Layers) -> Float[Array, "*runs n"]:
    """y_n f(W; x_n).

    Raises:
        InvalidArgument: layers whose outputs overflow.
    """
    return examples.y * _forward(examples, W)[-1][..., 0]


def gradients(examples: Examples, W: Layers, weight: Float[Array, "*runs n"]) -> list[Array]:
    """sum_n weight_n y_n df(W; x_n)/dW_k, each (*runs, h_k, h_{k-1}): backwards through the layers.

    Raises:
        InvalidArgument: layers whose outputs, or weights of the examples whose gradients overflow.
    """
    hidden = _forward(examples, W)
    back = (weight * examples.y)[..., None]
    found = []
    for layer, before in zip(reversed(W), reversed(hidden[:-1])):
        found.append(back.mT @ before)
        # max(x, leak x) keeps the sign of x, so the slope can be read off its value.
        back = (back @ layer) * np.where(before > 0, 1.0, examples.leak)
    if not all(np.isfinite(gradient).all() for gradient in found):
        reject("weight", f"up to {np.abs(weight).max():g}", "slopes of the loss at which gradients are finite numbers")
    return found[::-1]


def radial_and_tangential(
    examples: Examples, state: Polar, slope: LossSlope
) -> tuple[Float[Array, "*runs"], list[Array]]:
    """A = sum_n -l'(q_n) f~_n and B_k = sum_n -l'(q_n) (df~_n/dV_k - V_k f~_n) of the loss whose -l' is `slope`.

    Raises:
        InvalidArgument: as `gradients`, for example where e^-q overflows.
    """
    normalised = margins(examples, state.V)
    weight = slope(np.expand_dims(state.product, -1) * normalised)
    A = (weight * normalised).sum(-1)
    forces = gradients(examples, state.V, weight)
    return A, [force - A[..., None, None] * direction for force, direction in zip(forces, state.V)]


def exponential_slope(q: Float[Array, "*runs n"]) -> Float[Array, "*runs n"]:
    """-l' of sum_n e^{-q_n}."""
    return np.exp(-q)


def logistic_slope(q: Float[Array, "*runs n"]) -> Float[Array, "*runs n"]:
    """-l' of sum_n log(1 + e^{-q_n})."""
    return expit(-q)


def squared_slope(q: Float[Array, "*runs n"]) -> Float[Array, "*runs n"]:
    """-l' of sum_n (1 - q_n)^2 / 2, which is the squared error of labels 1 and -1."""
    return 1 - q


def log_slope(q: Float[Array, "*runs n"]) -> Float[Array, "*runs n"]:
    """-dl/dq_n of log sum_n e^{-q_n}: the orbits of the exponential loss, run through by steps of size 1 / loss.

    Raises:
        InvalidArgument: margins whose least is infinite, so that no example, or one alone, has all the weight.
    """
    if np.isinf(q.min(-1)).any():
        reject("q", q.min(), "margins whose least is a finite number")
    return softmax(-q, axis=-1)


def _forward(examples: Examples, W: Layers) -> list[Array]:
    """What enters each layer, and the output: (*runs, n, h_k), k = 0 ... L."""
    hidden = [examples.X]
    for k, layer in enumerate(W, start=1):
        x = hidden[-1] @ layer.mT
        hidden.append(x if k == len(W) else np.maximum(x, examples.leak * x))
    if not np.isfinite(hidden[-1]).all():
        reject("W", f"layers of entries up to {max(np.abs(layer).max() for layer in W):g}", "outputs that are finite")
    return hidden
