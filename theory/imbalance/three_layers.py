r"""Deeper linear networks and the imbalance of each pair of neighbours (Min, Vidal, Mallada, ICML 2023).

    L(W_1 ... W_L) = f(W), W = W_L ... W_1, W_l (h_l, h_{l-1}), h_0 = n, h_L = m
    f is gamma-PL: |grad f|^2 >= gamma (f - f*); 1/2 |Y - X W^T|^2, X of full column rank, has gamma = 2 lambda_n(X^T X)
    D_l = W_{l+1}^T W_{l+1} - W_l W_l^T (h_l, h_l), conserved by the flow
    T E = sum_l (W_{>l} W_{>l}^T) E (W_{<l}^T W_{<l}):  -dL/dt = <grad f, T grad f> >= lambda_min(T) gamma (L - L*)

so that a lower bound on lambda_min(T) from the D_l alone is a bound on the rate, all the way down. Two layers: half of
the B of `tighter_rate` (Theorem 1; its equation 12 as printed lacks the half). Three: Delta* (Theorem 2). Any number
of layers whose D_l change sign once: a product of imbalances (Theorem 3).

The paper writes the transposes, W = W_1 ... W_L; its D_l is minus the one here, which is that of
`theory.core.linear_networks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.linear_networks import Layers, end_to_end, imbalances, layer_gradients, squarable
from theory.core.regression import Regression
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject
from theory.imbalance.tighter_rate import side, singular_value

LARGEST = 10_000  # n m of a T that is formed
SQUARED = (-SQUARABLE, SQUARABLE, "[]")  # where numbers lie that are squared
ROUNDING = 1e-12  # of an imbalance, relative to the neurons it is of: what no hypothesis is refused for


@dataclass(frozen=True)
class FullRankRegression(Regression):
    """f(W) = 1/2 |Y - X W^T|^2 with X (N, n) of full column rank, Y (N, m) and W (m, n).

    Raises:
        InvalidArgument: no finite matrices, rows that differ, or columns of X that depend on each other.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.r < self.D:
            reject("rank X", self.r, f"full column rank, {self.D}")

    @property
    def strong_convexity(self) -> float:
        """mu = lambda_n(X^T X)."""
        return float(self.S[-1] ** 2)

    @property
    def smoothness(self) -> float:
        """K = lambda_1(X^T X)."""
        return float(self.S[0] ** 2)

    @property
    def pl_constant(self) -> float:
        """gamma = 2 mu."""
        return 2 * self.strong_convexity

    @property
    def minimiser(self) -> Float[Array, "m n"]:
        """W* = (pinv(X) Y)^T."""
        return self.minimum_norm_solution.T

    def excess(self, W: Float[Array, "*runs m n"]) -> Float[Array, "*runs"]:
        """f(W) - f* = 1/2 |X (W - W*)^T|^2."""
        return 0.5 * ((self.X @ (W - self.minimiser).mT) ** 2).sum((-2, -1))

    def gradient(self, W: Float[Array, "*runs m n"]) -> Float[Array, "*runs m n"]:
        """grad f(W) = -(Y - X W^T)^T X."""
        return -(self.Y - self.X @ W.mT).mT @ self.X


def fan_out_scales(widths: Sequence[int]) -> tuple[float, ...]:
    """Standard deviations h_l^(-1/2) of the `fan out` start."""
    return tuple(positive_integer(f"widths[{l}]", width) ** -0.5 for l, width in enumerate(widths) if l > 0)


def curvature(W: Layers) -> Float[Array, "*runs mn mn"]:
    """T as a matrix on E (m, n) flattened by rows: sum_l (W_{>l} W_{>l}^T) kron (W_{<l}^T W_{<l}).

    Raises:
        InvalidArgument: a T that is too large to be formed, or whose entries are not finite.
    """
    m, n, runs = W[-1].shape[-2], W[0].shape[-1], W[0].shape[:-2]
    if n * m > LARGEST:
        reject("n m", n * m, f"at most {LARGEST}: T has (n m)^2 entries, here {8e-9 * (n * m) ** 2:.3g} GB a run")
    total = np.zeros((*runs, n * m, n * m))
    with np.errstate(over="ignore", invalid="ignore"):
        for l in range(len(W)):
            after = _outer(end_to_end(W[l + 1 :])) if W[l + 1 :] else np.eye(m)
            before = _gram(end_to_end(W[:l])) if W[:l] else np.eye(n)
            kron = np.einsum("...ij,...kl->...ikjl", after, before)
            total = total + kron.reshape(*kron.shape[:-4], n * m, n * m)
    return _finite("T", total, W)


