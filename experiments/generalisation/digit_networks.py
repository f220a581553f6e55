"""ReLU networks of two layers on images: a batch of draws, weights free or with every layer kept at one norm."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from experiments.classifiers.descent import single_precision
from experiments.classifiers.examples import Examples
from experiments.classifiers.losses import cross_entropy, margins
from experiments.classifiers.tasks import Images, Split, Task, draw
from experiments.training import Loss, State, Update
from experiments.training.batches import stack
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack

CHOSEN = 1  # images to choose on, which nothing here does
LOOK = 25  # steps after which it is asked whether all networks are done


class Trained(NamedTuple):
    """What is known of each network (draws,) at the end.

    Attributes:
        loss, fitted: mean cross-entropy, and the share of examples on their right side, of those trained on.
        error, new_loss: on new images.
        margin: median over examples, of the network with both layers of norm 1.
        steps: taken.
    """

    loss: Array
    fitted: Array
    error: Array
    new_loss: Array
    margin: Array
    steps: Array


@dataclass(frozen=True)
class Networks:
    """One network a draw of a task, of so many hidden units, without biases.

    Attributes:
        size: rho, the product of the layers' norms, shared evenly; None where weights are free.
    """

    study: Study
    task: Task
    width: int
    size: float | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        return self.task.pixels, self.width, self.task.classes

    def start(self, scale: float = 1.0) -> list[Array]:
        """Layers drawn as by He et al. 2015, times a scale; at the layers' norm where there is one."""
        he = [scale * np.sqrt(2 / before) for before in self.widths[:-1]]
        W = gaussian_stack(self.study.rng("start", self.width), self.widths, he, runs=self.task.seeds)
        if self.size is None:
            return list(W)
        radius = self.size ** (1 / len(W))
        return [radius * layer / np.linalg.norm(layer, axis=(1, 2), keepdims=True) for layer in W]

    def train(
        self,
        rule: Callable[[Loss], Update],
        *,
        learning_rate: float,
        steps: int,
        scale: float = 1.0,
        stop_below: float | None = None,
    ) -> Trained:
        """Train on all examples at once, to the last step or to this training loss."""

        def loss(state: State) -> Tensor:
            return cross_entropy(self._outputs(self._seen, self._weights(state)), self._seen.labels).mean(-1)

        trainee = single_precision(self.study, loss, self.start(scale), rule(loss), lambda state: {"loss": loss(state)})
        looks = [*range(LOOK, steps, LOOK), steps]
        run = trainee.train(learning_rate=learning_rate, steps=steps, record=looks, stop_below=stop_below)
        known = {name: torch.tensor(run.facts["parameters"][name], device=self.study.device) for name in ("W1", "W2")}
        return self._known_of(self._weights(known), run.facts["steps"])

    @torch.no_grad()
    def _known_of(self, weights: State, steps: Array) -> Trained:
        new = self._examples(self.task.test)
        f, g = self._outputs(self._seen, weights), self._outputs(new, weights)
        rho = torch.stack([layer.flatten(1).norm(dim=1) for layer in weights.values()]).prod(0)
        reached = margins(f, self._seen.labels)
        known = (
            cross_entropy(f, self._seen.labels).mean(-1),
            (reached > 0).double().mean(-1),
            (g.argmax(-1) != new.labels).double().mean(-1),
            cross_entropy(g, new.labels).mean(-1),
            reached.median(-1).values / rho,
        )
        return Trained(*(each.double().cpu().numpy() for each in known), steps)

    def _weights(self, state: State) -> State:
        """The layers, each at its norm where it has one: v -> r v / |v|."""
        layers = {name: state[name] for name in ("W1", "W2")}
        if self.size is None:
            return layers
        radius = self.size ** (1 / len(layers))
        return {name: radius * v / v.flatten(1).norm(dim=1)[:, None, None] for name, v in layers.items()}

    def _outputs(self, examples: Examples, weights: State) -> Tensor:
        return examples.outputs(self._network, weights)

    @cached_property
    def _network(self) -> nn.Sequential:
        return stack(self.widths, nn.ReLU)

    @cached_property
    def _seen(self) -> Examples:
        return self._examples(self.task.train)

    def _examples(self, split: Split) -> Examples:
        return Examples(split, 1, split.size, self.study.rng("batches"), self.study.device)


def task_of(study: Study, images: Images, *, train: int, draws: int, new: int, flipped: float = 0.0) -> Task:
    """Splits of the images to train and to test on, some of the training labels replaced by another class."""
    task = draw(images, study.rng("task"), train=train, validation=CHOSEN, seeds=draws, flipped=flipped)
    return replace(task, test=Split(task.test.x[:, :new], task.test.y[:, :new]))


def shuffled(study: Study, task: Task, images: int) -> Task:
    """The first images to train on, with labels at random."""
    labels = study.rng("shuffled").integers(0, task.classes, (task.seeds, images))
    return replace(task, train=Split(task.train.x[:, :images], labels), true=task.true[:, :images])


def first(task: Task, draws: int) -> Task:
    """The first draws of a task."""
    splits = (Split(each.x[:draws], each.y[:draws]) for each in (task.train, task.validation, task.test))
    return Task(*splits, task.true[:draws], task.classes)
