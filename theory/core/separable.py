"""The examples, and their max-margin classifier by least-distance programming."""

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls

from theory.core.arrays import EPS, Array
from theory.core.validation import finite_matrix, inside, positive, positive_integer, reject

# Examples count as not separable if every direction comes this close to a right angle with one that it has to classify:
# margins are inner products, whose rounding is then no longer small against them.
SMALLEST_COSINE = 1e-10
# Units of the weights in which least-distance programming is tried: it resolves best what is of size 1.
UNITS = (1.0, 1e-4, 1e-8)
LONGEST = 1e150  # the squares of longer examples, and of those shorter than its inverse, are no normal numbers


class Uncertified(RuntimeError):
    """A solver's answer that does not satisfy the conditions of optimality."""


@dataclass(frozen=True)
class Separable:
    """Linearly separable examples and their max-margin classifier.

    Attributes:
        Z: examples times labels, (*runs, n, d).
        w: w_hat = argmin 1/2 |w|^2 s.t. Z w >= 1.
        duals: alpha >= 0 with w_hat = Z^T alpha, exactly 0 off the support. Where they are not unique (linearly
            dependent support vectors) they are one choice.

    Raises:
        InvalidArgument: Z is no finite array of at least two dimensions, or some run is not separable.
        Uncertified: the solver's answer neither satisfies the conditions of optimality nor proves that there is none.
    """

    Z: Float[Array, "*runs n d"]
    w: Float[Array, "*runs d"] = field(init=False)
    duals: Float[Array, "*runs n"] = field(init=False)

    def __post_init__(self) -> None:
        if np.ndim(self.Z) < 2:
            reject("Z.shape", np.shape(self.Z), "(*runs, n, d)")
        *runs, n, d = self.Z.shape
        found = [_max_margin(finite_matrix("Z", Z)) for Z in self.Z.reshape(-1, n, d)]
        object.__setattr__(self, "w", np.reshape([w for w, _ in found], (*runs, d)))
        object.__setattr__(self, "duals", np.reshape([alpha for _, alpha in found], (*runs, n)))

    @property
    def margin(self) -> Float[Array, "*runs"]:
        """gamma* = 1 / |w_hat|."""
        return 1 / np.linalg.norm(self.w, axis=-1)

    @property
    def support(self) -> Bool[Array, "*runs n"]:
        """S = {alpha > 0}."""
        return self.duals > 0

    @property
    def slack(self) -> Float[Array, "*runs n"]:
        """z_i . w_hat - 1; exactly 0 where that is its rounding, which the support always is."""
        slack = apply(self.Z, self.w) - 1
        length = np.linalg.norm(self.Z, axis=-1) / self.margin[..., None]
        return np.where(self.support | (slack <= _rounding(self.Z) * length), 0.0, slack)

    @property
    def gram_range(self) -> tuple[Float[Array, "*runs"], Float[Array, "*runs"]]:
        """(g_min, g_max) of G = Z_S Z_S^T."""
        supported = self.Z * self.support[..., None]
        spectrum = np.linalg.eigvalsh(supported @ supported.mT)
        # Rows off the support are zero, and put n - |S| zeros in front.
        first = (~self.support).sum(-1)
        return np.take_along_axis(spectrum, first[..., None], -1)[..., 0], spectrum[..., -1]

    @property
    def condition(self) -> Float[Array, "*runs"]:
        """kappa = g_max / g_min."""
        smallest, largest = self.gram_range
        return largest / smallest

    def run(self, i: int) -> "Separable":
        """Run `i` of a batch, alone."""
        return Separable(self.Z[i])


def apply(matrix: Float[Array, "*#runs n d"], vector: Float[Array, "*#batch d"]) -> Array:
    """Matrix times vector, run by run."""
    return (matrix @ vector[..., None])[..., 0]


def _max_margin(Z: Float[Array, "n d"]) -> tuple[Float[Array, " d"], Float[Array, " n"]]:
    """(w_hat, alpha) of one run by least-distance programming: with g_i = z_i / |z_i| and heights h_i in proportion to
    1 / |z_i|, min |E u - f| over u >= 0, E = [G^T; h^T], f = e_{d+1}, is positive on the support only (Lawson & Hanson
    1974, chapter 23, section 4). Whoever found the support, the conditions of optimality are checked."""
    n, d = Z.shape
    lengths = np.hypot.reduce(Z, axis=1)  # no overflow
    shortest, longest = lengths.min(), lengths.max()
    if longest == 0:
        reject("Z", "the zero matrix", "examples that a classifier without bias separates")
    if shortest == 0:
        _not_separable(Z)
    if shortest < 1 / LONGEST or longest > LONGEST:
        reject("|z_i|", f"{shortest:g} ... {longest:g}", f"lengths from {1 / LONGEST:g} to {LONGEST:g}")
    G, h = Z / lengths[:, None], shortest / lengths
    for unit in UNITS:
        answer = _certified(G, h, _shares(G, unit * h) > 0)
        if answer is not None:
            w, beta = answer
            return w / shortest, beta / lengths / shortest
    # Any unit vector v has min_i g_i . v <= sum_i u_i g_i . v / sum_i u_i <= |G^T u| / sum_i u_i.
    u = _shares(G, np.ones(n))
    if np.linalg.norm(G.T @ u) <= 1e3 * SMALLEST_COSINE * u.sum():
        _not_separable(Z)
    raise Uncertified(f"nnls found no classifier of {n} examples in {d} dimensions that satisfies the KKT conditions")


