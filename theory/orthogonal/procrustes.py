r"""Linear OPT, y = W0^T R^T x with W0 fixed and R orthogonal, taught Y: a Procrustes problem, solved for all t.

    L(R) = 1/2 |W0^T R^T X - Y|^2 = 1/2 tr(R^T Sigma R Omega) - tr(R^T M) + 1/2 |Y|^2,
    Sigma = X X^T, Omega = W0 W0^T, M = X Y^T W0^T

The flow is that of the embedded (Frobenius) metric, R' = -R skew(R^T grad L). The quadratic term is constant on O(d) if
the inputs are whitened (Sigma ~ I) or the neurons a tight frame (Omega ~ I). Then, with M = P diag(s) Q^T, it is a
matrix Riccati equation, R~' = (S - R~ S R~) / 2 for R~ = P^T R Q, and Cayley's coordinates make that linear:

    R~ = (I + A) (I - A)^-1,    A_ij' = -(s_i + s_j) / 2 A_ij.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, finite_arrays, inside, reject, times
from theory.orthogonal.decay import decay
from theory.orthogonal.maps import require_orthogonal
from theory.orthogonal.rotations import random_rotation

NOT_SKEW = 1e-8  # times the largest entry
LOST = 1e-7  # of R, when coordinates made large by a half turn nearby drown small ones
OVERFLOWS = 700.0  # from here on e^x is no float
LARGEST = 1e70  # entry of data and neurons: Sigma R Omega is still a float
LARGEST_TANGENT = 1e14  # of half an angle: the next one is a half turn to rounding


@dataclass(frozen=True)
class LinearOPT:
    """Inputs X (*runs, d, n), labels Y (*runs, N, n) and fixed neurons W0 (*runs, d, N), one a column.

    Raises:
        InvalidArgument: an entry is not finite or above 1e70, or the shapes do not fit.
    """

    X: Array
    Y: Array
    W0: Array

    def __post_init__(self) -> None:
        finite_arrays(self, X="*runs d n", W0="*runs d N", Y="*runs N n")
        for name, array in vars(self).items():
            entries_inside(name, array, -LARGEST, LARGEST, "[]")

    @property
    def d(self) -> int:
        return self.X.shape[-2]

    @cached_property
    def Sigma(self) -> Float[Array, "*runs d d"]:
        """X X^T."""
        return self.X @ self.X.mT

    @cached_property
    def Omega(self) -> Float[Array, "*runs d d"]:
        """W0 W0^T."""
        return self.W0 @ self.W0.mT

    @cached_property
    def M(self) -> Float[Array, "*runs d d"]:
        """X Y^T W0^T."""
        return self.X @ self.Y.mT @ self.W0.mT

    @property
    def solvable(self) -> bool:
        """Whether the quadratic term is constant: Sigma or Omega a multiple of the identity in every run."""
        return any(_multiple_of_identity(matrix) for matrix in (self.Sigma, self.Omega))


def skew(matrix: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """(Z - Z^T) / 2."""
    return (matrix - matrix.mT) / 2


def loss(problem: LinearOPT, R: Float[Array, "*runs d d"]) -> Float[Array, "*runs"] | float:
    """The loss 1/2 |W0^T R^T X - Y|^2 of each run."""
    outputs = problem.W0.mT @ R.mT @ problem.X
    return 0.5 * ((outputs - problem.Y) ** 2).sum((-2, -1))


def velocity(problem: LinearOPT, R: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """The flow's R' = -R skew(R^T (Sigma R Omega - M)), whitened or not."""
    gradient = problem.Sigma @ R @ problem.Omega - problem.M
    return -R @ skew(R.mT @ gradient)


@dataclass(frozen=True)
class Component:
    """M = P diag(s) Q^T, seen from one component of O(d): P Q^T lies in it, s_d has a sign, |s| decreases.

    Attributes:
        P, Q: orthogonal (*runs, d, d).
        s: signed singular values (*runs, d), all positive but perhaps the last.

    Raises:
        InvalidArgument: P or Q not orthogonal, s not finite or not such.
    """

    P: Array
    s: Array
    Q: Array

    def __post_init__(self) -> None:
        require_orthogonal("P", self.P), require_orthogonal("Q", self.Q)
        entries_inside("s", self.s)
        entries_inside("s_i - |s_(i+1)|", self.s[..., :-1] - np.abs(self.s[..., 1:]), 0, np.inf, "[]")

    @property
    def optimum(self) -> Float[Array, "*runs d d"]:
        """R* = P Q^T: Procrustes' solution, or Kabsch's if s_d < 0. Unique in its component if s_(d-1) + s_d > 0."""
        return self.P @ self.Q.mT

    @property
    def rates(self) -> Float[Array, "*runs d d"]:
        """(s_i + s_j) / 2, the rate of A_ij; 0 within rounding of it, and on the diagonal, which no skew matrix has."""
        pairs = (self.s[..., :, None] + self.s[..., None, :]) / 2
        flat = np.abs(pairs) <= 10 * EPS * self.s[..., :1, None]
        return np.where(flat | np.eye(self.s.shape[-1], dtype=bool), 0.0, pairs)


def component(problem: LinearOPT, R: Float[Array, "*runs d d"]) -> Component:
    """The component of O(d) that R lies in, run by run.

    Raises:
        InvalidArgument: neither are the inputs whitened nor the neurons a tight frame; R is not orthogonal.
    """
    require_orthogonal("R", R)
    if not problem.solvable:
        reject("problem", "Sigma and Omega not multiples of I", "whitened inputs or a tight frame of neurons")
    P, s, Qt = np.linalg.svd(problem.M)
    sign = np.sign(np.linalg.det(R) * np.linalg.det(P) * np.linalg.det(Qt))
    e = np.concatenate([np.ones((*sign.shape, problem.d - 1)), sign[..., None]], axis=-1)
    return Component(P, e * s, Qt.mT * e[..., None, :])


def coordinates(chart: Component, R: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """Cayley's coordinates of R: the skew A = (R~ - I) (R~ + I)^-1, with R~ = P^T R Q.

    Raises:
        InvalidArgument: R~ has the eigenvalue -1: R is on the cut locus, from where the flow ends in a saddle; R is
            not orthogonal.
    """
    require_orthogonal("R", R)
    aligned = chart.P.mT @ R @ chart.Q
    one = np.eye(aligned.shape[-1])
    if np.linalg.svd(aligned + one, compute_uv=False).min() < 1e3 * EPS:
        reject("R", "a matrix with P^T R Q v = -v for some v", "no rotation by pi away from the optimum")
    return skew(np.linalg.solve((aligned + one).mT, (aligned - one).mT).mT)


def matrix(chart: Component, A: Float[Array, "*batch d d"]) -> Float[Array, "*batch d d"]:
    """The R of coordinates A: P (I + A) (I - A)^-1 Q^T.

    Raises:
        InvalidArgument: A is not skew, or an entry is above 1e14, a half turn to rounding; so do the functions of A.
    """
    _require_skew(A)
    one = np.eye(A.shape[-1])
    return chart.P @ np.linalg.solve(one - A, one + A) @ chart.Q.mT


def coordinates_solution(
    chart: Component, A: Float[Array, "*runs d d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*batch d d"]:
    """Coordinates A_ij(t) = e^(-(s_i + s_j) t / 2) A_ij(0) of the flow, shape (*times, *runs, d, d).

    >>> chart = Component(np.eye(2), np.array([2.0, 1.0]), np.eye(2))
    >>> A = np.array([[0.0, -0.5], [0.5, 0.0]])
    >>> coordinates_solution(chart, A, np.array([0.0, 1.0, np.inf]))[:, 1, 0].round(3)
    array([0.5  , 0.112, 0.   ])

    Raises:
        InvalidArgument: see `matrix`; a negative or NaN time.
    """
    _require_skew(A)
    return decay(chart.rates, t) * A


def solution(
    problem: LinearOPT, R: Float[Array, "*runs d d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*batch d d"]:
    """R(t) of the flow from R at time 0, shape (*times, *runs, d, d); t = infinity gives the limit R*.

    With one plane to turn, the tangent of half the angle decays at the rate (s_1 + s_2) / 2, here 1.5:

    >>> problem = LinearOPT(X=np.eye(2), Y=np.diag([2.0, 1.0]), W0=np.eye(2))
    >>> from theory.orthogonal.rotations import plane_rotation
    >>> R = solution(problem, plane_rotation(2, (0, 1), 1.0), np.array([0.0, 1.0, np.inf]))
    >>> np.arctan2(R[:, 1, 0], R[:, 0, 0]).round(3)
    array([1.   , 0.243, 0.   ])

    The usual closed form, (C R~ + H) (H R~ + C)^-1 with C = cosh(S t / 2), H = sinh(S t / 2), loses the digits
    e^((s_1 - s_d) t / 2) takes; in Cayley's coordinates nothing but decaying exponentials is left.

    Raises:
        InvalidArgument: see `component`, `coordinates`; a start whose coordinates do not give it back to seven digits,
            since it is nearly on the cut locus; a negative or NaN time.
    """
    chart = component(problem, R)
    A = coordinates(chart, R)
    if np.abs(matrix(chart, A) - R).max() > LOST:
        reject(
            "R", "a matrix that is nearly P^T R Q v = -v for some v", "no rotation by nearly pi away from the optimum"
        )
    return matrix(chart, coordinates_solution(chart, A, t))


def riccati_solution(
    s: Float[Array, "*runs d"], aligned: Float[Array, "*runs d d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*batch d d"]:
    """R~(t) from `aligned` R~ again, by the linear fractional map that every matrix Riccati equation has.

    It is (C R~ + H) (H R~ + C)^-1, shape (*times, *runs, d, d), for s of either sign. Times have to be finite: C and H
    overflow.

    >>> from theory.orthogonal.rotations import plane_rotation
    >>> aligned = plane_rotation(2, (0, 1), 1.0)
    >>> R = riccati_solution(np.array([2.0, 1.0]), aligned, np.array([0.0, 1.0]))
    >>> np.arctan2(R[:, 1, 0], R[:, 0, 0]).round(3)
    array([1.   , 0.243])

    Raises:
        InvalidArgument: R~ is not orthogonal; a negative or NaN time, infinity, or one too late for C and H, or for the
            digits of a start near a half turn.
    """
    require_orthogonal("aligned", aligned)
    t = times(t)
    if np.isinf(t).any():
        reject("t", np.inf, "finite times: `solution` has the limit")
    inside("max s t / 2", float(np.max(np.abs(s), initial=0) * np.max(t, initial=0)) / 2, 0, OVERFLOWS)
    half = s * t[(..., *[None] * s.ndim)] / 2
    C, H = (f(half)[..., :, None] * np.eye(s.shape[-1]) for f in (np.cosh, np.sinh))
    lost = np.tanh(half)[..., :, None] * aligned + np.eye(s.shape[-1])
    inside("least singular value of tanh(S t / 2) R~ + I", np.linalg.svd(lost)[1].min(), 1e3 * EPS, np.inf, "[)")
    return np.linalg.solve((H @ aligned + C).mT, (C @ aligned + H).mT).mT


def slowest_rate(chart: Component) -> Float[Array, "*runs"] | float:
    """The slowest mode's (s_(d-1) + s_d) / 2: smaller if s_d < 0, and 0 if s_d = -s_(d-1), which leaves many optima.

    Raises:
        InvalidArgument: d = 1, where nothing turns.
    """
    inside("d", chart.s.shape[-1], 2, np.inf, "[)")
    return (chart.s[..., -2] + chart.s[..., -1]) / 2


def optimal_loss(problem: LinearOPT, chart: Component) -> Float[Array, "*runs"] | float:
    """The component's least loss 1/2 tr(R*^T Sigma R* Omega) + 1/2 |Y|^2 - sum s: 2 |s_d| higher in the other one."""
    quadratic = np.trace(problem.Sigma, axis1=-2, axis2=-1) * np.trace(problem.Omega, axis1=-2, axis2=-1) / problem.d
    return (quadratic + (problem.Y**2).sum((-2, -1))) / 2 - chart.s.sum(-1)


