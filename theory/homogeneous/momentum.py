r"""What a step with momentum leaves of an imbalance, or of a norm that the loss does not depend on (ours).

A quadratic form Q(W) = B(W, W) is conserved by the gradient flow of every loss with B(W, grad) = 0: the imbalances of
`balance`, and |w|^2 of weights whose size does not matter (`normalisation`). With decay lambda, momentum mu, dampening
tau and the velocity v, torch's descent is

    v+ = mu v + (1 - tau) (G + lambda W),   d = v+, or Nesterov's G + lambda W + mu v+,   W+ = W - eta d,

so that B(W, d) = a lambda Q(W) + c B(W, v), with (a, c) = (1 - tau, mu), or (1 + mu, mu^2) of Nesterov's, and

    Q(W+) = Q(W) - 2 eta B(W, d) + eta^2 Q(d),

exactly, for any batch of examples and any step size. The first step has no velocity, and v+ = G + lambda W. Without
momentum it is `balance.after_step`. With it the flow conserves Q no more: B(W, v) remembers earlier steps.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside


def after_step(
    Q: Float[Array, "*any"],
    with_velocity: Float[Array, "*any"],
    of_step: Float[Array, "*any"],
    learning_rate: float,
    *,
    decay: float = 0.0,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> Float[Array, "*any"]:
    """Q(W+) from Q(W), B(W, v) and Q(d): v the velocity before the step (of a first step: 0, and no dampening).

    >>> after_step(np.array(4.0), np.array(0.5), np.array(9.0), 0.1, momentum=0.9).round(9).item()
    4.0

    Raises:
        InvalidArgument: a number that is not finite, or momentum outside [0, 1].
    """
    for name, values in (("Q", Q), ("with_velocity", with_velocity), ("of_step", of_step)):
        entries_inside(name, values)
    eta = inside("learning_rate", learning_rate, -np.inf, np.inf, "()")
    rate, mu = inside("decay", decay, -np.inf, np.inf, "()"), inside("momentum", momentum, 0, 1)
    a, c = (1 + mu, mu**2) if nesterov else (1 - inside("dampening", dampening, 0, 1), mu)
    return Q - 2 * eta * (a * rate * Q + c * with_velocity) + eta * (eta * of_step)


def steady_drift(of_step: Float[Array, "*any"], learning_rate: float, momentum: float) -> Float[Array, "*any"]:
    """Q(W+) - Q(W) while the velocity changes slowly, without decay: eta^2 (1 + mu) / (1 - mu) Q(d).

    C = B(W, v+) obeys C+ = mu (C - eta Q(v)), which rests at -eta mu Q(v) / (1 - mu).

    Raises:
        InvalidArgument: a number that is not finite, or momentum outside [0, 1).
    """
    mu = inside("momentum", momentum, 0, 1, "[)")
    eta = inside("learning_rate", learning_rate, -np.inf, np.inf, "()")
    return eta * (eta * ((1 + mu) / (1 - mu) * entries_inside("of_step", of_step)))
