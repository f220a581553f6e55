"""Where compressed networks of different widths and scales end, all of them trained in one batch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.imbalance.compression import compressed_network
from experiments.imbalance.wide_networks import learning_rate_to_the_end
from theory.claims import Study
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.imbalance.compression import Compressed
from theory.imbalance.problem import Network

STEPS = 4000
LEFT = 1e-26  # of |Y|^2, the loss at which a run has converged: its distance is then off by less than rounding


class Cell(NamedTuple):
    """Starts (runs) of width h whose weights have the scale h^(-a); all cells of a batch are of one problem."""

    start: Compressed
    h: int
    a: float


def ends(study: Study, cells: Sequence[Cell], *, slower: int = 1) -> list[Trajectory]:
    """Weights at start and end of each cell's runs, each at a tenth of its largest stable rate over `slower`."""
    problem = cells[0].start.problem
    network = Network(*(np.concatenate([getattr(cell.start.network, name) for cell in cells]) for name in ("U", "V")))
    runs = [len(cell.start.network.U) for cell in cells]
    rates = np.repeat([learning_rate_to_the_end(problem, cell.h, cell.a) / slower for cell in cells], runs)
    together = Compressed(cells[0].start.original, problem, network, np.concatenate([c.start.frozen for c in cells]))
    run = compressed_network(study, together).train(
        learning_rate=rates,
        steps=STEPS,
        record=[0, STEPS],
        stop_below=LEFT * float((problem.Y**2).sum()),
    )
    cuts = np.cumsum(runs)[:-1]
    parts = {name: np.split(run[name], cuts, axis=1) for name in ("U", "V")}
    return [Trajectory(np.arange(2.0), {"U": U, "V": V}, {}) for U, V in zip(parts["U"], parts["V"])]


def distances(study: Study, cells: Sequence[Cell], *, slower: int = 1) -> list[Array]:
    """|U V^T - Theta_hat|_F (runs,) of each cell, once the residual adds less than rounding to it."""
    found = ends(study, cells, slower=slower)
    return [cell.start.distance_to_minimum_norm(run["U"][-1], run["V"][-1]) for cell, run in zip(cells, found)]


def limits(study: Study, cells: Sequence[Cell]) -> tuple[Array, Array]:
    """The same at learning rate 0, from three of them, and the last Richardson correction: (cells, runs) each."""
    return richardson([np.stack(distances(study, cells, slower=slower)) for slower in (1, 2, 4)])
