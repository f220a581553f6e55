"""Random separable problems that several claims judge."""

from dataclasses import dataclass
from math import ceil, fsum

import numpy as np

from theory.claims import varies
from theory.core.arrays import Array
from theory.core.separable import Separable, apply, labelled_by_a_teacher, planted
from theory.core.validation import reject
from theory.shallow.heavy_ball import simultaneous_limit

WORST_CONDITION, CLEAR = 60, 0.1


@dataclass(frozen=True)
class RandomProblems:
    """Sizes of the problems that `random_problems` draws."""

    inputs: int = varies("of each example", 5, low=2, high=20, from_data=True)
    examples: int = varies("of a problem, with a teacher's labels", 12, low=2, high=40, from_data=True)

    def require_at_most(self, runs: int, most: int) -> None:
        """Refuse more runs than have `most` examples together."""
        if runs * self.examples > most:
            reject("runs", runs, f"at most {most // self.examples} of {self.examples} examples each")


def random_problems(rng: np.random.Generator, runs: int, sizes: RandomProblems = RandomProblems()) -> Separable:
    """Gaussian examples with a teacher's labels, of those whose support has a Gram matrix of condition number below 60
    and whose other examples clear the margin by a tenth (an example nearly on the margin shows on which side of it the
    classifier leaves it only after very long).

    Raises:
        InvalidArgument: hardly any problem of these sizes is such.
    """
    drawn = 20 * runs
    candidates = Separable(labelled_by_a_teacher(rng, n=sizes.examples, d=sizes.inputs, runs=drawn, least=0.3))
    slack = np.where(candidates.support, np.inf, apply(candidates.Z, candidates.w) - 1).min(-1)
    fits = (candidates.condition < WORST_CONDITION) & (slack > CLEAR)
    if fits.sum() < runs:
        what = f"{sizes.examples} examples of {sizes.inputs} inputs"
        clear = f"of condition number below {WORST_CONDITION} and a slack above {CLEAR}: choose fewer examples"
        reject("problems", f"{fits.sum()} of {drawn} with {what}", f"at least {runs} {clear}")
    return Separable(candidates.Z[fits][:runs])


def adding_to_one(shares: tuple[float, ...]) -> Array:
    """In the same ratios."""
    return np.array(shares) / fsum(shares)


def require_stable(g_max: Array | float, b: float, learning_rate: float) -> None:
    """Refuse simultaneous steps that diverge: beyond learning_rate x b = 1 / g_max, the largest eigenvalue of the
    support's Gram matrix.

    Raises:
        InvalidArgument: they do.
    """
    limit, found = float(np.min(simultaneous_limit(g_max))), b * learning_rate
    if found > limit:
        reject("b x learning rate", f"{found:.3g}", f"at most {limit:.3g}: beyond it steps diverge")


def stable_steps(g_max: Array | float, b: float, horizon: float, fewest: int) -> int:
    """So many simultaneous steps in a time that their size is half of what diverges, or less: from such the limit of
    small steps is read."""
    return max(fewest, ceil(2 * b * horizon / float(np.min(simultaneous_limit(g_max)))))


def separated_problem(rng: np.random.Generator) -> Separable:
    """Three support vectors in four dimensions whose Gram matrix has a smallest eigenvalue below half of the others."""
    candidates = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=4, margin=0.8, runs=200))
    spectrum = np.linalg.eigvalsh(candidates.Z @ candidates.Z.mT)
    fits = (spectrum[:, 1] > 2.2 * spectrum[:, 0]) & (candidates.condition < 12)
    return candidates.run(int(np.flatnonzero(fits)[0]))
