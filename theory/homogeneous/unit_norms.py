r"""Which norm is the unit norm of a normalised two-layer linear network (ours, on Banburski et al. 2019).

f(x) = a^T W x = beta . x, of margins rho z_n . beta, z_n = y_n x_n. Normalised layers leave of all beta a convex set, a
ball of some norm, and where training rests the loss is least on it:

    a o w, one norm a layer                    |beta|_1 <= 1             by Cauchy and Schwarz
    a o w, one norm a row: each w_i is 1 or -1  |beta|_2 <= 1
    a o w, batch-normalised units              |diag(sigma) beta|_2 <= 1
    W of h rows, one norm a layer              |beta|_2 <= 1
    W of h rows, one norm a row                |beta|_2 <= h^(1/2)        rows aligned, |a_i| = h^(-1/2)
    W of h rows, batch-normalised units        beta^T S beta <= h         the same in the metric S of the inputs

with sigma the standard deviations of the inputs and S their covariance; gains are 1 and rho multiplies the output.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog
from scipy.special import softmax

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.separable import Separable, Uncertified
from theory.core.validation import finite_matrix, inside, positive, reject
from theory.homogeneous.critical_points import equilibrium

ROUNDINGS = 64  # of a gradient, a sum over the examples
STEPS, POLISH = 2000, 4  # of Newton's method, inside and on the face
CENTRED = 1e-12  # theta_j s_j where the interior point ends
LARGEST = 1e3  # rho max |z| up to which, and above one over it, shares and slacks tell apart


def in_ellipsoid(Z: Float[Array, "n d"], C: Float[Array, "d d"], rho: float) -> Float[Array, " d"]:
    """argmin log sum_n e^{-rho z_n . beta} over beta^T C beta <= 1, C positive definite; at infinite rho the max-margin
    classifier of that norm.

    >>> in_ellipsoid(np.eye(2), np.diag([1.0, 4.0]), np.inf).round(4).tolist()
    [0.4472, 0.4472]

    Raises:
        InvalidArgument: C is not symmetric and positive definite, or examples that no classifier without bias
            separates; and as `critical_points.equilibrium`.
    """
    R, whitened = _whitened(Z, C)
    return np.linalg.solve(R, equilibrium(Separable(whitened), np.float64(rho)))


def in_l1_ball(Z: Float[Array, "n d"], rho: float) -> Float[Array, " d"]:
    """argmin log sum_n e^{-rho z_n . beta} over |beta|_1 <= 1: shares theta of the 2d vertices of the ball.

    A primal-dual interior point finds which vertices have a share: theta_j s_j = mu -> 0, s the slopes above the level
    of the face. Newton's method on that face does the rest, and the other entries are exactly 0.

    >>> in_l1_ball(np.array([[2.0, 1.0], [2.0, 0.9]]), 3.0).tolist()
    [1.0, 0.0]

    Raises:
        InvalidArgument: rho not above 0, or rho |z| beyond 1e-3 ... 1e3 (there the face is not resolved); examples
            that no classifier without bias separates.
        Uncertified: the face found does not satisfy the conditions of optimality.
    """
    Z = finite_matrix("Z", Z)
    scale = np.abs(Z).max()
    inside("rho max |z|", positive("rho", rho) * scale, 1 / LARGEST, LARGEST)
    Separable(Z)  # else the least loss may lie inside of the ball
    vertices = np.hstack([Z, -Z]) / scale
    theta, slack = _interior_point(vertices, rho * scale)
    on = theta > slack
    centred = theta
    while ((theta := _on_the_face(vertices, rho * scale, np.where(on, centred, 0.0), on)) < 0).any():
        on &= theta > 0  # share and slack of a vertex that is about to leave the face are both next to 0
    slope, _ = _derivatives(vertices, rho * scale, theta)
    if not ((theta >= 0).all() and slope.min() >= slope @ theta - 1e-9):
        raise Uncertified("the face found does not satisfy the conditions of optimality")
    return theta[: Z.shape[1]] - theta[Z.shape[1] :]


def l1_margin(Z: Float[Array, "n d"]) -> float:
    """The largest min_n z_n . beta over |beta|_1 <= 1, a linear programme; 0 where no beta has a margin above 0.

    >>> l1_margin(np.eye(4))
    0.25
    """
    vertices = np.hstack([finite_matrix("Z", Z), -Z])
    n, k = vertices.shape
    scale = max(float(np.abs(Z).max()), 1 / SQUARABLE)
    rows = np.hstack([-vertices / scale, np.ones((n, 1))])
    shares = np.append(np.ones(k), 0.0)[None]
    found = linprog(-np.eye(k + 1)[-1], A_ub=rows, b_ub=np.zeros(n), A_eq=shares, b_eq=[1.0])
    return max(float(-found.fun), 0.0) * scale


def distance_in_ellipsoid(
    Z: Float[Array, "n d"], C: Float[Array, "d d"], rho: float, beta: Float[Array, " d"]
) -> float:
    """How far beta, of the ellipsoid, can be from `in_ellipsoid` in the metric C.

    F = log sum_n e^{-rho z_n . beta} / rho is convex, so F(beta) - F* <= grad . beta + |grad|_* =: gap; and at the
    optimum beta* the ellipsoid bends away: F(beta) - F* >= |grad*|_* |beta - beta*|_C^2 / 2. A gradient is an average
    of examples, of length at least the largest margin gamma: the distance is at most (2 gap / gamma)^(1/2).

    Raises as `in_ellipsoid`, and for rho not above 0.
    """
    R, whitened = _whitened(Z, C)
    gradient = -whitened.T @ softmax(-positive("rho", rho) * Z @ beta)
    length = float(np.linalg.norm(gradient))
    gap = max(float(gradient @ (R @ beta)) + length, 0.0) + ROUNDINGS * EPS * length
    return float(np.sqrt(2 * gap / Separable(whitened).margin))


def distance_in_l1_ball(Z: Float[Array, "n d"], rho: float, beta: Float[Array, " d"]) -> float:
    """How far beta, of the ball, is from `in_l1_ball`: twice its first order in what is left to descend.

    F(beta) - F* <= grad . beta + |grad|_inf =: gap. Off the face of the optimum lies |beta_j| of at most gap over how
    much less steep the steepest vertex there is; on it (2 gap / mu)^(1/2), mu the least curvature along the face. Where
    either is 0 to rounding, as with two features that are alike, there may be more than one optimum: infinity.

    Raises as `in_l1_ball`.
    """
    best = in_l1_ball(Z, rho)
    gradient = -Z.T @ softmax(-rho * Z @ beta)
    gap = max(float(gradient @ beta + np.abs(gradient).max()), 0.0) + ROUNDINGS * EPS * float(np.abs(gradient).max())
    slope, hessian = _derivatives(Z, rho, best)
    on = best != 0
    level = -float(slope @ best)
    spare = _above_rounding(level - np.abs(slope[~on]).max(initial=0.0), level)
    frame = np.linalg.svd(np.sign(best[on])[None])[2][1:]  # along the face, sum_j |beta_j| = 1
    curvatures = np.linalg.eigvalsh(frame @ hessian[np.ix_(on, on)] @ frame.T)
    curvature = _above_rounding(curvatures.min(initial=np.inf), curvatures.max(initial=0.0))
    with np.errstate(divide="ignore"):
        return 2 * float(np.divide(gap, spare) + np.sqrt(np.divide(2 * gap, curvature)))


def _above_rounding(value: float, of: float) -> float:
    """The value, 0 where it is below the rounding of a sum of such terms."""
    return float(value) if value > ROUNDINGS * EPS * of else 0.0


def _derivatives(vertices: Array, rho: float, theta: Array) -> tuple[Array, Array]:
    """Gradient and Hessian of log sum_n e^{-rho (V theta)_n} / rho."""
    p = softmax(-rho * vertices @ theta)
    mean = p @ vertices
    return -mean, rho * (vertices.T @ (p[:, None] * vertices) - np.outer(mean, mean))


def _interior_point(vertices: Array, rho: float) -> tuple[Array, Array]:
    """Shares theta and slacks s = slope - level, theta_j s_j = `CENTRED`, by steps that stay within both."""
    k = vertices.shape[1]
    theta, slack, level, mu = np.full(k, 1 / k), np.ones(k), -1.0, 1 / k
    for _ in range(STEPS):
        slope, hessian = _derivatives(vertices, rho, theta)
        left = np.concatenate([slope - level - slack, [1 - theta.sum()], theta * slack - mu])
        if np.abs(left).max() <= 0.1 * mu:
            if mu <= CENTRED:
                break
            mu = max(CENTRED, 0.2 * mu)
            continue
        # slope + H dtheta - level - dlevel - s - ds = 0, and s dtheta + theta ds = mu - theta s: ds is eliminated.
        system = np.block([[hessian + np.diag(slack / theta), -np.ones((k, 1))], [np.ones((1, k)), np.zeros((1, 1))]])
        step = np.linalg.solve(system, np.append(-(slope - level) + mu / theta, 1 - theta.sum()))
        dtheta, dslack = step[:k], mu / theta - slack - slack / theta * step[:k]
        falls = np.concatenate([dtheta / theta, dslack / slack]).min()
        turned = rho * np.abs(vertices @ dtheta).max()  # by more than 1 or so the softmax is another
        size = min(1.0, 0.9 / max(-falls, 1e-300), 2 / max(turned, 1e-300))
        theta, slack, level = theta + size * dtheta, slack + size * dslack, level + size * step[k]
    return theta, slack


def _on_the_face(vertices: Array, rho: float, theta: Array, on: Array) -> Array:
    """Newton's method among the vertices in use."""
    k = on.sum()
    theta = theta / theta.sum()
    for _ in range(POLISH):
        slope, hessian = _derivatives(vertices[:, on], rho, theta[on])
        system = np.block([[hessian, -np.ones((k, 1))], [np.ones((1, k)), np.zeros((1, 1))]])
        theta[on] += np.linalg.lstsq(system, np.append(-slope, 0.0))[0][:k]
    return theta


def _whitened(Z: Array, C: Array) -> tuple[Array, Array]:
    """R with C = R^T R, and the examples in coordinates R beta."""
    C = finite_matrix("C", C)
    if C.shape[0] != C.shape[1] or np.abs(C - C.T).max() > 1e-12 * np.abs(C).max() or np.linalg.eigvalsh(C)[0] <= 0:
        reject("C", f"a matrix of shape {C.shape}", "a symmetric, positive definite matrix")
    R = np.linalg.cholesky(C).T
    return R, np.linalg.solve(R.T, finite_matrix("Z", Z).T).T
