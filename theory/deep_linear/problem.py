"""Teachers, the examples they label, and what is measured of a student: what theory and training share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from theory.core.arrays import EPS, Array
from theory.core.validation import finite_arrays, inside, positive_integer, reject

Times = Array | Sequence[float] | Sequence[int] | float | int

LARGEST = 1e150  # the squares of what is larger, and of what is smaller than its inverse, are no normal numbers


@dataclass(frozen=True)
class Ensemble:
    """What teachers and examples are drawn from.

    Attributes:
        d: inputs, entries N(0, 1/d).
        n: examples.
        K: outputs.
        teacher: sw, standard deviation of the teacher's entries.
        noise: se, standard deviation of the noise on a label.
    """

    d: int
    n: int
    K: int = 1
    teacher: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("d", "n", "K"):
            positive_integer(name, getattr(self, name))
        inside("teacher", self.teacher, 1 / LARGEST, LARGEST)
        if self.noise != 0:
            inside("noise", self.noise, 1 / LARGEST, LARGEST)

    @property
    def aspect(self) -> float:
        """n / d."""
        return self.n / self.d

    @property
    def unseen(self) -> int:
        """d - rank X: dimensions the examples do not show."""
        return max(self.d - self.n, 0)

    def require(self, problem: "TeacherStudent", *sizes: str) -> None:
        """Refuse problems that have other sizes (of "d", "n", "K") than this ensemble's."""
        for name in sizes:
            if getattr(problem, name) != getattr(self, name):
                reject(f"problem.{name}", getattr(problem, name), f"the ensemble's, {getattr(self, name)}")


@dataclass(frozen=True)
class TeacherStudent:
    """Inputs X (*draws, d, n), columns the examples; teacher (*draws, K, d); noise on the labels (*draws, K, n).

    The rank of X may be less than r = min(n, d), as where examples repeat: then the last singular values are 0.

    Raises:
        InvalidArgument: an entry is not finite or above 1e150, an X other than 0 is below 1e-150, or the shapes do not
            fit.
    """

    X: Array
    teacher: Array
    noise: Array

    def __post_init__(self) -> None:
        finite_arrays(self, X="*draws d n", teacher="*draws K d", noise="*draws K n")
        for name in ("X", "teacher", "noise"):
            inside(f"largest entry of {name}", np.abs(getattr(self, name)).max(), 0, LARGEST)
        sizes = np.abs(self.X).max((-2, -1))
        inside("largest entry of X", sizes.min(initial=LARGEST, where=sizes > 0), 1 / LARGEST, LARGEST)

    @property
    def d(self) -> int:
        return self.X.shape[-2]

    @property
    def n(self) -> int:
        return self.X.shape[-1]

    @property
    def K(self) -> int:
        return self.teacher.shape[-2]

    @cached_property
    def Y(self) -> Float[Array, "*draws K n"]:
        """Y = Wbar X + eps."""
        return self.teacher @ self.X + self.noise

    @cached_property
    def _svd(self) -> tuple[Array, Array, Array]:
        U, S, Vt = np.linalg.svd(self.X, full_matrices=False)
        return U, np.where(S > max(self.d, self.n) * EPS * S[..., :1], S, 0.0), Vt

    @property
    def basis(self) -> Float[Array, "*draws d r"]:
        """U of X = U S V^T: orthonormal; the columns of singular values above 0 span what the examples show."""
        return self._svd[0]

    @property
    def singular_values(self) -> Float[Array, "*draws r"]:
        """S, decreasing; what is rounding of the largest is 0."""
        return self._svd[1]

    @property
    def rank(self) -> Int[np.ndarray, "*draws"]:
        """Dimensions the examples show."""
        return np.asarray((self.singular_values > 0).sum(-1))

    @property
    def rates(self) -> Float[Array, "*draws r"]:
        """lam_k = S_k^2, the r = min(n, d) eigenvalues of X X^T that need not vanish, decreasing."""
        return self.singular_values**2

    @cached_property
    def targets(self) -> Float[Array, "*draws K r"]:
        """Y V: the labels as the modes see them."""
        return self.Y @ self._svd[2].mT

    @cached_property
    def pseudoinverse(self) -> Float[Array, "*draws n d"]:
        """X^+."""
        U, S, Vt = self._svd
        return Vt.mT @ (np.divide(1, S, out=np.zeros_like(S), where=S > 0)[..., None] * U.mT)

    @cached_property
    def seen(self) -> Float[Array, "*draws d d"]:
        """P = X X^+, the projector onto what the examples show."""
        return (self.basis * (self.singular_values > 0)[..., None, :]) @ self.basis.mT

    @cached_property
    def unseen(self) -> Float[Array, "*draws d d"]:
        """Q = I - P."""
        return np.eye(self.d) - self.seen

    @cached_property
    def minimum_norm_solution(self) -> Float[Array, "*draws K d"]:
        """W^ = Y X^+."""
        return self.Y @ self.pseudoinverse

    def projected(self, W: Float[Array, "*runs h d"]) -> Float[Array, "*runs h d"]:
        """W P, without a matrix of size d x d."""
        return W @ (self.basis * (self.singular_values > 0)[..., None, :]) @ self.basis.mT

    @property
    def misfit(self) -> Float[Array, "*draws K n"]:
        """Y (I - X^+ X): what no W fits of the labels, rounding where X has rank n."""
        shown = self.singular_values[..., None, :] > 0
        return self.Y - np.where(shown, self.targets, 0.0) @ self._svd[2]

    def each(self, copies: int) -> "TeacherStudent":
        """Runs (draws x copies, ...): every draw `copies` times in a row, for as many students of one teacher.

        Raises:
            InvalidArgument: one problem that is no batch of draws; a number of copies that is not whole and above 0.
        """
        positive_integer("copies", copies)
        if self.X.ndim < 3:
            reject("X.shape", self.X.shape, "(draws, d, n)")
        return TeacherStudent(*(np.repeat(array, copies, axis=0) for array in (self.X, self.teacher, self.noise)))


