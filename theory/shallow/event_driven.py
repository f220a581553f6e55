"""The Minnorm flow solved exactly from any start: linear between changes of the active set, which are root-found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import toms748

from theory.core.arrays import EPS, Array
from theory.core.flows import FlowStopped
from theory.core.separable import Separable
from theory.core.validation import finite_matrix, positive, reject, times
from theory.shallow.minnorm_flow import ActiveSetFlow, lyapunov

SOON = float(np.finfo(float).tiny)
CELLS = 128  # looked at together
CELL = 0.25  # width of a cell in units of the fastest mode: a smooth function turns at most once in it
MOST_EVENTS = 1_000
MOST_LOOKS = 1_000
TOUCH = 1e-12  # what counts as 0 at an event: of violations, and of multipliers in units of 1 / max |z_i|^2


@dataclass(frozen=True)
class EventDriven:
    """The solution, piece by piece.

    Attributes:
        starts: times (k,) at which the pieces start; all but the first are changes of the active set.
        pieces: the flow on each active set.
        end: until when the solution is known; infinite where the last active set is proved to stay.
    """

    starts: Float[Array, " k"]
    pieces: tuple[ActiveSetFlow, ...]
    end: float

    def __call__(self, t: Float[Array, "*times"] | float) -> tuple[Float[Array, "*times d"], Float[Array, "*times n"]]:
        """(w, multipliers) at times of any shape.

        Raises:
            InvalidArgument: a time that is negative, NaN or after `end`.
        """
        t = times(t)
        if (t > self.end).any():
            reject("t", t.max(), f"times of at most {self.end:g}, where the solution ends")
        which = np.searchsorted(self.starts, t, side="right") - 1
        n, d = self.pieces[0].Z.shape
        w, multipliers = np.empty((*t.shape, d)), np.empty((*t.shape, n))
        for i in np.unique(which):
            here = which == i
            w[here], multipliers[here] = self.pieces[i](t[here] - self.starts[i])
        return w, multipliers


def solution(
    Z: Float[Array, "n d"],
    w: Float[Array, " d"],
    multipliers: Float[Array, " n"],
    t: Float[Array, "*times"] | float,
    *,
    a: float,
    b: float,
) -> tuple[Float[Array, "*times d"], Float[Array, "*times n"]]:
    """(w, lambda) at finite times t from (w, multipliers), of any examples; `solve_to_convergence` knows the limit.

    Raises:
        InvalidArgument, FlowStopped: as for `solve`; a time that is negative, NaN or infinite.

    The classifier does not need example 2, whose multiplier is soon held at 0:

    >>> Z, start = np.array([[1.0, 0.0], [2.0, 1.0]]), (np.zeros(2), np.array([0.0, 0.5]))
    >>> w, multipliers = solution(Z, *start, np.array([0.0, 2.0, 40.0]), a=1.0, b=1.0)
    >>> w.round(3)
    array([[0.   , 0.   ],
           [0.707, 0.128],
           [1.   , 0.   ]])
    >>> multipliers.round(3) + 0.0
    array([[0.   , 0.5  ],
           [0.695, 0.   ],
           [1.   , 0.   ]])
    """
    last = np.max(times(t), initial=0.0)
    if np.isinf(last):
        reject("t", last, "finite times")
    return solve(Z, w, multipliers, a=a, b=b, until=max(float(last), SOON))(t)


def solve(
    Z: Float[Array, "n d"],
    w: Float[Array, " d"],
    multipliers: Float[Array, " n"],
    *,
    a: float,
    b: float,
    until: float,
) -> EventDriven:
    """The flow of any examples, separable or not, up to time `until`.

    Raises:
        InvalidArgument: wrong shapes, numbers that are not finite, a multiplier below 0, a, b or `until` not positive.
        FlowStopped: more than 1000 changes of the active set, or of the fastest mode's time constants more than
            32 000.
    """
    return _march(Z, w, multipliers, a, b, positive("until", until), lambda piece, w, multipliers: False)


def solve_to_convergence(
    problem: Separable, w: Float[Array, " d"], multipliers: Float[Array, " n"], *, a: float, b: float, until: float
) -> EventDriven:
    """The flow of one separable problem for all times: it ends at `until` only if the active set may change later.

    That it cannot is proved by the Lyapunov function: V never grows, so |w - w_hat| <= sqrt(2 a V) and |lambda -
    alpha| <= sqrt(2 b V) for ever, and small enough V leaves alpha positive and the other examples' margins above 1.
    """
    slack = (problem.Z @ problem.w - 1)[~problem.support]
    reach = np.linalg.norm(problem.Z[~problem.support], axis=1)

    def settled(piece: ActiveSetFlow, w: Array, multipliers: Array) -> bool:
        V = lyapunov(problem, w, multipliers, a, b)
        supported = problem.duals[problem.support].min() > np.sqrt(2 * b * V)
        beyond = (slack > reach * np.sqrt(2 * a * V)).all()
        return bool((piece.active == problem.support).all() and supported and beyond)

    return _march(problem.Z, w, multipliers, a, b, positive("until", until), settled)


def _march(
    Z: Array, w: Array, multipliers: Array, a: float, b: float, until: float, settled: Callable[..., bool]
) -> EventDriven:
    Z = finite_matrix("Z", Z)
    for name, value, size in (("w", w, Z.shape[1]), ("multipliers", multipliers, len(Z))):
        if np.shape(value) != (size,):
            reject(f"{name}.shape", np.shape(value), f"({size},)")
    active = (multipliers > 0) | (1 - Z @ w > 0)
    pieces = [ActiveSetFlow(Z, active, w, multipliers, a, b)]
    starts, now, looks = [0.0], 0.0, 0  # `now` counts from the start of the last piece
    while starts[-1] + now < until:
        piece, looks = pieces[-1], looks + 1
        if looks > MOST_LOOKS:
            raise FlowStopped(
                f"t = {starts[-1] + now:.6g} of {until:.6g} is as far as {MOST_LOOKS} looks reach: the fastest mode "
                f"moves at the rate {piece.fastest:.6g}. Ask for earlier times, or bring the examples to one size."
            )
        grid = now + CELL / piece.fastest * np.arange(CELLS + 1)
        event = _first_event(piece, grid)
        if event is None:
            now = float(grid[-1])
            if settled(piece, *piece(np.array(now))):
                return EventDriven(np.array(starts), tuple(pieces), np.inf)
            continue
        if starts[-1] + event > until:
            break
        if len(pieces) > MOST_EVENTS:
            raise FlowStopped(f"more than {MOST_EVENTS} changes of the active set before t = {starts[-1]:.6g}")
        starts.append(starts[-1] + event)
        pieces.append(_after(piece, event))
        now = 0.0
    return EventDriven(np.array(starts), tuple(pieces), until)


def _room(piece: ActiveSetFlow, t: Array) -> tuple[Array, Array]:
    """What must stay positive for the active set to stay, and its time derivative: lambda_i and b h_i where active,
    times max |z_i|^2 so that units do not matter; -h_i = z_i . w - 1 and z_i . w' elsewhere; (*times, n)."""
    w, multipliers = piece(t)
    margins, unit = w @ piece.Z.T, _multiplier_unit(piece.Z)
    motion = -piece.a * (w - multipliers @ piece.Z) @ piece.Z.T
    room = np.where(piece.active, multipliers / unit, margins - 1)
    return room, np.where(piece.active, piece.b * (1 - margins) / unit, motion)


