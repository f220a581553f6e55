"""The user's own regression and labelled examples under Halpern's iteration: what is trained, and for how long.

Neither descent nor anchoring sees in which basis weights are written. In the singular basis of the data n x D inputs
are r inputs, exactly, and of the directions that no example sees a few stand for all.
"""

from dataclasses import dataclass

import numpy as np

from experiments.data import budget
from experiments.data.hypotheses import of_regression
from experiments.data.labelled import load_labelled
from experiments.data.regression import load_regression
from experiments.halpern.networks import carried_rounding, needed_steps
from experiments.shallow.own_data import any_examples
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.separable import Separable
from theory.core.validation import reject

UNSEEN = 3  # directions of those that no example sees, at most
FEWEST = 50  # steps
TRAININGS = 3  # of all runs, over all steps
MOST_EXAMPLES = 100_000
EXTREME = 100.0  # lengths of examples beyond which a flow in their units is that of regularisation, or of none
LOSSES_TRAINED = 6  # three losses, with and without momentum
MOST_KEPT = 10**8  # numbers
COARSEST = 0.01  # share of the largest weight that rounding may take
ADVICE = "standardise the columns of X, or leave out those that nearly depend on others"


@dataclass(frozen=True)
class Plan:
    """What is trained in place of the data, and how far.

    Attributes:
        data: as they are.
        problem: the same in the singular basis, with some of the directions that no example sees.
        steps: of training.
        arrives: whether the slowest direction has gone by then, so that limits can be read.
    """

    data: Regression
    problem: Regression
    steps: int
    arrives: bool


def plan(study: Study, *, step: float, runs: int, steps: int) -> Plan:
    """The user's data, with what they violate said, trained for `steps` or until the slowest direction has gone.

    Args:
        step: learning rate in units of the longest, 2 / h_max.

    Raises:
        InvalidArgument: they are too large to be decomposed or trained on in the time that the profile has, or of a
            condition at which rounding leaves nothing to see.
    """
    data = load_regression(study.data)  # type: ignore[arg-type]
    _require_decomposition(study, data)
    for line in of_regression(data):
        study.remark(line)
    problem = in_singular_basis(data)
    slowest = (data.S[-1] / data.S[0]) ** 2
    wanted = max(steps, needed_steps(step, float(slowest)))
    seconds = _seconds_a_step(runs, problem)
    affordable = int(budget.allowed(study) / (TRAININGS * seconds))
    if affordable < FEWEST:
        cost = TRAININGS * FEWEST * seconds
        expected = f"{FEWEST} steps in {budget.allowed(study)} seconds, not about {budget.in_words(cost)}"
        size = f"{problem.r} directions and {problem.m} outputs"
        reject(f"data {study.data}", size, f"{expected}: choose fewer columns{budget.longer_profile(cost)}")
    taken = min(wanted, affordable)
    if taken < wanted:
        cost = budget.in_words(TRAININGS * wanted * seconds)
        study.remark(f"limits are not judged: the slowest direction takes {wanted:.3g} steps (about {cost}); {ADVICE}")
    _require_precision(study, problem, taken)
    budget.say_before(study, TRAININGS * taken * seconds)
    return Plan(data, problem, taken, taken == wanted)


def in_singular_basis(data: Regression) -> Regression:
    """W^T X [Phi1, some of Phi2] and W^T Y: r x (r + u) inputs, and what of Y a linear map can reach."""
    unseen = min(UNSEEN, data.D - data.r)
    return Regression(np.diag(data.S) @ np.eye(data.r, data.r + unseen), data.targets)


def size(problem: Regression) -> float:
    """Of starts: the root mean square of the entries of the solution; where that is 0, another number of its units."""
    entries = np.sqrt(np.square(problem.minimum_norm_solution).mean())
    return float(entries or np.linalg.norm(problem.Y) / problem.S[0] or 1.0)


def affords_user_code(study: Study, data: Regression) -> bool:
    """Whether a layer can be trained for a hundred steps on the data as they are, all of its weights kept."""
    n, D = data.X.shape
    seconds, numbers = 400 * n * D * data.m / 2e9, 100 * D * data.m
    affordable = seconds < budget.allowed(study) / 4 and numbers < MOST_KEPT
    if not affordable:
        study.remark("too large for a layer of torch's: trained in their singular basis only")
    return affordable