def draw(ensemble: Ensemble, rng: np.random.Generator, draws: int) -> TeacherStudent:
    """Independent teachers with examples of their own, first dimension the draws."""
    positive_integer("draws", draws)
    d, n, K = ensemble.d, ensemble.n, ensemble.K
    X = rng.standard_normal((draws, d, n)) / np.sqrt(d)
    teacher = ensemble.teacher * rng.standard_normal((draws, K, d))
    return TeacherStudent(X, teacher, ensemble.noise * rng.standard_normal((draws, K, n)))


def generalisation_error(
    ensemble: Ensemble, problem: TeacherStudent, W: Float[Array, "*runs K d"]
) -> Float[Array, "*runs"] | float:
    """E_g = |Wbar - W|^2 / d + K se^2 of students W, whose last batch dimensions are the draws of `problem`.

    Raises:
        InvalidArgument: a problem with other inputs than the ensemble's, students of other sizes than its teachers.
    """
    ensemble.require(problem, "d")
    if W.shape[-2:] != (problem.K, problem.d):
        reject("W.shape", W.shape, f"(*runs, {problem.K}, {problem.d})")
    return ((problem.teacher - W) ** 2).sum((-2, -1)) / ensemble.d + ensemble.K * ensemble.noise**2


def conditioned(
    rng: np.random.Generator,
    d: int,
    singular_values: Float[Array, " n"],
    strengths: Float[Array, " ranks"],
    *,
    K: int,
    draws: int,
) -> TeacherStudent:
    """Noiseless examples X with these singular values, and a W^ with these; only the bases are random.

    The teacher's unseen part has entries N(0, 1) before it is projected.

    Raises:
        InvalidArgument: more examples than inputs, or more strengths than K or n allow; one that is not above 0.
    """
    n, ranks = len(singular_values), len(strengths)
    positive_integer("draws", draws)
    inside("len(singular_values)", n, 1, d)
    inside("len(strengths)", ranks, 1, min(K, n))
    for name, values in (("singular_values", singular_values), ("strengths", strengths)):
        inside(f"smallest of {name}", np.min(values), 0, np.inf, "()")
    U = np.linalg.qr(rng.standard_normal((draws, d, n)))[0]
    V = np.linalg.qr(rng.standard_normal((draws, n, n)))[0]
    outputs = np.linalg.qr(rng.standard_normal((draws, K, ranks)))[0]
    inputs = U @ np.linalg.qr(rng.standard_normal((draws, n, ranks)))[0]
    fitted = (outputs * strengths) @ inputs.mT
    unseen = rng.standard_normal((draws, K, d))
    unseen = unseen - unseen @ U @ U.mT
    X = (U * singular_values) @ V.mT
    return TeacherStudent(X, fitted + unseen, np.zeros((draws, K, n)))
