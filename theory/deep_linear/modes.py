r"""Singular modes of students of whitened examples: started along the modes, each one is a scalar chain.

Whitened: X X^T = x^2 P. With W^ = U s V^T, a student is aligned if it is W_l = R_l diag(w_l) R_{l-1}^T with frames of
orthonormal columns R_0 = V, R_L = U and any R_1, ..., R_{L-1} between. Then each mode k is the chain `theory.chain`
with target s_k, input x and weights (w_1k, ..., w_Lk), under gradient flow, weight decay and Minnorm alike, and no mode
feels another. Under gradient flow the strength u of a balanced mode, the product of its weights, obeys

    u' = L x^2 u^(2 - 2/L) (s - u)

(Saxe et al. 2014, tau = 1/x^2, whose N_l counts the layers of neurons, L = N_l - 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from theory.chain import gradient_flow, minnorm
from theory.chain.problem import Chain
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.validation import entries_inside, inside, positive_integer, reject, times
from theory.deep_linear.problem import LARGEST, TeacherStudent, Times
from theory.minnorm.tuning import Number

BISECTIONS = 70  # of an interval shorter than 800: below the spacing of doubles


@dataclass(frozen=True)
class Modes:
    """The modes of a whitened problem, W^ = U s V^T.

    Raises:
        InvalidArgument: the examples are not whitened, or a singular value of W^ is 0.
    """

    problem: TeacherStudent

    def __post_init__(self) -> None:
        rates = self.problem.rates
        if np.ptp(rates) > 1e-9 * rates.max():
            reject("problem", f"eigenvalues of X X^T between {rates.min():.3g} and {rates.max():.3g}", "all alike")
        if not (self.s > 1e-9 * self.s.max(-1, keepdims=True)).all():
            reject("problem", f"a singular value {self.s.min():.3g} of Y X^+", "singular values above 0")

    @cached_property
    def _svd(self) -> tuple[Array, Array, Array]:
        U, s, Vt = np.linalg.svd(self.problem.minimum_norm_solution, full_matrices=False)
        r = min(self.problem.K, self.problem.n)
        return U[..., :, :r], s[..., :r], Vt.mT[..., :, :r]

    @property
    def U(self) -> Float[Array, "*draws K r"]:
        return self._svd[0]

    @property
    def s(self) -> Float[Array, "*draws r"]:
        """Strengths of the modes, decreasing."""
        return self._svd[1]

    @property
    def V(self) -> Float[Array, "*draws d r"]:
        return self._svd[2]

    @cached_property
    def x(self) -> float:
        """X X^T = x^2 P."""
        return float(np.sqrt(self.problem.rates.mean()))

    def chains(self, L: int) -> list[Chain]:
        """The chain of each mode.

        Raises:
            InvalidArgument: draws whose modes differ in strength.
        """
        s = self.s.reshape(-1, self.s.shape[-1])
        if not np.allclose(s, s[0], rtol=1e-9, atol=0):
            reject("problem", f"strengths between {s.min(0)} and {s.max(0)}", "the same strengths in every draw")
        return [Chain(float(strength), L, self.x) for strength in s[0]]

    def frames(self, widths: Sequence[int], rng: np.random.Generator) -> list[Array]:
        """R_0 = V, random R_1, ..., R_{L-1} and R_L = U, each (*draws, h_l, r).

        Args:
            widths: h_0 = d, h_1, ..., h_L = K.

        Raises:
            InvalidArgument: a hidden layer narrower than the r modes, or widths that do not lead from d to K.
        """
        r, ends = self.s.shape[-1], [self.problem.d, self.problem.K]
        if [widths[0], widths[-1]] != ends or len(widths) < 2:
            reject("widths", list(widths), "d = {}, hidden widths, K = {}".format(*ends))
        if min(widths) < r:
            reject("widths", list(widths), f"at least {r}, one neuron a mode")
        shape = self.s.shape[:-1]
        hidden = [np.linalg.qr(rng.standard_normal((*shape, width, r)))[0] for width in widths[1:-1]]
        return [self.V, *hidden, self.U]

    def multipliers(self, multiplier: Float[Array, "*runs K n"]) -> Float[Array, "*runs r"]:
        """lambda_k of Lambda = U diag(lambda) V^T X / x."""
        coupled = self.U.mT @ multiplier @ self.problem.X.mT @ self.V
        return np.diagonal(coupled, axis1=-2, axis2=-1) / self.x

    def strengths(self, W: Float[Array, "*runs K d"]) -> Float[Array, "*runs r"]:
        """u_k^T W v_k."""
        return np.diagonal(self.U.mT @ W @ self.V, axis1=-2, axis2=-1)

    def effective_start(self, W: Layers) -> Float[Array, "*runs h r"]:
        """G = (W_2^T U + W_1 V) / 2 of two layers: the part of a small start that grows; the rest of it dies out.

        While W is small, (W_2^T u_k)' = x^2 s_k W_1 v_k and (W_1 v_k)' = x^2 s_k W_2^T u_k.

        Raises:
            InvalidArgument: a depth other than 2.
        """
        if len(W) != 2:
            reject("len(W)", len(W), "2 layers")
        return (W[1].mT @ self.U + W[0] @ self.V) / 2

    def coupled_solution(self, G: Float[Array, "*runs h r"], t: Times) -> Float[Array, "..."]:
        """U^T W(t) V of two layers from W_1 = G V^T, W_2 = U G^T, under gradient flow, shape (*times, *runs, r, r).

        P = G^T G obeys Riccati's equation P' = x^2 (S P + P S - 2 P^2), solved by its inverse:
        P^-1 = e^(-x^2 S t) P(0)^-1 e^(-x^2 S t) + S^-1 (1 - e^(-2 x^2 S t)). Modes whose columns of G are not
        orthogonal feel each other.

        >>> modes = Modes(whitened([2.0, 1.0], x=1.0, d=3, n=2, K=2, rng=np.random.default_rng(0)))
        >>> G = np.array([[[0.3, 0.1], [0.0, 0.2]]])
        >>> modes.coupled_solution(G, [0.0, 1.0, np.inf])[:, 0].round(3).tolist()
        [[[0.09, 0.03], [0.03, 0.05]], [[1.419, 0.139], [0.139, 0.249]], [[2.0, 0.0], [0.0, 1.0]]]

        Raises:
            InvalidArgument: columns of G that are linearly dependent, a negative or NaN time.
        """
        t, inverse = times(t), _inverse(G.mT @ G)
        if not np.isfinite(inverse).all():
            reject("G^T G", "a singular matrix", "a matrix that has an inverse")
        exponent = -(self.x**2) * t.reshape((*t.shape, *[1] * (G.ndim - 1))) * self.s
        settled = (-np.expm1(2 * exponent) / self.s)[..., None] * np.eye(G.shape[-1])
        decay = np.exp(exponent)
        return _inverse(decay[..., :, None] * inverse * decay[..., None, :] + settled)

    def critical_augmentation(self, L: int, tuning: minnorm.Tuning, learning_rate: float) -> float:
        """c above which Minnorm is stable at the solution: that of the weakest mode, for L > 2."""
        return max(float(minnorm.critical_augmentation(chain, tuning, learning_rate)) for chain in self.chains(L))


def whitened(
    strengths: Sequence[float] | Array, *, x: float, d: int, n: int, K: int, rng: np.random.Generator, draws: int = 1
) -> TeacherStudent:
    """Noiseless problems X X^T = x^2 P, W^ = U diag(strengths) V^T, with U, V and P random.

    Raises:
        InvalidArgument: an x outside [1e-150, 1e150]; see also `planted`.
    """
    rate = inside("x", x, 1 / LARGEST, LARGEST) ** 2
    return planted(strengths, [rate] * positive_integer("n", n), d=d, K=K, rng=rng, draws=draws)


def planted(
    strengths: Sequence[float] | Array,
    rates: Sequence[float] | Array,
    *,
    d: int,
    K: int,
    rng: np.random.Generator,
    draws: int = 1,
) -> TeacherStudent:
    """Noiseless problems whose X X^T has the nonzero eigenvalues `rates`, and W^ the singular values `strengths`.

    Raises:
        InvalidArgument: rates or strengths that are no row of finite numbers; more rates than inputs, or more strengths
            than examples or outputs; a rate that is not above 0, a strength below 0.
    """
    rates, strengths = _row("rates", rates), _row("strengths", strengths)
    n, r = len(rates), len(strengths)
    if n > positive_integer("d", d):
        reject("rates", f"{n} of them", f"at most d = {d}")
    if r > min(n, positive_integer("K", K)):
        reject("strengths", f"{r} of them", f"at most min(n, K) = {min(n, K)}")
    positive_integer("draws", draws)
    entries_inside("rates", rates, 0, np.inf)
    entries_inside("strengths", strengths, 0, np.inf, "[)")
    frame = lambda rows, columns: np.linalg.qr(rng.standard_normal((draws, rows, columns)))[0]  # noqa: E731
    seen, U = frame(d, n), frame(K, r)
    X = (seen * np.sqrt(rates)) @ frame(n, n)
    V = seen @ frame(n, r)
    return TeacherStudent(X, (U * strengths) @ V.mT, np.zeros((draws, K, n)))


def _row(name: str, values: Sequence[float] | Array) -> Array:
    row = entries_inside(name, values)
    return row if row.ndim == 1 else reject(f"{name}.shape", row.shape, "one row of numbers")


def aligned(frames: Sequence[Array], w: Float[Array, "*runs r L"]) -> list[Array]:
    """W_l = R_l diag(w_l) R_{l-1}^T.

    Raises:
        InvalidArgument: a number of frames other than L + 1.
    """
    if len(frames) != w.shape[-1] + 1:
        reject("len(frames)", len(frames), f"{w.shape[-1] + 1}, one more than layers")
    return [(after * w[..., None, :, l]) @ before.mT for l, (before, after) in enumerate(pairwise(frames))]


def amplitudes(frames: Sequence[Array], W: Layers) -> Float[Array, "*runs r L"]:
    """w_lk = (R_l^T W_l R_{l-1})_kk: the weights of the chains.

    Raises:
        InvalidArgument: no layer, or a number of frames other than L + 1.
    """
    if len(frames) != positive_integer("len(W)", len(W)) + 1:
        reject("len(frames)", len(frames), f"{len(W) + 1}, one more than layers")
    between = [after.mT @ layer @ before for (before, after), layer in zip(pairwise(frames), W)]
    return np.stack([np.diagonal(matrix, axis1=-2, axis2=-1) for matrix in between], axis=-1)


def balanced_solution(chain: Chain, start: Array | float, t: Times) -> Float[Array, "..."]:
    """Strength u(t) of a balanced mode under gradient flow, at `start` at time 0, shape (*times, *start).

    `gradient_flow.balanced_time` inverted, by bisection of log(min(u, s) / |s - u|). At depth 2 it is the logistic
    curve s e^(2 x^2 s t) / (e^(2 x^2 s t) - 1 + s / u0).

    >>> balanced_solution(Chain(s=2.0, L=3), 0.5, [0.0, 0.5, np.inf]).round(4).tolist()
    [0.5, 1.7589, 2.0]

    Raises:
        InvalidArgument: a start that is not above 0, a negative or NaN time.
    """
    start = np.asarray(start, dtype=np.float64)
    wrong = ~((start > 0) & np.isfinite(start))
    if wrong.any():
        reject("start", start[wrong].flat[0], "strengths above 0")
    t = times(t)
    t, start = np.broadcast_arrays(t.reshape((*t.shape, *[1] * start.ndim)), start)
    ends = np.minimum(start, chain.s), np.maximum(start, chain.s)

    def strength(y: Array) -> Array:
        return np.clip(chain.s * np.where(start < chain.s, 1 / (1 + np.exp(-y)), 1 + np.exp(-y)), *ends)

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a start at s stays there
        low = np.log(np.minimum(start, chain.s)) - np.log(np.abs(chain.s - start))
        low = np.minimum(low, 40.0)
        high = np.full(low.shape, 40.0)  # there u = s to rounding
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            early = gradient_flow.balanced_time(chain, start, strength(middle)) < t
            low, high = np.where(early, middle, low), np.where(early, high, middle)
    return strength(high)


def transverse_jacobian(
    weak: Chain, other: Chain, tuning: minnorm.Tuning, multiplier: float
) -> Float[Array, "*runs 2 2"]:
    """Jacobian of Minnorm at depth 3 along the hidden direction of another mode, where a weak mode has collapsed to 0.

    The weak mode k can grow by the middle layer of mode j, which rests: W_1 gains q r_j v_k^T, and W_3 q u_k r_j^T. The
    force m = x (lambda_k + c x s_k) on k drives q, and the constraints of the entries (j, k) and (k, j) of W, with
    their multiplier nu, oppose it:

        q' = a (-1 + m omega_j - c x^2 omega_j^4) q + a x omega_j^2 nu,    nu' = -b x omega_j^2 q.

    Raises:
        InvalidArgument: a depth other than 3, chains of different inputs, a norm that is not squared.
    """
    for name, chain in (("weak", weak), ("other", other)):
        if chain.L != 3:
            reject(f"{name}.L", chain.L, "depth 3")
        if chain.power != 2:
            reject(f"{name}.power", chain.power, "2, the squared norm")
    if other.x != weak.x:
        reject("other.x", other.x, f"that of the weak chain, {weak.x}: modes of one problem")
    a, b, c, omega = tuning.a, tuning.b, tuning.c, other.omega
    force = weak.x * multiplier + c * weak.sigma * weak.s
    growth = a * (-1 + force * omega - c * weak.sigma * omega**4)
    entries = np.broadcast_arrays(growth, a * weak.x * omega**2, -b * weak.x * omega**2, 0.0)
    return np.stack(entries, axis=-1).reshape(*entries[0].shape, 2, 2)


def critical_multiplier(weak: Chain, other: Chain, tuning: minnorm.Tuning) -> Number:
    """Multiplier from which a collapsed mode comes back through `other`: the trace of `transverse_jacobian` vanishes.

    The multiplier of a collapsed mode grows for ever, so at depth 3 a collapse lasts only until then.

    Raises:
        InvalidArgument: as in `transverse_jacobian`.
    """
    growth = transverse_jacobian(weak, other, tuning, 0.0)[..., 0, 0]
    return -growth / (tuning.a * weak.x * other.omega)


def decoupled_starts(G: Float[Array, "*runs h r"]) -> Float[Array, "*runs r"]:
    """Strengths from which modes of two layers seem to start, one after the other, as G -> 0: R_kk^2 of G = Q R.

    Mode k starts from what modes 1, ..., k - 1, learned before it, leave of the k-th column of G. The error is of order
    |G|^(2 - 2 max s_{k+1} / s_k). A mode of which nothing is left, such as one beyond the width h, starts from 0.
    """
    h, r = G.shape[-2:]
    R = np.diagonal(np.linalg.qr(G, mode="r"), axis1=-2, axis2=-1)
    lengths = np.linalg.norm(G, axis=-2)[..., : min(h, r)]
    left = np.where(np.abs(R) > max(h, r) * EPS * lengths, R, 0.0) ** 2
    return np.concatenate([left, np.zeros((*left.shape[:-1], r - left.shape[-1]))], axis=-1)


def _inverse(matrix: Array) -> Array:
    """Of positive matrices, scaled to a diagonal of 1 so that large modes excuse nothing; NaN where there is none."""
    unit = np.sqrt(np.diagonal(matrix, axis1=-2, axis2=-1))[..., None]
    with np.errstate(all="ignore"):
        scaled = np.nan_to_num(matrix / unit / unit.mT, nan=0.0, posinf=0.0, neginf=0.0)
        regular = (np.linalg.cond(scaled) < 1e13)[..., None, None]
        inverse = np.linalg.inv(np.where(regular, scaled, np.eye(matrix.shape[-1]))) / unit / unit.mT
    return np.where(regular, inverse, np.nan)
