"""Networks that classify images by FG-SGD, the weights of each layer on a manifold; and by plain SGD beside it.

A layer's point is w_l = W_l^T (h_{l-1}, h_l): its columns are the weights into a unit. Where weights are on a manifold
the outputs are e^s f(x), for |f| is bounded there, and s takes steps of its gradient's sign. All methods start at the
same normal weights, projected, with s to make up for their size; all see the same batches, and g_t = c a / (t + a).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.classifiers.examples import Batch, Examples
from experiments.classifiers.losses import margins
from experiments.classifiers.tasks import Split, Task
from experiments.methods.manifolds import FineGrainedStep, Manifold, RiemannianStep
from experiments.training import GradientDescent, State, Trainee, along
from experiments.training.batches import layers_of, state_of
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.core.validation import reject

SLOWS = 50  # a: steps after which they are half as long
TURN = 0.03  # of s, the first step
PLAIN, DECAYED = "SGD", "SGD + decay"


@dataclass(frozen=True)
class Networks:
    """On scikit-learn's digits; so many draws that at 1e-6 every difference is told for sure."""

    images: int = varies("to train on", 150, smoke=100, low=50, high=600)
    hidden: tuple[int, ...] = varies(
        "widths, none larger than the one before", (64, 64), smoke=(40, 24), low=10, high=64
    )
    draws: int = varies("independent ones of the images", 64, low=64, high=300)
    batch: int = varies("images a step", 50, low=10, high=600)
    steps: int = varies("of training", 400, smoke=160, low=100, high=5000)
    learning_rate: float = varies("of SGD, the first step", 0.3, smoke=0.25, low=0.01, high=1)
    decay: float = varies("of weights, beside SGD without; 0 for none", 0.02, smoke=0.0, low=0, high=0.1)

    def __post_init__(self) -> None:
        widths = (64, *self.hidden, 10)
        if sorted(widths, reverse=True) != list(widths):
            reject("hidden", self.hidden, "widths from 64 to 10, none larger than the one before")
        if self.images % self.batch:
            reject("batch", self.batch, f"a divisor of the {self.images} images")

    @property
    def layers(self) -> int:
        """L."""
        return len(self.hidden) + 1

    @property
    def free(self) -> "dict[str, Moves]":
        """Methods without constraint by name, plain SGD first."""
        moves = {PLAIN: Move(self.learning_rate)}
        if self.decay:
            moves[DECAYED] = Move(self.learning_rate, decay=self.decay)
        return {name: everywhere(move, self.layers) for name, move in moves.items()}

    def train(self, study: Study, task: Task, moves: "Moves") -> "Trained":
        """Networks of these widths, one a seed of the task."""
        return train(study, task, self.hidden, self.batch, self.steps, moves)


@dataclass(frozen=True)
class Move:
    """How a layer moves.

    Attributes:
        rate: c, the first step.
        step: of a weight on its manifold; None where it is free.
        decay: of a free weight, the share of it that a step of length 1 takes.
    """

    rate: float
    step: RiemannianStep | None = None
    decay: float = 0.0

    def projected(self, W: Tensor) -> Tensor:
        """The nearest weights W (..., h_l, h_{l-1}) that it can have."""
        return W if self.step is None else self.step.manifold.project(W.mT).mT

    def __call__(self, W: Tensor, gradient: Tensor, g: Tensor) -> Tensor:
        """The weights after a step of size g."""
        if self.step is None:
            kept = W * (1 - g * self.decay) if self.decay else W
            return torch.addcmul(kept, g, gradient, value=-1)
        return self.step(W.mT, gradient.mT, g).mT


Moves = tuple[Move, ...]  # one a layer


def fine_grained(manifold: Manifold, rate: float) -> Move:
    """FG-SGD."""
    return Move(rate, FineGrainedStep(manifold, "retraction"))


def everywhere(move: Move, layers: int) -> Moves:
    """All layers alike."""
    return (move,) * layers


def by_column(layers: list[Tensor], x: Tensor) -> Tensor:
    """Outputs (runs, K, n) on images x (runs, n, d), with classes first: a fifth less time than classes last."""
    hidden = layers[0] @ x.mT
    for W in layers[1:]:
        hidden = W @ torch.relu(hidden)
    return hidden