def _multiplier_unit(Z: Array) -> float:
    """1 / max |z_i|^2."""
    return 1 / (float(np.square(Z).sum(1).max()) or 1.0)


def _first_event(piece: ActiveSetFlow, grid: Array) -> float | None:
    """The first time in the grid's range at which some room becomes negative."""
    room, slope = _room(piece, grid)
    crossed = room[1:] < 0
    # Positive at both ends of a cell, yet falling at the first and rising at the second: it may dip below between.
    dips = (room[:-1] > TOUCH) & ~crossed & (slope[:-1] < 0) & (slope[1:] > 0)
    # A convex room stays above its tangent; the factor 4 pays for rooms that are not convex.
    dips &= room[:-1] < -4 * slope[:-1] * np.diff(grid)[:, None]
    earliest = None
    for cell in np.flatnonzero((crossed | dips).any(1)):
        left, right = float(grid[cell]), float(grid[cell + 1])
        for i in np.flatnonzero(crossed[cell] | dips[cell]):
            root = _crossing(piece, int(i), left, right, bool(crossed[cell, i]))
            if root is not None and (earliest is None or root < earliest):
                earliest = root
        if earliest is not None:
            break
    return earliest


def _crossing(piece: ActiveSetFlow, i: int, left: float, right: float, crossed: bool) -> float | None:
    """The root of room i in a cell, or None if a dip stays positive."""
    short = 1e-14 / piece.fastest

    def value(t: float) -> float:
        return float(_room(piece, np.array(t))[0][i])

    def derivative(t: float) -> float:
        return float(_room(piece, np.array(t))[1][i])

    if not crossed:
        right = _root(derivative, left, right, short)
        if value(right) >= 0:
            return None
    if value(left) <= TOUCH:
        # Zero at the left end: a multiplier that has just been set free rises first, and crosses after its summit.
        if derivative(left) <= 0 or derivative(right) > 0:
            return left
        left = _root(derivative, left, right, short)
    return _root(value, left, right, short)


def _root(f: Callable[[float], float], left: float, right: float, short: float) -> float:
    """Where f changes sign; if rounding has lost the change, the end at which f is smaller."""
    if f(left) * f(right) >= 0:
        return min(left, right, key=lambda t: abs(f(t)))
    return float(toms748(f, left, right, xtol=short, rtol=4 * EPS))


def _after(piece: ActiveSetFlow, event: float) -> ActiveSetFlow:
    """The piece after an event: every example without room and about to lose more changes sides."""
    t = np.array(event)
    w, multipliers = piece(t)
    room, slope = _room(piece, t)
    scale = 1 + np.abs(multipliers).max() / _multiplier_unit(piece.Z)
    change = (room <= TOUCH * scale) & (slope <= 0)
    change[np.argmin(np.where(slope <= 0, room, np.inf))] = True
    active = piece.active ^ change
    return ActiveSetFlow(piece.Z, active, w, np.where(active, multipliers.clip(0), 0.0), piece.a, piece.b)
