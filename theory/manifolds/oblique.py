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


def solution(
    T: Float[Array, "A B"], W: Float[Array, "*runs A B"], t: Float[Array, "*times"] | float
) -> Float[Array, "*batch"]:
    """W(t) from W, shape (*times, *runs, A, B); t = inf gives the limit.

    phi' = -|t_j| sin phi, so that tan(phi(t) / 2) = tan(phi / 2) e^(-|t_j| t).

    >>> T, W = np.array([[2.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> solution(T, W, np.array([0.0, np.log(3) / 2, np.inf])).round(3).tolist()
    [[[0.0], [1.0]], [[0.8], [0.6]], [[1.0], [0.0]]]
    """
    t, phi = times(t), angles(T, W)
    decay = np.exp(-rates(T) * t[..., None]).reshape(*t.shape, *[1] * (np.ndim(phi) - 1), -1)
    return turned(T, W, 2 * np.arctan(np.tan(phi / 2) * decay))


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
