"""Batches of networks in torch: `torch.nn.Linear` layers without biases, each run with weights of its own."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from experiments.updates import State
from theory.core.arrays import Array
from theory.core.linear_networks import Layers


def stack(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.Identity) -> nn.Sequential:
    """x -> W_L s(... s(W_1 x)), layers named W1, s1, W2, ... It has no storage: the weights come with each state.

    Args:
        widths: h_0, ..., h_L.
        activation: what makes s, which acts on every number by itself.
    """
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


def outputs(network: nn.Sequential, state: State, inputs: Tensor) -> Tensor:
    """Outputs (runs, n, h) of a `stack` on inputs (n, d), the same for all runs, or (runs, n, d), each run's own.

    What every layer of the stack does, with a batch of weights: half the time of `torch.func.vmap` for small networks.
    """
    for name, layer in network.named_children():
        inputs = inputs @ state[name].mT if isinstance(layer, nn.Linear) else layer(inputs)
    return inputs


def _is_layer(name: str) -> bool:
    return name[0] == "W" and name[1:].isdigit()