class MinibatchDescent(GradientDescent):
    """Cross-entropy of e^s f, a batch a step; the learning rate multiplies what each layer's move has for its first."""

    def __init__(self, examples: Examples, moves: Moves) -> None:
        super().__init__(lambda weights: self.objective(weights, examples.take(examples.orders[0])))
        self.examples = examples
        self.moves = {f"W{l}": move for l, move in enumerate(moves, 1)}

    def objective(self, weights: State, batch: Batch) -> Tensor:
        """Losses (runs,) of a batch."""
        f = by_column(layers_of(weights), batch.x)
        return nn.functional.cross_entropy(along(weights["s"].exp(), f) * f, batch.y, reduction="none").mean(-1)

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
        fall = learning_rate * SLOWS / (SLOWS + state["count"])
        gradients = dict(zip(self.names, work))
        for name, move in self.moves.items():
            state[name].copy_(move(state[name], gradients[name], move.rate * along(fall, state[name])))
        if any(move.step is not None for move in self.moves.values()):
            state["s"] -= TURN * fall * gradients["s"].sign()
        state["count"] += 1


@dataclass(frozen=True)
class Trained:
    """Networks at the end, in double precision; what they are tested on goes through them in single.

    Attributes:
        layers: W_l (seeds, h_l, h_{l-1}).
        outputs: f (seeds, n, K) on the images learned.
        margins: of f, (seeds, n).
        unfitted, error: shares (seeds,) of images that are misclassified, of those learned and of those tested on.
        scale: s (seeds,).
    """

    layers: list[Array]
    outputs: Array
    margins: Array
    unfitted: Array
    error: Array
    scale: Array

    @property
    def gap(self) -> Array:
        """Error of generalisation (seeds,)."""
        return self.error - self.unfitted

    def of(self, seeds: Array) -> "Trained":
        """Some of the networks, by a mask or numbers."""
        arrays = (each[seeds] for each in (self.outputs, self.margins, self.unfitted, self.error, self.scale))
        return Trained([W[seeds] for W in self.layers], *arrays)


def train(study: Study, task: Task, hidden: tuple[int, ...], batch: int, steps: int, moves: Moves) -> Trained:
    """Networks of these hidden widths, one a seed of the task."""
    widths = (task.pixels, *hidden, task.classes)
    scales = [float(np.sqrt(2 / before)) for before in widths[:-1]]  # He et al. 2015
    normal = state_of(gaussian_stack(study.rng("start"), widths, scales, runs=task.seeds))
    free = {name: torch.tensor(W, dtype=torch.float32, device=study.device) for name, W in normal.items()}
    start = {name: move.projected(free[name]) for name, move in zip(free, moves)}
    size = lambda W: torch.linalg.matrix_norm(W).log()  # noqa: E731
    start["s"] = torch.stack([size(free[name]) - size(start[name]) for name in free]).sum(0)
    rule = MinibatchDescent(Examples(task.train, 1, batch, study.rng("batches"), study.device), moves)
    trainee = Trainee(study, rule.loss, start, rule, lambda state: {name: state[name] for name in start})
    run = trainee.train(learning_rate=1.0, steps=steps, record=[steps])
    end = {name: torch.tensor(run[name][-1], dtype=torch.float64, device=study.device) for name in start}

    def outputs(split: Split, kind: torch.dtype) -> Tensor:
        layers = [W.to(kind) for W in layers_of(end)]
        return by_column(layers, torch.tensor(split.x, dtype=kind, device=study.device)).mT

    f = outputs(task.train, torch.float64)
    reached = margins(f, torch.tensor(task.train.y, device=study.device))
    wrong = outputs(task.test, torch.float32).argmax(-1) != torch.tensor(task.test.y, device=study.device)
    shares = [each.double().mean(-1) for each in (reached <= 0, wrong)]
    found = [each.cpu().numpy() for each in (f, reached, *shares, end["s"])]
    return Trained([W.cpu().numpy() for W in layers_of(end)], *found)
