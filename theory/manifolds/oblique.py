"""A linear layer with unit columns on white inputs: up to a constant its squared loss is L(W) = -tr(W^T T), T = X Y^T.

The columns do not see each other; each turns in the plane of its start and its target, phi its angle to it.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import times


def rates(T: Float[Array, "A B"]) -> Float[Array, " B"]:
    """|t_j|: the Hessian of column j at its optimum t_j / |t_j|, in all A - 1 directions."""
    return np.linalg.norm(T, axis=0)


def optimum(T: Float[Array, "A B"]) -> Float[Array, "A B"]:
    """t_j / |t_j|."""
    return T / rates(T)


def angles(T: Float[Array, "A B"], W: Float[Array, "*runs A B"]) -> Float[Array, "*runs B"]:
    """phi_j, between column and target."""
    near, far = (np.linalg.norm(W - sign * optimum(T), axis=-2) for sign in (1, -1))
    return 2 * np.arctan2(near, far)


def angle_flow(
    T: Float[Array, "A B"], phi: Float[Array, "*runs B"], t: Float[Array, " times"]
) -> Float[Array, "*batch"]:
    """phi' = -|t_j| sin phi: tan(phi(t) / 2) = tan(phi / 2) e^(-|t_j| t), shape (times, *runs, B)."""
    t = times(t)
    decay = np.exp(-rates(T) * t[:, None]).reshape(len(t), *[1] * (np.ndim(phi) - 1), -1)
    return 2 * np.arctan(np.tan(phi / 2) * decay)


def angle_steps(
    T: Float[Array, "A B"], phi: Float[Array, "*runs B"], learning_rate: float, steps: int
) -> Float[Array, "*batch"]:
    """Every step of the exponential map, phi <- phi - eta |t_j| sin phi, shape (steps + 1, *runs, B)."""
    path = [phi]
    for _ in range(steps):
        path.append(path[-1] - learning_rate * rates(T) * np.sin(path[-1]))
    return np.stack(path)


def turned(T: Float[Array, "A B"], W: Float[Array, "*runs A B"], phi: Float[Array, "*batch"]) -> Float[Array, "*more"]:
    """The columns of W turned, each in the plane of its target, to angles phi (..., *runs, B) from it."""
    target = optimum(T)
    across = W - target * (W * target).sum(-2, keepdims=True)
    across = across / np.linalg.norm(across, axis=-2, keepdims=True)
    return np.cos(phi)[..., None, :] * target + np.sin(phi)[..., None, :] * across
