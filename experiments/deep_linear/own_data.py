"""The user's own regression as linear students see it: in few examples, and in units of its own.

A linear student is moved by R X^T alone. Of X = U S V^T, with examples in columns, it sees U S, and of the labels Y V:
as many examples as X has rank. What of Y no weights fit moves nothing.
"""

from dataclasses import dataclass

import numpy as np

from experiments.data.budget import allowed, in_words, longer_profile, say_before
from experiments.data.hypotheses import of_regression
from experiments.data.regression import load_regression
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.deep_linear.problem import TeacherStudent

MOST_INPUTS = 2000  # their projectors are inputs x inputs
SMALLEST = 1e-8  # of singular values, over the largest: those of smaller ones are told apart from 0 by rounding alone


@dataclass(frozen=True)
class Own:
    """The problem, X (1, d, r) and Y (1, K, r), in units in which |X| = |Y X^+| = 1."""

    problem: TeacherStudent

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
    data = load_regression(study.data)
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
    return Own(problem)


def require_time(study: Study, steps: float, runs: int, problem: TeacherStudent, width: int) -> None:
    """Say how long so many steps take where that is more than a minute, or refuse them.

    A step of a run costs 0.1 ms and six times d r (K + width) multiplications, of a nanosecond each.
    """
    seconds = steps * (1e-4 + runs * 6e-9 * problem.d * problem.n * (problem.K + width) / 4)
    if seconds > allowed(study):
        found = f"{problem.n} x {problem.d} inputs, {steps:.2g} steps"
        expected = f"training of {in_words(allowed(study))} at most, not {in_words(seconds)}{longer_profile(seconds)}"
        expected += "; fewer or standardised columns take less"
        reject(f"data {study.data}", found, expected)
    say_before(study, seconds)
