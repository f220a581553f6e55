"""Batches of networks in torch: `torch.nn.Linear` layers without biases, each run with weights of its own."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.func import functional_call, vmap

from experiments.training.updates import State
from theory.core.arrays import Array
from theory.core.linear_networks import Layers


def stack(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.Identity) -> nn.Sequential:
    """x -> W_L s(... s(W_1 x)), layers named W1, s1, W2, ... It has no storage: the weights come with each state."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for l, (before, after) in enumerate(zip(widths, widths[1:]), start=1):
        if l > 1:
            layers[f"s{l - 1}"] = activation()
        layers[f"W{l}"] = nn.Linear(before, after, bias=False, device="meta")
    return nn.Sequential(layers)


def state_of(W: Layers) -> dict[str, Array]:
    """Start of a training: W_l (runs, h_l, h_{l-1}) under the name W{l}."""
    return {f"W{l}": layer for l, layer in enumerate(W, start=1)}


def layers_of(arrays: State | dict[str, Array]) -> list:
    """W_1, ..., W_L of a state or of what was recorded of one."""
    return [arrays[f"W{l}"] for l in range(1, 1 + sum(_is_layer(name) for name in arrays))]


def outputs(network: nn.Module, state: State, inputs: Tensor) -> Tensor:
    """Outputs (runs, n, ...) of `network` on inputs (n, d), the same for all runs, or (runs, n, d), each run's own."""
    parameters = {f"{name}.weight": weight for name, weight in state.items() if _is_layer(name)}
    per_run = 0 if inputs.dim() == 3 else None
    call = vmap(lambda weights, batch: functional_call(network, weights, (batch,)), in_dims=(0, per_run))
    return call(parameters, inputs)


def _is_layer(name: str) -> bool:
    return name[0] == "W" and name[1:].isdigit()
