"""The methods on one task: the same budget, the same starts, penalties chosen on images of other draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from experiments.classifiers.descent import single_precision
from experiments.classifiers.examples import Examples
from experiments.classifiers.losses import Losses, cross_entropy, margins
from experiments.classifiers.tasks import Task
from experiments.images.descent import Annealed, Penalised, squared_norm
from experiments.images.minnorm import MinibatchMinnorm
from experiments.training import State
from experiments.training.batches import stack
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.images.solutions import Convergence

CROSS_ENTROPY, L2, MINNORM = METHODS = ("cross-entropy", "cross-entropy + L2", "Minnorm")
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # C: weight decay chooses from these
SLOWER = 1 / 3  # rate of cross-entropy without a penalty, over that of the other methods


@dataclass(frozen=True)
class Budget:
    """What every method gets.

    Attributes:
        hidden: widths of the hidden layers.
        steps: of training.
        batch: examples a step.
        rate: the learning rate of every method, at the first step.
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
    def degree(self) -> int:
        return len(self.hidden) + 1


@dataclass(frozen=True)
class Cells:
    """Settings to try: every seed trains one network a cell. Fields (cells,), or (seeds, cells), broadcast."""

    rates: Sequence[float] | Array
    strengths: Sequence[float] | Array = (np.inf,)
    scales: Sequence[float] | Array = (1.0,)

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

    def of_cells(self, which: slice) -> "Runs":
        """The runs of some cells."""
        cells = Cells(*(field[:, which] for field in self.cells.each(self.records["test"].shape[1])))
        return Runs(cells, self.steps, {name: array[:, :, which] for name, array in self.records.items()})

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


class Trainer:
    """Trains methods on one task, from starts that go by the words of `cell`."""

    def __init__(self, study: Study, task: Task, budget: Budget, *cell: Any) -> None:
        self.study, self.task, self.budget = study, task, budget
        self.widths = (task.pixels, *budget.hidden, task.classes)
        self.network = stack(self.widths, nn.ReLU)
        self.scales = [float(np.sqrt(2 / before)) for before in self.widths[:-1]]  # He et al. 2015
        self.start = gaussian_stack(study.rng("start", *cell), self.widths, self.scales, runs=task.seeds)

    def penalised(
        self, losses: Losses, cells: Cells, *, steps: int | None = None, record: Sequence[int] | None = None
    ) -> Runs:
        """Train with a loss a batch and a penalty of the strength C of each cell; record at some steps or these."""
        examples, strengths = self._learning(cells), cells.each(self.task.seeds)[1].ravel()
        steps = steps or self.budget.steps
        rule = Penalised(self.network, examples, steps, losses, strengths)
        return self._train(rule, cells, record)

    def minnorm(self, cells: Cells, *, steps: int | None = None, record: Sequence[int] | None = None) -> Runs:
        """Train with one multiplier an example and wrong class; record at some steps or these."""
        rule = MinibatchMinnorm(
            self.network,
            self._learning(cells),
            steps or self.budget.steps,
            self.budget.window,
            dual_learning_rate=self.budget.dual_learning_rate,
            augmentation=self.budget.augmentation,
        )
        return self._train(rule, cells, record)

    def _learning(self, cells: Cells) -> Examples:
        count = cells.each(self.task.seeds)[0].shape[1]
        return Examples(self.task.train, count, self.budget.batch, self.study.rng("batches"), self.study.device)

    def _train(self, rule: Annealed, cells: Cells, record: Sequence[int] | None) -> Runs:
        task, learning, rng, device = self.task, rule.examples, self.study.rng("batches"), self.study.device
        rates, _, scales = cells.each(task.seeds)
        choosing, testing = (
            Examples(split, learning.cells, split.size, rng, device) for split in (task.validation, task.test)
        )

        def reached(state: State) -> Tensor:
            return margins(learning.outputs(self.network, state), learning.labels)

        def observe(state: State) -> State:
            margin, twice = reached(state), {name: 2 * state[name] for name in rule.names}
            return {
                "squared_norm": squared_norm(state),
                "margin": margin.amin(-1),
                "squared_norm of twice": squared_norm(twice),
                "margin of twice": reached(twice).amin(-1),
                "train": (margin > 0).double().mean(-1),
                "validation": choosing.accuracy(self.network, state),
                "test": testing.accuracy(self.network, state),
                **rule.look(state),
            }

        start = [layer.repeat(learning.cells, 0) * scales.reshape(-1, 1, 1) for layer in self.start]
        trainee = single_precision(self.study, rule.first_loss, start, rule, observe)
        run = trainee.train(learning_rate=rates.ravel(), steps=rule.steps, record=record or [rule.steps])
        shape = (len(run.t), *rates.shape)
        records = {name: array.reshape(*shape, *array.shape[2:]) for name, array in run.arrays.items()}
        return Runs(cells, run.facts["recorded"], records)


def recorded(steps: int, looks: int) -> list[int]:
    """Early steps densely, late ones evenly."""
    early = {round(step) for step in np.geomspace(10, steps, looks)}
    return sorted({0, *early, *(round(step) for step in np.linspace(0, steps, looks))})


def three_methods(trainer: Trainer, strength: float) -> dict[str, dict[str, Array]]:
    """What each method had in the end, (seeds, ...); weight decay has this strength.

    Without it cross-entropy does best at a lower rate, and gets one: on draws that are not judged it has a tenth more
    errors at the rate of the others.
    """
    rate = trainer.budget.rate
    penalised = trainer.penalised(cross_entropy, Cells((rate * SLOWER, rate), (np.inf, strength)))
    return {
        CROSS_ENTROPY: _last(penalised, 0),
        L2: _last(penalised, 1),
        MINNORM: _last(trainer.minnorm(Cells((rate,))), 0),
    }


def best_strength(pilot: Trainer) -> float:
    """The strength of weight decay that does best on the validation splits of `pilot`, whose draws are not judged.

    By the mean accuracy at the end of a whole training.
    """
    search = pilot.penalised(cross_entropy, Cells((pilot.budget.rate,), STRENGTHS))
    return STRENGTHS[int(search.records["validation"][-1].mean(0).argmax())]


def _last(runs: Runs, cell: int) -> dict[str, Array]:
    """What the seeds had at the end of training."""
    seeds = runs.records["test"].shape[1]
    return runs.at(np.full(seeds, -1), np.full(seeds, cell))
