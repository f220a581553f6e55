r"""What gradient flow never moves, at any depth and from any start, and what that costs (Advani & Saxe 2017; ours).

Every gradient of W_1 has the rows of X^T: W_1 Q stays as it began, and (W_1 P, W_2, ..., W_L) moves as if it were not
there. In the basis U of the examples, X = U S V^T, the layers B = W_1 U, W_2, ..., W_L are a student of their own, of
the diagonal examples S and the labels Y V. With A = W_L ... W_2 and W_1(0) Q of entries N(0, s1^2),

    E[E_g | what the examples show] = (|Wbar U - A B|^2 + (d - r)(K sw^2 + s1^2 |A|^2)) / d + K se^2

at every time; where the labels are fitted, A B = W^ U, it is the minimum-norm solution's plus (d - r) s1^2 |A|^2 / d.
"""

import numpy as np
from jaxtyping import Float

from theory.core import flows
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, end_to_end, layer_gradients
from theory.core.trajectory import Trajectory
from theory.core.validation import entries_inside, inside, positive_integer, reject
from theory.deep_linear.problem import LARGEST, Ensemble, TeacherStudent


def seen_layers(problem: TeacherStudent, W: Layers) -> list[Array]:
    """B = W_1 U, W_2, ..., W_L: all that gradient flow moves."""
    return [W[0] @ problem.basis, *W[1:]]


def frozen_layer(problem: TeacherStudent, W: Layers) -> Float[Array, "*runs h d"]:
    """W_1 Q: what it never moves."""
    return W[0] - problem.projected(W[0])


def velocity(problem: TeacherStudent, layers: Layers) -> list[Array]:
    """The autonomous flow of the seen layers: minus the gradient of 1/2 |Y V - A B S|^2 by each."""
    S = problem.singular_values[..., None, :]
    residual = problem.targets - end_to_end(layers) * S
    return layer_gradients(layers, residual * S)


def seen_flow(
    problem: TeacherStudent, W: Layers, t: Array, *, relative_tolerance: float = 1e-9
) -> tuple[Trajectory, list[Array]]:
    """The flow of the seen layers from W, integrated, and its layers, each (T, runs, ...).

    Errors are relative to the largest entry of the start, so that small starts grow as they should.
    """
    names = [f"W{l}" for l in range(1, len(W) + 1)]
    start = seen_layers(problem, W)
    size = max(np.abs(layer).max() for layer in start) or np.abs(problem.minimum_norm_solution).max() or 1.0
    solution = flows.flow(
        lambda _, state: dict(zip(names, velocity(problem, [state[name] for name in names]))),
        dict(zip(names, start)),
        t,
        relative_tolerance=relative_tolerance,
        absolute_tolerance=relative_tolerance / 100 * size,
    )
    return solution, [solution[name] for name in names]


def output_gain(layers: Layers) -> Float[Array, "*runs"]:
    """|A|^2 = |W_L ... W_2|_F^2: how much of the first layer comes out (K at depth 1)."""
    if len(layers) == 1:
        return np.full(layers[0].shape[:-2], float(layers[0].shape[-2]))
    return (end_to_end(layers[1:]) ** 2).sum((-2, -1))


