"""Alternating Minnorm from the first step on: its path in closed form, and steps that converge from everywhere (ours).

    w+ = (1 - A) w + A Z^T lambda,    lambda+ = [lambda + B (1 - Z w+)]_+

`heavy_ball.best_alternating` is fast near the solution. On the way there other examples may be active, whose Gram
matrix has larger eigenvalues, and steps tuned to the support alone can be beyond their limit of stability: with two
examples, one of them the support, they cycle for ever between w = 0 and w = (z_1 + z_2) / |z_1|^2, whatever the other
is. With g_max replaced by |Z|^2 of all examples that is rare, but it happens.
Steps with B < 2 / |Z|^2 are: the energy below never grows,

    V = (1 - A) |w - w_hat|^2 / (2 A) + |lambda - alpha|^2 / (2 B),    V - V+ >= (1 - B |Z|^2 / 2) |w+ - w_hat|^2,

for w+ is an implicit step of size A / (1 - A) of 1/2 |w|^2 - lambda . Z w, and the strong convexity of the first term
pays for the multipliers, which are one step old. What that costs is the square root: (kappa - 2) / (kappa + 2) a step.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import eval_chebyu

from theory.core.arrays import Array
from theory.core.separable import Separable
from theory.core.validation import entries_inside, reject
from theory.shallow.heavy_ball import Steps, best_alternating

MOST = 10**6
OSCILLATES = 1e-9  # how far a mode's trace may be beyond that of a double root, and count as one: rounding


def from_zero(
    problem: Separable, A: float | Float[Array, "*runs"], B: float | Float[Array, "*runs"], steps: Int[Array, " T"]
) -> tuple[Float[Array, "T *runs d"], Float[Array, "T *runs n"]]:
    """(w, lambda) after so many alternating steps from w = 0 and lambda = 0, while no multiplier is held at 0.

    In modes x of G, x_t = r^t [x_1 / r U_{t-1}(y) - x_0 U_{t-2}(y)] with r^2 = 1 - A, 2 r y = 2 - A - A B g,
    Chebyshev's polynomials U, x_0 = -U^T alpha and x_1 = x_0 + B U^T 1; w_t = w_hat - Z^+ (lambda_t - lambda_{t-1}) /
    B.

    Raises:
        InvalidArgument: examples off the support; A outside (0, 1), B not above 0, modes that do not oscillate; steps
            not from 0 to a million.
    """
    if not problem.support.all():
        reject("problem.Z", "examples off the support", "support vectors alone")
    entries_inside("A", A, 0, 1)
    entries_inside("B", B, 0)
    entries_inside("steps", steps, 0, MOST, "[]")
    g, U = np.linalg.eigh(problem.Z @ problem.Z.mT)
    A, B = (np.asarray(each, dtype=np.float64)[..., None] for each in (A, B))
    r = np.sqrt(1 - A)
    y = (2 - A - A * B * g) / (2 * r)
    if (g <= 0).any() or (np.abs(y) > 1 + OSCILLATES).any():
        reject("(A, B)", (A[..., 0], B[..., 0]), "steps at which every mode oscillates")
    x_0 = -_in_modes(U, problem.duals)
    x_1 = x_0 + B * _in_modes(U, np.ones_like(problem.duals))
    t = steps.reshape(-1, *[1] * g.ndim)
    now, before = (_mode(x_0, x_1, r, y, each) for each in (t, np.maximum(t - 1, 0)))
    # At the start the weights are 0, which no difference of multipliers tells.
    w = problem.w - _back(problem.Z.mT @ (U / (B * g)[..., None, :]), now - before)
    return np.where(t == 0, 0.0, w), problem.duals + _back(U, now)


def _mode(x_0: Array, x_1: Array, r: Array, y: Array, t: Array) -> Array:
    """x_t of x_{t+1} = 2 r y x_t - r^2 x_{t-1}."""
    later = eval_chebyu(np.maximum(t - 1, 0), y)
    earlier = np.where(t >= 2, eval_chebyu(np.maximum(t - 2, 0), y), 0.0)
    return np.where(t == 0, x_0, r ** np.maximum(t - 1, 0) * (x_1 * later - x_0 * r * earlier))


def _in_modes(U: Array, vectors: Array) -> Array:
    return (vectors[..., None, :] @ U)[..., 0, :]


def _back(matrix: Array, modes: Array) -> Array:
    return (matrix @ modes[..., None])[..., 0]


def energy(
    problem: Separable,
    w: Float[Array, "*batch d"],
    multipliers: Float[Array, "*batch n"],
    A: float | Float[Array, "*#batch"],
    B: float | Float[Array, "*#batch"],
) -> Float[Array, "*batch"]:
    """V, which no alternating step with B <= 2 / |Z|^2 makes larger, from any weights and any multipliers.

    Raises:
        InvalidArgument: weights or multipliers that are not finite; A outside (0, 1], B not above 0.
    """
    entries_inside("w", w)
    entries_inside("multipliers", multipliers)
    entries_inside("A", A, 0, 1, "(]")
    entries_inside("B", B, 0)
    off, above = ((w - problem.w) ** 2).sum(-1), ((multipliers - problem.duals) ** 2).sum(-1)
    A = np.asarray(A, dtype=np.float64)
    return (1 - A) / A * off / 2 + above / B / 2


def safe_limit(Z: Float[Array, "*runs n d"]) -> Float[Array, "*runs"]:
    """2 / |Z|^2: alternating steps with 0 < A <= 1 and B below it converge from everywhere, on any separable examples.

    Raises:
        InvalidArgument: examples that are not finite, or all 0.
    """
    entries_inside("Z", Z)
    norm = np.linalg.norm(Z, ord=2, axis=(-2, -1))
    if not (norm > 0).all():
        reject("Z", "the zero matrix", "examples that are not all 0")
    return 2 / norm / norm


def best_safe(g_min: Float[Array, "*runs"], squared_norm: Float[Array, "*runs"]) -> Steps:
    """The best steps with B <= 2 / |Z|^2, of which any smaller B converges from everywhere: those of
    `best_alternating` up to kappa = |Z|^2 / g_min = 4, then A = 1 - rho^2 and rho = (kappa - 2) / (kappa + 2).

    The slowest mode is critical: A B g_min = (1 - rho)^2, with 1 - A = rho^2.

    Raises:
        InvalidArgument: g_min or |Z|^2 not above 0, or g_min above |Z|^2.
    """
    fast = best_alternating(g_min, squared_norm)
    share = 2 * np.asarray(g_min) / squared_norm
    rho = (1 - share) / (1 + share)
    slow = np.asarray(squared_norm) > 4 * np.asarray(g_min)
    A = 4 * share / (1 + share) ** 2  # 1 - rho^2, without a difference
    chosen = zip((A, 2 / np.asarray(squared_norm), rho), fast)
    return Steps(*(np.where(slow, certain, quick) for certain, quick in chosen))
