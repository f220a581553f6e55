"""Refinement as functions of everything at once."""

from collections.abc import Callable, Sequence
from typing import Any

from experiments.training import refinement
from theory.claims import Check
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory


def refined(
    descend: Callable[..., Trajectory], name: str, *, learning_rate: Any, horizon: Any, records: int, levels: int = 3
) -> list[Trajectory]:
    between = max(round(horizon / learning_rate / (records - 1)), 1)
    return [
        descend(
            f"{name}, level {level}",
            learning_rate=horizon / (between * (records - 1)) / 2**level,
            steps=between * (records - 1) * 2**level,
            record=[between * k * 2**level for k in range(records)],
        )
        for level in range(levels)
    ]


def extrapolated_at_most(name: str, ratios: Sequence[Array]) -> Check:
    return refinement.extrapolated_ratio(name, ratios).at_most(1.0)


def extrapolated(name: str, values: Sequence[Array], predicted: Any, solver_error: Any = 0.0) -> Check:
    return refinement.extrapolated(name, values, solver_error).equals(predicted)
