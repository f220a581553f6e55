"""Weights whose size does not matter: batch normalisation, growth of the norm, weight decay (Banburski et al. 2019).

A batch-normalised unit with gain g, on inputs with mean m and (biased) covariance S, is

    f(x) = g w.(x - m) / (w^T S w + eps)^(1/2):

at eps = 0 the size of w does not matter, and gradient flow on (g, w) is that of a unit norm in the metric S, not on
the Euclidean sphere. Descent on it maximises the margin of the whitened examples S^(-1/2) (x - m).
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.separable import Separable
from theory.core.validation import entries_inside, inside, positive, reject
from theory.homogeneous.decomposition import Examples


def covariance(X: Float[Array, "n d"]) -> Float[Array, "d d"]:
    """S = mean of (x - m)(x - m)^T, over n and not n - 1, as batch normalisation has it.

    Raises:
        InvalidArgument: entries beyond 1e150, whose squares overflow.
    """
    centred = _centred(X)
    return centred.T @ centred / len(X)


def normalised_outputs(X: Float[Array, "n d"], w: Float[Array, "*runs d"], eps: float) -> Float[Array, "*runs n"]:
    """w.(x_n - m) / (w^T S w + eps)^(1/2).

    Raises:
        InvalidArgument: no variance along w, at eps = 0: there is nothing to normalise; entries beyond 1e150.
    """
    outputs = _outputs(X, w)
    scale = _scale(outputs, eps)
    if not (scale > 0).all():
        reject("w", "a direction without variance", "variance along w, or eps above 0")
    return outputs / scale


def radial_derivative(X: Float[Array, "n d"], w: Float[Array, "*runs d"], eps: float) -> Float[Array, "*runs n"]:
    """<w, df(x_n)/dw> = f(x_n) eps / (w^T S w + eps), at gain 1: 0 only at eps = 0 (ours).

    Raises as `normalised_outputs`.
    """
    return normalised_outputs(X, w, eps) * (np.sqrt(eps) / _scale(_outputs(X, w), eps)) ** 2


def whitened(examples: Examples) -> Separable:
    """y_n S^(-1/2) (x_n - m), coordinates in the principal axes: its max-margin classifier u is what batch
    normalisation tends to, by u = S^(1/2) w / |S^(1/2) w|.

    Raises:
        InvalidArgument: no classifier without bias separates the centred examples.
    """
    axes, spread = _principal(examples.X)
    return Separable(examples.y[:, None] * ((examples.X - examples.X.mean(0)) @ axes / spread))


def whitened_direction(X: Float[Array, "n d"], w: Float[Array, "*runs d"]) -> Float[Array, "*runs r"]:
    """u = S^(1/2) w / |S^(1/2) w|, in the coordinates of `whitened`.

    Raises:
        InvalidArgument: examples that are all equal, or a w along which they are; entries beyond 1e150.
    """
    axes, spread = _principal(X)
    u = (entries_inside("w", w, -SQUARABLE, SQUARABLE, "[]") @ axes) * spread
    size = np.hypot.reduce(u, axis=-1, keepdims=True)
    if not (size > 0).all():
        reject("w", "a direction without variance", "variance along w")
    return u / size


def squared_norm_after_step(
    squared_norm: Float[Array, "*runs"],
    squared_gradient: Float[Array, "*runs"],
    learning_rate: float,
    shrinkage: float = 0.0,
) -> Float[Array, "*runs"]:
    """|w|^2 after w <- (1 - s) w - eta G, of a loss that does not depend on |w|: (1 - s)^2 |w|^2 + eta^2 |G|^2.

    Exact for any batch and any step size, because <w, G> = 0.

    Raises:
        InvalidArgument: a square below 0, or an argument that is not finite.
    """
    for name, square in (("squared_norm", squared_norm), ("squared_gradient", squared_gradient)):
        entries_inside(name, square, 0, np.inf, "[)")
    left = 1 - inside("shrinkage", shrinkage, -np.inf, np.inf, "()")
    step = inside("learning_rate", learning_rate, -np.inf, np.inf, "()")
    return left * (left * squared_norm) + step * (step * squared_gradient)


def equilibrium_norm(angular_gradient: float, learning_rate: float, decay: float) -> float:
    """|w| at rest under weight decay lambda, |G| |w| = `angular_gradient` at all times.

    |w|^4 = eta^2 (|G| |w|)^2 / (1 - (1 - eta lambda)^2), about eta (|G| |w|)^2 / (2 lambda).
    """
    shrinkage = inside("learning_rate x decay", learning_rate * decay, 0, 1, "()")
    step = positive("learning_rate", learning_rate) * positive("angular_gradient", angular_gradient)
    # 1 - (1 - s)^2 without a difference; roots first, so that no square overflows.
    return step**0.5 / (shrinkage * (2 - shrinkage)) ** 0.25


def relaxation_factor(learning_rate: float, decay: float) -> float:
    """2 (1 - eta lambda)^2 - 1: what one step leaves of a small departure of |w|^2 from its rest (ours).

    Raises:
        InvalidArgument: learning_rate x decay outside [0, 2], where weights grow by themselves.
    """
    return 2 * (1 - inside("learning_rate x decay", learning_rate * decay, 0, 2)) ** 2 - 1


def _centred(X: Array) -> Array:
    """x_n - m."""
    return X - entries_inside("X", X, -SQUARABLE, SQUARABLE, "[]").mean(0)


def _outputs(X: Array, w: Array) -> Array:
    """w.(x_n - m)."""
    return entries_inside("w", w, -SQUARABLE, SQUARABLE, "[]") @ _centred(X).T


def _scale(outputs: Array, eps: float) -> Array:
    """(w^T S w + eps)^(1/2), without squares."""
    deviation = np.hypot.reduce(outputs, axis=-1, keepdims=True) / np.sqrt(outputs.shape[-1])
    return np.hypot(deviation, np.sqrt(inside("eps", eps, 0, np.inf, "[)")))


def _principal(X: Array) -> tuple[Array, Array]:
    """Principal axes (d, r) and standard deviations along them (r,), none of them 0; from X itself, since its squares
    would lose directions of less than 1e-8 of the largest deviation."""
    _, deviations, axes = np.linalg.svd(_centred(X) / np.sqrt(len(X)), full_matrices=False)
    kept = deviations > max(X.shape) * EPS * max(deviations[0], np.abs(X).max())
    if not kept.any():
        reject("X", "examples that are all equal", "variance in some direction")
    return axes[kept].T[:, ::-1], deviations[kept][::-1]
