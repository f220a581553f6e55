"""Homogeneous classifiers at their smallest weights: how near a solution is, and how well scores find examples.

A network f of degree L in its weights, f(r theta) = r^L f(theta), is to beat every wrong class by a margin of 1:

    min 1/2 |theta|^2   subject to   h_ik = 1 - (f_{y_i}(x_i) - f_k(x_i)) <= 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from theory.validation import Array

# What a solution may miss by to count as one, each relative to |theta| (the gap: to |theta|^2) or to the margin 1.
STATIONARITY, RADIUS, GAP, VIOLATION = 0.1, 0.05, 0.01, 0.02


@dataclass(frozen=True)
class Convergence:
    """What is left of the conditions of Karush, Kuhn and Tucker; every field (*runs).

    The states of the last steps lie in a ball of `radius` around the final weights. `gradient` is the norm of the
    mean gradient of the Lagrangian over them: an element of its Goldstein subdifferential of that radius, which is
    what can vanish for networks of rectifiers (Goldstein 1977; approximate KKT points: Lyu & Li 2020, appendix C).

    Divided by |theta| it is a backward error: theta is stationary, in this sense, for weights that decay towards a
    point at that distance from 0 instead of towards 0.

    Attributes:
        squared_norm: |theta|^2 of the final weights.
        multipliers: sum of the mean multipliers.
        gradient, radius: see above.
        steepness: mean of the norm of the Lagrangian's gradient.
        gap: mean of sum_ik lambda_ik |h_ik|.
        violation: largest h_ik of the final weights, at least 0.
    """

    squared_norm: Array
    multipliers: Array
    gradient: Array
    radius: Array
    steepness: Array
    gap: Array
    violation: Array

    @property
    def stationarity(self) -> Float[Array, "*runs"]:
        """|mean gradient| / |theta|."""
        return self.gradient / np.sqrt(self.squared_norm)

    @property
    def certified(self) -> Bool[Array, "*runs"]:
        """Whether all that is left is small: stationarity, radius, gap and violation."""
        size = np.sqrt(self.squared_norm)
        return (
            (self.stationarity <= STATIONARITY)
            & (self.radius <= RADIUS * size)
            & (self.gap <= GAP * self.squared_norm)
            & (self.violation <= VIOLATION)
        )

    def euler_ratio(self, degree: int) -> Float[Array, "*runs"]:
        """L sum lambda / |theta|^2: 1 at a solution, since theta . grad h = -L (1 - h) (Euler)."""
        return degree * self.multipliers / self.squared_norm

    def euler_error(self, degree: int) -> Float[Array, "*runs"]:
        """Bound on the distance of that ratio from 1.

        At each state, theta_t . g_t = |theta_t|^2 - L sum lambda (1 - h). Averaged, with |theta_t - theta| <= R,
        | |theta|^2 - L sum lambda | <= |theta| |mean g| + R mean |g| + L gap + 2 R |theta| + R^2.
        """
        R, size = self.radius, np.sqrt(self.squared_norm)
        left = size * self.gradient + R * self.steepness + degree * self.gap + 2 * R * size + R**2
        return left / self.squared_norm


def normalised_margin(
    margin: Float[Array, "..."], squared_norm: Float[Array, "..."], degree: int
) -> Float[Array, "..."]:
    """margin / |theta|^L, which rescaling the weights does not change; largest where the weights are smallest."""
    return margin / squared_norm ** (degree / 2)


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


def pooled_score(areas: Float[Array, "*runs"], errors: Float[Array, "*runs"]) -> float:
    """Standard errors by which the mean of independent areas exceeds 1/2; standard normal if the scores know nothing.

    Runs in which nothing could be ranked (NaN) do not count.
    """
    known = np.isfinite(areas)
    return float((areas[known] - 0.5).sum() / np.sqrt(np.square(errors[known]).sum()))


def roc(
    scores: Float[Array, "*runs n"], wanted: Bool[Array, "*runs n"], false: Float[Array, " grid"]
) -> Float[Array, "*runs grid"]:
    """Share of the wanted examples that are found when a share `false` of the others is taken for one.

    Straight where scores tie, so that the area below is `ranking`.
    """
    n = scores.shape[-1]
    flat = [_roc(*pair, false) for pair in zip(scores.reshape(-1, n), wanted.reshape(-1, n))]
    return np.reshape(flat, (*scores.shape[:-1], false.size))


def _roc(scores: Array, wanted: Array, false: Array) -> Array:
    thresholds = np.unique(scores)[::-1]
    found, taken = ((scores[mask][:, None] >= thresholds).mean(0) for mask in (wanted, ~wanted))
    return np.interp(false, np.append(0, taken), np.append(0, found))
