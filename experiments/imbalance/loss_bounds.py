"""Losses of several trainings over exponential bounds on them: one check, as fine as the nearest of them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from experiments.training import extrapolated_ratio
from theory.claims import Measured, Tolerance, measured
from theory.core.arrays import Array

KNOWN = 1e4  # times its floor: then a loss is known to a hundredth
Bounded = tuple[Sequence[Array], Sequence[Array]]  # losses and exponents q (T, runs) at eta, eta/2, eta/4, ...


def over_bounds(
    name: str, trainings: Iterable[Bounded], *, case: str = ""
) -> tuple[Measured, Callable[[float], Array]]:
    """L / (exp(-q) L(0)) at every record of every run, extrapolated to the flow; and its bound with k q in place of q.

    Trainings far below their bounds show that nothing violates them, the nearest how much larger q could be.
    """
    ratios, slacks, exponents = [], [], []
    for losses, bounds in trainings:
        over = extrapolated_ratio(name, [(L / L[0] * np.exp(q))[1:] for L, q in zip(losses, bounds, strict=True)])
        ratios.append(over.value)
        slacks.append(np.broadcast_to(over.within.value, over.value.shape))
        exponents.append(bounds[-1][1:])
        reason = over.within.reason
    ratio, slack, q = (ravelled(parts) for parts in (ratios, slacks, exponents))
    return measured(name, ratio, within=Tolerance(slack, reason), case=case, axes=("record",)), lambda k: np.exp(
        (1 - k) * q
    )


def ravelled(parts: Iterable[Array]) -> Array:
    """All entries of all arrays in one row."""
    return np.concatenate([np.ravel(part) for part in parts])


def above_the_floor(losses: Sequence[Array], exponents: Sequence[Array], floor: Array) -> Bounded:
    """The same, with L / L(0) = 1 and q = 0 where a loss is at its rounding floor (T, runs), so that it judges nothing.

    >>> loss, q = np.array([[1.0], [1e-40]]), np.array([[0.0], [9.0]])
    >>> [losses], [exponents] = above_the_floor([loss], [q], np.array([[1e-30]]))
    >>> losses.ravel(), exponents.ravel()
    (array([1., 1.]), array([0., 0.]))
    """
    live = np.all([loss > KNOWN * floor for loss in losses], axis=0)
    live &= live[:1]
    return [np.where(live, loss, loss[:1]) for loss in losses], [np.where(live, q, 0.0) for q in exponents]


def columns(cells: Iterable[Sequence[Array]]) -> tuple[Array, ...]:
    """Cells of a few arrays each, which broadcast: their first arrays in one row, their second in another, ..."""
    return tuple(ravelled(column) for column in zip(*(np.broadcast_arrays(*cell) for cell in cells), strict=True))
