"""Deep networks without biases, x -> W_L s(... s(W_1 x)): what settings with layers W_l (*runs, h_l, h_{l-1}) share."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, positive, positive_integer, reject

Layers = Sequence[Array]


def end_to_end(W: Layers) -> Float[Array, "*runs K d"]:
    """W_L ... W_1, the matrix of a network without nonlinearity."""
    return reduce(lambda product, layer: layer @ product, W)


def imbalances(W: Layers) -> list[Array]:
    """D_l = W_{l+1}^T W_{l+1} - W_l W_l^T, each (*runs, h_l, h_l), l = 1 ... L - 1; conserved by gradient flow."""
    return [after.mT @ after - before @ before.mT for before, after in pairwise(W)]


def layer_gradients(W: Layers, gradient: Float[Array, "*runs K d"]) -> list[Array]:
    """Gradient by each layer, W_{>l}^T G W_{<l}^T, of a loss whose gradient by the end-to-end matrix is G."""
    gradients = []
    for l in range(len(W)):
        back = end_to_end(W[l + 1 :]).mT @ gradient if W[l + 1 :] else gradient
        gradients.append(back @ end_to_end(W[:l]).mT if W[:l] else back)
    return gradients


def squared_norm(W: Layers) -> Float[Array, "*runs"]:
    """|theta|^2 = sum_l |W_l|_F^2."""
    return np.sum([np.square(layer).sum((-2, -1)) for layer in W], axis=0)


def per_size(
    margin: Float[Array, "*#runs"], squared_norm: Float[Array, "*#runs"], degree: int
) -> Float[Array, "*runs"]:
    """margin / |theta|^degree, in logarithms: the power may overflow where the quotient does not.

    Raises:
        InvalidArgument: a margin that is not finite, a squared norm not above 0, a degree below 1.
    """
    margin, log_square = entries_inside("margin", margin), np.log(entries_inside("squared_norm", squared_norm, 0))
    with np.errstate(divide="ignore", over="ignore"):
        log_margin = np.log(np.abs(margin))
        return np.sign(margin) * np.exp(log_margin - positive_integer("degree", degree) / 2 * log_square)


def squarable(W: Layers) -> Layers:
    """The same layers.

    Raises:
        InvalidArgument: an entry that is not finite, or so large that squares overflow.
    """
    for l, layer in enumerate(W):
        entries_inside(f"W[{l}]", layer, -SQUARABLE, SQUARABLE, "[]")
    return W


def gaussian_stack(
    rng: np.random.Generator, widths: Sequence[int], scales: Sequence[float] | float, *, runs: int = 1
) -> list[Array]:
    """Independent normal entries.

    Args:
        widths: h_0 = d, h_1, ..., h_L = K.
        scales: standard deviation of the entries of each layer, or one for all.

    Returns:
        W_l (runs, h_l, h_{l-1}), l = 1 ... L.

    Raises:
        InvalidArgument: fewer than two widths, one or runs that is not a whole number above 0, scales that are not one
            number above 0 a layer.
    """
    positive_integer("runs", runs)
    if len(widths) < 2:
        reject("widths", list(widths), "at least the input's and the output's")
    for l, width in enumerate(widths):
        positive_integer(f"widths[{l}]", width)
    each = [scales] * (len(widths) - 1) if np.ndim(scales) == 0 else list(scales)  # type: ignore[arg-type]
    if len(each) != len(widths) - 1:
        reject("scales", each, f"one number, or {len(widths) - 1}, one a layer")
    for l, scale in enumerate(each):
        positive(f"scales[{l}]", scale)
    return [scale * rng.standard_normal((runs, h, before)) for scale, (before, h) in zip(each, pairwise(widths))]
