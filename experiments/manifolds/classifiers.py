"""Networks that classify images by FG-SGD, each layer's weights on a manifold; and by plain SGD beside it.

A layer's point is w_l = W_l^T (h_{l-1}, h_l): its columns are the weights into a unit. Where weights are on a manifold
the outputs are e^s f(x), for |f| is bounded there, and s is trained by steps of its sign. All methods start at the same
He weights, all but projected, s making up for their size; all take the same batches and schedule.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.classifiers.examples import Batch, Examples, group_outputs
from experiments.classifiers.losses import cross_entropy
from experiments.classifiers.tasks import Split, Task
from experiments.methods.manifolds import FineGrainedStep, Oblique, RiemannianStep, Sphere, Stiefel
from experiments.training import GradientDescent, State, Trainee, along
from experiments.training.batches import layers_of, stack, state_of
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.manifolds.schedules import Schedule

SCHEDULE = Schedule(1.0, 300.0, 0.6)  # of all methods, in units of its first step
TURN = 0.03  # of log e^s, a step


@dataclass(frozen=True)
class Method:
    """How layers move.

    Attributes:
        rate: the first step.
        step: of a weight on its manifold; None where weights are free.
        decay: of free weights, a share of them for each unit of step.
    """

    rate: float
    step: RiemannianStep | None = None
    decay: float = 0.0

    def projected(self, W: Tensor) -> Tensor:
        """The nearest weights (..., h_l, h_{l-1}) that it trains."""
        return W if self.step is None else self.step.manifold.project(W.mT).mT

    def moved(self, W: Tensor, gradient: Tensor, g: Tensor) -> Tensor:
        if self.step is None:
            return W - g * (gradient + self.decay * W)
        return self.step(W.mT, gradient.mT, g).mT


def fine_grained(manifold: Sphere | Oblique | Stiefel, rate: float) -> Method:
    """FG-SGD."""
    return Method(rate, FineGrainedStep(manifold, "retraction"))


class MinibatchDescent(GradientDescent):
    """Cross-entropy of e^s f, a batch a step; g_t = learning rate x ((t + a) / a)^-q."""

    def __init__(self, network: nn.Sequential, examples: Examples, method: Method) -> None:
        super().__init__(lambda weights: self.objective(weights, examples.take(examples.orders[0])))
        self.network, self.examples, self.method = network, examples, method

    def objective(self, weights: State, batch: Batch) -> Tensor:
        f = group_outputs(self.network, weights, batch.x)
        return cross_entropy(along(weights["s"].exp(), f) * f, batch.y).mean(-1)

    def begin(self, state: State) -> None:
        super().begin(state)
        state["count"] = torch.zeros_like(state["s"])

    def evaluate(self, state: State) -> tuple[Tensor, Any]:
        batch = self.examples.batch(state["count"][:1])
        leaves = {name: state[name].detach().requires_grad_() for name in self.names}
        with torch.enable_grad():
            losses = self.objective(leaves, batch)
            gradients = torch.autograd.grad(losses.sum(), tuple(leaves.values()))
        return losses.detach(), gradients

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        fall = (1 + state["count"] / SCHEDULE.a) ** -SCHEDULE.q
        for name, gradient in zip(self.names, work):
            if name != "s":
                state[name].copy_(self.method.moved(state[name], gradient, along(learning_rate * fall, gradient)))
            elif self.method.step is not None:
                state["s"] -= TURN * fall * gradient.sign()
        state["count"] += 1


@dataclass(frozen=True)
class Trained:
    """Networks at the end: W_l (seeds, h_l, h_{l-1}), and e^s f on the images."""

    layers: list[Array]
    train: Array
    test: Array
    labels: Array
    error: Array
    train_error: Array
    scale: Array


def train(study: Study, task: Task, hidden: tuple[int, ...], batch: int, steps: int, method: Method) -> Trained:
    widths = (task.pixels, *hidden, task.classes)
    network = stack(widths, nn.ReLU)
    start = gaussian_stack(study.rng("start"), widths, [float(np.sqrt(2 / h)) for h in widths[:-1]], runs=task.seeds)
    free = {name: torch.tensor(W, dtype=torch.float32, device=study.device) for name, W in state_of(start).items()}
    state = {name: method.projected(W) for name, W in free.items()}
    size = lambda W: torch.linalg.matrix_norm(W).log()  # noqa: E731
    state["s"] = torch.stack([size(free[name]) - size(state[name]) for name in free]).sum(0)
    examples = Examples(task.train, 1, batch, study.rng("batches"), study.device)
    rule = MinibatchDescent(network, examples, method)
    run = Trainee(study, rule.loss, state, rule, observe=lambda state: {}).train(
        learning_rate=method.rate, steps=steps, record=[steps]
    )
    end = {name: torch.tensor(value, device=study.device) for name, value in run.facts["parameters"].items()}

    def outputs(split: Split) -> Tensor:
        f = group_outputs(network, end, torch.tensor(split.x, device=study.device))
        return along(end["s"].exp(), f) * f

    learned, tested = outputs(task.train), outputs(task.test)
    wrong = lambda f, split: (f.argmax(-1).cpu().numpy() != split.y).mean(1)  # noqa: E731
    return Trained(
        [W.cpu().numpy() for W in layers_of(end)],
        learned.cpu().numpy(),
        tested.cpu().numpy(),
        task.train.y,
        wrong(tested, task.test),
        wrong(learned, task.train),
        end["s"].cpu().numpy(),
    )
