"""What can be varied in every claim about chains; and the units in which chains of one depth are one chain.

All chains of L weights move alike in units of their own of time, weight and multiplier. Numbers that a claim states
(learning rates, horizons, speeds, starts) are those of the chain with s = 1.7 and x = 1.2, and mean the same for every
other target and input.
"""

from dataclasses import dataclass, replace

import numpy as np

from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning

TARGET, INPUT = 1.7, 1.2


@dataclass(frozen=True)
class Chains:
    """Chains of several depths with one target and input."""

    depths: tuple[int, ...] = varies(
        "numbers L of weights", (2, 3, 4, 5), smoke=(2, 3), paper=(2, 3, 4, 5, 6), low=2, high=10
    )
    target: float = varies("s, of the product of the weights; other numbers are in its units", TARGET, low=0.1, high=10)
    input: float = varies("x; other numbers are in its units", INPUT, low=0.1, high=10)

    def __post_init__(self) -> None:
        if len(set(self.depths)) < len(self.depths):
            reject("depths", self.depths, "depths that all differ")
        if max(self.depths) < 2:
            reject("depths", self.depths, "one of 2 or more among them: a single weight has no imbalance")

    def chain(self, L: int) -> Chain:
        return Chain(self.target, L, x=self.input)

    @property
    def shown(self) -> int:
        """The depth at which hypotheses are broken: 3 where it is one of them, else the largest."""
        return 3 if 3 in self.depths else max(self.depths)


@dataclass(frozen=True)
class Units:
    """Units of a chain, relative to those of the chain of its depth that numbers are stated for."""

    chain: Chain

    @property
    def stated_for(self) -> Chain:
        return replace(self.chain, s=TARGET, x=INPUT)

    @property
    def time(self) -> float:
        """Of gradient flow and weight decay."""
        return self.stated_for.g / self.chain.g

    @property
    def weight(self) -> float:
        return self.chain.omega / self.stated_for.omega

    @property
    def multiplier(self) -> float:
        return minnorm.solution_multiplier(self.chain) / minnorm.solution_multiplier(self.stated_for)

    @property
    def state(self) -> Array:
        """Of (w, multiplier), (L + 1,)."""
        return np.append(np.full(self.chain.L, self.weight), self.multiplier)

    @property
    def time_of_minnorm(self) -> float:
        """Its weights decay at the speed a omega^(k-2): for squared norms all chains are alike in this already."""
        return self.weight ** (2 - self.chain.power)

    def tuning(self, tuning: Tuning) -> Tuning:
        """The same Minnorm, on this chain."""
        slower = self.time_of_minnorm
        return Tuning(tuning.a, tuning.b * self.time / slower**2, tuning.c * self.time / slower)
