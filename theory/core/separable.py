"""The examples, and their max-margin classifier by least-distance programming."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls

from theory.core.arrays import Array
from theory.core.validation import finite_matrix, inside, positive, reject

# Data whose margin is below this share of its largest example count as not separable: nnls resolves no less.
SMALLEST_MARGIN = 1e-6


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
    """

    Z: Float[Array, "*runs n d"]
    w: Float[Array, "*runs d"] = field(init=False)
    duals: Float[Array, "*runs n"] = field(init=False)

    def __post_init__(self) -> None:
        if np.ndim(self.Z) < 2:
            reject("Z.shape", np.shape(self.Z), "(*runs, n, d)")
        *runs, n, d = self.Z.shape
        alphas = [_duals(finite_matrix("Z", Z)) for Z in self.Z.reshape(-1, n, d)]
        object.__setattr__(self, "duals", np.reshape(alphas, (*runs, n)))
        object.__setattr__(self, "w", apply(self.Z.mT, self.duals))

    @property
    def margin(self) -> Float[Array, "*runs"]:
        """gamma* = 1 / |w_hat|."""
        return 1 / np.linalg.norm(self.w, axis=-1)

    @property
    def support(self) -> Bool[Array, "*runs n"]:
        """S = {alpha > 0}."""
        return self.duals > 0

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


def _duals(Z: Float[Array, "n d"]) -> Float[Array, " n"]:
    """alpha of one run: min |E u - f| over u >= 0, E = [Z^T; 1^T], f = e_{d+1}, and with r = E u - f the solution is
    w_hat = -r_{1..d} / r_{d+1}, alpha = -u / r_{d+1} (Lawson & Hanson 1974, chapter 23, section 4)."""
    n, d = Z.shape
    scale = np.linalg.norm(Z, axis=1).max()
    if scale == 0:
        reject("Z", "the zero matrix", "examples that a classifier without bias separates")
    u = nnls(np.vstack([Z.T / scale, np.ones(n)]), np.eye(d + 1)[-1], maxiter=30 * (n + d))[0]
    distance = 1 - u.sum()  # |r|^2 = 1 / (1 + |scale w_hat|^2)
    if distance < SMALLEST_MARGIN**2:
        reject("Z", f"{n} examples in {d} dimensions", "examples that a classifier without bias separates")
    support = u > 0
    alpha = np.zeros(n)
    # nnls found S, of linearly independent rows; solving G alpha = 1 on it removes what rounding nnls left.
    alpha[support] = np.linalg.solve(Z[support] @ Z[support].T, np.ones(support.sum()))
    return alpha


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
        InvalidArgument: shares that are not positive with sum 1, too many of them for d, slack not positive.
    """
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
    separable, and nothing else is known of them."""
    teacher = rng.standard_normal((runs, 1, d))
    teacher /= np.linalg.norm(teacher, axis=-1, keepdims=True)
    inputs = rng.standard_normal((runs, n, d))
    height = (inputs * teacher).sum(-1, keepdims=True)
    Z = np.where(height < 0, -inputs, inputs)
    return Z + positive("least", least) * teacher


def direction_error(problem: Separable, w: Float[Array, "*times_runs d"]) -> Float[Array, "*times_runs"]:
    """| w/|w| - w_hat/|w_hat| |, batch dimensions of the problem last."""
    unit = w / np.linalg.norm(w, axis=-1, keepdims=True)
    return np.linalg.norm(unit - problem.w * problem.margin[..., None], axis=-1)


def margin_gap(problem: Separable, w: Float[Array, "*times_runs d"]) -> Float[Array, "*times_runs"]:
    """gamma* - min_i z_i . w / |w|."""
    return problem.margin - apply(problem.Z, w).min(-1) / np.linalg.norm(w, axis=-1)
