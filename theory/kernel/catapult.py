"""One input and a residual of the size of m^(1/2): gradient descent at infinite width, stable or not, in closed form.

With residual m^(1/2) rho, the z_r = w_r . x are Gaussian at the start, all active ones with the same sign a move by eta
a rho together, and one that falls below 0 never moves again. So a step knows two numbers for either sign a: how far its
neurons have moved, s_a, and the least z at the start that has never been below 0, t_a = max(0, -s_a so far):

    u / m^(1/2) = 1/2 sum_a a E (z + s_a) 1{z > t_a},   lambda = 1/2 sum_a P(z > t_a),   rho = (y - u) / m^(1/2)
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer


@dataclass(frozen=True)
class Course:
    """What k = 0, ..., steps steps do.

    Attributes:
        residual: rho, (y - u) / m^(1/2).
        eigenvalue: lambda, of the 1 x 1 kernel H(W(k)): 1/2 at the start.
    """

    residual: Float[Array, " K"]
    eigenvalue: Float[Array, " K"]


def one_input(learning_rate: float, start: float, steps: int) -> Course:
    """From y = m^(1/2) `start`, while u(0) has the order 1 (ours).

    Below a learning rate of 4 = 2 / lambda(0) small residuals shrink. Above, they grow until neurons die, lambda falls,
    and either learning_rate x lambda < 2 at last, where rho -> 0, or it is 2: then rho changes sign for ever.

    Raises:
        InvalidArgument: a learning rate that is not above 0, a start beyond 1e100, steps that are no whole number of at
            least 1.
    """
    positive("learning_rate", learning_rate)
    y = inside("start", start, -1e100, 1e100)
    signs, moved, died = np.array([1.0, -1.0]), np.zeros(2), np.zeros(2)
    residual, eigenvalue = [], []
    for _ in range(positive_integer("steps", steps) + 1):
        alive = stats.norm.sf(died)
        with np.errstate(invalid="ignore", over="ignore"):
            u = signs @ np.where(alive > 0, stats.norm.pdf(died) + moved * alive, 0) / 2
        residual.append(y - u)
        eigenvalue.append(alive.mean())
        moved = np.clip(moved + learning_rate * signs * residual[-1], -1e150, 1e150)
        died = np.maximum(died, -moved)
    return Course(np.array(residual), np.array(eigenvalue))
