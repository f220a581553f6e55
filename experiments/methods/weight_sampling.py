"""Averages of weights sampled every few steps, from which training goes on: around any torch optimiser.

    sampling = RestartedAverage(network, period=50, samples=10)
    ...
    optimizer.step()
    sampling.step()         # every 500th time the weights become the average of the last 10 samples

What the abstract of Tripathi et al. 2019 (arXiv 1905.05774) tells of periodically sampled weight averages,
reconstructed. It pays where noise is what is left of the loss. Where the start is, descent that goes on from averages
of K samples is slower by 2 K / (K + 1) or more (`theory.weight_sampling.restart.delay`); an average from which training
does not go on, which is `torch.optim.swa_utils.AveragedModel`, is as quiet or nearly, and forgets with descent.
"""

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from theory.core.validation import positive_integer, reject


class RestartedAverage:
    """Lets training go on from the average of samples of the weights, again and again.

    What an optimiser remembers, such as momentum, is left as it is. Buffers are not averaged: of a network with batch
    normalisation, have its statistics measured anew (`torch.optim.swa_utils.update_bn`) before it is judged.

    Args:
        network: its parameters are sampled and replaced, the frozen ones too.
        period: steps from one sample to the next.
        samples: how many make an average; after that training goes on from it.

    Attributes:
        steps: how many were taken since training last went on from an average.
        average: a copy of the network with the average of the samples since then; of those before, while there is none.

    Raises:
        InvalidArgument: a period or a number of samples that is no whole number of at least 1, or a network without
            parameters.
    """

    def __init__(self, network: nn.Module, *, period: int, samples: int) -> None:
        self.network = network
        self.period, self.samples = positive_integer("period", period), positive_integer("samples", samples)
        if not any(True for _ in network.parameters()):
            reject("network", type(network).__name__, "a module with parameters")
        self._averaged, self.steps = AveragedModel(network), 0

    @property
    def average(self) -> nn.Module:
        return self._averaged.module

    def step(self) -> bool:
        """To be called after each step of the optimiser; says whether the weights became the average."""
        self.steps += 1
        if self.steps % self.period:
            return False
        if self.steps == self.period:
            self._averaged.n_averaged.zero_()
        self._averaged.update_parameters(self.network)
        if self.steps < self.period * self.samples:
            return False
        with torch.no_grad():
            for weight, mean in zip(self.network.parameters(), self.average.parameters()):
                weight.copy_(mean)
        self.steps = 0
        return True

    def state_dict(self) -> dict[str, Any]:
        """What to save beside the network's and the optimiser's: the samples so far."""
        return {"steps": self.steps, "averaged": self._averaged.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            InvalidArgument: not a state of this class, or of another network.
        """
        if state.keys() != {"steps", "averaged"}:
            reject("state", f"a dictionary of {sorted(state)}", "one of steps and averaged")
        try:
            self._averaged.load_state_dict(state["averaged"])
        except RuntimeError as error:
            reject("state", str(error).splitlines()[0], f"one of a {type(self.network).__name__} of these shapes")
        self.steps = state["steps"]
