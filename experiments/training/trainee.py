"""What a claim trains: a batch of runs, once, or again and again at half the learning rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from experiments.training.loop import Observe, train
from experiments.updates import GradientDescent, Loss, Update
from theory.claims.study import Study, Training
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory


@dataclass(frozen=True)
class Trainee:
    """A batch of runs, ready to be trained on the device of the study.

    Attributes:
        study: device, checkpoints and progress; it keeps a journal of what was trained.
        loss: state -> losses (runs,).
        start: parameters by name, first dimension the runs.
        rule: how a step changes the state; None: gradient descent on the loss.
        observe: state -> what to record, each (runs, ...); by default the whole state.
    """

    study: Study
    loss: Loss
    start: Mapping[str, Array | Tensor]
    rule: Update | None = None
    observe: Observe = dict

    def train(
        self,
        *,
        learning_rate: float | Array,
        steps: int,
        record: Sequence[int],
        stop_below: float | None = None,
    ) -> Trajectory:
        """One training run; see `experiments.training.loop.train`."""
        rule = self.rule or GradientDescent(self.loss)
        shapes = {name: tuple(array.shape) for name, array in self.start.items()}
        rates = float(np.min(learning_rate)), float(np.max(learning_rate))
        return train(
            self.loss,
            self.start,
            learning_rate=learning_rate,
            steps=steps,
            record=record,
            observe=self.observe,
            update=rule,
            stop_below=stop_below,
            device=self.study.device,
            checkpoint=self.study.record(Training(type(rule).__name__, shapes, rates, steps)),
            progress=self.study.progress,
        )

    def refine(self, *, learning_rate: float, horizon: float, records: int, levels: int = 3) -> list[Trajectory]:
        """The same training at learning_rate / 1, 2, 4, ..., recorded at the same times, coarse to fine.

        Args:
            learning_rate: of the coarsest; made a little smaller where it does not divide the horizon into the records.
            horizon: the last time recorded, in units step x learning rate.
            records: how many times are recorded, from 0 to the horizon.
            levels: how many learning rates.
        """
        between = max(round(horizon / learning_rate / (records - 1)), 1)
        return [
            self.train(
                learning_rate=horizon / (between * (records - 1)) / 2**level,
                steps=between * (records - 1) * 2**level,
                record=[between * k * 2**level for k in range(records)],
            )
            for level in range(levels)
        ]
