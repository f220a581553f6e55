"""Training from tiny components: each runs its own power method, and finds the term that it started nearest to.

The model sum_i |u_i|^(2 - l) u_i^l grows like a square. The target is sum_j w_j q_j^l, q_1, ..., q_r orthonormal and
w_j > 0; x_j = u . q_j / |u| are correlations, the first r of coordinates in which q are axes. While all of the model is
small, descent on half the squared distance is, for each component by itself (ours),

    dx/dt = l (w x^(l-1) - F x),   d log|u| / dt = 2 F,   F = sum_j w_j x_j^l

The direction is that of y with dy/dtau = w y^(l-1), which has a closed form, and |u| grows like |y|^(2/l).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.validation import entries_inside, finite_matrix, increasing_times, inside, positive_integer, reject
from theory.tensor.coordinates import HIGHEST

SMALLEST, LARGEST = 1e-6, 1e6  # of weights
LONGEST = 1e4  # times that are followed
UNTIL, BISECTIONS, NODES = 100.0, 60, 64  # of s, which is of the order of 10 where a component is nearly along its term


@dataclass(frozen=True)
class Course:
    """Where components are at times t: directions (T, N, d), and log|u(t)| - log|u(0)| (T, N)."""

    directions: Float[Array, "T N d"]
    log_growth: Float[Array, "T N"]


@dataclass(frozen=True)
class PowerMethod:
    """Tiny components that start in the directions of the rows of X (N, d), for weights w (r,), order l >= 3.

    Raises:
        InvalidArgument: X has a row that is 0, there are more weights than dimensions, or some outside [1e-6, 1e6].
    """

    X: Float[Array, "N d"]
    w: Float[Array, " r"]
    l: int

    def __post_init__(self) -> None:
        X, w = finite_matrix("X", self.X), entries_inside("w", self.w, SMALLEST, LARGEST, "[]")
        order_of_power(self.l)
        if w.ndim != 1 or not 1 <= w.size <= X.shape[1]:
            reject("w.shape", w.shape, f"(r,), at most d = {X.shape[1]} weights and one at least")
        size = np.abs(X).max(1, keepdims=True)
        if not (size > 0).all():
            reject(f"X[{int(np.argmin(size))}]", 0, "components that are not 0")
        X = X / size
        object.__setattr__(self, "X", X / np.linalg.norm(X, axis=1, keepdims=True))
        object.__setattr__(self, "w", w)

    @cached_property
    def pull(self) -> Float[Array, "N r"]:
        """w_j x_j^(l-2): the largest wins, and none below 0 can."""
        return self.w * self.X[:, : self.w.size] ** (self.l - 2)

    @cached_property
    def basins(self) -> Int[np.ndarray, " N"]:
        """Index of the term that each finds; -1 for those that find none: of odd l, with no correlation above 0."""
        return np.where(self.pull.max(1) > 0, self.pull.argmax(1), -1)

    def course(self, t: Float[Array, " T"]) -> Course:
        """Where they are while the model is small: y_j^(2 - l) = x_j^(2 - l) - (l - 2) w_j tau.

        tau runs from 0 to tau* = 1 / ((l - 2) max pull), as tau* (1 - e^-s); of those that find none to infinity, as
        e^s - 1. The clock dt = |y|^(l-2) dtau / l is integrated in s.

        Raises:
            InvalidArgument: t are no increasing times of at most 1e4.
            FlowStopped: the clock cannot be followed so far.
        """
        t = increasing_times(t)
        if t[-1] > LONGEST:
            reject("t", t[-1], f"times of at most {LONGEST:g}")
        start = {"s": np.zeros(len(self.X))}
        run = flow(lambda _, state: {"s": self._speed(state["s"])}, start, np.unique([0.0, *t]),
                   relative_tolerance=1e-11, absolute_tolerance=1e-13)  # fmt: skip
        s = run["s"][-len(t) :]
        z = np.array([self._scaled(each) for each in s])
        size = np.linalg.norm(z, axis=-1)
        grown = np.where(self.basins >= 0, s / (self.l - 2), 0)
        return Course(z / size[..., None], 2 / self.l * (grown + np.log(size)))

    def time_until(self, along: float) -> Float[Array, " N"]:
        """When the correlation of each with the term it finds is this; 0 if it is at the start, infinity if never.

        Raises:
            InvalidArgument: `along` is not inside (0, 1).
        """
        along = inside("along", along, 0, 1, "()")
        low, high = np.zeros(len(self.X)), np.full(len(self.X), UNTIL * (self.l - 2))
        reached = (self.basins >= 0) & (self._correlation(high) >= along)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            there = self._correlation(middle) >= along
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        with np.errstate(invalid="ignore", over="ignore"):
            slowness = sum(weight / 2 / self._speed((1 + node) / 2 * high) for node, weight in zip(nodes, weights))
            t = high * slowness
        return np.where(reached, np.where(self._correlation(np.zeros(len(self.X))) >= along, 0, t), np.inf)

    def _correlation(self, s: Array) -> Array:
        """|x_j| with the term that each finds."""
        z = np.abs(self._scaled(s))
        return z[np.arange(len(z)), self.basins] / np.linalg.norm(z, axis=1)

    @cached_property
    def _last(self) -> Array:
        """tau* (N,); 1 for those that have none."""
        most = self.pull.max(1)
        return 1 / ((self.l - 2) * np.where(most > 0, most, 1 / (self.l - 2)))

    def _scaled(self, s: Array) -> Array:
        """y (N, d), times e^(-s / (l - 2)) for those that grow without end."""
        lives = self.basins >= 0
        tau = np.where(lives, -np.expm1(-s), np.expm1(s)) * self._last
        z = self.X * np.where(lives, np.exp(-s / (self.l - 2)), 1.0)[:, None]
        r = self.w.size
        # The one that wins would lose its digits: 1 - tau / tau* is e^-s.
        left = 1 - (self.l - 2) * self.pull * tau[:, None]
        left[lives, self.basins[lives]] = np.exp(-s[lives])
        z[:, :r] *= left ** (-1 / (self.l - 2))
        return z

    def _speed(self, s: Array) -> Array:
        """ds/dt = l / (|y|^(l-2) dtau/ds)."""
        size = np.linalg.norm(self._scaled(s), axis=1) ** (self.l - 2)
        return self.l / (size * self._last * np.where(self.basins >= 0, 1.0, np.exp(s)))


def missed(basins: Int[np.ndarray, "*runs m"], r: int) -> Int[np.ndarray, "*runs"]:
    """How many of r terms no component finds.

    Raises:
        InvalidArgument: r is no whole number of at least 1, or a basin is none of -1, 0, ..., r - 1.
    """
    found = np.asarray(basins)
    if found.ndim < 1 or found.dtype.kind not in "iu":
        reject("basins", f"an array of {found.dtype}, shape {found.shape}", "whole numbers (..., m)")
    if found.size and not (-1 <= found.min() and found.max() < positive_integer("r", r)):
        reject("basins", f"from {found.min()} to {found.max()}", f"numbers from -1 to {r - 1}")
    return (found[..., None] != np.arange(r)).all(-2).sum(-1)


def order_of_power(l: int) -> int:
    """l, if it is a whole number from 3 to 20: at l = 2 all terms grow together and none wins.

    Raises:
        InvalidArgument: it is not.
    """
    if positive_integer("l", l) < 3 or l > HIGHEST:
        reject("l", l, f"an order from 3 to {HIGHEST}")
    return l


def cubic_gain(c1: Float[Array, "*#runs"] | float, c2: Float[Array, "*#runs"] | float) -> Float[Array, "*#runs"]:
    """c_1 c_2 (c_2^2 - c_1^2): the loss falls by this times delta^3 where two components hold one term of l = 3 (ours).

    They turn by c_2 delta and -c_1 delta towards a term that is missed: sum_i c_i theta_i = 0 leaves the term they hold
    as it is to first order, what that costs is of order delta^4, and sum_i c_i theta_i^3 is what is gained.

    Raises:
        InvalidArgument: a square |u|^2 = c outside [0, 1e6].
    """
    c1, c2 = (entries_inside(name, c, 0, LARGEST, "[]") for name, c in (("c1", c1), ("c2", c2)))
    return c1 * c2 * (c2**2 - c1**2)
