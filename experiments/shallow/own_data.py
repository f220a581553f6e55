"""The user's own separable examples: followed late along gradient flow, and trained where that can be afforded."""

import numpy as np

from experiments.data import budget
from experiments.data.hypotheses import of_examples, of_support
from experiments.data.labelled import Labelled, load_labelled
from experiments.data.separation import separable, separated
from experiments.shallow.classifiers import normalised_classifier
from theory.claims import Check, Measured, Study, Tolerance, measured
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.flows import FlowStopped
from theory.core.flows import flow as solved
from theory.core.separable import Separable
from theory.core.trajectory import Trajectory
from theory.core.validation import InvalidArgument, reject
from theory.shallow import gradient_flow

DECAYED = 30.0  # log t x relaxation rate at the first of the times looked at: e^-30 of the start is left
DOUBLINGS = 2.0 ** np.arange(4)
STARTING_MARGIN = 2.0  # the largest |z_i . w| of a start
NOT_SEPARABLE = "not separable by a classifier without bias: there is no margin, and multipliers grow for ever"
STEEPEST = 100_000  # evaluations of the flow's velocity
ADVICE = "Standardise the columns of X, or leave out those that nearly depend on others."


def examples(study: Study) -> Separable:
    """The user's examples times labels, with what they violate said.

    Where there are fewer examples than inputs they are given in an orthonormal basis of their span, which the weights
    never leave: r inputs in place of d.
    """
    problem = separable(study.data, _remarked(study))  # type: ignore[arg-type]
    for line in of_support(problem):
        study.remark(line)
    return Separable(_in_their_span(problem.Z))


def any_examples(study: Study, most: int) -> tuple[Array, Separable | None]:
    """The same, separable or not: Z, and the max-margin problem where there is one.

    Raises:
        InvalidArgument: more than `most` examples, for claims that follow each of their multipliers.
    """
    labelled = _remarked(study)
    n, d = labelled.X.shape
    if n > most:
        expected = f"{most} examples at most, whose multipliers are followed one by one: choose fewer rows"
        reject(f"data {study.data}: X.shape", (n, d), expected)
    Z, found = _in_their_span(labelled.Z), separated(study.data, labelled.Z)  # type: ignore[arg-type]
    for line in [NOT_SEPARABLE] if found is None else of_support(found):
        study.remark(line)
    return Z, None if found is None else Separable(Z)


def _remarked(study: Study) -> Labelled:
    labelled = load_labelled(study.data)  # type: ignore[arg-type]
    for line in of_examples(labelled):
        study.remark(line)
    return labelled


def _in_their_span(Z: Array) -> Array:
    n, d = Z.shape
    if n >= d:
        return Z
    U, S, _ = np.linalg.svd(Z, full_matrices=False)
    return U * S


def starts(rng: np.random.Generator, Z: Array, runs: int) -> Array:
    """Random weights (runs, d) whose largest margin is 2, of either sign."""
    w = rng.standard_normal((runs, Z.shape[1]))
    return STARTING_MARGIN * w / np.abs(w @ Z.T).max(1, keepdims=True)


def has_unique_duals(study: Study, problem: Separable) -> bool:
    """Whether the support vectors are linearly independent, and no other example is on the margin; said if not."""
    support = problem.Z[problem.support]
    touching = (problem.slack == 0) & ~problem.support
    unique = np.linalg.matrix_rank(support) == len(support) and not touching.any()
    if not unique:
        study.remark("what needs unique duals is not judged")
    return bool(unique)


def relaxation_rate(study: Study, problem: Separable) -> float:
    """How fast the classifier settles in log t.

    Raises:
        InvalidArgument: a dual tends to 0 on the margin, where no theorem says how fast.
    """
    try:
        return float(gradient_flow.relaxation_rate(problem))
    except InvalidArgument as error:
        raise InvalidArgument(f"data {study.data}: {error}") from error


