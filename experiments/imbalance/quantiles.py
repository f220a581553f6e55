"""Statements that hold with a probability, judged on many draws by how far a quantile of theirs is from the bound."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from theory.claims import Measured, Tolerance, measured
from theory.claims.estimates import SIGNIFICANCE
from theory.core.arrays import Array


def fewest_draws(probability: float) -> int:
    """How many draws are needed for too few of them that keep a bound to refuse it.

    >>> fewest_draws(0.5)
    20
    """
    return int(np.ceil(np.log(SIGNIFICANCE) / np.log1p(-probability)))


def with_probability(
    probability: float, name: str, ratios: Array, *, because: str, constructed: Sequence[float] = ()
) -> Measured:
    """Ratios (*cases, draws) of what is bounded to its bound; each is at most 1 with this probability or a larger one.

    Then at most 1 is the order statistic that is returned, but with probability `SIGNIFICANCE`: the exact binomial test
    on how many draws keep the bound, read as the factor by which the bound could be sharpened.

    Args:
        ratios: at least `fewest_draws` of them.
        constructed: ratios of instances that are not drawn, nearer to equality; they are judged beside the draws.

    >>> with_probability(0.5, "median", np.linspace(0.2, 1.2, 101), because="an example").value.round(2)
    array([0.46])
    """
    draws = ratios.shape[-1]
    kept = int(stats.binom.ppf(SIGNIFICANCE, draws, probability))  # fewer draws than these that keep it refuse it
    quantiles = np.sort(ratios, axis=-1)[..., kept - 1].ravel()
    reason = f"{because}; exact binomial test on {draws} draws, rejected if fewer than {kept} keep the bound"
    within = Tolerance(0.0, reason, significance=quantiles.size * SIGNIFICANCE)
    return measured(name, np.append(quantiles, constructed), within=within)