def expressivity_gap(W0: Float[Array, "*runs d N"], T: Float[Array, "*runs d N"]) -> tuple[Array, Array]:
    """Least 1/2 |R W0 - T|^2 over O(d), and over the component of O(d) that does not attain it: each (*runs,).

    They are (|W0|^2 + |T|^2) / 2 - |T W0^T|_*, and 2 s_min(T W0^T) more. The first is zero exactly if
    T^T T = W0^T W0, while free weights fit any T; it is evaluated at the optimum, where its parts do not cancel.

    Raises:
        InvalidArgument: an entry that is not finite or above 1e70.
    """
    entries_inside("W0", W0, -LARGEST, LARGEST, "[]"), entries_inside("T", T, -LARGEST, LARGEST, "[]")
    P, s, Qt = np.linalg.svd(T @ W0.mT)
    gap = ((P @ Qt @ W0 - T) ** 2).sum((-2, -1)) / 2
    return gap, gap + 2 * s[..., -1]


def excess_loss(chart: Component, A: Float[Array, "*batch d d"]) -> Float[Array, "*batch"] | float:
    """L - L* = 2 tr(S B (I + B)^-1) at coordinates A, B = A^T A: it decays at twice the rate of A."""
    return 2 * np.einsum("...i,...ii->...", chart.s, _saturated(A))