def _shares(G: Array, h: Array) -> Array:
    """u >= 0 with least |G^T u|^2 + (h . u - 1)^2."""
    n, d = G.shape
    return nnls(np.vstack([G.T, h]), np.eye(d + 1)[-1], maxiter=30 * (n + d))[0]


def _certified(G: Array, h: Array, guess: Array) -> tuple[Array, Array] | None:
    """w and beta with w = G^T beta, beta >= 0, G w >= h and equality where beta > 0, from a guess of the support; None
    if there is none. Solving on the support removes what rounding the guess has left."""
    if not guess.any():
        return None
    w, beta = _on_support(G, h, guess)
    needed = beta > _rounding(G) * beta.max()
    if (needed != guess).any() and needed.any():
        # What has hardly any weight may lie on the margin, but the classifier does not need it.
        fewer = _on_support(G, h, needed)
        if _optimal(G, h, *fewer):
            return fewer
    return (w, beta) if _optimal(G, h, w, beta) else None


def _on_support(G: Array, h: Array, support: Array) -> tuple[Array, Array]:
    """The shortest w with g_i . w = h_i there, and its multipliers."""
    w = np.linalg.lstsq(G[support], h[support])[0]
    beta = np.zeros(len(G))
    beta[support] = np.linalg.lstsq(G[support].T, w)[0]
    return w, beta


def _optimal(G: Array, h: Array, w: Array, beta: Array) -> bool:
    """Karush, Kuhn and Tucker's conditions, to rounding."""
    size = _rounding(G)
    above, off = G @ w - h, size * (np.abs(G) @ np.abs(w) + h)
    feasible = (above >= -off).all() and (above <= off)[beta > 0].all()
    stationary = (beta >= 0).all() and np.linalg.norm(G.T @ beta - w) <= size * beta.sum()
    resolved = h[beta > 0].max(initial=0) >= SMALLEST_COSINE * np.linalg.norm(w)
    return bool(feasible and stationary and resolved)


def _not_separable(Z: Array) -> NoReturn:
    reject("Z", f"{len(Z)} examples in {Z.shape[1]} dimensions", "examples that a classifier without bias separates")


def _rounding(Z: Array) -> float:
    """What sums over the examples or over their entries may be off by, relatively."""
    return 64 * sum(Z.shape[-2:]) * EPS


def planted(
    rng: np.random.Generator,
    shares: Float[Array, " k"],
    *,
    d: int,
    margin: float | int = 1.0,
    spread: float | int = 1.0,
    slack: Float[Array, " others"] = np.zeros(0),  # noqa: B008
    runs: int = 1,
) -> Float[Array, "runs n d"]:
    """Random examples whose answer is known without solving: gamma* = margin, alpha = shares / margin^2, then zeros.

    Support vectors z_i = margin u + v_i with v_i orthogonal to the unit vector u and sum_i shares_i v_i = 0, so that
    u / margin = sum_i alpha_i z_i has margin exactly 1 on each; example k + j gets margin 1 + slack_j > 1.

    Raises:
        InvalidArgument: shares that are not positive with sum 1, too many of them for d, runs below 1, slack not
            positive.
    """
    positive_integer("runs", runs)
    k = shares.size
    if not ((shares > 0).all() and abs(shares.sum() - 1) < 1e-12):
        reject("shares", shares, "positive numbers that add up to 1")
    inside("shares.size", k, 1, d)
    for value in (margin, spread, *slack):
        positive("margin, spread and slack", value)
    basis = np.linalg.qr(rng.standard_normal((runs, d, d)))[0]
    u, rest = basis[..., 0], basis[..., 1:].mT
    v = spread * rng.standard_normal((runs, k + slack.size, d - 1)) @ rest / np.sqrt(max(d - 1, 1))
    v[:, k - 1] = -np.tensordot(v[:, : k - 1], shares[:-1], axes=(1, 0)) / shares[-1]
    heights = margin * np.concatenate([np.ones(k), 1 + slack])
    return heights[:, None] * u[:, None, :] + v


def labelled_by_a_teacher(
    rng: np.random.Generator, *, n: int, d: int, runs: int, least: float
) -> Float[Array, "runs n d"]:
    """Gaussian inputs labelled by a random linear teacher that keeps a margin of at least `least` from each of them:
    separable, and nothing else is known of them.

    Raises:
        InvalidArgument: n, d or runs below 1, `least` not above 0.
    """
    for name, size in (("n", n), ("d", d), ("runs", runs)):
        positive_integer(name, size)
    teacher = rng.standard_normal((runs, 1, d))
    teacher /= np.linalg.norm(teacher, axis=-1, keepdims=True)
    inputs = rng.standard_normal((runs, n, d))
    height = (inputs * teacher).sum(-1, keepdims=True)
    Z = np.where(height < 0, -inputs, inputs)
    return Z + positive("least", least) * teacher


def direction_error(problem: Separable, w: Float[Array, "*times_runs d"]) -> Float[Array, "*times_runs"]:
    """| w/|w| - w_hat/|w_hat| |, batch dimensions of the problem last; NaN at w = 0, which has no direction."""
    return np.linalg.norm(_unit(w) - problem.w * problem.margin[..., None], axis=-1)


def margin_gap(problem: Separable, w: Float[Array, "*times_runs d"]) -> Float[Array, "*times_runs"]:
    """gamma* - min_i z_i . w / |w|; NaN at w = 0."""
    return problem.margin - apply(problem.Z, _unit(w)).min(-1)


def _unit(w: Array) -> Array:
    """w / |w|, in units in which no square overflows."""
    with np.errstate(invalid="ignore"):
        w = w / np.abs(w).max(-1, keepdims=True)
    return w / np.linalg.norm(w, axis=-1, keepdims=True)
