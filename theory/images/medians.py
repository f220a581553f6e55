"""The median of independent draws, with an interval that assumes nothing of how they are distributed."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from theory.claims.estimates import Estimate
from theory.core.validation import entries_inside, inside, reject


def fewest_draws(significance: float) -> int:
    """How many draws `median` needs: all of R lie on one side of the median with probability 2^(1 - R).

    Raises:
        InvalidArgument: a significance outside (0, 1).
    """
    _, exponent = np.frexp(inside("significance", significance, 0, 1, "()"))  # at least 2^(exponent - 1)
    return 2 - int(exponent)


def median(draws: Float[np.ndarray, " R"], significance: float) -> Estimate:
    """Median of independent draws between two order statistics, exactly: how many lie below it is binomial.

    The (k + 1)-th smallest lies above the median only if k draws at most lie below: probability P(Bin(R, 1/2) <= k).
    Nothing is assumed of moments: at significances like 1e-6 an interval of Student's that is corrected for the
    skewness of R draws has no end where that skewness exceeds sqrt R over its quantile, which is 0.6 at R = 24.

    Raises:
        InvalidArgument: draws too few to miss as rarely as that, even with all of them on one side, or not finite; a
            significance outside (0, 1).
    """
    draws = np.sort(entries_inside("draws", draws))
    inside("significance", significance, 0, 1, "()")
    left_out = np.arange(draws.size // 2)
    rare = stats.binom.cdf(left_out, draws.size, 0.5) <= significance / 2
    if not rare.any():
        reject("draws", f"{draws.size} draws", f"more, for an interval that misses with probability {significance:g}")
    k = int(left_out[rare].max())
    reason = f"median of {draws.size} independent draws, between order statistics, significance {significance:g}"
    return Estimate(float(np.median(draws)), float(draws[k]), float(draws[-1 - k]), reason, significance)
