"""Training against a flow with kinks: multipliers that reach 0, or leave it, anywhere inside a step."""

from collections.abc import Iterator, Sequence

import numpy as np

from theory.claims import Check, Measured, Tolerance, measured, order
from theory.claims.estimates import observed_order
from theory.core.arrays import Array


def tends_to_kinked(name: str, values: Sequence[Array], predicted: Array, *, case: str = "") -> Iterator[Check]:
    """As `experiments.training.tends_to`, for three learning rates, each half the one before."""
    estimate = observed_order([value - predicted for value in values])
    yield order(f"{name}, order in the learning rate", estimate, case=case).equals(1, excludes=(0.75, 1.25))
    yield missed(f"{name}, learning rate 0", values, predicted, case=case).equals(0)


def missed(name: str, values: Sequence[Array], predicted: Array, *, case: str = "") -> Measured:
    """Root mean square, over runs and times, of what training at learning rate 0 misses of the flow: to be 0.

    Where in a step a kink falls is arbitrary, so the second-order term is not smooth in the learning rate: only the
    first order is removed. What is left shrinks fourfold a halving on average over runs and times, which is why the
    root mean square over them is judged; twice the last correction bounds it as long as it shrinks to two thirds."""
    limit, coarser = 2 * values[2] - values[1], 2 * values[1] - values[0]
    left, correction = (float(np.sqrt(np.mean((limit - other) ** 2))) for other in (predicted, coarser))
    because = "twice the last correction beyond first order (a kink may fall anywhere inside a step), root mean square"
    return measured(name, left, within=Tolerance(2 * correction, because), case=case)
