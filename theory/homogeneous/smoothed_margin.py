"""Which measure of a network's margin never falls once the data are fitted (Lyu & Li 2020).

Notation: q_n = y_n f(theta; x_n) the margins, f homogeneous of degree L in theta = (W_1, ..., W_L), and

    Loss = sum_n e^{-q_n}                          exponential, a sum and not a mean
    gamma^ = min_n q_n / |theta|^L                 the normalised margin
    gamma~ = log(1 / Loss) / |theta|^L             the smoothed one: gamma^ - log N / |theta|^L <= gamma~ <= gamma^
    p_n = e^{-q_n} / Loss,  nu = sum_n p_n q_n     softmax weights, and what drives the norm

Times are s with ds = Loss dt, of the flow on log Loss.
"""

from jaxtyping import Float
from scipy.special import entr, logsumexp, softmax

from theory.core.arrays import Array
from theory.core.linear_networks import per_size
from theory.core.validation import entries_inside, positive_integer, reject


def normalised_margin(
    q: Float[Array, "*runs n"], squared_norm: Float[Array, "*runs"], depth: int
) -> Float[Array, "*runs"]:
    """gamma^ = min_n q_n / |theta|^L.

    Raises:
        InvalidArgument: a margin that is not finite, a squared norm not above 0, a depth below 1.
    """
    return per_size(q.min(-1), squared_norm, depth)


def log_loss(q: Float[Array, "*runs n"]) -> Float[Array, "*runs"]:
    """log Loss."""
    return logsumexp(-q, axis=-1)


def smoothed_margin(
    q: Float[Array, "*runs n"], squared_norm: Float[Array, "*runs"], depth: int
) -> Float[Array, "*runs"]:
    """gamma~ = log(1 / Loss) / |theta|^L (Lyu & Li 2020).

    Raises as `normalised_margin`.
    """
    return per_size(-log_loss(q), squared_norm, depth)


def smoothed_margin_rate(
    q: Float[Array, "*runs n"], squared_norm: Float[Array, "*runs"], across: Float[Array, "*runs"], depth: int
) -> Float[Array, "*runs"]:
    """d log gamma~ / ds = (L^2 nu / |theta|^2) (nu / log(1 / Loss) - 1) + across / log(1 / Loss), exactly.

    across = |P grad log Loss|^2, P the projection orthogonal to theta (after Lyu & Li 2020, the proof of monotony).

    Raises:
        InvalidArgument: as `normalised_margin`; an `across` that is not finite; a loss of 1, where log gamma~ has a
            pole.
    """
    nu, descended = norm_growth(q), _off_zero(-log_loss(q), "losses other than 1")
    squared_norm, across = entries_inside("squared_norm", squared_norm, 0), entries_inside("across", across)
    # nu - log(1 / Loss) is the entropy of p, which that difference of large numbers would lose.
    entropy = entr(softmax(-q, axis=-1)).sum(-1)
    return positive_integer("depth", depth) ** 2 * (nu / descended) * entropy / squared_norm + across / descended


def smoothed_margin_bound(q: Float[Array, "*runs n"], across: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """across / nu >= 0: below d log gamma~ / ds wherever Loss < 1, because nu >= log(1 / Loss) (q_n >= -log Loss).

    Raises:
        InvalidArgument: an argument that is not finite; nu = 0, which the loss is above 1 at.
    """
    return entries_inside("across", across) / _off_zero(norm_growth(q), "margins at which the norm changes")


def norm_growth(q: Float[Array, "*runs n"]) -> Float[Array, "*runs"]:
    """nu = sum_n p_n q_n; d|theta|^2 / ds = 2 L nu by Euler's theorem.

    Raises:
        InvalidArgument: a margin that is not finite.
    """
    return (softmax(-entries_inside("q", q), axis=-1) * q).sum(-1)


def _off_zero(number: Array, expected: str) -> Array:
    if (number == 0).any():
        reject("q", "margins of which a mean is 0", expected)
    return number
