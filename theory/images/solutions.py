"""Homogeneous classifiers at their smallest weights: how near a solution is.

A network f of degree L in its weights, f(r theta) = r^L f(theta), is to beat every wrong class by a margin of 1:

    min 1/2 |theta|^2   subject to   h_ik = 1 - (f_{y_i}(x_i) - f_k(x_i)) <= 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from theory.core.arrays import Array
from theory.core.linear_networks import per_size

# What a solution may miss by to count as one, each relative to |theta| (the gap: to |theta|^2) or to the margin 1.
# These are empirical: chosen so that runs which are stopped early miss them, not derived from anything.
STATIONARITY, RADIUS, GAP, VIOLATION = 0.1, 0.05, 0.01, 0.02

# What |theta|^2, or the normalised margin, of two solutions may differ by to count as the same. Empirical too: the
# problem is not convex, and where two starts lead differs by up to 0.025 in the runs that it was chosen from.
ALIKE = 0.05


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
        """Whether all that is left is small: stationarity, radius, gap and violation. The thresholds are empirical."""
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
    """margin / |theta|^L, which rescaling the weights does not change; largest where the weights are smallest.

    Raises:
        InvalidArgument: a margin that is not finite, a squared norm not above 0, a degree below 1.
    """
    return per_size(margin, squared_norm, degree)
