"""Homogeneous networks in torch: their margins in every parametrisation, torch's own weight normalisation included."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils.parametrizations import weight_norm

from experiments.homogeneous.losses import Margins
from experiments.training import State, along
from experiments.training.batches import outputs, stack
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.homogeneous.decomposition import Examples, Polar
from theory.homogeneous.dynamics import directions


def tensors(device: str, *arrays: Array) -> list[Tensor]:
    """Arrays on a device, in float64."""
    return [torch.tensor(np.array(array, np.float64, order="C"), device=device) for array in arrays]


def host(tensor: Tensor) -> Array:
    """A tensor as an array."""
    return tensor.detach().cpu().numpy()


def call(module: nn.Module, parameters: State, inputs: Tensor) -> Tensor:
    """Outputs (runs, n) of any module with one output, its parameters (runs, ...) by name."""
    return vmap(lambda weights: functional_call(module, weights, (inputs,))[:, 0])(parameters)


def widths_of(W: Layers) -> list[int]:
    """h_0, h_1, ..., h_L of layers W_l (runs, h_l, h_{l-1})."""
    return [W[0].shape[-1], *[layer.shape[-2] for layer in W]]


def network_margins(network: nn.Sequential, X: Array, y: Array, device: str) -> Margins:
    """q_n = y_n f(x_n), (runs, n), of a network with one output on inputs X (*runs, n, d) with labels y (*runs, n)."""
    inputs, labels = tensors(device, X, y)
    return lambda state: labels * outputs(network, state, inputs)[..., 0]


def stack_margins(examples: Examples, widths: Sequence[int], device: str) -> Margins:
    """y f(W; x) of states W1, W2, ..., with the activation that the examples name."""
    leaky = lambda: nn.LeakyReLU(examples.leak) if examples.leak < 1 else nn.Identity()  # noqa: E731
    return network_margins(stack(widths, leaky), examples.X, examples.y, device)


def margins_of(W: Layers, Z: Array, device: str, activation: Callable[[], nn.Module] = nn.Identity) -> Margins:
    """f(W; z_n) of networks as wide as the layers W, on examples times labels Z (*runs, n, d)."""
    return network_margins(stack(widths_of(W), activation), Z, np.ones(Z.shape[:-1]), device)


class RunwiseLinear(nn.Module):
    """One linear layer without bias a run: weight (runs, h, d).

    `weight_norm(..., dim=0)` of it normalises each run's whole matrix, as dim=None does for one `nn.Linear`; for that
    one, the default dim=0 normalises each row: another constraint, and another problem.
    """

    def __init__(self, runs: int, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(runs, after, before, device="meta"))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight.mT


def weight_normalised_margins(examples: Examples, runs: int, widths: Sequence[int], device: str) -> Margins:
    """y f(W; x) of states g1, v1, g2, v2, ..., W_k = g_k v_k / |v_k| by torch; g (runs,), v (runs, h, d)."""
    X, y = tensors(device, examples.X, examples.y)
    layers = [weight_norm(RunwiseLinear(runs, *pair), dim=0) for pair in zip(widths, widths[1:])]
    network = nn.Sequential(*layers)

    def margins(state: State) -> Tensor:
        parameters = {}
        for k in range(len(layers)):
            parameters[f"{k}.parametrizations.weight.original0"] = along(state[f"g{k + 1}"], state[f"v{k + 1}"])
            parameters[f"{k}.parametrizations.weight.original1"] = state[f"v{k + 1}"]
        return y * functional_call(network, parameters, (X,))[..., 0]

    return margins


def with_exponential_gains(margins: Margins) -> Margins:
    """The same network of states a1, v1, ..., g_k = e^{a_k}."""
    return lambda state: margins(
        {f"g{name[1:]}" if name[0] == "a" else name: t.exp() if name[0] == "a" else t for name, t in state.items()}
    )


def polar_margins(margins: Margins) -> Margins:
    """The margins of states W1, ... of states g1, V1, ..., W_k = g_k V_k."""
    return lambda state: margins(
        {f"W{name[1:]}": along(state[f"g{name[1:]}"], V) * V for name, V in state.items() if name[0] == "V"}
    )


def gains(letter: str, rho: Array) -> dict[str, Array]:
    """Sizes (runs, L) as one gain (runs,) a layer, as a state has them."""
    return {f"{letter}{k + 1}": rho[:, k] for k in range(rho.shape[1])}


def sizes_and_directions(run: Trajectory) -> Polar:
    """rho and V of whatever a training recorded: layers W, or gains g or a with vectors v or V."""
    count = sum(name[0] in "WvV" for name in run.arrays)
    if "W1" in run.arrays:
        layers = [run[f"W{k}"] for k in range(1, count + 1)]
        rho = np.stack([np.linalg.norm(layer, axis=(-2, -1)) for layer in layers], axis=-1)
    else:
        letter = "v" if "v1" in run.arrays else "V"
        layers = [run[f"{letter}{k}"] for k in range(1, count + 1)]
        sizes = [run[f"g{k}"] if "g1" in run.arrays else np.exp(run[f"a{k}"]) for k in range(1, count + 1)]
        rho = np.stack(sizes, axis=-1)
    return Polar(rho, [layer / np.linalg.norm(layer, axis=(-2, -1), keepdims=True) for layer in layers])


def side_by_side(arrays: Sequence[Array], leading: int = 2) -> Array:
    """Arrays (T, runs, ...), one for each layer, as one array (T, runs, all); the first `leading` dimensions stay."""
    return np.concatenate([array.reshape(*array.shape[:leading], -1) for array in arrays], axis=-1)


def all_directions(path: Trajectory) -> Array:
    """V_1, V_2, ... of a flow side by side, (T, runs, all)."""
    return side_by_side(directions(path.arrays))
