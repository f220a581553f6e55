"""An estimated number with the interval that holds it, and the probability with which random ones may miss."""

from dataclasses import dataclass

# All random checks of a run together may raise a false alarm with probability below 1e-3: each gets this much, which
# is enough for a thousand of them. A test adds up those that there are.
SIGNIFICANCE = 1e-6


@dataclass(frozen=True)
class Estimate:
    """A number with the interval [low, high] that holds it, and why the interval does."""

    value: float
    low: float
    high: float
    reason: str
    significance: float = 0.0  # the probability with which a random interval misses

    @property
    def half_width(self) -> float:
        return max(self.high - self.value, self.value - self.low)

    def __contains__(self, number: float | int) -> bool:
        return bool(self.low <= number <= self.high)
