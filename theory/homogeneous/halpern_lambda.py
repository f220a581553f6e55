r"""Normalisation as Halpern's iteration: the weights lambda that nobody chose (ours, on Banburski et al. 2019).

Halpern's iteration scales what each step gives by 1 - lambda_k: towards the origin it forgets the start like
prod (1 - lambda_k), and converges for lambda_k -> 0 of infinite sum. Normalised layers are scaled in each step, too:

    weight normalisation, |v_k| = 1:    V_k' = -dL/dV_k - 2 lambda(t) V_k,    lambda = 1/2 sum_n -l'(q_n) q_n

one number for all layers, since <V_k, dL/dV_k> = sum_n l'(q_n) q_n (Euler), and 4 lambda = d rho_k^2 / dt: both
conditions hold where margins grow. Descent on a batch-normalised w has directions u = w / |w| with

    u_{k+1} = (1 - lambda_k) (u_k - eta / |w_k|^2 dL/dw(u_k)),    1 - lambda_k = |w_k| / |w_{k+1}|

whose product is |w_0| / |w_K|. As |w|^2 grows by eta^2 |G|^2 a step where the loss falls by eta |G|^2, to first order,
lambda is of the order of the learning rate, and sums to no more than the loss can fall.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, inside, positive, reject
from theory.homogeneous.decomposition import LossSlope


def weight(q: Float[Array, "*runs n"], slope: LossSlope) -> Float[Array, "*runs"]:
    """lambda = 1/2 sum_n -l'(q_n) q_n of weight normalisation, from the margins q, of the loss whose -l' is `slope`.

    Raises:
        InvalidArgument: margins that are not finite, or at which the slopes overflow.
    """
    terms = slope(entries_inside("q", q)) * q / 2
    if not np.isfinite(terms).all():
        reject("q", q.min(), "margins at which the slopes of the loss are finite numbers")
    return np.asarray(terms.sum(-1))


def weight_bounds(log_loss: Float[Array, "*shape"], examples: int) -> tuple[Array, Array]:
    """-log Loss <= 2 lambda / Loss <= log n - log Loss of the exponential loss: it vanishes with the loss.

    2 lambda / Loss = sum_n p_n q_n, p_n = e^{-q_n} / Loss, is the entropy of p less log Loss, and that lies in
    [0, log n].

    Raises:
        InvalidArgument: no example, or a logarithm that is not finite.
    """
    inside("examples", examples, 1, np.inf, "[)")
    least = -entries_inside("log_loss", log_loss)
    return least, least + np.log(examples)


def work(rho0: Float[Array, "*#shape"], rho: Float[Array, "*#shape"]) -> Float[Array, "*shape"]:
    """int 2 lambda dt = (rho_k^2 - rho_k(0)^2) / 2, the same for every layer k.

    Raises:
        InvalidArgument: sizes below 0 or beyond 1e150.
    """
    for name, sizes in (("rho0", rho0), ("rho", rho)):
        entries_inside(name, sizes, 0, SQUARABLE, "[]")
    return np.asarray((rho - rho0) * (rho + rho0) / 2)


def batch_weights(norms: Float[Array, "*steps_runs"]) -> Float[Array, "*fewer_runs"]:
    """lambda_k = 1 - |w_k| / |w_{k+1}| of descent on a batch-normalised w, from the norms step by step.

    Raises:
        InvalidArgument: a norm that is not above 0 or not finite, or a single number.
    """
    sizes = entries_inside("norms", norms, 0)
    if np.ndim(sizes) == 0:
        reject("norms", norms, "norms step by step, (steps, *runs)")
    return np.asarray(1 - sizes[:-1] / sizes[1:])


def batch_step(
    u: Float[Array, "*runs d"], gradient: Float[Array, "*runs d"], norm: Float[Array, "*runs"], learning_rate: float
) -> Float[Array, "*runs d"]:
    """u_{k+1} = (1 - lambda_k) (u_k - eta / |w_k|^2 g), g the gradient at u_k, at a right angle to it, and |u_k| = 1.

    1 - lambda_k = (1 + (eta |g| / |w_k|^2)^2)^(-1/2).

    Raises:
        InvalidArgument: norms or a learning rate not above 0, or numbers that are not finite.
    """
    for name, vectors in (("u", u), ("gradient", gradient)):
        entries_inside(name, vectors, -SQUARABLE, SQUARABLE, "[]")
    turn = positive("learning_rate", learning_rate) / entries_inside("norm", norm, 0)[..., None]
    turn = turn / norm[..., None] * gradient
    if not np.isfinite(turn).all():
        reject("norm", np.min(norm), "norms at which a step is finite")
    kept = 1 / np.hypot(1.0, np.hypot.reduce(turn, axis=-1))
    return np.asarray(kept[..., None] * (u - turn))


def batch_work(
    fall: Float[Array, "*#shape"], norm: Float[Array, "*#shape"], learning_rate: float
) -> Float[Array, "*shape"]:
    """-sum_k log(1 - lambda_k) = log(|w_K| / |w_0|) = 1/2 log(1 + eta fall / |w_0|^2), to first order in eta; `fall` is
    by how much the loss has fallen, |w_0| the norm.

    Raises:
        InvalidArgument: a fall below 0, a norm or a learning rate not above 0, or one that is not finite.
    """
    share = positive("learning_rate", learning_rate) * entries_inside("fall", fall, 0, np.inf, "[)")
    start = entries_inside("norm", norm, 0)
    with np.errstate(over="ignore"):
        return np.asarray(np.log1p(share / start / start) / 2)
