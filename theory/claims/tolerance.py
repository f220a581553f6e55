"""What a measured number may be off by, with the reason for it."""

from dataclasses import dataclass

import numpy as np

from theory.claims.estimates import Estimate
from theory.core.arrays import EPS, Array

Number = Array | np.integer | float | int


@dataclass(frozen=True)
class Tolerance:
    """What numbers may be off by, in their own units: one for all of them, or an array that broadcasts with them.

    Tolerances of independent origin add: `rounding(...) + Tolerance(error, "last Richardson correction")`. One that
    random numbers exceed with a known probability carries it as its `significance`; of an interval, `by_chance`.
    """

    value: Number
    reason: str
    significance: float = 0.0

    def __add__(self, other: "Tolerance") -> "Tolerance":
        significance = self.significance + other.significance
        return Tolerance(np.add(self.value, other.value), f"{self.reason}; {other.reason}", significance)

    def __mul__(self, factor: Number) -> "Tolerance":
        """The same for `factor` times the number."""
        return Tolerance(np.multiply(self.value, factor), self.reason, self.significance)


def rounding(terms: Number, size: Number = 1.0, *, of: str) -> Tolerance:
    """`terms` roundings of numbers of that `size`; `of` says which numbers, and why so many."""
    return Tolerance(np.multiply(terms, EPS * np.asarray(size)), f"{np.max(terms):.4g} roundings of {of}")


def by_chance(estimate: Estimate, because: str = "") -> Tolerance:
    """The half-width of an interval, and the probability with which it misses."""
    reason = f"{because}; {estimate.reason}" if because else estimate.reason
    return Tolerance(estimate.half_width, reason, estimate.significance)


def exactly(reason: str) -> Tolerance:
    """No slack at all: for a bound that leaves rounding behind, and for what is counted."""
    return Tolerance(0.0, reason)
