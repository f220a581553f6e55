"""The five methods on one task: the same budget, the same starts, the same search of the learning rate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from experiments.images.descent import (
    Annealed,
    Examples,
    Losses,
    Penalised,
    cross_entropy,
    hinge,
    margins,
    squared_norm,
)
from experiments.images.minnorm import MinnormDescent
from experiments.images.tasks import Task
from experiments.training.batches import stack, state_of
from experiments.training.loop import Observe, train
from experiments.training.updates import State
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.trajectory import Trajectory
from theory.images.solutions import Convergence

CROSS_ENTROPY, EARLY, L2, HINGE, MINNORM = METHODS = (
    "cross-entropy",
    "early stopping",
    "cross-entropy + L2",
    "hinge + L2",
    "Minnorm",
)
RATES = (0.25, 0.5, 1.0)  # the learning rates that every method may choose from, over the budget's
STRENGTHS = (0.03, 0.1, 0.3, 1.0)  # C: the two methods with a penalty choose from these first


@dataclass(frozen=True)
class Budget:
    """What every method gets.

    Attributes:
        hidden: widths of the hidden layers.
        steps: of training; a quarter of them to choose a penalty.
        batch: examples a step.
        rate: the largest learning rate, at the first step.
        augmentation, dual_learning_rate: c and B of Minnorm.
        window: the share of the steps, the last ones, whose gradients are averaged to certify what was found.
    """

    hidden: tuple[int, ...]
    steps: int
    batch: int
    rate: float
    augmentation: float = 0.3
    dual_learning_rate: float = 0.01
    window: float = 0.1

    @property
    def rates(self) -> Array:
        """The learning rates that every method may choose from."""
        return self.rate * np.array(RATES)

    @property
    def degree(self) -> int:
        return len(self.hidden) + 1


@dataclass(frozen=True)
class Cells:
    """Settings to try: every seed trains one network a cell. Fields (cells,), or (seeds, cells), broadcast."""

    rates: Sequence[float] | Array
    strengths: Sequence[float] | Array = (np.inf,)
    scales: Sequence[float] = (1.0,)

    def each(self, seeds: int) -> tuple[Array, Array, Array]:
        """Learning rates, strengths and scales, each (seeds, cells)."""
        _, *fields = np.broadcast_arrays(np.zeros((seeds, 1)), self.rates, self.strengths, self.scales)
        return tuple(fields)


@dataclass(frozen=True)
class Runs:
    """Networks after training: what was recorded at some steps, each (T, seeds, cells, ...)."""

    cells: Cells
    steps: Array
    records: Mapping[str, Array]

    def at(self, record: Array, cell: Array) -> dict[str, Array]:
        """What each seed (seeds,) had at one record in one cell, with the cell's learning rate and strength."""
        seeds = np.arange(len(cell))
        picked = {name: array[record, seeds, cell] for name, array in self.records.items()}
        rates, strengths, _ = self.cells.each(len(cell))
        return picked | {"rate": rates[seeds, cell], "strength": strengths[seeds, cell], "step": self.steps[record]}

    def convergence(self) -> Convergence:
        """Of Minnorm's networks at the end, (seeds, cells)."""
        return convergence({name: array[-1] for name, array in self.records.items()})


def convergence(records: Mapping[str, Array]) -> Convergence:
    """From what Minnorm's networks record at the end of training."""
    names = ("squared_norm", "gradient", "radius", "steepness", "gap")
    return Convergence(
        multipliers=records["multipliers"].sum(-1, dtype=np.float64),
        violation=np.maximum(1 - records["margin"], 0).astype(np.float64),
        **{name: records[name].astype(np.float64) for name in names},
    )


