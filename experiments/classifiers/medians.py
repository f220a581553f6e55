"""Two methods on the same draws, by the median of their differences: nothing is assumed of how these are distributed.

An interval of the mean has to allow for draws that are rarer than those seen, and one training among many that did not
converge moves its far end past any bound. The median lies between two order statistics with a probability that is
exact, whatever the law of the differences.
"""

import numpy as np
from scipy import stats

from experiments.classifiers.paired import Paired
from theory.claims import Check, Curves, curves
from theory.claims.estimates import SIGNIFICANCE, Estimate
from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, inside, positive_integer, reject

FAR_END = 3.0, "the near end tells the sign; the far end, and so the half-width, says how long the other tail is"


class PairedMedian(Paired):
    """A median of differences over independent draws. Made by `paired_median`."""

    def _decided(self, kind: str, bound: float, beyond: float, effect: float | None) -> Check:
        # Differences of shares have ties: an end at the bound itself excludes nothing.
        least = 4 * EPS * self.estimate.half_width or np.finfo(float).tiny
        return super()._decided(kind, bound, beyond or least, effect)


def paired_median(name: str, differences: Array, *, looks: int = 1, part: str = "", case: str = "") -> PairedMedian:
    """The median difference of two methods over draws (seeds,), each on the same examples from the same start.

    Args:
        looks: how many differences the claim looks at; each gets its part of the significance.

    Raises:
        InvalidArgument: fewer draws than `fewest_draws`, or a difference that is not finite.
    """
    estimate = median(differences, SIGNIFICANCE / positive_integer("looks", looks))
    return PairedMedian(name, estimate, part=part, case=case).resolving(FAR_END[0], because=FAR_END[1])


def median_drawn(group: str, differences: Array, bound: float, *, looks: int = 1) -> Curves:
    """What a figure and the page show of a comparison: median, 95 % interval, seeds, and the power it had."""
    shown = median(differences, 0.05)
    beyond = float(np.mean(np.sign(differences - bound) == np.sign(shown.value - bound)))
    return curves(
        group,
        differences=differences,
        effect=shown.value,
        interval=np.array([shown.low, shown.high]),
        seeds=differences.size,
        beyond=beyond,
        power=sign_power(beyond, differences.size, SIGNIFICANCE / looks),
    )


def median(draws: Array, significance: float) -> Estimate:
    """Median of independent draws (R,) between two order statistics, exactly: how many lie below it is binomial.

    The (k + 1)-th smallest lies above the median only if k draws at most lie below: probability P(Bin(R, 1/2) <= k).

    Raises:
        InvalidArgument: draws too few to miss as rarely as that, even with all of them on one side, or not finite; a
            significance outside (0, 1).
    """
    draws = np.sort(entries_inside("draws", draws), axis=None)
    k = left_out(draws.size, significance)
    reason = f"median of {draws.size} independent draws, between order statistics, significance {significance:g}"
    return Estimate(float(np.median(draws)), float(draws[k]), float(draws[-1 - k]), reason, significance)


def left_out(draws: int, significance: float) -> int:
    """k, the draws that the interval of the median leaves out on either side: P(Bin(R, 1/2) <= k) <= significance / 2.

    >>> left_out(64, 1e-6)
    12

    Raises:
        InvalidArgument: fewer draws than `fewest_draws`.
    """
    fewest = fewest_draws(significance)
    if draws < fewest:
        reject("draws", f"{draws} draws", f"{fewest} at least, to miss with probability {significance:g}")
    return int(np.flatnonzero(stats.binom.cdf(np.arange(draws // 2 + 1), draws, 0.5) <= significance / 2)[-1])


def fewest_draws(significance: float) -> int:
    """How many draws `median` needs: all of R lie on one side of the median with probability 2^(1 - R).

    Raises:
        InvalidArgument: a significance outside (0, 1).
    """
    _, exponent = np.frexp(inside("significance", significance, 0, 1, "()"))  # at least 2^(exponent - 1)
    return 2 - int(exponent)


def sign_power(beyond: float, draws: int, significance: float = SIGNIFICANCE) -> float:
    """Probability that the interval of the median excludes the bound.

    Args:
        beyond: the share of all draws beyond the bound, on the median's side of it.

    Raises:
        InvalidArgument: a share outside [0, 1], or fewer draws than `fewest_draws`.
    """
    k = left_out(draws, significance)
    return float(stats.binom.cdf(k, draws, 1 - inside("beyond", beyond, 0, 1, "[]")))
