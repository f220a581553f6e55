"""Gradient descent on one compressed network, in place: by numpy, or by code compiled where numba is installed.

With H = S U1, what the hidden units make of the data, a step is

    E = y~ - H V^T,   H+ = H + eta S^2 E V,   V+ = V + eta E^T H.

numpy passes over H three times. One pass will do, as row i of E needs row i of H alone: while the row is at hand it is
brought up to date, read for E, and added to E^T H; V follows when all rows are through. Blocks of steps that leave H,
or H H^T, as it is, its changes of low rank kept apart, move fewer bytes and are no faster, compiled or in numpy: what
takes the time is arithmetic.

The two round differently. E is a difference of numbers of the size of y~, so it is known to a few eps |y~|, and losses
agree to a relative eps |y~| / |E|; where |E| is eps |y~| itself they agree in size alone.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from inspect import unwrap
from math import inf
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from scipy.linalg.blas import dgemm

from theory.core.arrays import Array

TOGETHER = 4  # rows of H that compiled code takes at a time, reading V once for all of them
LANES = 8  # float64 numbers in 64 bytes, which a processor moves at once where they begin at a multiple of 64


class InNumpy:
    """A run in numpy: on one machine the same bits with numba and without.

    Attributes:
        name: of what computes.
        loss: 1/2 |E|^2 where the run was last advanced to; not finite once it has diverged.
    """

    name: ClassVar[str] = "numpy"

    def __init__(
        self,
        S: Float[Array, " r"],
        targets: Float[Array, "r m"],
        U: Float[Array, "r w"],
        V: Float[Array, "m w"],
        learning_rate: float,
    ) -> None:
        self.S, self.learning_rate, self.loss = S[:, None], learning_rate, inf
        # Column-major, so that BLAS writes into H.
        self._H, self._V = np.asfortranarray(self.S * U), np.asfortranarray(V)
        self._targets, self._rates = np.asfortranarray(targets), learning_rate * self.S**2

    @property
    def U(self) -> Float[Array, "r w"]:
        """U1 where the run is now, a copy."""
        return self._H / self.S

    @property
    def V(self) -> Float[Array, "m w"]:
        """V where the run is now, a copy."""
        return self._V.copy()

    def advance(self, steps: int, stop_below: float) -> int:
        """Take so many steps, but none at a loss below `stop_below` or at one that is no number; returns how many."""
        H, V = self._H, self._V
        for step in range(steps + 1):
            E = dgemm(-1.0, H, V, beta=1.0, c=self._targets, trans_b=True)
            self.loss = 0.5 * float(np.vdot(E, E))
            if step == steps or not stop_below <= self.loss < inf:
                break
            ahead = dgemm(self.learning_rate, E, H, beta=1.0, c=V, trans_a=True)
            dgemm(1.0, self._rates * E, V, beta=1.0, c=H, overwrite_c=True)
            V = ahead
        self._V = V
        return step


class Compiled(InNumpy):
    """The same in one pass a step, compiled by numba: equal to rounding; the first run waits for the compiler."""

    name = "numba"

    def __init__(
        self,
        S: Float[Array, " r"],
        targets: Float[Array, "r m"],
        U: Float[Array, "r w"],
        V: Float[Array, "m w"],
        learning_rate: float,
    ) -> None:
        super().__init__(S, targets, U, V, learning_rate)
        (r, w), m = U.shape, len(V)
        # Rows and units of zeros, which stay zero and change nothing.
        rows, units = -(-r // TOGETHER) * TOGETHER, -(-w // LANES) * LANES
        H, V_, before, change = (_aligned(size, units) for size in (rows, m, m, m))
        targets_, E, rates = np.zeros((rows, m)), np.zeros((rows, m)), np.zeros(rows)
        H[:r, :w], V_[:, :w], targets_[:r], rates[:r] = self._H, V, targets, self._rates[:, 0]
        self._H, self._V = H[:r, :w], V_[:, :w]
        self._arguments = H, V_, targets_, rates, learning_rate, E, before, change

    def advance(self, steps: int, stop_below: float) -> int:
        """As in numpy."""
        step, self.loss = _compiled()(*self._arguments, steps, stop_below)
        return step


FASTEST = Compiled if find_spec("numba") else InNumpy  # the extra `fast` installs numba


def _aligned(rows: int, columns: int) -> Array:
    """Zeros that begin at a multiple of 64 bytes."""
    room = np.zeros(rows * columns + LANES)
    first = -(room.ctypes.data // room.itemsize) % LANES
    return room[first : first + rows * columns].reshape(rows, columns)


@cache
def _compiled() -> Callable[..., tuple[int, float]]:
    from numba import njit

    # Sums in any order and products fused into them, without which there are no vectors; NaN stays what it is.
    return njit(fastmath={"reassoc", "contract", "nsz"})(unwrap(_advance))


def _advance(
    H: Array,
    V: Array,
    targets: Array,
    rates: Array,
    eta: float,
    E: Array,
    before: Array,
    change: Array,
    steps: int,
    stop_below: float,
) -> tuple[int, float]:
    """Steps taken and the loss there, in loops that numba compiles; E (rows, m), before and change (m, units) are room.

    H is a step behind V: it still owes eta S^2 E V, of the E and the V `before`.
    """
    rows, units = H.shape
    m = len(V)
    E[:] = 0.0
    change[:] = 0.0
    for step in range(steps + 1):
        for k in range(m):
            for c in range(units):
                before[k, c] = V[k, c]
                V[k, c] += eta * change[k, c]
                change[k, c] = 0.0
        squares = 0.0
        for i in range(0, rows, TOGETHER):
            h0, h1, h2, h3 = H[i], H[i + 1], H[i + 2], H[i + 3]
            q0, q1, q2, q3 = rates[i], rates[i + 1], rates[i + 2], rates[i + 3]
            for k in range(1, m):
                o = before[k]
                f0, f1, f2, f3 = q0 * E[i, k], q1 * E[i + 1, k], q2 * E[i + 2, k], q3 * E[i + 3, k]
                for c in range(units):
                    h0[c] += f0 * o[c]
                    h1[c] += f1 * o[c]
                    h2[c] += f2 * o[c]
                    h3[c] += f3 * o[c]
            o = before[0]
            f0, f1, f2, f3 = q0 * E[i, 0], q1 * E[i + 1, 0], q2 * E[i + 2, 0], q3 * E[i + 3, 0]
            for k in range(m):
                v, x = V[k], change[k]
                p0 = p1 = p2 = p3 = 0.0
                for c in range(units):
                    a0, a1, a2, a3 = h0[c] + f0 * o[c], h1[c] + f1 * o[c], h2[c] + f2 * o[c], h3[c] + f3 * o[c]
                    h0[c], h1[c], h2[c], h3[c] = a0, a1, a2, a3
                    p0 += a0 * v[c]
                    p1 += a1 * v[c]
                    p2 += a2 * v[c]
                    p3 += a3 * v[c]
                f0 = f1 = f2 = f3 = 0.0  # the rows are up to date
                e0, e1 = targets[i, k] - p0, targets[i + 1, k] - p1
                e2, e3 = targets[i + 2, k] - p2, targets[i + 3, k] - p3
                E[i, k], E[i + 1, k], E[i + 2, k], E[i + 3, k] = e0, e1, e2, e3
                squares += (e0 * e0 + e1 * e1) + (e2 * e2 + e3 * e3)
                for c in range(units):
                    x[c] += (e0 * h0[c] + e1 * h1[c]) + (e2 * h2[c] + e3 * h3[c])
        loss = 0.5 * squares
        if step == steps or not stop_below <= loss < inf:
            break
    return step, loss
