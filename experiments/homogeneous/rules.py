"""Rules of descent: late times, spheres, multipliers, learning rates of each layer; and records that hold gradients."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from experiments.homogeneous.losses import Margins
from experiments.homogeneous.networks import host, tensors
from experiments.training import GradientDescent, Loss, State, Trainee, along
from theory.claims import Study
from theory.core.arrays import Array


class LogTimeDescent(GradientDescent):
    """Descent on log Loss by steps rate / (1 + |grad log Loss|^2), with tau = log(1 + t) beside it.

    The orbit is that of gradient flow on Loss, whose time t grows by rate / (Loss (1 + |grad log Loss|^2)) a step: each
    step lowers log Loss by less than the rate, however deep the network and however late.
    """

    def begin(self, state: State) -> None:
        super().begin(state)
        first = state[self.names[0]]
        state["tau"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses, gradients = super().evaluate(state)
        return losses, (*gradients, losses)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        *gradients, losses = work
        step = learning_rate / (1 + squared(gradients))
        super().apply(state, tuple(gradients), step)
        state["tau"].copy_(torch.logaddexp(state["tau"], torch.log(step) - losses))


class TangentDescent(GradientDescent):
    """Descent along the part of the gradient tangent to the sphere that each layer lies on (Frobenius norm)."""

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, tuple(tangent(state[n], g) for n, g in zip(self.names, work)), learning_rate)


class SphereDescent(TangentDescent):
    """Tangent steps, each followed by a return to the sphere the layer started on."""

    def begin(self, state: State) -> None:
        super().begin(state)
        self.radii = {name: state[name].flatten(1).norm(dim=1) for name in self.names}

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate)
        for name in self.names:
            state[name].mul_(along(self.radii[name] / state[name].flatten(1).norm(dim=1), state[name]))


class LagrangeDescent:
    """Descent of log loss + sum_k lambda_k (|V_k|^2 - 1) on directions V_k, at the state's sizes g_k.

    2 lambda_k = rho A = sum_n p_n q_n for every k, p = softmax(-q), holds |V_k| = 1 along the flow; it is a number to
    the gradient, which is torch's own. `moving` names what is stepped: directions alone, or sizes as well.
    """

    def __init__(self, margins: Margins, moving: Sequence[str]) -> None:
        self.margins, self.moving = margins, tuple(moving)

    def begin(self, state: State) -> None:
        """Remember nothing."""

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        leaves = {name: state[name].detach().requires_grad_() for name in self.moving}
        with torch.enable_grad():
            q = self.margins({**state, **leaves})
            losses = torch.logsumexp(-q, -1)
            multiplier = (torch.softmax(-q, -1) * q).sum(-1).detach() / 2
            excess = sum(V.square().sum((1, 2)) - 1 for name, V in leaves.items() if name[0] == "V")
            gradients = torch.autograd.grad((losses + multiplier * excess).sum(), tuple(leaves.values()))
        return losses.detach(), gradients

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        for name, gradient in zip(self.moving, work):
            state[name].addcmul_(along(learning_rate, gradient), gradient, value=-1)


class SlowedDescent(GradientDescent):
    """Descent on (a_k, v_k), g_k = e^{a_k}, by steps learning_rate / g_1^2: of layers of one size the time of gradient
    flow, in which they stay finite."""

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate * (-2 * state["a1"]).exp())


class LayerwiseDescent(GradientDescent):
    """W_k <- (1 - rate x decay) W_k - rate x speed_k G_k; counts its steps, so that a loss may pick batches."""

    def __init__(self, loss: Loss, speeds: Array | Sequence[float], decay: float = 0.0) -> None:
        super().__init__(loss)
        self.speeds, self.decay = [float(speed) for speed in speeds], decay

    def begin(self, state: State) -> None:
        super().begin(state)
        first = next(iter(state.values()))
        state["taken"] = torch.zeros(len(first), dtype=torch.long, device=first.device)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        leaves = {name: state[name].detach().requires_grad_() for name in self.names}
        with torch.enable_grad():
            losses = self.loss({**state, **leaves})
            gradients = torch.autograd.grad(losses.sum(), tuple(leaves.values()))
        return losses.detach(), gradients

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        for name, gradient, speed in zip(self.names, work, self.speeds):
            kept, rate = (along(number, gradient) for number in (1 - learning_rate * self.decay, learning_rate))
            state[name].mul_(kept).addcmul_(rate, gradient, value=-speed)
        state["taken"] += 1


def tangent(W: Tensor, gradient: Tensor) -> Tensor:
    """The gradient less its part along W, run by run."""
    radial = (W * gradient).flatten(1).sum(1) / W.square().flatten(1).sum(1)
    return gradient - along(radial, W) * W


def squared(layers: Sequence[Tensor]) -> Tensor:
    """Squared norm (runs,) of all of them together."""
    return torch.stack([layer.square().flatten(1).sum(1) for layer in layers]).sum(0)


def with_gradients(study: Study, rule: GradientDescent, start: Mapping[str, Array]) -> Trainee:
    """A training for laws of one step: it records the state and, by each parameter, the gradient there, `d` + name."""

    def observe(state: State) -> State:
        gradients = rule.evaluate(state)[1]
        return {**state, **{f"d{name}": gradient for name, gradient in zip(rule.names, gradients)}}

    return Trainee(study, rule.loss, start, rule, observe)


def gradients_at(study: Study, loss: Loss, start: Mapping[str, Array]) -> dict[str, Array]:
    """The gradient of a loss by each parameter, where a training would start; it is torch's."""
    rule, state = GradientDescent(loss), dict(zip(start, tensors(study.device, *start.values())))
    rule.begin(state)
    return {name: host(gradient) for name, gradient in zip(rule.names, rule.evaluate(state)[1])}
