"""The user's own regression as linear students see it: in few examples, and in units of its own.

A linear student is moved by R X^T alone. Of X = U S V^T, with examples in columns, it sees U S, and of the labels Y V:
as many examples as X has rank. What of Y no weights fit moves nothing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.data.budget import allowed, in_words, longer_profile, say_before
from experiments.data.hypotheses import of_regression
from experiments.data.regression import load_regression
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

MOST_INPUTS = 2000  # their projectors are inputs x inputs
SMALLEST = 1e-8  # of singular values, over the largest: those of smaller ones are told apart from 0 by rounding alone


WEAKEST = 0.1  # of the modes of Y X^+, over the strongest, that two layers learn in time


@dataclass(frozen=True)
class Own:
    """The problem, X (1, d, r) and Y (1, K, r), in units in which |X| = |Y X^+| = 1, and these units."""

    problem: TeacherStudent
    of_inputs: float
    of_labels: float

    @property
    def hides(self) -> bool:
        """Whether there are directions that the examples do not show."""
        return self.problem.d > self.problem.n

    @property
    def condition(self) -> float:
        """Largest over smallest eigenvalue of X X^T, zeros apart."""
        rates = self.problem.rates[0]
        return float(rates[0] / rates[-1])

    @property
    def strengths(self) -> Array:
        """Singular values of Y X^+, those that are rounding left out, decreasing."""
        s = np.linalg.svd(self.problem.minimum_norm_solution[0], compute_uv=False)
        s = s[: min(self.problem.K, self.problem.n)]
        return s[s > 1e-10]


def own(study: Study) -> Own:
    """The data of the study, with what they lack said.

    Raises:
        InvalidArgument: they cannot be read, have too many columns, a condition beyond rounding, or nothing to explain.
    """
    return _in_units(study, load_regression(_file(study)))


def parted(study: Study, rng: np.random.Generator) -> tuple[Own, Array, Array]:
    """Three quarters of the examples, drawn at random, to train on, and inputs (n, d) and labels (n, K) of the others.

    Raises:
        InvalidArgument: as `own`; or there are fewer than 4 examples.
    """
    data = load_regression(_file(study))
    many = len(data.X)
    if many < 4:
        reject(f"data {study.data}: examples", many, "4 at least: a quarter of them is held out")
    held, kept = np.split(rng.permutation(many), [many // 4])
    study.remark(f"trained on {len(kept)} examples drawn at random, tested on the other {len(held)}")
    mine = _in_units(study, Regression(data.X[kept], data.Y[kept]))
    return mine, data.X[held] / mine.of_inputs, data.Y[held] / mine.of_labels


def depths(study: Study, own: Own) -> tuple[int, ...]:
    """One layer, and two where no output is a combination of the others, or nearly: a weak mode is learned slowly."""
    whole, strengths = min(own.problem.K, own.problem.n), own.strengths
    if len(strengths) == whole and strengths[-1] > WEAKEST:
        return 1, 2
    study.remark(
        f"outputs that nearly depend on each other (Y X^+ of rank {len(strengths)} of {whole}, singular values down to"
        f" {strengths[-1]:.2g} of the largest): two layers learn those too slowly to be judged"
    )
    return (1,)


def plan(own: Own, L: int) -> tuple[Tuning, float]:
    """Minnorm at a = 1 with every violation at least as fast, and a learning rate that is stable for the strongest."""
    weakest = L * float(own.strengths[-1]) ** (2 - 2 / L) / own.condition  # |grad h|^2; of the strongest it is L
    return Tuning(1.0, 10 / weakest, (L + 3) / weakest), 0.25 * weakest / (L * (L + 3))


def _file(study: Study) -> Path:
    if study.data is None:
        reject("data", None, "the user's own")
    return study.data


def _in_units(study: Study, data: Regression) -> Own:
    if data.D > MOST_INPUTS:
        reject(f"data {study.data}: X.shape", data.X.shape, f"at most {MOST_INPUTS} columns: choose some of them")
    for line in of_regression(data):
        study.remark(line)
    if data.S[-1] < SMALLEST * data.S[0]:
        found = f"{data.S[0] / data.S[-1]:.3g}"
        reject(f"data {study.data}: condition number of X", found, f"at most {1 / SMALLEST:g}: standardise the columns")
    units = "in units in which |X| = |Y X^+| = 1"
    study.remark(f"linear students see n = {len(data.X)} examples as {data.r}, the rank; {units}")
    labels = data.Y.T @ data.W
    size = np.linalg.norm(labels / data.S, 2)
    if not size > 64 * (len(data.X) + data.D) * np.finfo(float).eps * np.linalg.norm(data.Y) / data.S[0]:
        reject(f"data {study.data}: Y X^+", f"{size:.3g}", "labels of which weights explain something")
    X, Y = data.Phi1 * (data.S / data.S[0]), labels / (size * data.S[0])
    problem = TeacherStudent(X[None], np.zeros((1, data.Y.shape[1], data.D)), Y[None])
    return Own(problem, float(data.S[0]), float(size * data.S[0]))


def require_time(study: Study, steps: float, runs: int, problem: TeacherStudent, width: int) -> None:
    """Say how long so many steps take where that is more than a minute, or refuse them.

    A step was measured to cost 0.1 ms for two layers of few inputs, and 0.1 ns for each of the d r (K + width)
    multiplications of a run; half as much again is allowed for.
    """
    seconds = steps * 1.5 * (1e-4 + 1e-10 * runs * problem.d * problem.n * (problem.K + width))
    if seconds > allowed(study):
        found = f"{problem.n} x {problem.d} inputs, {steps:.2g} steps"
        expected = f"training of {in_words(allowed(study))} at most, not {in_words(seconds)}{longer_profile(seconds)}"
        expected += "; fewer or standardised columns take less"
        reject(f"data {study.data}", found, expected)
    say_before(study, seconds)
