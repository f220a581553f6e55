"""Training against a flow with kinks: multipliers that reach 0, or leave it, anywhere inside a step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from experiments.shallow.classifiers import minnorm_classifier
from experiments.training import recording_steps
from experiments.training.together import copies, refined_together
from theory.claims import Check, Measured, Prediction, Study, Tolerance, measured, order
from theory.claims.estimates import Estimate, observed_order
from theory.claims.resolution import at
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning

LEVELS = 3  # learning rates, each half the one before


def tends_to_kinked(name: str, values: Sequence[Array], predicted: Prediction, *, case: str = "") -> Iterator[Check]:
    """As `experiments.training.tends_to`, for three learning rates, each half the one before, in the median run.

    A multiplier that only just reaches 0, or leaves it, does so at one learning rate and not at the next: such a run
    shows no order, and of random problems a few per cent are such.
    """
    flow = at(predicted)
    found = order(f"{name}, order in the learning rate", _typical_order([value - flow for value in values]), case=case)
    yield found.equals(1, excludes=(0.75, 1.25))
    missing = missed(f"{name}, learning rate 0", values, flow, case=case)
    # Of a flow that is off by this much training would miss as much, less what it misses now.
    yield missing.equals(lambda k: 0.0 if k == 1 else _typical(at(predicted, k) - flow))


def missed(name: str, values: Sequence[Array], predicted: Array, *, case: str = "") -> Measured:
    """What training at learning rate 0 misses of the flow in the median run, root mean square over times: to be 0.

    Where in a step a kink falls is arbitrary, so the second-order term is not smooth in the learning rate: only the
    first order is removed. What is left shrinks fourfold a halving on average over times, which is why the root mean
    square over them is judged; twice the last correction bounds it as long as it shrinks to two thirds."""
    limit, coarser = 2 * values[2] - values[1], 2 * values[1] - values[0]
    left, correction = (_typical(limit - other) for other in (predicted, coarser))
    because = "twice the last correction beyond first order (a kink may fall anywhere inside a step), root mean square"
    return measured(name, left, within=Tolerance(2 * correction, f"{because} in the median run"), case=case)


def _typical_order(errors: Sequence[Array]) -> Estimate:
    """Medians of the orders that runs (T, runs, ...) show by themselves, and of the half-widths of these."""
    each = [observed_order([error[:, i] for error in errors]) for i in range(errors[0].shape[1])]
    value, half = (float(np.median(numbers)) for numbers in zip(*((one.value, one.half_width) for one in each)))
    return Estimate(value, value - half, value + half, f"median of the orders of {len(each)} runs by themselves")


def _typical(values: Array) -> float:
    """Root mean square over times and entries (T, runs, entries) in the median run."""
    return float(np.median(np.sqrt(np.mean(values**2, axis=(0, 2)))))


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