def error_given_seen(
    ensemble: Ensemble, problem: TeacherStudent, layers: Layers, start: float | Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """E_g given the seen layers, mean over W_1(0) Q of scale s1 = `start` and over the teacher's unseen part.

    Raises:
        InvalidArgument: a problem of other sizes than the ensemble's, a start below 0.
    """
    ensemble.require(problem, "d", "n", "K")
    start = entries_inside("start", start, 0, LARGEST, "[]")
    seen = ((problem.teacher @ problem.basis - end_to_end(layers)) ** 2).sum((-2, -1))
    unseen = ensemble.unseen * (ensemble.K * ensemble.teacher**2 + start**2 * output_gain(layers))
    return (seen + unseen) / ensemble.d + ensemble.K * ensemble.noise**2


def typical_start(problem: TeacherStudent, W: Layers, rng: np.random.Generator) -> list[Array]:
    """The start W, with W_1 Q the multiple of random orthonormal rows that has N(0, 1) entries' mean square.

    |A W_1 Q|^2 = (d - r) |A|^2 for every A, and the rows are orthogonal to the teacher's unseen part: E_g of each draw
    is its mean over W_1 Q, `error_given_seen`, and needs no average.

    Raises:
        InvalidArgument: fewer unseen dimensions than rows.
    """
    free, h = problem.d - problem.rank, W[0].shape[-2]
    _, s, Vt = np.linalg.svd(frozen_layer(problem, [problem.teacher]), full_matrices=False)
    unseen = s > np.sqrt(EPS) * np.linalg.norm(problem.teacher, axis=(-2, -1))[..., None]
    inside("rows of W_1 and teacher", h + int(unseen.sum(-1).max()), 1, int(free.min()))
    rows, Vt = frozen_layer(problem, [rng.standard_normal(W[0].shape)]), unseen[..., None] * Vt
    orthonormal = np.linalg.qr((rows - rows @ Vt.mT @ Vt).mT)[0].mT
    return [problem.projected(W[0]) + np.sqrt(free)[..., None, None] * orthonormal, *W[1:]]


def excess_error(
    ensemble: Ensemble, gain: Float[Array, "*runs"] | float, start: float | Float[Array, "*#runs"]
) -> Float[Array, "*runs"] | float:
    """(d - r) s1^2 |A|^2 / d: what the start costs on average where the labels are fitted.

    Raises:
        InvalidArgument: a start or a gain below 0 or infinite.
    """
    start, gain = entries_inside("start", start, 0, LARGEST, "[]"), entries_inside("gain", gain, 0, np.inf, "[)")
    return ensemble.unseen * start**2 * gain / ensemble.d


def two_layer_invariant(problem: TeacherStudent, W: Layers) -> Float[Array, "*runs h h"]:
    """C = W_2^T W_2 - W_1 P W_1^T of two layers, conserved by the flow.

    With one output, W_2 C W_2^T = |W_2|^4 - |W_2 W_1 P|^2: where the labels are fitted, |W_2|^4 = W_2 C W_2^T + |W^|^2.
    """
    if len(W) != 2:
        reject("len(W)", len(W), "2 layers")
    B, W2 = problem.projected(W[0]), W[1]
    return W2.mT @ W2 - B @ B.mT


def gain_from_orthogonal_start(solution: Float[Array, "*runs K d"], kappa: float) -> Float[Array, "*runs"]:
    """|A(infinity)|^2 = tr (kappa^2 I + W^ W^^T)^(1/2) of two layers whose start Z = [W_2; B^T] has Z Z^T = kappa I.

    So have starts with entries N(0, kappa / h) of width h -> infinity. The flow moves Z by matrices g of O(K, r), for
    which g J g^T = J, J = diag(-I, I); so Z Z^T = kappa g g^T satisfies (Z Z^T) J (Z Z^T) = kappa^2 J, whose first
    block reads (W_2 W_2^T)^2 = kappa^2 I + (A B)(A B)^T.

    Raises:
        InvalidArgument: a solution that is not finite, a kappa below 0.
    """
    inside("kappa", kappa, 0, np.inf, "[)")
    sigma = np.linalg.svd(entries_inside("solution", solution), compute_uv=False)
    more_outputs = solution.shape[-2] - sigma.shape[-1]  # than inputs: their singular values are 0
    return np.hypot(kappa, sigma).sum(-1) + kappa * more_outputs


def gain_from_small_start(solution: Float[Array, "*runs K d"], depth: int) -> Float[Array, "*runs"]:
    """|A(infinity)|^2 -> sum_k sigma_k(W^)^(2 - 2/L) as the start of all layers goes to 0: every mode is balanced.

    K at depth 1, where A = I.

    Raises:
        InvalidArgument: a solution that is not finite, a depth below 1.
    """
    if positive_integer("depth", depth) == 1:
        return np.full(solution.shape[:-2], float(solution.shape[-2]))
    return (np.linalg.svd(entries_inside("solution", solution), compute_uv=False) ** (2 - 2 / depth)).sum(-1)
