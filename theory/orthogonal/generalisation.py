r"""When OPT generalises better than free weights: labels y = W*^T x + s e, white Gaussian inputs and noise, n examples.

Free weights are least squares, whose excess risk is s^2 d N / (n - d - 1) whatever W*. OPT has W = R W0, R in one
component of O(d), and ends near the W nearest to W*. With S = W W*^T there, which is symmetric, its risk is

    |W - W*|^2 + tr(H^+ J) / (2 n) + O(n^-2),    H(A, A) = -2 tr(A^2 S),
    J(A, A) = 4 (s^2 |A W|^2 + |A K|^2 + tr(A K A K)),    K = W (W - W*)^T,

H the Hessian of the risk along W + A W, A skew, and J the covariance of an example's gradient. In the basis in which
S = diag(s_i) each pair of coordinates turns by itself: with G = W W^T and K = G - S there,

    tr(H^+ J) / 2 = sum over i < j of
        (s^2 (G_ii + G_jj) + |K_i|^2 + |K_j|^2 + 2 K_ij^2 - 2 K_ii K_jj) / (s_i + s_j).

If W* = R W0, then K = 0 and each pair that moves a neuron costs s^2: their number is the dimension of all R W0.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, finite_arrays, inside, positive, positive_integer, reject

LARGEST = 1e30  # entry of the weights and of the noise: products of four are still floats
NOTHING = 1e-9  # of the largest: below it a singular value, or the sum of two, counts as 0


@dataclass(frozen=True)
class Teacher:
    """Weights W* = `target` (d, N), the fixed neurons W0 (d, N) of OPT, and the deviation of the labels' noise.

    Attributes:
        determinant: 1 or -1, of the rotations that OPT can reach.

    Raises:
        InvalidArgument: shapes that do not fit, fewer than 2 inputs, entries that are not finite or above 1e30, a noise
            that is not above 0, another determinant.
    """

    W0: Array
    target: Array
    noise: float
    determinant: float = 1.0

    def __post_init__(self) -> None:
        finite_arrays(self, W0="d N", target="d N")
        for name in ("W0", "target"):
            entries_inside(name, getattr(self, name), -LARGEST, LARGEST, "[]")
        inside("d", self.d, 2, np.inf, "[)"), inside("noise", positive("noise", self.noise), 0, LARGEST, "(]")
        if abs(self.determinant) != 1:
            reject("determinant", self.determinant, "1 or -1")

    @property
    def d(self) -> int:
        return int(self.W0.shape[0])

    @property
    def N(self) -> int:
        return int(self.W0.shape[1])

    @property
    def R(self) -> Float[Array, "d d"]:
        """The rotation that makes R W0 nearest to W*: Procrustes' solution of the component, or Kabsch's."""
        P, _, Q = self._aligned
        return P @ Q.T

    @property
    def s(self) -> Float[Array, " d"]:
        """Singular values of W* W0^T, decreasing; the last is negative if no rotation of the component aligns it."""
        return self._aligned[1]

    @property
    def gram(self) -> Float[Array, "d d"]:
        """W W^T of the nearest W = R W0, in the basis in which W W*^T = diag(s)."""
        W = self._aligned[2].T @ self.W0
        return W @ W.T

    @cached_property
    def _aligned(self) -> tuple[Array, Array, Array]:
        P, s, Qt = np.linalg.svd(self.target @ self.W0.T)
        e = np.ones(self.d)
        e[-1] = self.determinant * np.sign(np.linalg.det(P @ Qt))
        return P * e, e * s, Qt.T


def dimension(d: int, N: int) -> int:
    """Dimension of what rotations in d dimensions make of N independent neurons: of R only what moves them counts.

    d (d - 1) / 2 - (d - N) (d - N - 1) / 2, without the second term if N >= d.
    """
    free = max(positive_integer("d", d) - positive_integer("N", N), 0)
    return (d * (d - 1) - free * (free - 1)) // 2


def least_squares_risk(teacher: Teacher, n: float) -> float:
    """Mean excess risk s^2 d N / (n - d - 1) of free weights, exactly, whatever they are taught.

    Raises:
        InvalidArgument: n not above d + 1, where it is infinite.
    """
    over = inside("n", n, teacher.d + 1, np.inf, "(]") - teacher.d - 1
    return teacher.noise**2 * teacher.d * teacher.N / over


def gap(teacher: Teacher) -> float:
    """|R W0 - W*|^2 of the nearest R, the excess risk that no number of examples takes away from OPT."""
    return float(np.square(teacher.R @ teacher.W0 - teacher.target).sum())


def learning_cost(teacher: Teacher) -> float:
    """tr(H^+ J) / 2: what OPT's risk has above its gap, times n, for n large; s^2 dim if there is no gap.

    Raises:
        InvalidArgument: more than one R W0 of the component is nearest to W*, or nearly.
    """
    s, G = teacher.s, teacher.gram
    K = G - np.diag(s)
    length = teacher.noise**2 * np.diag(G) + np.square(K).sum(1)
    variance = length[:, None] + length + 2 * K**2 - 2 * np.outer(np.diag(K), np.diag(K))
    curvature = s[:, None] + s
    turns = np.triu(curvature > NOTHING * np.abs(s).max(), 1)
    rank = int(np.linalg.matrix_rank(teacher.W0, rtol=NOTHING))
    if rank == 0 or turns.sum() != dimension(teacher.d, rank):
        reject("target", f"one with {turns.sum()} pairs of s_i + s_j > 0", "one that a single R W0 is nearest to")
    return float((variance[turns] / curvature[turns]).sum())


def opt_risk(teacher: Teacher, n: float) -> float:
    """Mean excess risk of OPT to first order in 1/n: `gap` + `learning_cost` / n."""
    return gap(teacher) + learning_cost(teacher) / inside("n", n, 0, np.inf, "(]")


def crossing(teacher: Teacher) -> float:
    """The number of examples up to which OPT generalises better, and above which free weights do.

    It is the root above d + 1 of gap + cost / n = s^2 d N / (n - d - 1); infinite without a gap.
    """
    free = teacher.noise**2 * teacher.d * teacher.N
    a, c, m = gap(teacher) / free, learning_cost(teacher) / free, teacher.d + 1
    b = 1 + a * m - c  # a n^2 - b n - c m = 0
    if a == 0:
        return float(np.inf)
    root = np.hypot(b, 2 * np.sqrt(a) * np.sqrt(c * m))
    return float((b + root) / (2 * a) if b > 0 else 2 * c * m / (root - b))
