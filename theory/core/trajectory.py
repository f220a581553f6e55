"""What a closed form, a flow and a training run all return, so that they can be subtracted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from theory.core.arrays import Array
from theory.core.validation import reject


@dataclass(frozen=True)
class Trajectory:
    """Named arrays along time.

    Attributes:
        t: times in units step x learning rate, shape (T,), or (T, runs) where the runs have their own step sizes.
        arrays: name -> array of shape (T, ...); batch dimensions follow the time.
        facts: what else the maker knows, e.g. the number of steps taken.
    """

    t: Array
    arrays: Mapping[str, Array]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.shape[:1] != self.t.shape[:1]:
                reject(f"arrays[{name!r}].shape", array.shape, f"a first dimension of {len(self.t)}, one row a time")

    def __getitem__(self, name: str) -> Array:
        if name not in self.arrays:
            reject("name", repr(name), f"one of {', '.join(sorted(self.arrays))}")
        return self.arrays[name]

    def __sub__(self, other: "Trajectory") -> "Trajectory":
        """Difference of the arrays both have, at the same times.

        Raises:
            InvalidArgument: the times differ by more than rounding.
        """
        if self.t.shape != other.t.shape or not np.allclose(self.t, other.t, rtol=1e-12, atol=1e-300):
            reject("other.t", f"{other.t.shape} times", "the times of the trajectory it is subtracted from")
        shared = [name for name in self.arrays if name in other.arrays]
        return Trajectory(self.t, {name: self[name] - other[name] for name in shared})

    def _repr_html_(self) -> str:
        """What a notebook shows; found by name, as no claim depends on what its trajectories look like."""
        return str(import_module("theory.harness.site.notebook").trajectory_html(self))
