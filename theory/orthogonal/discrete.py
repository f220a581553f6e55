r"""Steps of orthogonality-preserving descent on the Procrustes loss, R <- R Cay(-eta skew(R^T grad L)).

A rotation by theta in the plane of the singular directions i and j, away from a critical point, stays one, exactly:

    theta <- theta - 2 arctan(h sin theta),    h = eta (s_i + s_j) / 4.

Hence every mode contracts by 1 - 2 h = 1 - eta (s_i + s_j) / 2 near the optimum, which attracts up to h = 1, and beyond
that the step alternates between +theta and -theta with cos theta = 1 / h.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, inside, positive
from theory.orthogonal.procrustes import Component


def plane_angles(theta: Float[Array, "*runs"], h: Float[Array, "*#runs"] | float, steps: int) -> Float[Array, "*batch"]:
    """Angles theta before each step and after the last, shape (steps + 1, *runs); half turns rest.

    Raises:
        InvalidArgument: an angle or an h that is not finite, a negative number of steps.
    """
    inside("steps", steps, 0, np.inf, "[)"), entries_inside("theta", theta), entries_inside("h", h)
    angles = [np.broadcast_to(theta, np.broadcast_shapes(np.shape(theta), np.shape(h)))]
    for _ in range(steps):
        sine = np.sin(angles[-1])
        # theta is only the nearest float to a half turn: rounding would make it leave.
        sine = np.where(np.abs(sine) <= EPS * np.abs(angles[-1]), 0.0, sine)
        angles.append(angles[-1] - 2 * np.arctan(h * sine))
    return np.stack(angles)


def contraction(chart: Component, learning_rate: float) -> Float[Array, "*runs d d"]:
    """What one step leaves of A_ij near the optimum: 1 - eta (s_i + s_j) / 2, off the diagonal.

    Raises:
        InvalidArgument: a learning rate that is not above 0.
    """
    return 1 - positive("learning_rate", learning_rate) * chart.rates


def largest_learning_rate(chart: Component) -> Float[Array, "*runs"] | float:
    """The optimum attracts below 2 / max rate = 4 / (s_1 + s_2), and repels above it; infinite if nothing turns."""
    with np.errstate(divide="ignore"):
        return 2 / chart.rates.max((-2, -1))


def cycle_angle(h: Float[Array, "*runs"] | float) -> Float[Array, "*runs"] | float:
    """The theta = arccos(1 / h) of the cycle +theta, -theta, which attracts beyond h = 1.

    Raises:
        InvalidArgument: h is not above 1.
    """
    _require_cycle(h)
    return np.arctan(np.sqrt(h - 1) * np.sqrt(h + 1))


def cycle_contraction(h: Float[Array, "*runs"] | float) -> Float[Array, "*runs"] | float:
    """What one step leaves of a deviation from the cycle: 1 - 2 / h^2, with the sign of the cycle.

    Raises:
        InvalidArgument: h is not above 1.
    """
    _require_cycle(h)
    return 1 - 2 / h / h


def _require_cycle(h: Array | float) -> None:
    inside("h", np.min(h), 1, np.inf, "()")


# Gradient descent on the parameters of a map runs this much faster at R = I than descent on O(d) itself. What a map
# does to first order is dR_ij = -dR_ji = c dP_ij for i > j, and by the chain rule the speed is 2 c^2; only Loewdin's
# dR = (dP - dP^T) / 2 moves two entries of P for each of R. The published Cayley map (I + A) (I - A)^-1 has c = 2.
SPEEDS = {"loewdin": 1.0, "gram_schmidt": 2.0, "cayley": 2.0, "matrix_exp": 2.0, "published cayley": 8.0}
