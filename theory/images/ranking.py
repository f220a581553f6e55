"""How well scores find examples: areas under ROC curves, and what they are worth."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from theory.core.arrays import Array
from theory.core.validation import entries_inside, reject


def ranking(scores: Float[Array, "*runs n"], wanted: Bool[Array, "*runs n"]) -> Float[Array, "*runs"]:
    """Area under the ROC curve: the chance that a wanted example scores higher than another one, ties counting half.

    NaN where no example is wanted, or every one. It is Mann & Whitney's statistic divided by its largest value.
    """
    hits = wanted.sum(-1)
    above = (stats.rankdata(scores, axis=-1) * wanted).sum(-1) - hits * (hits + 1) / 2
    pairs = hits * (wanted.shape[-1] - hits)
    return np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan)


def ranking_error(wanted: Bool[Array, "*runs n"]) -> Float[Array, "*runs"]:
    """Standard deviation of `ranking` for scores that know nothing: sqrt((n + 1) / (12 n_+ n_-)) (Mann & Whitney)."""
    n, hits = wanted.shape[-1], wanted.sum(-1)
    pairs = hits * (n - hits)
    return np.where(pairs > 0, np.sqrt((n + 1) / (12 * np.maximum(pairs, 1))), np.nan)


def chance_error(errors: Float[Array, "*runs"]) -> float:
    """Standard deviation of the mean of independent areas from theirs; runs in which nothing could be ranked (NaN) do
    not count.

    Raises:
        InvalidArgument: no run in which something could be ranked.
    """
    known = errors[np.isfinite(errors)]
    if known.size == 0:
        reject("errors", "none that is known", "at least one")
    return float(np.hypot.reduce(known) / known.size)


def roc(
    scores: Float[Array, "*runs n"], wanted: Bool[Array, "*runs n"], false: Float[Array, " grid"]
) -> Float[Array, "*runs grid"]:
    """Share of the wanted examples that are found when a share `false` of the others is taken for one.

    Straight where scores tie, so that the area below is `ranking`; NaN where that is.

    Raises:
        InvalidArgument: a share outside [0, 1].
    """
    entries_inside("false", false, 0, 1, "[]")
    n = scores.shape[-1]
    flat = [_roc(*pair, false) for pair in zip(scores.reshape(-1, n), wanted.reshape(-1, n))]
    return np.reshape(flat, (*scores.shape[:-1], false.size))


def _roc(scores: Array, wanted: Array, false: Array) -> Array:
    thresholds = np.unique(scores)[::-1]
    found, taken = ((scores[mask][:, None] >= thresholds).mean(0) for mask in (wanted, ~wanted))
    return np.interp(false, np.append(0, taken), np.append(0, found))
