r"""Minnorm on a deep linear network: what it forgets, the one limit it has, and how it comes to rest there.

    W_l' = a (-W_l + W_{>l}^T (Lambda + c R) X^T W_{<l}^T),    Lambda' = b R,    R = Y - W X

with multipliers Lambda (K, n), one a label. Reconstructed from the abstract of Bansal et al. 2018; all formulas ours.

The force of the data adds W_{l+1}^T W_{>l+1}^T (Lambda + c R) X^T W_{<=l}^T and its transpose to both terms of the
imbalances D_l = W_{l+1}^T W_{l+1} - W_l W_l^T, so that it cancels; and it moves the rows of W_1 within the span of the
examples, so that W_1 Q does not feel it. What is left is the shrinkage, whatever the multipliers do:

    W_1(t) Q = e^(-a t) W_1(0) Q,    D_l(t) = e^(-2 a t) D_l(0).

Weight decay gamma forgets by the same laws with gamma in the place of a, and gradient flow with 0: it forgets nothing.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, end_to_end, imbalances, layer_gradients
from theory.core.validation import entries_inside, inside, positive_integer, reject, times
from theory.deep_linear.problem import TeacherStudent, Times
from theory.minnorm.tuning import Number, Tuning

FITTED = 1e-9  # of the labels of an output: what a fit may leave of them, as rounding
PARALLEL = 1e-7  # how far an eigenvector may be off, as rounding


def residual(problem: TeacherStudent, W: Float[Array, "*runs K d"]) -> Float[Array, "*runs K n"]:
    """R = Y - W X of end-to-end matrices W."""
    return problem.Y - W @ problem.X


def force(
    problem: TeacherStudent, tuning: Tuning, W: Layers, multiplier: Float[Array, "*runs K n"]
) -> Float[Array, "*runs K d"]:
    """(Lambda + c R) X^T: layer l feels W_{>l}^T (Lambda + c R) X^T W_{<l}^T."""
    return (multiplier + _matrix(tuning.c) * residual(problem, end_to_end(W))) @ problem.X.mT


def velocity(
    problem: TeacherStudent, tuning: Tuning, W: Layers, multiplier: Float[Array, "*runs K n"]
) -> tuple[list[Array], Float[Array, "*runs K n"]]:
    """(W_l', l = 1 ... L; Lambda')."""
    forces = layer_gradients(W, force(problem, tuning, W, multiplier))
    layers = [_matrix(tuning.a) * (force_on_layer - layer) for force_on_layer, layer in zip(forces, W)]
    return layers, _matrix(tuning.b) * residual(problem, end_to_end(W))


def unseen_solution(problem: TeacherStudent, W: Layers, rate: Number, t: Times) -> Float[Array, "..."]:
    """W_1(t) Q = e^(-rate t) W_1(0) Q, shape (*times, *runs, h, d); rate a (Minnorm), gamma (weight decay) or 0.

    >>> problem = TeacherStudent(X=np.eye(2, 1), teacher=np.array([[2.0, 0.0]]), noise=np.zeros((1, 1)))
    >>> unseen_solution(problem, [np.array([[3.0, 4.0]])], 0.5, [0.0, 2.0, np.inf]).round(4).tolist()
    [[[0.0, 4.0]], [[0.0, 1.4715]], [[0.0, 0.0]]]

    Raises:
        InvalidArgument: a negative or NaN time, a rate that is not finite or below 0.
    """
    return _decayed(W[0] - problem.projected(W[0]), rate, t)


def imbalance_solution(W: Layers, rate: Number, t: Times) -> list[Array]:
    """D_l(t) = e^(-2 rate t) D_l(0), each (*times, *runs, h_l, h_l); rate a (Minnorm), gamma (weight decay) or 0.

    >>> W = [np.array([[1.0]]), np.array([[3.0]])]
    >>> imbalance_solution(W, 0.5, [0.0, 2.0, np.inf])[0].ravel().round(4).tolist()
    [8.0, 1.0827, 0.0]

    Raises:
        InvalidArgument: a negative or NaN time, a rate that is not finite or below 0.
    """
    return [_decayed(D, 2 * np.asarray(rate), t) for D in imbalances(W)]


def imbalances_after_step(W: Layers, force: Float[Array, "*runs K d"], shrinkage: Number) -> list[Array]:
    """D_l after the step W_l <- (1 - shrinkage) W_l + G_l, G_l = W_{>l}^T `force` W_{<l}^T.

    (1 - shrinkage)^2 D_l + G_{l+1}^T G_{l+1} - G_l G_l^T: exact, not an expansion, because the mixed terms cancel.
    Minnorm has the force eta a (Lambda + c R) X^T and the shrinkage eta a.

    Raises:
        InvalidArgument: a force or a shrinkage that is not finite.
    """
    force, shrinkage = entries_inside("force", force), entries_inside("shrinkage", shrinkage)
    drift = imbalances(layer_gradients(W, force))
    return [(1 - _matrix(shrinkage)) ** 2 * D + more for D, more in zip(imbalances(W), drift)]


def deviation(problem: TeacherStudent, W: Layers, unseen: Float[Array, "*runs h d"]) -> Float[Array, "*runs K d"]:
    """W - W^ = W_{>1} (W_1 Q) - R X^+, exactly: once the labels are fitted, only what is not forgotten is left.

    Args:
        unseen: W_1 Q, in training by Minnorm (1 - eta a)^k W_1(0) Q after k steps.
    """
    W_after = end_to_end([*W[1:], np.eye(W[-1].shape[-2])])
    return W_after @ unseen - residual(problem, end_to_end(W)) @ problem.pseudoinverse


def least_norm(W: Float[Array, "*runs K d"], L: int) -> Float[Array, "*runs"] | float:
    """L sum_k sigma_k^(2/L): the least sum |W_l|^2 of L layers, wide enough, whose product is W.

    2/L is the power of a Schatten quasi-norm: of Frobenius at L = 1, nuclear at L = 2. Singular values that are
    rounding of the largest count as 0: great depth would make them as large as the others.

    Raises:
        InvalidArgument: a W that is not finite, a depth below 1.
    """
    positive_integer("L", L)
    sigma = np.linalg.svd(entries_inside("W", W), compute_uv=False)
    rounding = max(W.shape[-2:]) * EPS * sigma[..., :1]
    return L * (np.where(sigma <= rounding, 0.0, sigma) ** (2 / L)).sum(-1)


def solution_multiplier(problem: TeacherStudent, L: int) -> Float[Array, "*runs K n"]:
    """Lambda* = U s^(2/L - 1) V^T (X^+)^T with W^ = U s V^T; at L = 1, W^ (X^+)^T.

    Unique if X has rank n; else, where examples depend on one another, it is what the flow from Lambda = 0 tends to.

    Raises:
        InvalidArgument: labels that no W fits, or at L >= 2 a rank of W^ below min(K, rank X): there is none, or more.
    """
    _require_fit(problem)
    if positive_integer("L", L) == 1:
        return problem.minimum_norm_solution @ problem.pseudoinverse.mT
    U, s, Vt = np.linalg.svd(problem.minimum_norm_solution, full_matrices=False)
    wanted = np.minimum(problem.K, problem.rank)
    modes = np.arange(s.shape[-1]) < wanted[..., None]
    missing = modes & ~(s > 1e-12 * s[..., :1])
    if missing.any() or not modes.any():
        reject("rank of Y X^+", "less", f"min(K, rank X) = {wanted.max()}")
    powers = np.where(modes, s, 1.0) ** (2 / L - 1) * modes
    return (U * powers[..., None, :]) @ Vt @ problem.pseudoinverse.mT


def linearisation(problem: TeacherStudent, tuning: Tuning, L: int) -> Float[Array, "*runs size size"]:
    """Jacobian of the flow at its rest, for one output and hidden widths 1, in (w_1 (d), w_2, ..., w_L, Lambda (n)).

    With W^ = omega^L v, |v| = 1: there w_1 = omega v and w_l = omega. The Lagrangian's Hessian is H = 2 I - e e^T on
    the span of (v, 0, ...) and the other axes, e = (v, 1, ..., 1), and I on the rest; J are the gradients of W X, and

        theta' = -a (H + c J J^T) theta + a J Lambda,    Lambda' = -b J^T theta.

    Raises:
        InvalidArgument: more than one output, labels that no W fits, or W^ = 0 at L >= 2.
    """
    positive_integer("L", L)
    d, n = problem.d, problem.n
    size, v = _size_and_direction(problem)
    if L > 1 and not (size > 0).all():
        reject("Y X^+", 0, "a solution other than 0")
    omega, v = size[..., None, None] ** (1 / L), v[..., None]
    # The axes of w_1 along v, w_2, ..., w_L as columns.
    axes = np.zeros((*v.shape[:-2], d + L - 1, L))
    axes[..., :d, :1] = v
    axes[..., d:, 1:] = np.eye(L - 1)
    H = np.eye(d + L - 1) + axes @ (np.eye(L) - np.ones((L, L))) @ axes.mT
    J = np.zeros((*v.shape[:-2], d + L - 1, n))
    J[..., :d, :] = omega ** (L - 1) * problem.X
    J[..., d:, :] = omega ** (L - 1) * (v.mT @ problem.X)
    a, b, c = (_matrix(number) for number in (tuning.a, tuning.b, tuning.c))
    rest = np.zeros((*v.shape[:-2], n, n))
    return np.concatenate(
        [
            np.concatenate([-a * (H + c * J @ J.mT), a * J], axis=-1),
            np.concatenate([-b * J.mT, rest], axis=-1),
        ],
        axis=-2,
    )


def undamped_frequency(problem: TeacherStudent, tuning: Tuning) -> Number:
    """(2 a b lam |W^|)^(1/2): at depth 2 and c = 0, the frequency of an oscillation for ever, if X X^T v = lam v.

    v = W^ / |W^| for one output. If v is no eigenvector of X X^T, every oscillation is damped: the Lagrangian's Hessian
    vanishes only along (v, 1), and Lambda carries that direction over to (X X^T v, v^T X X^T v).

    Raises:
        InvalidArgument: more than one output, labels that no W fits, W^ = 0 or no eigenvector, b below 0.
    """
    inside("b", np.min(tuning.b), 0, np.inf, "[)")
    size, v = _size_and_direction(problem)
    seen = v[..., None, :] @ problem.X
    lam = (seen**2).sum((-2, -1))
    if not (lam > 0).all():
        reject("Y X^+", 0, "a solution other than 0")
    off = np.linalg.norm((seen @ problem.X.mT)[..., 0, :] - lam[..., None] * v, axis=-1) / lam
    if not (off <= PARALLEL).all():
        reject("problem", f"Y X^+ that X X^T turns by {off.max():.2g}", "an eigenvector: else all is damped")
    return np.sqrt(2 * tuning.a * tuning.b * lam * size)


def _require_fit(problem: TeacherStudent) -> None:
    """Refuse labels that no W fits: the multipliers never rest."""
    left, labels = (np.linalg.norm(matrix, axis=-1) for matrix in (problem.misfit, problem.Y))
    if (left > FITTED * labels).any():
        reject("problem", f"labels of which every W leaves {left.max():.2g}", "labels that some W fits")


def _size_and_direction(problem: TeacherStudent) -> tuple[Float[Array, "*runs"], Float[Array, "*runs d"]]:
    """|W^| and W^ / |W^|, 0 if W^ is, of one output whose labels some W fits."""
    if problem.K != 1:
        reject("problem.K", problem.K, "1: one output")
    _require_fit(problem)
    solution = problem.minimum_norm_solution[..., 0, :]
    size = np.linalg.norm(solution, axis=-1)
    return size, solution / np.where(size > 0, size, 1.0)[..., None]


def _decayed(start: Array, rate: Number, t: Times) -> Array:
    """e^(-rate t) start, shape (*times, *start)."""
    inside("smallest rate", np.min(rate), 0, np.inf, "[)")
    inside("largest rate", np.max(rate), 0, np.inf, "[)")
    t, rate = times(t), _matrix(rate)
    t = t.reshape((*t.shape, *[1] * start.ndim))
    # At rate 0 nothing is lost, also at infinite time (where 0 x inf would be NaN).
    exponent = np.where(rate == 0, 0.0, rate * np.where(rate == 0, 0.0, t))
    return np.exp(-exponent) * start


def _matrix(number: Number) -> Array:
    """One number a run (*runs), shaped to multiply matrices."""
    return np.asarray(number, dtype=np.float64)[..., None, None]
