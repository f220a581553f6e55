"""The loss around a state of the weights: values, gradients, curvature, Jacobians; the network is not touched."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from experiments.watch.losses import Loss
from experiments.watch.structure import Structure
from experiments.watch.trace import NORMALISING, PLACES, Operation, Trace

State = Mapping[str, Tensor]


class Model:
    """A network as a function of its weights and buffers.

    It is called with copies: batch normalisations take the statistics of the batch, dropout is off, and modes, buffers
    and torch's random numbers are afterwards what they were.
    """

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        self.network, self.loss = network, loss
        self.device = next(network.parameters()).device

    def state(self) -> State:
        """Copies of the weights and buffers as they are."""
        return {name: p.detach().clone() for name, p in self._named()}

    def outputs(self, state: State, inputs: Tensor) -> Any:
        """What the network makes of the inputs: a tensor, of the networks that can be watched."""
        copies = {name: value if value.requires_grad else value.clone() for name, value in state.items()}
        with undisturbed(self.network, self.device):
            return functional_call(self.network, copies, (inputs,))

    @torch.no_grad()
    def value(self, state: State, inputs: Tensor, targets: Tensor) -> float:
        return float(self.loss(self.outputs(state, inputs), targets))

    @torch.no_grad()
    def structure(self, inputs: Tensor) -> tuple[Structure, Tensor]:
        """How the network is built, and its outputs."""
        state = self.state()
        parameters = {name: state[name] for name, _ in self.network.named_parameters()}
        trace = Trace(inputs, parameters)
        with trace, undisturbed(self.network, self.device):
            outputs = functional_call(self.network, dict(state), (inputs,))
        return Structure(self.network, trace, outputs), outputs

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.network.named_parameters()
        yield from self.network.named_buffers()


class Landscape:
    """The loss, and its derivatives by the weights that are trained, at one state.

    Attributes:
        loss: its value.
        gradient: by name; 0 of what the loss does not depend on.
        descended: nu = -sum_n <dLoss/df_n, f_n>, what drives the norm of homogeneous networks.
        pulled: |dLoss/df| |f|, which bounds it.
        outputs: of the network.
    """

    def __init__(self, model: Model, state: State, inputs: Tensor, targets: Tensor) -> None:
        self._leaves = {
            name: state[name].detach().clone().requires_grad_()
            for name, p in model.network.named_parameters()
            if p.requires_grad
        }
        with torch.enable_grad():
            trace = Trace(inputs, self._leaves)
            with trace, undisturbed(model.network, model.device):
                copies = {name: value.clone() for name, value in state.items() if name not in self._leaves}
                self.outputs = functional_call(model.network, copies | self._leaves, (inputs,))
            loss = model.loss(self.outputs, targets)
            self._weighted = [o for o in trace.operations if o.name in PLACES]
            made = [self.outputs, *(o.tensors[1] for o in self._weighted)]
            wanted = [value for value in (*self._leaves.values(), *made) if value.requires_grad]
            known = torch.autograd.grad(loss, wanted, create_graph=True, allow_unused=True)
        pulls = {id(value): pull for value, pull in zip(wanted, known)}
        found = [pulls.get(id(value)) for value in (*self._leaves.values(), *made)]
        count = len(self._leaves)
        self._graph = [torch.zeros_like(p) if g is None else g for p, g in zip(self._leaves.values(), found)]
        self.gradient = {name: g.detach() for name, g in zip(self._leaves, self._graph)}
        self.loss = float(loss.detach())
        pull, *self._pulled = (None if g is None else g.detach() for g in found[count:])
        self.outputs = self.outputs.detach()
        self.descended = 0.0 if pull is None else -float((pull.double() * self.outputs.double()).sum())
        self.pulled = 0.0 if pull is None else float(pull.norm() * self.outputs.norm())

    def sizes(self, number: int) -> tuple[float, float]:
        """|x| of what the `number`-th operation with weights multiplies by them, |dLoss/dz| by what it makes.

        Frobenius norms. A normalisation multiplies values of variance 1 by its gain, and its shift multiplies 1.
        """
        pull, read = self._pulled[number], self._weighted[number].tensors[0]
        size = (2 * read.numel()) ** 0.5 if self._weighted[number].name == NORMALISING else float(read.detach().norm())
        return size, 0.0 if pull is None else float(pull.norm())

    def pull(self, number: int) -> Tensor:
        """dLoss/dz of what the `number`-th operation with weights makes."""
        pull = self._pulled[number]
        return torch.zeros_like(self._weighted[number].tensors[1]) if pull is None else pull

    @property
    def weighted(self) -> list[Operation]:
        """The operations with weights, in order."""
        return self._weighted

    def curvature_along(self, direction: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """H v, H the matrix of second derivatives; None where torch has none of some operation."""
        on = [(g, direction[name]) for name, g in zip(self._leaves, self._graph) if g.requires_grad]
        if not on:
            return {name: torch.zeros_like(p) for name, p in self._leaves.items()}
        graph, v = zip(*on)
        leaves = list(self._leaves.values())
        try:
            found = torch.autograd.grad(graph, leaves, v, retain_graph=True, allow_unused=True, materialize_grads=True)
        except RuntimeError as error:
            if "not implemented" in str(error):
                return None
            raise
        return dict(zip(self._leaves, found))


def jacobian(model: Model, state: State, inputs: Tensor) -> Tensor:
    """Derivative of one output an example (n, weights): the first example's first output, the second's second, ...

    Of a network with batch normalisation each output depends on all of these examples.
    """
    leaves = {
        n: state[n].detach().clone().requires_grad_() for n, p in model.network.named_parameters() if p.requires_grad
    }
    with torch.enable_grad():
        outputs = model.outputs({**state, **leaves}, inputs).reshape(len(inputs), -1)
        picked = outputs[torch.arange(len(inputs)), torch.arange(len(inputs)) % outputs.shape[1]]
        rows = [
            torch.cat([g.flatten() for g in torch.autograd.grad(
                f, list(leaves.values()), retain_graph=True, allow_unused=True, materialize_grads=True)])
            for f in picked
        ]  # fmt: skip
    return torch.stack(rows).double()


@contextmanager
def undisturbed(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Modes for the time of a look, torch's random numbers and modes afterwards as before."""
    modes = [(module, module.training) for module in network.modules()]
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.autocast(device.type, enabled=False):
        try:
            for module, _ in modes:
                module.training = isinstance(module, _BatchNorm)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