def smallest_curvature(W: Layers) -> Float[Array, "*runs"]:
    """lambda_min(T) >= 0: the rate of L - L* is at least gamma lambda_min(T)."""
    return np.maximum(np.linalg.eigvalsh(curvature(W))[..., 0], 0)


def imbalance_drift(W: Layers, gradient: Float[Array, "*runs m n"], learning_rate: float) -> list[Array]:
    """D_l after a step of gradient descent minus D_l before it: eta^2 (G_{l+1}^T G_{l+1} - G_l G_l^T), exactly.

    G_l = dL/dW_l; the terms of order eta cancel, W_{l+1}^T G_{l+1} = G_l W_l^T: that is why the flow conserves D_l.

    Raises:
        InvalidArgument: a step eta G_l that is not finite, or so large that squares overflow.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = [learning_rate * G for G in layer_gradients(W, gradient)]
    return imbalances([entries_inside(f"eta G_{l}", step, *SQUARED) for l, step in enumerate(steps, start=1)])


def two_layer_level(
    D: Float[Array, "*runs h h"], n: int, m: int, sigma_n: Float[Array, "*runs"], sigma_m: Float[Array, "*runs"]
) -> Float[Array, "*runs"]:
    """B(sigma_n, sigma_m) of equation 9, D = W_2^T W_2 - W_1 W_1^T: 2 lambda_min(T) >= B at sigma_k(W) (Lemma 3).

    Raises:
        InvalidArgument: a number that is not finite.
    """
    eigenvalues = np.linalg.eigvalsh(entries_inside("D", D))
    hidden, output = np.maximum(-eigenvalues, 0), np.maximum(eigenvalues[..., ::-1], 0)
    first, last = _entry(hidden, n), _entry(output, m)
    plus, minus = hidden[..., 0] - first, output[..., 0] - last
    delta = first + last
    return side(plus, delta, sigma_m) + side(minus, delta, sigma_n)


def least_singular_value(problem: FullRankRegression, W: Float[Array, "*runs m n"], k: int) -> Float[Array, "*runs"]:
    """nu_k = [sigma_k(W*) - sqrt(K / mu) |W - W*|_F]_+: no W' with f(W') <= f(W) has a smaller sigma_k (Theorem 1)."""
    distance = np.linalg.norm(W - problem.minimiser, axis=(-2, -1))
    reach = problem.S[0] / problem.S[-1] * distance
    return np.maximum(singular_value(problem.minimiser, k) - reach, 0)


def two_layer_rate(problem: FullRankRegression, W: Layers) -> Float[Array, "*runs"]:
    """gamma alpha_2, alpha_2 = B(nu_n, nu_m) / 2: lower bound on the rate of L - L* from here onwards (Theorem 1).

    Equation 12 prints alpha_2 = B: it is equation 9 without its factor 1/2.

    Raises:
        InvalidArgument: not two layers, or one that is not finite, or so large that squares overflow.
    """
    if len(squarable(W)) != 2:
        reject("W", f"{len(W)} layers", "two")
    m, n = problem.m, problem.D
    nu_n, nu_m = (least_singular_value(problem, end_to_end(W), k) for k in (n, m))
    return problem.S[-1] * (problem.S[-1] * two_layer_level(imbalances(W)[0], n, m, nu_n, nu_m))


def three_layer_bound(
    D1: Float[Array, "*runs h1 h1"], D2: Float[Array, "*runs h2 h2"], n: int, m: int
) -> Float[Array, "*runs"]:
    """Delta* <= lambda_min(T) of every three layers with these imbalances (Theorem 2).

    Delta* = 1/2 (Delta21^(2) + Delta21^2) + Delta21 Delta23 + 1/2 (Delta23^(2) + Delta23^2), D21 = D_1, D23 = -D_2.
    What bounds W_2 from below: its squared singular values are at least Dbar_i = max(lambda_i(D21), lambda_i(D23), 0).

    Raises:
        InvalidArgument: an imbalance that is not finite, or so large that squares overflow.
    """
    D1, D2 = entries_inside("D1", D1, *SQUARED), entries_inside("D2", D2, *SQUARED)
    D21, D23 = np.linalg.eigvalsh(D1)[..., ::-1], np.linalg.eigvalsh(-D2)[..., ::-1]
    left, left_squared = _gains(_squared_singular_values(D21, D23), D21, n)
    right, right_squared = _gains(_squared_singular_values(D23, D21), D23, m)
    return (left_squared + left**2) / 2 + left * right + (right_squared + right**2) / 2


def turning_factors(D: Sequence[Float[Array, "*runs _ _"]], turn: int, n: int, m: int) -> Float[Array, "*runs factors"]:
    """d~(1) ... d~(L - 1) of Theorem 3 for the imbalances D_1 ... D_(L-1).

    d~(i) = sum over l = i ... turn - 1 of lambda_n(-D_l) for i < turn, and for i >= turn the sum over l = turn ... i of
    lambda_m(D_l).

    Raises:
        InvalidArgument: an imbalance that is not finite.
    """
    D = [entries_inside(f"D[{l}]", each) for l, each in enumerate(D)]
    falls = [_entry(np.linalg.eigvalsh(-before)[..., ::-1], n) for before in D[: turn - 1]]
    rises = [_entry(np.linalg.eigvalsh(after)[..., ::-1], m) for after in D[turn - 1 :]]
    factors = [np.sum(falls[i:], axis=0) for i in range(len(falls))]
    factors += [np.sum(rises[: i + 1], axis=0) for i in range(len(rises))]
    return np.stack(factors, axis=-1)


def unimodal_bound(W: Layers, turn: int) -> Float[Array, "*runs"]:
    """prod_i d~(i) <= lambda_min(T) (Theorem 3); equality where layer `turn` is zero and the layers are scalars.

    Args:
        turn: l* in 1 ... L, with D_l <= 0 for l < l* and D_l >= 0 for l >= l*: layers shrink up to it and grow after.

    Raises:
        InvalidArgument: fewer than two layers, `turn` is no layer, some D_l has the wrong sign (beyond rounding), or
            entries of the layers or their bound are too large for a number.
    """
    if len(squarable(W)) < 2:
        reject("W", f"{len(W)} layers", "at least two, for an imbalance")
    inside("turn", positive_integer("turn", turn), 1, len(W))
    D = imbalances(W)
    for l, scaled in enumerate(_by_neuron(D, W), start=1):
        weakest = np.linalg.eigvalsh(-scaled if l < turn else scaled)[..., 0].min()
        if weakest < -ROUNDING:
            expected = f"layers unimodal around {turn = }"
            reject(f"D_{l}", f"eigenvalue {weakest:.3g} of the wrong sign, the neurons' squares being 1", expected)
    factors = np.maximum(turning_factors(D, turn, W[0].shape[-1], W[-1].shape[-2]), 0)
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite("bound", factors.prod(axis=-1), W)


def homogeneous_bound(W: Layers, turn: int) -> Float[Array, "*runs"]:
    """sqrt((prod_i d~(i))^2 + (L sigma_min(W)^(2 - 2/L))^2) <= lambda_min(T), where every D_l = d_l I (Theorem 3).

    That is for n = m. Otherwise some output is reached by no input, or some input reaches no output, and is moved from
    one side of `turn` alone: the statement holds with sigma_max(n, m) = 0 in place of sigma_min. Ours, sharper:
    lambda_min(T) = (sigma_min(W) / sigma_min(W_turn))^2 = prod_i (sigma_min(W_turn)^2 + d~(i)), which is at least
    ((prod_i d~(i))^(L / (L - 1)) + sigma_min(W)^2)^(1 - 1/L). This is returned.

    Equality for two scalar layers, for any number of equal ones, and for n != m where sigma_min(W) or the d~ vanish.

    Raises:
        InvalidArgument: fewer than two layers, `turn` is no layer, or some D_l is no d_l I of the right sign.
    """
    bound, depth, product = unimodal_bound(W, turn), len(W), end_to_end(W)
    shifted = [D - _multiple(D, lengths) for D, lengths in zip(imbalances(W), _neurons(W))]
    for l, scaled in enumerate(_by_neuron(shifted, W), start=1):
        if (off := np.abs(scaled).max()) > ROUNDING:
            reject(f"D_{l}", f"{off:.3g} off, the neurons' squares being 1", "a multiple of the identity")
    m, n = product.shape[-2:]
    weakest = singular_value(product, min(m, n))
    if m == n:
        return np.hypot(bound, depth * weakest ** (2 - 2 / depth))
    if any(layer.shape[-2] < (n if l < turn else m) for l, layer in enumerate(W[:-1], start=1)):
        return bound
    return (bound ** (depth / (depth - 1)) + weakest**2) ** (1 - 1 / depth)


def unimodal_layers(
    rng: np.random.Generator, *, widths: Sequence[int], turn: int, gap: float, runs: int = 1
) -> list[Array]:
    """Random layers (runs, h_l, h_{l-1}) with D_l <= 0 before layer `turn` and D_l >= 0 from it on.

    Layer `turn` is Gaussian; its neighbours are given outward by W_l W_l^T = W_{l+1}^T W_{l+1} + P (before it) and
    W_{l+1}^T W_{l+1} = W_l W_l^T + P (after it), P random with smallest eigenvalue at least `gap` on the n (before)
    or m (after) dimensions that reach the input or output.

    Raises:
        InvalidArgument: `turn` is no layer, a gap that is not positive, a hidden width below max(n, m).
    """
    positive("gap", gap)
    positive_integer("runs", runs)
    for l, width in enumerate(widths):
        positive_integer(f"widths[{l}]", width)
    depth, n, m = len(widths) - 1, widths[0], widths[-1]
    inside("turn", positive_integer("turn", turn), 1, depth)
    if any(width < max(n, m) for width in widths[1:-1]):
        reject("widths", tuple(widths), f"hidden widths of at least max(n, m) = {max(n, m)}")
    cores = {turn: rng.standard_normal((runs, m, n))}
    for l in range(turn - 1, 0, -1):
        root = _root(_gram(cores[l + 1]) + _positive_definite(rng, runs, n, gap))
        cores[l] = root @ _rotation(rng, runs, n)
    for l in range(turn, depth):
        root = _root(_outer(cores[l]) + _positive_definite(rng, runs, m, gap))
        cores[l + 1] = _rotation(rng, runs, m) @ root
    sizes = [n] * turn + [m] * (depth - turn + 1)
    frames = [np.eye(n), *(_frame(rng, width, size) for width, size in zip(widths[1:-1], sizes[1:-1])), np.eye(m)]
    return [frames[l] @ cores[l] @ frames[l - 1].T for l in range(1, depth + 1)]


def _finite(name: str, values: Array, W: Layers) -> Array:
    """`values`, which a product of large layers may leave without a number."""
    if not np.isfinite(values).all():
        largest = max(np.abs(layer).max() for layer in W)
        reject("W", f"entries up to {largest:.3g}", f"smaller ones, so that the {name} is finite")
    return values


def _neurons(W: Layers) -> list[Array]:
    """Length of the weights into and out of each hidden neuron, (*runs, h_l); 1 where there are none."""
    squares = [(after**2).sum(-2) + (before**2).sum(-1) for before, after in pairwise(W)]
    return [np.sqrt(np.where(square > 0, square, 1)) for square in squares]


def _by_neuron(D: Sequence[Array], W: Layers) -> list[Array]:
    """D_l with rows and columns in units of the neurons: no eigenvalue changes its sign, and rounding is that of 1."""
    return [matrix / (a[..., :, None] * a[..., None, :]) for matrix, a in zip(D, _neurons(W))]


def _multiple(D: Array, lengths: Array) -> Array:
    """d I with d the entry of the shortest neuron, which rounding spoils least."""
    diagonal = np.diagonal(D, axis1=-2, axis2=-1)
    d = np.take_along_axis(diagonal, lengths.argmin(-1)[..., None], axis=-1)
    return d[..., None] * np.eye(D.shape[-1])


def _gains(Dbar: Array, spectrum: Array, k: int) -> tuple[Array, Array]:
    """(tr Dbar - tr C, tr Dbar^2 - tr C^2), C_i = min(Dbar_i, spectrum_{i+1-k}), infinite where i + 1 - k <= 0."""
    before = np.full((*spectrum.shape[:-1], positive_integer("n, m", k) - 1), np.inf)
    shifted = np.concatenate([before, spectrum], axis=-1)
    C = np.minimum(Dbar, shifted[..., : Dbar.shape[-1]])
    return (Dbar - C).sum(-1), ((Dbar - C) * (Dbar + C)).sum(-1)


def _squared_singular_values(own: Array, other: Array) -> Array:
    """Dbar_i = max(own_i, other_i, 0), as many as `own` has; other_i = 0 beyond its size."""
    size = own.shape[-1]
    padded = np.concatenate([other, np.zeros((*other.shape[:-1], max(size - other.shape[-1], 0)))], axis=-1)
    return np.maximum(np.maximum(own, padded[..., :size]), 0)


def _entry(decreasing: Array, k: int) -> Array:
    """The k-th of a decreasing spectrum, 0 beyond its end."""
    return (
        decreasing[..., k - 1]
        if positive_integer("n, m", k) <= decreasing.shape[-1]
        else np.zeros(decreasing.shape[:-1])
    )


def _gram(matrix: Array) -> Array:
    return matrix.mT @ matrix


def _outer(matrix: Array) -> Array:
    return matrix @ matrix.mT


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ vectors.mT


def _rotation(rng: np.random.Generator, runs: int, size: int) -> Array:
    return np.linalg.qr(rng.standard_normal((runs, size, size)))[0]


def _frame(rng: np.random.Generator, width: int, size: int) -> Array:
    return np.linalg.qr(rng.standard_normal((width, size)))[0]


def _positive_definite(rng: np.random.Generator, runs: int, size: int, gap: float) -> Array:
    factor = rng.standard_normal((runs, size, size))
    return gap * np.eye(size) + _outer(factor)
