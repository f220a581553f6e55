"""Training against a flow with kinks: multipliers that reach 0, or leave it, anywhere inside a step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from experiments.shallow.classifiers import minnorm_classifier
from experiments.training import recording_steps
from experiments.training.together import copies, refined_together
from theory.claims import Check, Measured, Prediction, Study, Tolerance, measured, order
from theory.claims.estimates import observed_order
from theory.claims.resolution import at
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning

LEVELS = 3  # learning rates, each half the one before


def tends_to_kinked(name: str, values: Sequence[Array], predicted: Prediction, *, case: str = "") -> Iterator[Check]:
    """As `experiments.training.tends_to`, for three learning rates, each half the one before."""
    flow = at(predicted)
    estimate = observed_order([value - flow for value in values])
    yield order(f"{name}, order in the learning rate", estimate, case=case).equals(1, excludes=(0.75, 1.25))
    missing = missed(f"{name}, learning rate 0", values, flow, case=case)
    # Of a flow that is off by this much training would miss as much, less what it misses now.
    yield missing.equals(lambda k: 0.0 if k == 1 else _root_mean_square(at(predicted, k) - flow))


def missed(name: str, values: Sequence[Array], predicted: Array, *, case: str = "") -> Measured:
    """Root mean square, over runs and times, of what training at learning rate 0 misses of the flow: to be 0.

    Where in a step a kink falls is arbitrary, so the second-order term is not smooth in the learning rate: only the
    first order is removed. What is left shrinks fourfold a halving on average over runs and times, which is why the
    root mean square over them is judged; twice the last correction bounds it as long as it shrinks to two thirds."""
    limit, coarser = 2 * values[2] - values[1], 2 * values[1] - values[0]
    left, correction = (_root_mean_square(limit - other) for other in (predicted, coarser))
    because = "twice the last correction beyond first order (a kink may fall anywhere inside a step), root mean square"
    return measured(name, left, within=Tolerance(2 * correction, because), case=case)


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def refined_minnorm(
    study: Study,
    Z: Array,
    tuning: Tuning,
    w: Array,
    multipliers: Array | float = 0.0,
    *,
    horizon: float,
    steps: int,
    records: int = 41,
) -> list[Trajectory]:
    """Minnorm of every run's examples (runs, n, d) in so many steps, twice and four times as many, side by side."""
    several = lambda number: copies(number, LEVELS) if np.ndim(number) else number  # noqa: E731
    tuning = replace(tuning, b=several(tuning.b))
    trainee = minnorm_classifier(study, several(Z), tuning, several(w), several(multipliers))
    record = recording_steps(steps, records)
    return refined_together(trainee, learning_rate=horizon / steps, record=record, levels=LEVELS)
