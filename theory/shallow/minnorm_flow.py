"""The Minnorm flow w' = -a (w - Z^T lambda), lambda' = b [1 - Z w] kept at lambda >= 0 (our reconstruction)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Complex, Float

from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.separable import Separable, apply
from theory.core.trajectory import Trajectory
from theory.core.validation import entries_inside, finite_arrays, inside, positive, reject, times

# Components of e = U^T 1 below this are rounding: no multiplier grows for ever by them.
ROUNDED = 1e-10
LARGEST = 1e75  # of speeds, examples and starts: a b |z|^2 is a float then


def velocity(
    Z: Float[Array, "*runs n d"], w: Float[Array, "*batch d"], multipliers: Float[Array, "*batch n"], a: float, b: float
) -> tuple[Float[Array, "*batch d"], Float[Array, "*batch n"]]:
    """(w', lambda'); a multiplier at 0 can only grow."""
    violation = 1 - apply(Z, w)
    return -a * (w - apply(Z.mT, multipliers)), b * np.where(multipliers > 0, violation, np.maximum(violation, 0))


def integrated(
    Z: Float[Array, "*runs n d"],
    w: Float[Array, "*batch d"],
    multipliers: Float[Array, "*batch n"],
    t: Float[Array, " T"] | Sequence[float],
    *,
    a: float,
    b: float,
    evaluations: int = 100_000,
) -> Trajectory:
    """w and multipliers at t by an ODE solver that knows nothing of active sets. `facts["error"]` is what they may be
    off by: two solutions never part in |w|^2 / a + |lambda|^2 / b, so it is steps x local error in that norm.

    Raises:
        InvalidArgument: a or b not above 0, times of too many time constants of the fastest mode; and as `flow`.
        FlowStopped: after so many evaluations; `event_driven` knows later times.
    """
    positive("a", a)
    positive("b", b)
    fastest = max(a, np.sqrt(a) * np.sqrt(b) * np.linalg.norm(Z, axis=(-2, -1)).max())
    if np.max(t) * fastest > evaluations:  # a step is no longer than a few time constants
        reject("t", np.max(t), f"times of at most {evaluations / fastest:g}: later ones are for `event_driven`")

    def motion(_: float, state: dict[str, Array]) -> dict[str, Array]:
        return dict(zip(state, velocity(Z, state["w"], state["multipliers"], a, b)))

    run = flow(motion, {"w": w, "multipliers": multipliers}, t, relative_tolerance=1e-11, evaluations=evaluations)
    error = run.facts["steps"] * run.facts["local_error"] * np.sqrt(max(a / b, b / a))
    return Trajectory(run.t, run.arrays, {**run.facts, "error": error})


def lyapunov(
    problem: Separable, w: Float[Array, "*batch d"], multipliers: Float[Array, "*batch n"], a: float, b: float
) -> Float[Array, "*batch"]:
    """V = |w - w_hat|^2 / (2 a) + |lambda - alpha|^2 / (2 b): V' <= -|w - w_hat|^2 along the flow, always (ours).

    Raises:
        InvalidArgument: a or b not above 0.
    """
    positive("a", a)
    positive("b", b)
    off, above = ((w - problem.w) ** 2).sum(-1), ((multipliers - problem.duals) ** 2).sum(-1)
    return off / (2 * a) + above / (2 * b)


def dissipation(
    problem: Separable, w: Float[Array, "*batch d"], multipliers: Float[Array, "*batch n"]
) -> Float[Array, "*batch"]:
    """|w - w_hat|^2 + sum_i lambda_i (z_i . w_hat - 1) = -V', exactly where no multiplier is held at 0; a multiplier
    held there only helps. Both terms are nonnegative.

    Raises:
        InvalidArgument: multipliers that are not finite.
    """
    entries_inside("multipliers", multipliers)
    slack = apply(problem.Z, problem.w) - 1
    return ((w - problem.w) ** 2).sum(-1) + (multipliers * slack).sum(-1)


def spectrum(problem: Separable, a: float, b: float, c: float | int = 0.0) -> Complex[Array, " d_plus_k"]:
    """Eigenvalues of the flow on the support: for each g_k the roots of s^2 + a (1 + c g_k) s + a b g_k = 0, and -a for
    each of the d - |S| directions off its span. c >= 0 is the augmentation, lambda_eff = lambda + c (1 - Z w) (ours).

    One problem, linearly independent support vectors; |S| first roots, |S| second roots, then the rest.

    Raises:
        InvalidArgument: further examples on the margin, whose multipliers may move or not; a or b not above 0, c below
            0; examples or numbers so large that the coefficients overflow.
    """
    _require_slack(problem)
    positive("a", a)
    positive("b", b)
    inside("c", c, 0, np.inf, "[)")
    Z_S = problem.Z[problem.support]
    g = np.linalg.eigvalsh(Z_S @ Z_S.T)
    with np.errstate(over="ignore"):
        half = a * (1 + c * g) / 2
        if not (np.isfinite(half**2) & np.isfinite(a * b * g)).all():
            reject(
                "(a, b, c)", (a, b, c), "numbers whose products with the eigenvalues of G are in the range of floats"
            )
    nu = np.sqrt(half**2 - a * b * g + 0j)
    # The product of the roots is a b g: the slow one, without a difference.
    first = np.where(nu.imag == 0, -a * b * g / (half + nu), -half + nu)
    return np.concatenate([first, -half - nu, np.full(Z_S.shape[1] - len(Z_S), -a + 0j)])


def rate(g_min: float | Float[Array, "*#runs"], a: float, b: float | Float[Array, "*#runs"]) -> Float[Array, "*runs"]:
    """r = a/2 if b >= a / (4 g_min), else (a - sqrt(a^2 - 4 a b g_min)) / 2:
    a larger b only adds oscillation (ours).

    Raises:
        InvalidArgument: a not above 0, g_min or b below 0.
    """
    positive("a", a)
    entries_inside("g_min", g_min, 0, brackets="[)")
    entries_inside("b", b, 0, brackets="[)")
    # Without a difference, so that slow modes keep their digits; in roots, so that no product overflows.
    with np.errstate(over="ignore"):
        share = np.minimum(4 * (np.sqrt(g_min) / np.sqrt(a) * np.sqrt(b)) ** 2, 1)
    return a / 2 * share / (1 + np.sqrt(1 - share))


def critical_dual_rate(g_min: float | Float[Array, "*runs"], a: float) -> Float[Array, "*runs"]:
    """b* = a / (4 g_min), the smallest b that converges at the rate a / 2.

    Raises:
        InvalidArgument: a or g_min not above 0.
    """
    positive("a", a)
    entries_inside("g_min", g_min, 0)
    return a / (4 * np.asarray(g_min))


@dataclass(frozen=True)
class ActiveSetFlow:
    """The flow from (w, multipliers) while exactly the examples in `active` have multipliers that move.

    With Z_S = U sigma V^T, x = V^T w and y = U^T lambda_S the flow falls into pairs

        x' = -a (x - sigma y),   y' = b (e - sigma x),   e = U^T 1,

    which move by e^{tA} = e^{-at/2} [cosh(nu t) I + sinh(nu t) / nu (A + a/2 I)], A = [[-a, a sigma], [-b sigma, 0]],
    nu^2 = a^2/4 - a b sigma^2, and tend to (e / sigma, e / sigma^2); e is counted by int_0^t of the same, so that
    nothing is divided by a small sigma. Off the row space x decays as e^{-at}; off the column space y grows by b e t.
    """

    Z: Float[Array, "n d"]
    active: Bool[Array, " n"]
    w: Float[Array, " d"]
    multipliers: Float[Array, " n"]
    a: float
    b: float

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            inside(name, positive(name, getattr(self, name)), 1 / LARGEST, LARGEST)
        finite_arrays(self, Z="n d", w="d", multipliers="n")
        for name in ("Z", "w", "multipliers"):
            entries_inside(name, getattr(self, name), -LARGEST, LARGEST)
        if self.multipliers.min(initial=0) < 0 or (self.multipliers > 0)[~self.active].any():
            reject("multipliers", self.multipliers, "none below 0, and 0 off the active set")

    @cached_property
    def _modes(self) -> tuple[Array, Array, Array, Array, Array]:
        """U, sigma, V^T, and the coordinates x, y of the start."""
        Z_S = self.Z[self.active]
        k, d = Z_S.shape
        U, sigma, Vt = np.linalg.svd(Z_S) if k else (np.zeros((0, 0)), np.zeros(0), np.eye(d))
        sigma = sigma[sigma > max(k, d) * EPS * sigma.max(initial=0)]
        return U, sigma, Vt, Vt @ self.w, U.T @ self.multipliers[self.active]

    @property
    def fastest(self) -> float:
        """Largest modulus of an eigenvalue: no mode moves faster."""
        sigma = self._modes[1].max(initial=0)
        return float(max(self.a, np.sqrt(self.a * self.b) * sigma))

    def __call__(self, t: Float[Array, "*times"] | float) -> tuple[Float[Array, "*times d"], Float[Array, "*times n"]]:
        """(w, multipliers) after time t, of any shape; at infinity the limit (infinite multipliers where examples
        contradict each other).

        Raises:
            InvalidArgument: a negative or NaN time.
        """
        t = times(t)[..., None]
        U, sigma, Vt, x0, y0 = self._modes
        r = sigma.size
        e = U.sum(0)
        nu = np.sqrt(self.a**2 / 4 - self.a * self.b * sigma**2 + 0j)
        C, S = _propagators(t, self.a, nu)
        F = _forced(t, self.a, self.b, sigma, nu, C, S)
        x = C * x0[:r] + S * (-self.a / 2 * x0[:r] + self.a * sigma * y0[:r]) + e[:r] * sigma * F
        y = C * y0[:r] + S * (-self.b * sigma * x0[:r] + self.a / 2 * y0[:r]) + e[:r] * (F + self.b * S)
        w = x @ Vt[:r] + (np.exp(-self.a * t) * x0[r:]) @ Vt[r:]
        stuck = np.where(np.abs(e[r:]) < ROUNDED, 0.0, e[r:])
        moving = stuck != 0
        unbounded = y0[r:] + self.b * stuck * np.where(moving, t, 0.0)
        multipliers = np.zeros((*t.shape[:-1], len(self.Z)))
        with np.errstate(invalid="ignore"):
            multipliers[..., self.active] = _combine(y, U[:, :r]) + _combine(unbounded, U[:, r:])
        return w, multipliers


def _combine(coordinates: Array, basis: Array) -> Array:
    """coordinates @ basis^T, where infinite coordinates meet zeros of the basis as zeros."""
    if np.isfinite(coordinates).all():
        return coordinates @ basis.T
    return np.where(np.abs(basis) < ROUNDED, 0.0, coordinates[..., None, :] * basis).sum(-1)


def _propagators(t: Array, a: float, nu: Array) -> tuple[Array, Array]:
    """e^{-at/2} cosh(nu t) and e^{-at/2} sinh(nu t) / nu, without overflow, for every nu and t up to infinity."""
    finite = np.where(np.isinf(t), 0.0, t)
    forth, back = np.exp((nu - a / 2) * finite), np.exp((-nu - a / 2) * finite)
    square = (nu * finite) ** 2
    near = np.abs(square) < 1e-3
    series = finite * np.exp(-a * finite / 2) * (1 + square / 6 * (1 + square / 20 * (1 + square / 42)))
    S = np.where(near, series, (forth - back) / np.where(near, 1, 2 * nu))
    C = (forth + back) / 2
    return np.where(np.isinf(t), 0.0, C.real), np.where(np.isinf(t), 0.0, S.real)


def _forced(t: Array, a: float, b: float, sigma: Array, nu: Array, C: Array, S: Array) -> Array:
    """a b int_0^t S = (1 - C - a/2 S) / sigma^2, and 1 / sigma^2 at infinity."""
    fast = -(nu + a / 2)
    slow = a * b * sigma**2 / fast  # nu - a/2 without the difference
    overdamped = 4 * b * sigma**2 < a / 2
    finite = np.where(np.isinf(t), 0.0, t)
    integral = np.expm1(slow * finite) / slow - np.expm1(fast * finite) / fast
    F = np.where(overdamped, (a * b * integral / np.where(overdamped, 2 * nu, 1)).real, (1 - C - a / 2 * S) / sigma**2)
    return np.where(np.isinf(t), 1 / sigma**2, F)


def solution(
    problem: Separable,
    w: Float[Array, " d"],
    multipliers: Float[Array, " n"],
    t: Float[Array, "*times"] | float,
    *,
    a: float,
    b: float,
) -> tuple[Float[Array, "*times d"], Float[Array, "*times n"]]:
    """(w, lambda) at t, once the support is identified: from multipliers that are 0 off it, while none of it is held.

    In modes xi of G, xi = e^{-at/2} [xi_0 cosh nu t + (xi'_0 + a xi_0 / 2) sinh(nu t) / nu] and
    w = Z_S^+ (1 - lambda' / b) + e^{-at} (I - Z_S^+ Z_S) w_0 (ours). At infinity (w_hat, alpha).

    Raises:
        InvalidArgument: a negative or NaN time, a multiplier below 0 or off the support, a or b not positive, further
            examples on the margin (`event_driven` takes them).

    >>> problem = Separable(np.array([[2.0, 0.0]]))
    >>> t = np.array([0.0, 1.0, np.inf])
    >>> w, multipliers = solution(problem, np.array([0.0, 1.0]), np.zeros(1), t, a=1.0, b=1.0)
    >>> w.round(3)
    array([[0.   , 1.   ],
           [0.535, 0.368],
           [0.5  , 0.   ]])
    >>> multipliers.round(3)
    array([[0.  ],
           [0.56],
           [0.25]])
    """
    _require_slack(problem)
    return ActiveSetFlow(problem.Z, problem.support, w, multipliers, a, b)(t)


def _require_slack(problem: Separable) -> None:
    if ((problem.slack == 0) & ~problem.support).any():
        reject("problem.Z", "an example on the margin beyond the support", "linearly independent examples there")
