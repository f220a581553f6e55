"""Training against a flow with kinks: multipliers that reach 0, or leave it, anywhere inside a step."""

from collections.abc import Iterator, Sequence

import numpy as np

from theory.claims import Check
from theory.claims.estimates import halving_order
from theory.claims.legacy import equal, order
from theory.core.arrays import Array


def tends_to_kinked(name: str, values: Sequence[Array], predicted: Array) -> Iterator[Check]:
    """As `experiments.refinement.tends_to`, for three learning rates, each half the one before."""
    estimate = halving_order(values[1] - predicted, values[2] - predicted)
    yield order(f"{name}, order in the learning rate", estimate, 1, excludes=(0, 2))
    yield extrapolated(f"{name}, learning rate 0", values, predicted)


def extrapolated(name: str, values: Sequence[Array], predicted: Array) -> Check:
    """Where in a step a kink falls is arbitrary, so the second-order term is not smooth in the learning rate: only the
    first order is removed. What is left shrinks fourfold a halving on average over runs and times, which is why the
    root mean square over them is judged; twice the last correction bounds it as long as it shrinks to two thirds."""
    limit, coarser = 2 * values[2] - values[1], 2 * values[1] - values[0]
    left, correction = (float(np.sqrt(np.mean((limit - other) ** 2))) for other in (predicted, coarser))
    because = "twice the last correction beyond first order (a kink may fall anywhere inside a step), root mean square"
    return equal(name, left, 0.0, tolerance=2 * correction, because=because)
