"""Minnorm in discrete time: Polyak's heavy ball on the dual D(lambda) = 1/2 lambda^T G lambda - 1^T lambda (ours).

One step with A = learning rate x a and B = learning rate x b, multipliers kept at lambda >= 0:

    alternating    w+ = (1 - A) w + A Z^T lambda,   lambda+ = lambda + B (1 - Z w+)
    simultaneous   w+ = (1 - A) w + A Z^T lambda,   lambda+ = lambda + B (1 - Z w)     (Euler's step of the flow)

While no multiplier is held at 0, alternating steps give

    lambda_{t+1} - lambda_t = A B (1 - G lambda_t) + (1 - A) (lambda_t - lambda_{t-1}),

and simultaneous ones the same with the gradient one step old, 1 - G lambda_{t-1}. A mode of G with eigenvalue g moves
by a 2 x 2 matrix of determinant and trace

    alternating    1 - A,            2 - A - A B g
    simultaneous   1 - A + A B g,    2 - A

and the d - |S| directions of w off the support shrink by 1 - A.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, reject


class Steps(NamedTuple):
    """A = learning rate x a, B = learning rate x b, and the factor by which they contract near the solution."""

    A: Array
    B: Array
    contraction: Array


def next_difference(
    gram: Float[Array, "*#runs n n"],
    before: Float[Array, "*#batch n"],
    now: Float[Array, "*#batch n"],
    A: float | Float[Array, "*#runs 1"],
    B: float | Float[Array, "*#runs 1"],
) -> Array:
    """lambda_{t+1} - lambda_t of alternating steps without projection, from lambda_{t-1} and lambda_t.

    Raises:
        InvalidArgument: a matrix, multipliers or steps that are not finite.
    """
    for name, values in (("gram", gram), ("before", before), ("now", now), ("A", A), ("B", B)):
        entries_inside(name, values)
    return A * B * (1 - (gram @ now[..., None])[..., 0]) + (1 - A) * (now - before)


def alternating_modes(
    g: Float[Array, " modes"], A: float | Float[Array, "*#steps 1"], B: float | Float[Array, "*#steps 1"]
) -> tuple[Array, Array]:
    """Determinant and trace of each mode's step.

    Raises:
        InvalidArgument: eigenvalues or steps that are not finite.
    """
    _require_finite(g, A, B)
    return (1 - A) * np.ones_like(g), 2 - A - A * B * g


def simultaneous_modes(
    g: Float[Array, " modes"], A: float | Float[Array, "*#steps 1"], B: float | Float[Array, "*#steps 1"]
) -> tuple[Array, Array]:
    """Determinant and trace of each mode's step. Raises as `alternating_modes`."""
    _require_finite(g, A, B)
    return 1 - A + A * B * g, (2 - A) * np.ones_like(g)


def radius(determinant: Float[Array, "*#modes"], trace: Float[Array, "*#modes"]) -> Float[Array, "*modes"]:
    """Spectral radius of 2 x 2 matrices with this determinant and trace: |roots of mu^2 - trace mu + determinant|.

    Raises:
        InvalidArgument: a determinant or a trace that is not finite.
    """
    entries_inside("determinant", determinant)
    entries_inside("trace", trace)
    # In units in which neither square overflows.
    unit = np.maximum(np.maximum(np.abs(trace), np.sqrt(np.abs(determinant))), np.finfo(float).tiny)
    half, product = trace / unit / 2, determinant / unit / unit
    root = np.sqrt(half**2 - product + 0j)
    return unit * np.maximum(np.abs(half + root), np.abs(half - root))


def alternating_limit(g_max: Float[Array, "*runs"], A: float | Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """Alternating steps with 0 < A < 2 converge near the solution iff B < (4 - 2 A) / (A g_max).

    Raises:
        InvalidArgument: A outside (0, 2), where no B converges, or g_max not above 0.
    """
    entries_inside("A", A, 0, 2)
    entries_inside("g_max", g_max, 0)
    return (4 - 2 * np.asarray(A)) / A / g_max


def simultaneous_limit(g_max: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """Simultaneous steps with 0 < A < 2 converge near the solution iff B < 1 / g_max.

    Raises:
        InvalidArgument: g_max not above 0.
    """
    entries_inside("g_max", g_max, 0)
    return 1 / g_max


def best_alternating(g_min: Float[Array, "*runs"], g_max: Float[Array, "*runs"]) -> Steps:
    """rho = (sqrt kappa - 1) / (sqrt kappa + 1), A = 1 - rho^2, B = (1 + rho)^2 / (A g_max) = (g_min g_max)^(-1/2).

    A radius rho needs 1 - A <= rho^2 (the determinant), and then all modes complex, |1 + rho^2 - A B g| <= 2 rho at
    both ends of the spectrum: kappa <= ((1 + rho) / (1 - rho))^2 (Polyak 1964).

    That is near the solution. From elsewhere take |Z|^2 of all examples for g_max: with the support's own, steps are
    trapped for ever where other examples are active on the way, which is not rare; with |Z|^2 hardly ever. Steps that
    are trapped nowhere, and slower, are `alternating.best_safe`.

    Raises:
        InvalidArgument: eigenvalues not above 0, or g_min above g_max.
    """
    _require_spectrum(g_min, g_max)
    share = np.sqrt(g_min) / np.sqrt(g_max)
    A = 4 * share / (1 + share) ** 2  # 1 - rho^2, without a difference
    return Steps(A, 1 / np.sqrt(g_min) / np.sqrt(g_max), (1 - share) / (1 + share))


def best_simultaneous(g_min: Float[Array, "*runs"], g_max: Float[Array, "*runs"]) -> Steps:
    """rho = (2 kappa - 1) / (2 kappa + 1), A = 1 + rho, B = rho / g_max: Theta(kappa) steps (ours).

    All modes within rho iff 1 - A + A B g_max <= rho^2 (determinant of the fastest), A B g_min >= (1 - rho) (rho - 1 +
    A) (the slowest, at +rho) and |1 - A| <= rho (off the support). The first two leave kappa <= (rho^2 - 1 + A) /
    ((1 - rho) (rho - 1 + A)), which grows with A, up to A = 1 + rho: kappa <= (1 + rho) / (2 (1 - rho)).

    Raises:
        InvalidArgument: eigenvalues not above 0, or g_min above g_max.
    """
    _require_spectrum(g_min, g_max)
    share = g_min / g_max
    rho = (2 - share) / (2 + share)
    return Steps(1 + rho, rho / g_max, rho)


def _require_finite(g: Array, A: Array | float, B: Array | float) -> None:
    entries_inside("g", g)
    entries_inside("A", A)
    entries_inside("B", B)


def _require_spectrum(g_min: Array, g_max: Array) -> None:
    entries_inside("g_min", g_min, 0)
    entries_inside("g_max", g_max, 0)
    if (np.asarray(g_min) > g_max).any():
        reject("g_min", g_min, f"eigenvalues of at most g_max = {g_max}")
