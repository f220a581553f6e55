"""Which measure of a network's margin never falls once the data are fitted (Lyu & Li 2020).

Notation: q_n = y_n f(theta; x_n) the margins, f homogeneous of degree L in theta = (W_1, ..., W_L), and

    Loss = sum_n e^{-q_n}                          exponential, a sum and not a mean
    gamma^ = min_n q_n / |theta|^L                 the normalised margin
    gamma~ = log(1 / Loss) / |theta|^L             the smoothed one: gamma^ - log N / |theta|^L <= gamma~ <= gamma^
    p_n = e^{-q_n} / Loss,  nu = sum_n p_n q_n     softmax weights, and what drives the norm

Times are s with ds = Loss dt, of the flow on log Loss.
"""

from jaxtyping import Float
from scipy.special import logsumexp, softmax

from theory.core.arrays import Array


def normalised_margin(
    q: Float[Array, "*runs n"], squared_norm: Float[Array, "*runs"], depth: int
) -> Float[Array, "*runs"]:
    """gamma^ = min_n q_n / |theta|^L."""
    return q.min(-1) / squared_norm ** (depth / 2)


def log_loss(q: Float[Array, "*runs n"]) -> Float[Array, "*runs"]:
    """log Loss."""
    return logsumexp(-q, axis=-1)


def smoothed_margin(
    q: Float[Array, "*runs n"], squared_norm: Float[Array, "*runs"], depth: int
) -> Float[Array, "*runs"]:
    """gamma~ = log(1 / Loss) / |theta|^L (Lyu & Li 2020)."""
    return -log_loss(q) / squared_norm ** (depth / 2)


def smoothed_margin_rate(
    q: Float[Array, "*runs n"], squared_norm: Float[Array, "*runs"], across: Float[Array, "*runs"], depth: int
) -> Float[Array, "*runs"]:
    """d log gamma~ / ds = (L^2 nu / |theta|^2) (nu / log(1 / Loss) - 1) + across / log(1 / Loss), exactly.

    across = |P grad log Loss|^2, P the projection orthogonal to theta (after Lyu & Li 2020, the proof of monotony).
    """
    nu, descended = norm_growth(q), -log_loss(q)
    return depth**2 * nu / squared_norm * (nu / descended - 1) + across / descended


def smoothed_margin_bound(q: Float[Array, "*runs n"], across: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """across / nu >= 0: below d log gamma~ / ds wherever Loss < 1, because nu >= log(1 / Loss) (q_n >= -log Loss)."""
    return across / norm_growth(q)


def norm_growth(q: Float[Array, "*runs n"]) -> Float[Array, "*runs"]:
    """nu = sum_n p_n q_n; d|theta|^2 / ds = 2 L nu by Euler's theorem."""
    return (softmax(-q, axis=-1) * q).sum(-1)
