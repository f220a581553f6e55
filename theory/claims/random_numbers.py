"""Estimates with their intervals, frequencies and draws, held against a constant, a probability, a law."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from theory.claims import laws, resolution
from theory.claims.check import Check
from theory.claims.estimates import SIGNIFICANCE, Estimate
from theory.claims.subject import Subject, inverse, over
from theory.core.arrays import Array


@dataclass(frozen=True)
class Estimated(Subject):
    """A constant with its interval. Made by `order`, `slope` and `rate`."""

    kind: str
    estimate: Estimate

    def equals(self, predicted: float, *, excludes: Sequence[float] = (), against: float | None = None) -> Check:
        """The interval holds the prediction and none of `excludes`.

        Args:
            against: where 0 is predicted, what was measured where the theorem does not hold: the scale of resolution.
        """
        estimate = self.estimate
        half = max(estimate.half_width, np.finfo(float).tiny)
        off = abs(estimate.value - predicted)
        headrooms = [inverse(off / half)]
        headrooms += [abs(estimate.value - wrong) / half for wrong in excludes]
        excluded = ", ".join(f"{wrong:g}" for wrong in excludes)
        reason = f"{estimate.reason}; must exclude {excluded}" if excluded else estimate.reason
        finest = None if self.has_to_fail else over(half + off, abs(predicted) if against is None else against)
        found = {"resolution": finest, "significance": estimate.significance}
        return self.judge(self.kind, predicted, estimate.value, half, reason, min(headrooms), **found)


@dataclass(frozen=True)
class Frequency(Subject):
    """How often something happened. Made by `frequency`."""

    successes: int
    trials: int
    because: str

    def at_least(self, probability: float) -> Check:
        """Exact binomial test of P(success) >= probability, at significance `SIGNIFICANCE`.

        Its resolution is the share by which the probability of the complement can be sharpened until it is refused.
        """
        share, p_value = self.successes / self.trials, stats.binom.cdf(self.successes, self.trials, probability)
        test = f"exact binomial test, {self.successes} of {self.trials}, rejected below p = {SIGNIFICANCE:g}"
        reason = f"{self.because}; {test}"
        found = {"resolution": self._finest(probability), "significance": SIGNIFICANCE}
        return self.judge("probability", probability, share, SIGNIFICANCE, reason, p_value / SIGNIFICANCE, **found)

    def _finest(self, probability: float) -> float | None:
        if self.has_to_fail:
            return None
        # Clopper & Pearson: the largest probability that as few successes do not refuse.
        largest = stats.beta.isf(SIGNIFICANCE, self.successes + 1, self.trials - self.successes)
        return 0.0 if probability == 1 else over(1 - probability, 1 - np.nan_to_num(largest, nan=1.0)) - 1


@dataclass(frozen=True)
class Samples(Subject):
    """Independent draws. Made by `samples`."""

    draws: Any
    because: str
    significance: float = SIGNIFICANCE

    def follow(self, law: Any) -> Check:
        """The draws follow the law: three tests of a third of the significance each.

        If they do, u = F(draw) is uniform. Kolmogorov and Smirnov's test sees any departure from that, if it is large.
        A change of scale moves the mean of u, or of |2u - 1| if the law is symmetric: both are means of n uniforms
        (Neyman's smooth test, its first order), whose tails are lighter than the normal ones of variance 1 / (12 n).
        The resolution is the change of scale, or of the parameter, that is rejected with probability one half.

        Args:
            law: a frozen scipy law, or a function of the factor by which its parameter is multiplied that gives one.
        """
        draws = np.asarray(self.draws, dtype=np.float64).ravel()
        stated = law(1.0) if callable(law) else law
        changed = (lambda k: law(k).cdf(draws)) if callable(law) else (lambda k: law.cdf(draws / k))
        numbers = stated.mean(), draws.mean()
        return self._judged(numbers, laws.of_uniform(stated.cdf(draws)), draws, lambda k: laws.smooth(changed(k)))

    def match(self, others: Any) -> Check:
        """The draws and the `others` are of one law, whichever it is: the same three tests, on their ranks.

        The resolution is the factor between their scales that is rejected with probability one half.
        """
        draws, others = (np.asarray(each, dtype=np.float64).ravel() for each in (self.draws, others))
        numbers = others.mean(), draws.mean()
        p_value = laws.of_same(draws, others)
        return self._judged(numbers, p_value, draws, lambda k: laws.smooth_ranks(draws, others * k))

    def _judged(
        self, numbers: tuple[Any, Any], p_value: Array, draws: Array, changed: Callable[[float], Array]
    ) -> Check:
        tests = f"Kolmogorov-Smirnov and smooth tests on {draws.size} draws"
        reason = f"{self.because}; {tests}, rejected below p = {self.significance:g}"
        finest = None if self.has_to_fail else self._finest(draws, changed)
        found = {"resolution": finest, "significance": self.significance}
        return self.judge("law", *numbers, self.significance, reason, p_value / self.significance, **found)

    def _finest(self, draws: Array, changed: Callable[[float], Array]) -> float:
        if not np.isfinite(draws).all():
            return float(np.inf)
        critical = stats.norm.isf(self.significance / (2 * laws.TESTS))
        here = changed(1.0)

        def excess(k: float) -> float:
            return float(np.abs(changed(k) - here).max() / critical)

        return resolution.of_change(excess)


def order(name: str, estimate: Estimate, *, part: str = "", case: str = "") -> Estimated:
    """An observed order in a step size. It supports a theorem; 5 % is not asked of it."""
    return Estimated(name, "order", estimate, part=part, case=case, own=False)


def slope(name: str, estimate: Estimate, *, part: str = "", case: str = "") -> Estimated:
    """A log-log slope."""
    return Estimated(name, "slope", estimate, part=part, case=case)


def rate(name: str, estimate: Estimate, *, part: str = "", case: str = "") -> Estimated:
    """An exponential rate, or another estimated constant."""
    return Estimated(name, "rate", estimate, part=part, case=case)


def frequency(name: str, successes: int, trials: int, *, because: str, part: str = "", case: str = "") -> Frequency:
    """`successes` of `trials` independent runs, to be judged by `.at_least`."""
    return Frequency(name, successes, trials, because, part=part, case=case)


def samples(
    name: str, draws: Any, *, because: str, significance: float = SIGNIFICANCE, part: str = "", case: str = ""
) -> Samples:
    """Independent draws, to be judged by `.follow` or `.match`."""
    return Samples(name, draws, because, significance, part=part, case=case)