def distance(A: Float[Array, "*batch d d"]) -> Float[Array, "*batch"] | float:
    """|R - R*|_F = 2 tr(B (I + B)^-1)^(1/2) at coordinates A, B = A^T A."""
    return 2 * np.sqrt(np.trace(_saturated(A), axis1=-2, axis2=-1))


def random_problem(
    rng: np.random.Generator,
    s: Float[Array, " d"],
    *,
    N: int,
    n: int,
    runs: int = 1,
    inputs: Float[Array, " d"] | float = 1.0,
    neurons: Float[Array, " d"] | float = 1.0,
) -> LinearOPT:
    """Random data and neurons with M = P diag(s) Q^T, P and Q uniform rotations (so det M has the sign of prod s).

    Args:
        inputs, neurons: singular values of X and of W0; one number makes the inputs white, or the neurons tight.
        N, n: at least d. Labels have a part that no layer reaches, unless N = n = d.

    Raises:
        InvalidArgument: N or n below d, or a singular value of X or W0 not above 0: M could not be reached; an
            s that is not finite.
    """
    d = len(entries_inside("s", s))
    inside("N", N, d, np.inf, "[)"), inside("n", n, d, np.inf, "[)")
    entries_inside("inputs", inputs, 0), entries_inside("neurons", neurons, 0)
    P, Q, left, right = (random_rotation(rng, d, runs) for _ in range(4))
    frame = lambda columns: random_rotation(rng, columns, runs)[..., :d].mT  # noqa: E731
    X = left * (inputs * np.ones(d)) @ frame(n)
    W0 = right * (neurons * np.ones(d)) @ frame(N)
    M = P * s @ Q.mT
    noise = 0.3 * rng.standard_normal((runs, N, n))
    unreached = noise - np.linalg.pinv(W0) @ W0 @ noise @ np.linalg.pinv(X) @ X
    return LinearOPT(X, np.linalg.pinv(W0) @ M.mT @ np.linalg.pinv(X).mT + unreached, W0)