class LateFlow:
    """Gradient flow of the exponential loss from each start, at multiples of the time by which it has settled.

    Attributes:
        tau: the times (T,), log(1 + t).
        rho: w - w_hat tau (T, runs, d), w~ up to what has decayed.
        off: what the margins of rho may be off by.
    """

    def __init__(self, study: Study, problem: Separable, w0: Array, doublings: Array = DOUBLINGS) -> None:
        self.data, self.problem, rate = study.data, problem, relaxation_rate(study, problem)
        self.tau = max(50.0, DECAYED / rate) * doublings
        n, d = problem.Z.shape
        _require(study, len(w0) * (3000 + 150 * d) * (2e-5 + 4e-9 * n * d), f"gradient flow of {n} x {d} examples")
        runs = [self._from(w) for w in w0]
        self.rho = np.stack([run["rho"] for run in runs], axis=1)
        error = max(run.facts["steps"] * run.facts["local_error"] for run in runs)
        because = "the flow in log time contracts distances: at most steps x local error"
        self.off = Tolerance(error * np.linalg.norm(problem.Z, axis=-1).max(), because)

    def _from(self, w: Array) -> Trajectory:
        """As `gradient_flow.flow_in_log_time`, by a solver for stiff problems: rates of settling may be far apart."""
        Z, w_hat = self.problem.Z, self.problem.w
        beyond = -self.problem.slack  # exactly 0 on the margin: rounding of w_hat must not grow with time

        def velocity(tau: float, state: dict[str, Array]) -> dict[str, Array]:
            losses = np.exp(np.minimum(beyond * tau - Z @ state["rho"], 500.0))  # trial steps may go anywhere
            return {"rho": Z.T @ losses - w_hat}

        settings = {"relative_tolerance": 1e-12, "method": "LSODA", "evaluations": STEEPEST}
        try:
            return solved(velocity, {"rho": w}, self.tau, **settings)
        except FlowStopped as error:
            reached = str(error).partition(" after ")[0]
            raise InvalidArgument(f"data {self.data}: {reached}: too stiff. {ADVICE}") from error

    def direction_errors(self) -> Array:
        """|w / |w| - w_hat / |w_hat|| (T, runs), from the angle: no difference of unit vectors."""
        unit = self.problem.w * self.problem.margin
        along = self.rho @ unit
        across = np.linalg.norm(self.rho - along[..., None] * unit, axis=-1)
        return 2 * np.sin(np.arctan2(across, along + self.tau[:, None] / self.problem.margin) / 2)

    def margin_gaps(self) -> Array:
        """gamma* - min_i z_i . w / |w| (T, runs), without a difference of large numbers."""
        tau, gamma = self.tau[:, None], float(self.problem.margin)
        beside = gamma**2 * (2 * tau * (self.rho @ self.problem.w) + np.square(self.rho).sum(-1))
        size = np.sqrt(tau**2 + beside)  # gamma |w|
        above = self.problem.slack * tau[..., None] + self.rho @ self.problem.Z.T
        return gamma * (beside / (size + tau) - above.min(-1)) / size


def limit(name: str, values: Array, off: Tolerance, *, case: str) -> Measured:
    """Limit (runs,) of values (4, runs) at times T, 2 T, 4 T, 8 T, whose error is a series in 1 / T."""
    value, error = richardson(list(values))
    because = "last corrections of the extrapolation in 1 / log t"
    within = Tolerance(error + 16 * EPS * np.abs(values).max(), because) + off
    return measured(name, value, within=within, case=case, axes=("run",))


def equals(found: Measured, constant: Array, size: float) -> Check:
    """The limit is the constant; one that is 0, as with a single support vector, is held against the usual size."""
    return found.equals(constant, against=size if np.max(constant) < 1e-9 * size else None)


def trained(study: Study, problem: Separable, w0: Array, doublings: Array) -> Trajectory | None:
    """Trained by steps learning_rate / loss until it has settled, recorded at multiples of that time; None, and a
    remark, where it would take longer than this profile has. The limits hold at any step size."""
    n, d = problem.Z.shape
    rate = float(1 / np.square(problem.Z).sum(-1).max())
    settled = max(50.0, DECAYED / relaxation_rate(study, problem)) / float(problem.margin) ** 2 / rate
    first = int(np.ceil(settled * doublings[0]))
    steps = [first * round(k / doublings[0]) for k in doublings]  # exact multiples, which limits are extrapolated from
    seconds = steps[-1] * (3e-4 + 3e-9 * len(w0) * n * d)
    if seconds > budget.allowed(study):
        more = budget.longer_profile(seconds)
        study.remark(
            f"not trained to the limit: {steps[-1]:.3g} steps, about {budget.in_words(seconds)}{more}; gradient flow "
            "is followed there instead"
        )
        return None
    budget.say_before(study, seconds)
    return normalised_classifier(study, problem.Z, w0).train(learning_rate=rate, steps=steps[-1], record=steps)


def _require(study: Study, seconds: float, what: str) -> None:
    """Refuse `what` if it takes longer than this profile has; say how long it takes if that is over a minute."""
    if seconds > budget.allowed(study):
        expected = f"what takes {budget.allowed(study)} seconds at most, not about {budget.in_words(seconds)}"
        reject(f"data {study.data}", what, f"{expected}: choose fewer rows or columns{budget.longer_profile(seconds)}")
    budget.say_before(study, seconds)
