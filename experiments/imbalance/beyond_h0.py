"""The paper's own data, trained at widths where its Theorem 2 applies: its experiments stop at 10^4, below h0."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.imbalance.wide_ends import Cell, ends
from experiments.imbalance.wide_networks import (
    FIGURE_WIDTHS,
    Figure4,
    data_of_figure_4,
    law,
    law_of_the_sweep,
    wide_start,
)
from theory.claims import Check, Curves, Study, curves, exactly, measured
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.imbalance import width


@dataclass(frozen=True)
class Beyond:
    """Widths (W,) beyond h0, and of every run there, (W, runs): distance, |U2 V^T| and |V|^2 after training."""

    problem: Regression
    s: float
    swept: dict[str, Array]

    @property
    def bound(self) -> Array:
        return width.distance_bound(self.problem, self.swept["widths"], 0.5, self.s)


def at_the_data_of_figure_4(study: Study, sizes: Figure4, widths: Array, runs: int, delta: float) -> Beyond:
    """Trained until the residual adds nothing, a = 1/2: at the paper's stopping rule it would exceed the distance.

    Raises:
        InvalidArgument: a width at which the theorem does not apply.
    """
    problem = data_of_figure_4(study, sizes)
    s = width.printed_deviation(problem, delta)
    needed = width.theorem_width(problem, 0.5, s)
    if widths.min() <= needed:
        reject("widths", widths.min(), f"above h0 = {needed:.4g}, where the theorem applies to these data")
    cells = [Cell(wide_start(problem, int(h), 0.5, runs, study.rng("sweep", h)), int(h), 0.5) for h in widths]
    found = [(cell.start, run["U"][-1], run["V"][-1]) for cell, run in zip(cells, ends(study, cells))]
    swept = {
        "widths": widths,
        "distance": np.stack([start.distance_to_minimum_norm(U, V) for start, U, V in found]),
        "unseen": np.stack([start.unseen(V) for start, _, V in found]),
        "output_squared": np.stack([(V**2).sum((-2, -1)) for _, _, V in found]),
    }
    return Beyond(problem, s, swept)


def judged_beyond(beyond: Beyond) -> Iterator[Check | Curves]:
    """The exact law at these widths, and what the figure of widths draws."""
    problem, s, swept = beyond.problem, beyond.s, beyond.swept
    widths = swept["widths"]
    draws = law_of_the_sweep("the exact law, h beyond h0", problem, swept)
    yield draws.supporting().follow(stats.chi2(problem.D - problem.r))
    needed = width.theorem_width(problem, 0.5, s)
    smallest = measured("smallest of these widths over h0", widths.min(), within=exactly("h0"))
    yield smallest.supporting().at_least(needed)
    over_law = swept["distance"] / law(problem, widths)[:, None]
    yield curves(
        "beyond h0", widths=widths, distance=swept["distance"], distance_over_law=over_law, width_needed=needed
    )
    yield curves("bound", widths=FIGURE_WIDTHS, distance=width.distance_bound(problem, FIGURE_WIDTHS, 0.5, s))
