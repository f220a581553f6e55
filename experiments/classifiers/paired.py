"""Two methods on the same draws: an end of the interval of their mean difference, held against a named bound.

The seeds of a claim are chosen from the power: `power` is the probability with which a difference of so many standard
deviations is told from the bound, at the significance that every random check has.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from theory.claims import Check, Curves, curves
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean
from theory.claims.subject import Subject, over
from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject

SIGN = "a sign is told: the half-width is a share of the distance from the bound"


@dataclass(frozen=True)
class Paired(Subject):
    """A mean of differences over independent draws, one of so many that are looked at. Made by `paired`."""

    estimate: Estimate

    def below(self, bound: float, *, effect: float | None = None) -> Check:
        """The whole interval lies below the bound; where the bound lies in it, the check is undecided.

        Args:
            effect: what the half-width is a share of, in the resolution; by default the distance of the mean
                difference from the bound.
        """
        return self._decided("below", bound, self.estimate.high - bound, effect)

    def above(self, bound: float, *, effect: float | None = None) -> Check:
        """The whole interval lies above the bound; as `below`."""
        return self._decided("above", bound, bound - self.estimate.low, effect)

    def _decided(self, kind: str, bound: float, beyond: float, effect: float | None) -> Check:
        """`beyond` is how far the interval's end lies on the wrong side of the bound.

        In units of the half-width it is b: up to 0 the check passes, with headroom 1 - b; up to 2 the interval holds
        the bound and nothing is told, but that a control does not pass what it must not; beyond that it fails. A
        control misses by 1 + b: by 2 with its mean at the bound, by 3 with its interval on the other side.
        """
        estimate, half = self.estimate, max(self.estimate.half_width, np.finfo(float).tiny)
        b = beyond / half
        finest = over(half, estimate.value - bound if effect is None else effect) if b <= 0 else float(np.inf)
        told = b <= 0 or b > 2 or self.has_to_fail
        headroom = 1.0 if not told else 1 - b if b <= 0 else 1 / (1 + b)
        found = {"resolution": None if self.has_to_fail else finest, "significance": estimate.significance}
        return self.judge(kind, bound, estimate.value, half, estimate.reason, headroom, **found)


def paired(name: str, differences: Array, *, looks: int = 1, part: str = "", case: str = "") -> Paired:
    """The mean difference of two methods over draws (seeds,), each on the same examples from the same start.

    Args:
        looks: how many differences the claim looks at; each gets its part of the significance.

    Raises:
        InvalidArgument: fewer than 3 draws, or a difference that is not finite.
    """
    estimate = mean(differences, SIGNIFICANCE / positive_integer("looks", looks))
    one_of = "" if looks == 1 else f", one of {looks} differences"
    estimate = replace(estimate, reason=f"paired{one_of}; {estimate.reason}")
    return Paired(name, estimate, part=part, case=case).resolving(1.0, because=SIGN)


def drawn(group: str, differences: Array, bound: float, *, looks: int = 1) -> Curves:
    """What a figure and the page show of a comparison: effect, 95 % interval, seeds, and the power it had."""
    differences = entries_inside("differences", differences).ravel()
    shown = mean(differences, 0.05)
    deviation = float(differences.std(ddof=1))
    told = over(abs(shown.value - bound), deviation)
    return curves(
        group,
        differences=differences,
        effect=shown.value,
        interval=np.array([shown.low, shown.high]),
        deviation=deviation,
        seeds=differences.size,
        power=power(told, differences.size, SIGNIFICANCE / looks) if np.isfinite(told) else 1.0,
    )


def power(effect: float, seeds: int, significance: float = SIGNIFICANCE) -> float:
    """Probability that Student's two-sided interval of so many normal differences excludes the bound.

    Args:
        effect: distance of the mean difference from the bound, in standard deviations of a difference.

    Raises:
        InvalidArgument: an effect that is not positive, fewer than 3 seeds, a significance outside (0, 1).
    """
    if positive_integer("seeds", seeds) < 3:
        reject("seeds", seeds, "at least 3")
    critical = stats.t.isf(inside("significance", significance, 0, 1, "()") / 2, seeds - 1)
    return float(stats.nct.sf(critical, seeds - 1, positive("effect", effect) * np.sqrt(seeds)))
