"""A linear layer with unit columns on white inputs: up to a constant its squared loss is L(W) = -tr(W^T T), T = X Y^T.

The columns do not see each other; each turns in the plane of its start and its target, phi its angle to it.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, reject, times
from theory.manifolds.steps import sine

OFF = 1e-6  # what the length of a unit column may be off by, in single precision too


def rates(T: Float[Array, "A B"]) -> Float[Array, " B"]:
    """|t_j|: the Hessian of column j at its optimum t_j / |t_j|, in all A - 1 directions."""
    return np.hypot.reduce(T, axis=0, initial=0.0)


def optimum(T: Float[Array, "A B"]) -> Float[Array, "A B"]:
    """t_j / |t_j|.

    Raises:
        InvalidArgument: a column of T that is 0, for which every direction is an optimum; T is not finite.
    """
    if not rates(T).all():
        reject("T", f"0 in column {int(np.argmin(rates(T)))}", "a target for every column")
    return _targets(T)


def angles(T: Float[Array, "A B"], W: Float[Array, "*runs A B"]) -> Float[Array, "*runs B"]:
    """phi_j, between column and target; it is no angle, but pi / 2, where the target is 0.

    Raises:
        InvalidArgument: T is not finite, or a column of W has not length 1.
    """
    near, far = _ends(T, W)
    return 2 * np.arctan2(near, far)


def solution(
    T: Float[Array, "A B"], W: Float[Array, "*runs A B"], t: Float[Array, "*times"] | float
) -> Float[Array, "*batch"]:
    """W(t) from W, shape (*times, *runs, A, B); t = inf gives the limit.

    phi' = -|t_j| sin phi, so that tan(phi(t) / 2) = tan(phi / 2) e^(-|t_j| t). A column whose target is 0, or opposite,
    rests.

    >>> T, W = np.array([[2.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> solution(T, W, np.array([0.0, np.log(3) / 2, np.inf])).round(3).tolist()
    [[[0.0], [1.0]], [[0.8], [0.6]], [[1.0], [0.0]]]

    Raises:
        InvalidArgument: a negative or NaN time; T is not finite, or a column of W has not length 1.
    """
    (near, far), h = _ends(T, W), rates(T)
    t = times(t)[(..., *[None] * near.ndim)]
    rests = (h == 0) | (far == 0)
    with np.errstate(invalid="ignore"):  # 0 * inf in what rests
        decay = np.where(rests, 1.0, np.exp(-h * t))
    return turned(T, W, 2 * np.arctan2(decay * near, far))


def angle_steps(
    T: Float[Array, "A B"], phi: Float[Array, "*runs B"], learning_rate: float, steps: int
) -> Float[Array, "*batch"]:
    """Every step of the exponential map, phi <- phi - eta |t_j| sin phi, shape (steps + 1, *runs, B).

    Raises:
        InvalidArgument: angles that do not stay finite.
    """
    path, h = [phi], rates(T)
    for _ in range(steps):
        path.append(path[-1] - learning_rate * h * sine(path[-1]))
    return entries_inside("phi", path)


def turned(T: Float[Array, "A B"], W: Float[Array, "*runs A B"], phi: Float[Array, "*batch"]) -> Float[Array, "*more"]:
    """The columns of W turned, each in the plane of its target, to angles phi (..., *runs, B) from it.

    Raises:
        InvalidArgument: a column along its target is to turn, in no plane; T or an angle is not finite, or a column of
            W has not length 1.
    """
    _require_unit_columns(W)
    target = _targets(T)
    near, far = _apart(W, target), _apart(W, -target)
    squares = [(part**2).sum(-2, keepdims=True) / 2 for part in (near, far)]
    # W - target cos phi, from the closer of the two ends: what is left of W itself is lost where the two align.
    across = np.where(squares[0] < squares[1], near + target * squares[0], far - target * squares[1])
    size = np.linalg.norm(across, axis=-2, keepdims=True)
    if ((size[..., 0, :] == 0) & (sine(phi) != 0)).any():
        reject("W", "a column along its target", "columns that span a plane with their targets, to turn in it")
    across = np.divide(across, size, out=np.zeros_like(across), where=size > 0)
    return np.cos(phi)[..., None, :] * target + np.sin(phi)[..., None, :] * across


def _require_unit_columns(W: Array) -> None:
    entries_inside("lengths of columns of W", np.hypot.reduce(W, axis=-2), 1 - OFF, 1 + OFF)


def _ends(T: Array, W: Array) -> tuple[Array, Array]:
    """Distances of the columns from their targets, 2 sin(phi / 2), and from the opposite points, 2 cos(phi / 2)."""
    _require_unit_columns(W)
    target = _targets(T)
    return np.linalg.norm(_apart(W, target), axis=-2), np.linalg.norm(_apart(W, -target), axis=-2)


def _targets(T: Array) -> Array:
    """`optimum`, and 0 where that is not defined."""
    size = np.abs(entries_inside("T", T)).max(0)
    scaled = T / np.where(size > 0, size, 1.0)
    return scaled / np.maximum(np.linalg.norm(scaled, axis=0), size == 0)


def _apart(W: Array, target: Array) -> Array:
    """W - target, entries within rounding of 0 being 0."""
    return np.where(np.abs(W - target) <= 2 * EPS * np.abs(target), 0.0, W - target)