class Workshop:
    """Trains methods on one task."""

    def __init__(self, study: Study, task: Task, budget: Budget) -> None:
        self.study, self.task, self.budget = study, task, budget
        self.widths = (task.pixels, *budget.hidden, task.classes)
        self.network = stack(self.widths, nn.ReLU)
        self.scales = [float(np.sqrt(2 / before)) for before in self.widths[:-1]]  # He et al. 2015
        self.start = gaussian_stack(study.rng("start"), self.widths, self.scales, runs=task.seeds)

    def penalised(self, name: str, losses: Losses, cells: Cells, *, steps: int | None = None) -> Runs:
        """Train with a loss a batch and a penalty of the strength C of each cell."""
        strengths = cells.each(self.task.seeds)[1].ravel()

        def rule(examples: Examples, steps: int) -> Annealed:
            return Penalised(self.network, examples, steps, self.budget.window, losses, strengths)

        return self._train(name, rule, cells, steps or self.budget.steps)

    def minnorm(self, name: str, cells: Cells, *, steps: int | None = None) -> Runs:
        """Train with one multiplier an example and wrong class."""
        runs = cells.each(self.task.seeds)[0].size

        def rule(examples: Examples, steps: int) -> Annealed:
            budget = self.budget
            return MinnormDescent(
                self.network,
                examples,
                steps,
                budget.window,
                runs,
                dual_learning_rate=budget.dual_learning_rate,
                augmentation=budget.augmentation,
            )

        return self._train(name, rule, cells, steps or self.budget.steps)

    def _train(self, name: str, make: Callable[[Examples, int], Annealed], cells: Cells, steps: int) -> Runs:
        seeds, task, device = self.task.seeds, self.task, self.study.device
        rates, _, scales = cells.each(seeds)
        rng, count = self.study.rng("batches"), rates.shape[1]
        learning = Examples(task.train, count, self.budget.batch, rng, device)
        choosing = Examples(task.validation, count, task.validation.size, rng, device)
        testing = Examples(task.test, count, task.test.size, rng, device)
        rule = make(learning, steps)

        def observe(state: State) -> State:
            reached = margins(learning.outputs(self.network, state), learning.labels)
            return {
                "squared_norm": squared_norm(state),
                "margin": reached.amin(-1),
                "train": (reached > 0).double().mean(-1),
                "validation": choosing.accuracy(self.network, state),
                "test": testing.accuracy(self.network, state),
                **rule.look(state),
            }

        start = [layer.repeat(count, 0) * scales.reshape(-1, 1, 1) for layer in self.start]
        record = recorded(steps)
        run = descend(self.study, name, rule, start, rates=rates.ravel(), record=record, observe=observe)
        shape = (len(run.t), *rates.shape)
        records = {name: array.reshape(*shape, *array.shape[2:]) for name, array in run.arrays.items()}
        return Runs(cells, run.facts["recorded"], records)


def descend(
    study: Study,
    name: str,
    rule: Annealed,
    start: Layers,
    *,
    rates: float | Array,
    record: Sequence[int],
    observe: Observe,
) -> Trajectory:
    """Train networks by `rule` from the layers W_l (runs, h_l, h_{l-1}) of their starts, in single precision."""
    return train(
        rule.first_loss,
        {layer: torch.tensor(weights, dtype=torch.float32) for layer, weights in state_of(start).items()},
        learning_rate=rates,
        steps=rule.steps,
        record=record,
        observe=observe,
        update=rule,
        **study.training(name),
    )


def recorded(steps: int) -> list[int]:
    """Early steps densely, late ones evenly."""
    early = {round(step) for step in np.geomspace(10, steps, 12)}
    return sorted({0, *early, *(round(step) for step in np.linspace(0, steps, 13))})


def five_methods(workshop: Workshop) -> dict[str, dict[str, Array]]:
    """Each method with the settings that its seeds chose on the validation split; what each then had, (seeds, ...).

    Methods with a penalty first choose its strength, at the middle learning rate in a quarter of the steps. Minnorm
    chooses among the learning rates at which it has converged, where it has.
    """
    free = workshop.penalised("cross-entropy", cross_entropy, Cells(workshop.budget.rates))
    solved = workshop.minnorm("Minnorm", Cells(workshop.budget.rates))
    certified = solved.convergence().certified
    usable = np.where(certified.any(1, keepdims=True), certified, True)
    return {
        CROSS_ENTROPY: _best(free),
        EARLY: _best_ever(free),
        L2: _best(_with_penalty(workshop, L2, cross_entropy)),
        HINGE: _best(_with_penalty(workshop, HINGE, hinge)),
        MINNORM: _best(solved, usable),
    }


def _with_penalty(workshop: Workshop, name: str, losses: Losses) -> Runs:
    short, rates = workshop.budget.steps // 4, workshop.budget.rates
    search = workshop.penalised(f"{name}, strengths", losses, Cells(rates[1:2], STRENGTHS), steps=short)
    return workshop.penalised(name, losses, Cells(rates, _best(search)["strength"][:, None]))


def _best(runs: Runs, usable: Array | bool = True) -> dict[str, Array]:
    """The cell that does best on the validation split at the end of training."""
    score = np.where(usable, runs.records["validation"][-1], -1)
    return runs.at(np.full(len(score), -1), score.argmax(1))


def _best_ever(runs: Runs) -> dict[str, Array]:
    """The cell and the record that do best on the validation split."""
    score = np.moveaxis(runs.records["validation"], 0, -1)
    cell, record = np.unravel_index(score.reshape(len(score), -1).argmax(1), score.shape[1:])
    return runs.at(record, cell)