def start_near(chart: Component, rng: np.random.Generator, size: float) -> Float[Array, "*runs d d"]:
    """A start in the chart's component whose Cayley coordinates have random signs and sizes from `size` / 2 to it.

    Raises:
        InvalidArgument: a size outside (0, 1e14].
    """
    inside("size", size, 0, LARGEST_TANGENT, "(]")
    upper = np.triu(rng.uniform(size / 2, size, chart.P.shape) * rng.choice([-1.0, 1.0], chart.P.shape), 1)
    return matrix(chart, upper - upper.mT)


def _saturated(A: Array) -> Array:
    """B (I + B)^-1 with B = A^T A, through the singular values of A: near a half turn B would drown its small ones."""
    _require_skew(A)
    _, size, Vt = np.linalg.svd(A)
    return Vt.mT * ((size / np.hypot(1, size)) ** 2)[..., None, :] @ Vt


def _require_skew(A: Array) -> None:
    entries_inside("A", A, -LARGEST_TANGENT, LARGEST_TANGENT, "[]")
    if not (np.abs(A + A.mT) <= NOT_SKEW * np.abs(A).max((-2, -1), keepdims=True)).all():
        reject("A", "a matrix whose transpose is not -A", "a skew one")


def _multiple_of_identity(matrix: Array) -> bool:
    scale = np.trace(matrix, axis1=-2, axis2=-1)[..., None, None] / matrix.shape[-1]
    return bool((np.abs(matrix - scale * np.eye(matrix.shape[-1])) <= 1e3 * EPS * scale).all())