def _require_decomposition(study: Study, data: Regression) -> None:
    n, D = data.X.shape
    seconds, allowed = 3e-9 * n * D * min(n, D), budget.allowed(study)
    if seconds > allowed:
        expected = f"a decomposition in {allowed} seconds, not about {budget.in_words(seconds)}"
        reject(
            f"data {study.data}: X.shape",
            (n, D),
            f"{expected}: choose fewer columns or rows{budget.longer_profile(seconds)}",
        )


def _require_precision(study: Study, problem: Regression, steps: int) -> None:
    """Formulas divide by the eigenvalues of X^T X: rounding takes the square of the condition number, and the steps."""
    share = float(carried_rounding(problem, np.array(steps), np.zeros(1)).value.item())
    largest = float(np.abs(problem.minimum_norm_solution).max())
    if share > COARSEST * largest and largest > 0:
        condition = problem.S[0] / problem.S[-1]
        reject(
            f"data {study.data}: condition number of X",
            f"{condition:.3g}",
            f"one whose square rounding bears: {ADVICE}",
        )


def _seconds_a_step(runs: int, problem: Regression) -> float:
    """Of all runs, on one core."""
    return 1e-4 + 8 * runs * problem.r * problem.D * problem.m / 5e9


@dataclass(frozen=True)
class Examples:
    """Examples times labels Z (n, d), of the directions that none of them sees a few in place of all.

    Attributes:
        unseen: whether there are such directions.
        separable: the same without them, where a classifier separates the examples and its flow can be afforded.
    """

    Z: Array
    unseen: bool
    separable: Separable | None


def examples(study: Study, *, runs: int, steps: int) -> Examples:
    """The user's examples, with what they violate said.

    Raises:
        InvalidArgument: nothing can be judged on them, or training on them takes longer than the profile has.
    """
    Z, found = any_examples(study, most=MOST_EXAMPLES)
    d = load_labelled(study.data).X.shape[1]  # type: ignore[arg-type]
    longest = float(np.linalg.norm(Z, axis=1).max())
    if not 1 / EXTREME < longest < EXTREME:
        study.remark(f"units: the examples are divided by {longest:.3g}, the length of the longest")
        Z, found = Z / longest, None if found is None else Separable(found.Z / longest)
    Z = np.concatenate([Z, np.zeros((len(Z), min(UNSEEN, d - Z.shape[1])))], axis=1)
    n, seen = Z.shape[0], int(np.linalg.matrix_rank(Z))
    seconds = LOSSES_TRAINED * steps * (2e-4 + 8 * runs * Z.size / 2e9)
    if seconds > budget.allowed(study):
        expected = f"{steps} steps in {budget.allowed(study)} seconds, not about {budget.in_words(seconds)}"
        reject(f"data {study.data}", f"{n} examples", f"{expected}: choose fewer{budget.longer_profile(seconds)}")
    flow = 2000 * (1 + runs * Z.shape[1] / 20) * (2e-4 + 8 * runs * Z.size / 2e9)
    if found is not None and flow > budget.allowed(study):
        study.remark(f"the flow is not judged: it takes about {budget.in_words(flow)}")
        found = None
    if seen == Z.shape[1] and found is None:
        expected = "inputs of a lower rank than columns, or classes that a classifier without bias separates"
        reject(f"data {study.data}", f"{n} examples of rank {seen} in {d} dimensions", expected)
    if seen == Z.shape[1]:
        study.remark("examples see all directions: of what they do not see nothing is judged")
    budget.say_before(study, seconds + flow * (found is not None))
    return Examples(Z, seen < Z.shape[1], found)


def affordable_steps(study: Study, Z: Array, needed: int) -> int:
    """So many as needed; none where they take longer than the profile has, which is said."""
    seconds = needed * (1e-4 + 8 * Z.size / 2e9)
    if seconds > budget.allowed(study):
        study.remark(
            f"limits are not judged: the slowest direction takes {needed:.3g} steps (about {budget.in_words(seconds)})"
        )
        return 0
    budget.say_before(study, seconds)
    return needed
