"""Any width trained as width m + r, exactly (ours).

Rotating the hidden layer, (U, V) -> (U Q, V Q) with Q orthogonal, changes neither U V^T nor the loss, and gradient
descent, momentum and the flow commute with it. With Z^T = Q L^T (QR, Q of m + r orthonormal columns) a network of
width h and the network of width m + r whose rows are L are trained alike for ever:

    V(t) = L_V(t) Q^T,   U1(t) = L_U(t) Q^T,   and so   U V^T = Phi1 L_U L_V^T + Phi2 (U2 Q) L_V^T.

Of the part U2 that never moves only U2 Q is ever needed. In the singular basis of the data the inputs shrink as well,
to r of them. A Gaussian start of any width is drawn in compressed form directly: the L of a Gaussian Z is Bartlett's
lower triangle, standard normal below a diagonal of chi variables with h, h - 1, ... degrees of freedom.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import blas

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.core.validation import positive, positive_integer, reject
from theory.imbalance.problem import Network, coordinates, frozen_weights


@dataclass(frozen=True)
class Compressed:
    """A small problem and a small network that are trained as the large ones are.

    The methods take weights of any shape whose batch dimensions broadcast with the runs, such as (times, runs).

    Attributes:
        original: the problem the large network is trained on.
        problem: inputs diag(S) (r, r), targets y~ (r, m); its loss is the original's minus L*.
        network: U (..., r, w), V (..., m, w), w = min(h, m + r).
        frozen: U2 Q (..., D - r, w).
    """

    original: Regression
    problem: Regression
    network: Network
    frozen: Float[Array, "*runs null w"]

    def end_to_end(self, U: Float[Array, "*batch r w"], V: Float[Array, "*batch m w"]) -> Float[Array, "..."]:
        """U V^T of the large network, from the weights of the small one (at any time of its training)."""
        VT = V.mT
        return self.original.Phi1 @ (U @ VT) + self.original.from_unseen(self.frozen @ VT)

    def distance_to_minimum_norm(
        self, U: Float[Array, "*batch r w"], V: Float[Array, "*batch m w"]
    ) -> Float[Array, "..."]:
        """|U V^T - Theta_hat|_F of the large network, without forming it."""
        VT = V.mT
        seen = U @ VT - self.problem.targets / self.problem.S[:, None]
        return np.sqrt((seen**2).sum((-2, -1)) + self.unseen(V) ** 2)

    def unseen(self, V: Float[Array, "*batch m w"]) -> Float[Array, "..."]:
        """|U2 V^T|_F: the part of the end-to-end map that the data do not determine."""
        return np.sqrt(((self.frozen @ V.mT) ** 2).sum((-2, -1)))


def compressed_problem(problem: Regression) -> Regression:
    """The problem in its own singular basis: inputs diag(S), targets y~, loss L - L*."""
    return Regression(np.diag(problem.S), problem.targets)


def compress(problem: Regression, network: Network) -> Compressed:
    """An equivalent network of width min(h, m + r) on a problem of r inputs.

    Exact for every rule that commutes with rotations of the hidden layer: the flow, gradient descent, momentum.
    """
    Z, U2 = coordinates(problem, network), frozen_weights(problem, network)
    if network.h <= problem.m + problem.r:
        return _assemble(problem, Z, U2)
    Q, LT = np.linalg.qr(Z.mT)
    return _assemble(problem, LT.mT, U2 @ Q)


def gaussian_compressed(
    problem: Regression, h: int, rng: np.random.Generator, *, scales: tuple[float, float] = (1.0, 1.0), runs: int = 1
) -> Compressed:
    """`compress` of a Gaussian network of width h in distribution, without an array of size h (Bartlett 1933).

    Args:
        h: width, at least m + r; there is no upper limit.
        scales: standard deviations of the entries of U and of V, as in `problem.gaussian`.

    Raises:
        InvalidArgument: h < m + r (use `compress`), scales that are not positive.
    """
    size = problem.m + problem.r
    if positive_integer("h", h) < size:
        reject("h", h, f"at least m + r = {size}; compress a network that is no wider than that")
    positive("scales[0]", scales[0])
    positive("scales[1]", scales[1])
    positive_integer("runs", runs)
    L = np.tril(rng.standard_normal((runs, size, size)), -1)
    L[:, np.arange(size), np.arange(size)] = np.sqrt(rng.chisquare(h - np.arange(size), (runs, size)))
    row_scale = np.repeat([scales[1], scales[0]], [problem.m, problem.r])[:, None]
    U2Q = scales[0] * rng.standard_normal((runs, problem.D - problem.r, size))
    return _assemble(problem, row_scale * L, U2Q)


def gradient_descent(compressed: Compressed, *, learning_rate: float, steps: int, record: Sequence[int]) -> Trajectory:
    """Gradient descent on the network, predicted without torch: the recursion of one run, as three BLAS calls a step.

        V+ = V + eta (S E)^T U1,   U1+ = U1 + eta S E V

    Returns:
        Trajectory with U (T, r, w), V (T, m, w) and the excess loss (T,) at the recorded steps.

    Raises:
        InvalidArgument: more than one run, a record outside 0 ... steps, or a learning rate at which descent diverges
            beyond what is a number.
    """
    network, problem = compressed.network, compressed.problem
    if network.U.shape[:-2] not in ((), (1,)):
        reject("compressed.network.U.shape", network.U.shape, "one run")
    wanted = sorted(set(record))
    if not wanted or wanted[0] < 0 or wanted[-1] > positive_integer("steps", steps):
        reject("record", f"{len(wanted)} steps", f"steps between 0 and {steps}")
    eta = positive("learning_rate", learning_rate)
    # Column-major, so that the rank-m update runs in place.
    U, V = np.asfortranarray(network.U.reshape(network.U.shape[-2:])), network.V.reshape(network.V.shape[-2:]).copy()
    S, targets = np.diag(problem.X)[:, None].copy(), problem.Y
    rate = eta * S
    states = []
    with np.errstate(over="ignore", invalid="ignore"):  # of what diverges, refused below
        for step in range(wanted[-1] + 1):
            E = targets - S * (U @ V.T)
            if step == wanted[len(states)]:
                states.append((U.copy(), V.copy(), 0.5 * float((E * E).sum())))
            SE = rate * E
            change = SE.T @ U
            blas.dgemm(1.0, SE, V, beta=1.0, c=U, overwrite_c=1)
            V += change
    Us, Vs, losses = (np.array(part) for part in zip(*states))
    if not np.isfinite(losses).all():
        reject("learning_rate", learning_rate, "one at which descent does not diverge")
    t = eta * np.array(wanted)
    return Trajectory(t, {"U": Us, "V": Vs, "excess_loss": losses}, {"steps": steps})


def _assemble(problem: Regression, Z: Array, frozen: Array) -> Compressed:
    V, U1 = Z[..., : problem.m, :], Z[..., problem.m :, :]
    return Compressed(problem, compressed_problem(problem), Network(U1, V), frozen)
