"""Networks of one hidden layer on images, whose neurons are free, turned as one, or fixed: all seeds in one batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from experiments.classifiers.descent import FallingAdam
from experiments.classifiers.tasks import Split, Task
from experiments.orthogonal.rotated_rows import rotated_rows, skew
from experiments.training import State, Trainee
from theory.claims import Study
from theory.core.arrays import Array

TOGETHER = 8  # runs whose errors are counted at once


class Hidden(NamedTuple):
    """A way to train the neurons W (runs, h, d): what is trained, from where, and the neurons of a state."""

    start: Mapping[str, Tensor]
    neurons: Callable[[State], Tensor]


@dataclass(frozen=True)
class Start:
    """Neurons W0 (runs, h, d) and readouts (runs, classes, h) that every way to train starts from."""

    W0: Tensor
    readout: Tensor

    def first(self, runs: int) -> "Start":
        return Start(self.W0[:runs], self.readout[:runs])

    def free(self) -> Hidden:
        return Hidden({"W": self.W0}, lambda state: state["W"])

    def turned(self) -> Hidden:
        """OPT: w_i = R w_i(0), R = (I - A)^-1 (I + A), A skew and 0 at first."""
        runs, _, d = self.W0.shape
        none = torch.zeros(runs, d * (d - 1) // 2, dtype=self.W0.dtype, device=self.W0.device)
        return Hidden({"A": none}, lambda state: rotated_rows(self.W0, skew(state["A"] / 2, d)))

    def on_spheres(self) -> Hidden:
        """Each neuron keeps its length, and that alone."""
        lengths = self.W0.norm(dim=-1, keepdim=True)
        return Hidden({"W": self.W0}, lambda state: lengths * torch.nn.functional.normalize(state["W"], dim=-1))

    def fixed(self) -> Hidden:
        """The readout alone is trained."""
        return Hidden({}, lambda state: self.W0)

    def fixed_elsewhere(self, R: Tensor) -> Hidden:
        """The same, after one rotation (runs, d, d) of all neurons."""
        return Hidden({}, lambda state: self.W0 @ R.mT)


def first(task: Task, seeds: int) -> Task:
    """The first seeds of a task."""
    splits = (Split(each.x[:seeds], each.y[:seeds]) for each in (task.train, task.validation, task.test))
    return Task(*splits, task.true[:seeds], task.classes)


def he_start(rng: np.random.Generator, task: Task, width: int, device: str, common: float = 0.0) -> Start:
    """Normal neurons of variance 2 / d, a common mean of `common` times their deviation added; He's readouts."""
    d, runs = task.pixels, task.seeds
    W0 = rng.standard_normal((runs, width, d)) + common * rng.standard_normal((runs, 1, d))
    readout = rng.standard_normal((runs, task.classes, width))
    made = (np.sqrt(2 / d) * W0, np.sqrt(2 / width) * readout)
    return Start(*(torch.tensor(each, dtype=torch.float32, device=device) for each in made))


class Errors(NamedTuple):
    """Shares (runs,) of images of the wrong class."""

    train: Array
    validation: Array
    test: Array


def errors(
    study: Study, task: Task, start: Start, hidden: Hidden, *, steps: int, learning_rate: float, penalty: float = 0.0
) -> Errors:
    """Full-batch Adam, its rate falling to 0, on the cross-entropy; `penalty` weighs the squares of all weights."""
    x, labels = _on(task.train, study.device)
    begin = {"readout": start.readout, **hidden.start}
    activations = _activations(hidden, x)

    def loss(state: State) -> Tensor:
        outputs = state["readout"] @ activations(state)  # classes first: faster than classes last
        losses = cross_entropy(outputs, labels, reduction="none").mean(1)
        if penalty == 0:
            return losses
        return losses + penalty * (hidden.neurons(state).square().sum((1, 2)) + state["readout"].square().sum((1, 2)))

    rule = FallingAdam(loss, steps)
    trainee = Trainee(study, loss, begin, rule, lambda state: {name: state[name] for name in begin})
    run = trainee.train(learning_rate=learning_rate, steps=steps, record=[steps])
    end = {name: torch.tensor(run[name][-1], device=study.device) for name in begin}
    W = hidden.neurons(end)
    splits = (task.train, task.validation, task.test)
    return Errors(*(_wrong(W, end["readout"], *_on(split, study.device)) for split in splits))


def chosen(candidates: list[Errors]) -> tuple[Array, Array]:
    """Test errors (runs,) of the candidate with the least validation error of each run, and which one it was."""
    best = np.argmin([each.validation for each in candidates], axis=0)
    return np.array([each.test for each in candidates])[best, np.arange(len(best))], best


def _activations(hidden: Hidden, x: Tensor) -> Callable[[State], Tensor]:
    """Of the neurons, (runs, h, n), on images (runs, n, d); of neurons that stay as they are, once and for all."""

    def of(state: State) -> Tensor:
        return torch.relu(hidden.neurons(state) @ x.mT)

    if hidden.start:
        return of
    once = of({})
    return lambda state: once


def _on(split: Split, device: str) -> tuple[Tensor, Tensor]:
    return torch.as_tensor(split.x, device=device), torch.as_tensor(split.y, device=device)


def _wrong(W: Tensor, readout: Tensor, x: Tensor, y: Tensor) -> Array:
    """A few runs at once: their activations are to stay in the cache."""
    runs = zip(*(each.split(TOGETHER) for each in (W, readout, x)))
    classes = torch.cat([(torch.relu(x @ W.mT) @ readout.mT).argmax(-1) for W, readout, x in runs])
    return (classes != y).to(torch.float64).mean(1).cpu().numpy()
