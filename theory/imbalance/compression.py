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
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.core.validation import positive, positive_integer, reject
from theory.imbalance.problem import Network, coordinates, frozen_weights
from theory.imbalance.recursion import FASTEST, InNumpy


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


def gradient_descent(
    compressed: Compressed,
    *,
    learning_rate: float,
    steps: int,
    record: Sequence[int],
    stop_below: float | None = None,
) -> Trajectory:
    """Gradient descent on every run of the network, predicted without torch.

        V+ = V + eta (S E)^T U1,   U1+ = U1 + eta S E V,   E = y~ - S U1 V^T

    Where numba is installed (the extra `fast`) it is compiled, which the first call waits a second or two for, and then
    a step takes a third of the time. `facts["kernel"]` says "numba" or "numpy"; the two are equal to rounding.

    Args:
        steps: none is recorded beyond.
        stop_below: hold a run from the first step at which its excess loss is below this; its records stay the same.

    Returns:
        Trajectory with U (T, runs, r, w), V (T, runs, m, w) and the excess loss (T, runs) at the recorded steps; of a
        single run (T, r, w), (T, m, w) and (T,). `facts`: `steps` taken by each run (runs,), and the `kernel`.

    Raises:
        InvalidArgument: a record outside 0 ... steps, or a learning rate at which descent diverges beyond what is a
            number.
    """
    return _descent(FASTEST, compressed, learning_rate, steps, record, stop_below)


def gradient_descent_in_numpy(
    compressed: Compressed,
    *,
    learning_rate: float,
    steps: int,
    record: Sequence[int],
    stop_below: float | None = None,
) -> Trajectory:
    """`gradient_descent` to the same bits with numba and without it, for results that others are to reproduce."""
    return _descent(InNumpy, compressed, learning_rate, steps, record, stop_below)


def _descent(
    kernel: type[InNumpy],
    compressed: Compressed,
    learning_rate: float,
    steps: int,
    record: Sequence[int],
    stop_below: float | None,
) -> Trajectory:
    wanted = sorted(set(record))
    if not wanted or wanted[0] < 0 or wanted[-1] > positive_integer("steps", steps):
        reject("record", f"{len(wanted)} steps", f"steps between 0 and {steps}")
    eta = positive("learning_rate", learning_rate)
    enough = 0.0 if stop_below is None else positive("stop_below", stop_below)
    problem, network = compressed.problem, compressed.network
    S, batch = np.diag(problem.X), network.U.shape[:-2]
    starts = zip(*(weights.reshape(-1, *weights.shape[-2:]) for weights in (network.U, network.V)))
    followed = []
    with np.errstate(over="ignore", invalid="ignore"):  # of what diverges, refused
        for number, (U, V) in enumerate(starts):
            run = kernel(S, problem.Y, U, V, eta)
            followed.append(_follow(run, wanted, enough))
            if not np.isfinite(run.loss):
                after, stable = followed[-1][-1], 2 / _curvature(problem, U, V)
                found = f"run {number} does after {after} steps, from a start at which {stable:.3g} would be stable"
                reject("learning_rate", learning_rate, f"one at which descent does not diverge: {found}")
    runs = () if len(followed) == 1 else batch
    *records, taken = zip(*followed)
    U, V, losses = (np.stack(part, axis=1).reshape(-1, *runs, *part[0].shape[1:]) for part in records)
    facts = {"steps": np.reshape(taken, runs), "kernel": kernel.name}
    return Trajectory(eta * np.array(wanted), {"U": U, "V": V, "excess_loss": losses}, facts)


def _follow(run: InNumpy, wanted: Sequence[int], enough: float) -> tuple[Array, Array, Array, int]:
    """U, V and the loss at the steps wanted, or where the run is held by then; and the steps it took."""
    taken, states = 0, []
    for before, step in pairwise([0, *wanted]):
        taken += run.advance(step - before, enough)
        states.append((run.U, run.V, run.loss))
    U, V, losses = (np.array(part) for part in zip(*states))
    return U, V, losses, taken


def _curvature(problem: Regression, U: Array, V: Array) -> float:
    """Of the loss, at most: s_1^2 (|U|^2 + |V|^2) + s_1 |E|, as |S (dU V^T + U dV^T)| <= s_1 (|dU| |V| + |U| |dV|)."""
    E = np.linalg.norm(problem.Y - problem.X @ U @ V.T)
    squares = np.linalg.norm(U, ord=2) ** 2 + np.linalg.norm(V, ord=2) ** 2
    return float(problem.S[0] * (problem.S[0] * squares + E))


def _assemble(problem: Regression, Z: Array, frozen: Array) -> Compressed:
    V, U1 = Z[..., : problem.m, :], Z[..., problem.m :, :]
    return Compressed(problem, compressed_problem(problem), Network(U1, V), frozen)
