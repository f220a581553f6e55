"""How Minnorm comes to rest at its limit: the spectrum there, and where one direction oscillates for ever."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear import own_data
from experiments.deep_linear.aligned import require_different, shown
from experiments.deep_linear.convergence import DIFFERENCES, central_differences
from experiments.deep_linear.networks import by_minnorm
from experiments.training.batches import layers_of
from theory.claims import OURS, Check, Measured, Study, Tolerance, claim, measured, on_data, varies
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.deep_linear import minnorm
from theory.deep_linear.modes import planted
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

MOST_DIRECTIONS = 100  # of the user's data, next to rest


@dataclass(frozen=True)
class Resting:
    depths: tuple[int, ...] = varies(
        "numbers of layers", (1, 2, 3, 4), smoke=(1, 3), paper=(1, 2, 3, 4, 5), low=1, high=8
    )
    inputs: int = varies("d", 5, low=2, high=20)
    examples: int = varies("n", 3, low=1, high=20)
    steps: int = varies(
        "until the growth of the slowest direction is read", 1500, smoke=1000, paper=6000, low=1000, high=20000
    )

    def __post_init__(self) -> None:
        require_different(self.depths)
        if max(self.depths) < 2:
            reject("depths", self.depths, "one of 2 or more among them: one layer rests alike whatever its labels")
        if self.examples > self.inputs:
            reject("examples", self.examples, f"at most the inputs, {self.inputs}: Minnorm fits all of them")


@claim(
    "minnorm.deep_spectrum",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    source_kind=OURS,
    statement=r"(\theta, \Lambda)' = \begin{pmatrix} -a (H + c J J^\top) & a J \\ -b J^\top & 0 \end{pmatrix}"
    r" (\theta, \Lambda);\quad L = 2,\ c = 0:\ \text{undamped} \iff X X^\top v = \lambda v,"
    r"\ \omega = \sqrt{2 a b \lambda |Y X^+|}",
    hypotheses=(
        "Minnorm at rates a, b and augmentation c, weights theta and multipliers Lambda next to their rest",
        "one output, hidden widths 1; v = Y X^+ / |Y X^+|",
        "H: the Hessian of the Lagrangian, J: the gradients of the outputs by theta",
    ),
    theory_side="closed form",
    controls=(
        "linearisation of another depth",
        "linearisation with c 10 % larger",
        "linearisation with Y X^+ 10 % larger",
        "an eigenvector of X X^T: damped",
        "no eigenvector of X X^T: undamped",
        "frequency without the factor 2",
    ),
    accepts_data="regression",
    parameters=Resting,
)
def rest_has_this_spectrum(study: Study, size: Resting) -> Iterator[Check]:
    if study.data is not None:
        yield from _of_own_data(study)
    for L in size.depths:
        yield from _jacobian(study, L, size)
    yield from _oscillations(study, size.steps)


@on_data
def _of_own_data(study: Study) -> Iterator[Check]:
    """One layer to three at their rest on the user's data, for the first output."""
    own = own_data.own(study)
    if own.problem.d + own.problem.n > MOST_DIRECTIONS:
        found, expected = (
            own.problem.d + own.problem.n,
            f"at most {MOST_DIRECTIONS}: the state is moved in each of them",
        )
        reject(f"data {study.data}: columns + rank", found, expected)
    if own.problem.K > 1:
        study.remark(f"the first of {own.problem.K} outputs alone")
    solution = own.problem.minimum_norm_solution[:, :1]
    size = np.linalg.norm(solution)
    if not size > 1e-10:
        reject(
            f"data {study.data}: Y X^+", f"{size:.3g} of the first output", "labels of which weights explain something"
        )
    problem = TeacherStudent(own.problem.X, solution / size, np.zeros((1, 1, own.problem.n)))
    for L in (1, 2, 3):
        tuning = Tuning(*study.rng("own data", L).uniform(0.5, 1.5, 3))
        yield _next_to_rest(study, problem, tuning, L, "own data, ").equals(
            minnorm.linearisation(problem, tuning, L)[0]
        )


def _next_to_rest(study: Study, problem: TeacherStudent, tuning: Tuning, L: int, of: str = "") -> Measured:
    step, error = _derivative(study, problem, tuning, L, 1.0, 1)
    within, axes = Tolerance(error, DIFFERENCES), ("row", "column")
    return measured("Jacobian", step - np.eye(len(step)), within=within, case=f"{of}depth {L}", axes=axes)


def _jacobian(study: Study, L: int, size: Resting) -> Iterator[Check]:
    """One training step from beside the rest, in every direction: the derivative is 1 + eta times the Jacobian."""
    rng = study.rng("jacobian", L)
    problem = planted([1.3], rng.uniform(0.6, 1.4, size.examples), d=size.inputs, K=1, rng=rng)
    tuning = Tuning(*rng.uniform(0.5, 1.5, 3))
    jacobian = _next_to_rest(study, problem, tuning, L)
    yield jacobian.equals(minnorm.linearisation(problem, tuning, L)[0])
    if L == shown(size.depths):
        other = _of_another_depth(problem, tuning, L)
        yield jacobian.control("linearisation of another depth").equals(other)
        larger = Tuning(tuning.a, tuning.b, 1.1 * tuning.c)
        wrong = minnorm.linearisation(problem, larger, L)[0]
        yield jacobian.control("linearisation with c 10 % larger").equals(wrong)
        longer = TeacherStudent(problem.X, 1.1 * problem.teacher, problem.noise)
        wrong = minnorm.linearisation(longer, tuning, L)[0]
        yield jacobian.control("linearisation with Y X^+ 10 % larger").equals(wrong)


def _of_another_depth(problem: TeacherStudent, tuning: Tuning, L: int) -> Array:
    """The linearisation of a layer less, or of one more, with this one's layout."""
    if L == 1:
        return minnorm.linearisation(problem, tuning, 2)[0][1:, 1:]
    return np.pad(minnorm.linearisation(problem, tuning, L - 1)[0], ((1, 0), (1, 0)))


def _oscillations(study: Study, steps: int) -> Iterator[Check]:
    """Depth 2, c = 0: what is left of the slowest direction after a while, where Y X^+ lies along the first of the
    eigenvectors of X X^T, and between the first two."""
    eta, tuning = 0.02, Tuning(1.1, 0.8)
    X = np.diag([1.0, 0.5, 1.2, 0.8])[None, :, :3]
    along, between = (
        TeacherStudent(X, 1.3 * np.array([[[np.cos(angle), np.sin(angle), 0.0, 0.0]]]), np.zeros((1, 1, 3)))
        for angle in (0.0, np.pi / 4)
    )
    frequency = float(minnorm.undamped_frequency(along, tuning)[0])
    undamped = lambda omega: np.log1p((eta * omega) ** 2) / (2 * eta)  # noqa: E731
    eigenvalues = np.linalg.eigvals(minnorm.linearisation(between, tuning, 2))
    damped = np.log(np.abs(1 + eta * eigenvalues)).max() / eta
    rates = {}
    for case, problem in (("an eigenvector", along), ("no eigenvector", between)):
        value, error = _growth(study, problem, tuning, eta, steps)
        because = "|1 + i eta omega| a step; the error of the derivative, by the condition of its eigenvectors"
        rates[case] = measured("growth", value, within=Tolerance(error, because), case=case)
    growth = rates["an eigenvector"]
    yield growth.equals(lambda k: undamped(k * frequency))
    yield growth.control("frequency without the factor 2").equals(undamped(frequency / np.sqrt(2)))
    yield growth.control("an eigenvector of X X^T: damped").equals(damped)
    growth = rates["no eigenvector"]
    yield growth.equals(damped)
    yield growth.control("no eigenvector of X X^T: undamped").equals(undamped(frequency))


def _growth(study: Study, problem: TeacherStudent, tuning: Tuning, eta: float, steps: int) -> tuple[float, float]:
    """Rate of growth of the slowest direction, a unit of time, over many steps, and its error (Bauer & Fike)."""
    power, error = _derivative(study, problem, tuning, 2, eta, steps)
    values, vectors = np.linalg.eig(power)
    largest = np.abs(values).max()
    uncertain = np.linalg.cond(vectors) * error / largest
    return float(np.log(largest)) / (steps * eta), float(uncertain) / (steps * eta)


def _derivative(
    study: Study, problem: TeacherStudent, tuning: Tuning, L: int, eta: float, steps: int
) -> tuple[Array, float]:
    """Derivative of the state (w_1, w_2, ..., w_L, Lambda) after `steps` by the start at rest, and its error's norm.

    Every displaced start is a run of one training.
    """
    d, n = problem.d, problem.n
    solution = problem.minimum_norm_solution[0, 0]
    size = np.linalg.norm(solution)
    omega = size ** (1 / L)
    multipliers = minnorm.solution_multiplier(problem, L)[0, 0]
    rest = np.concatenate([omega * solution / size, np.full(L - 1, omega), multipliers])

    def after(starts: Array) -> Array:
        flat = starts.reshape(-1, len(rest))
        W = [flat[:, None, :d], *(flat[:, l, None, None] for l in range(d, d + L - 1))]
        trainee = by_minnorm(study, problem.each(len(flat)), W, tuning, flat[:, -n:, None])
        run = trainee.train(learning_rate=eta, steps=steps, record=[steps])
        layers = [layer[-1].reshape(len(flat), -1) for layer in layers_of(run.arrays)]
        return np.concatenate([*layers, run["multipliers"][-1, :, :, 0]], axis=-1).reshape(starts.shape)

    derivative, error, displacement = central_differences(after, rest, np.eye(len(rest)))
    # Each step rounds numbers of the size of the state, and the difference divides that by the displacement.
    rounded = steps * len(rest) ** 2 * EPS * np.abs(rest).max() / displacement
    return derivative.T, float(np.linalg.norm(error)) + rounded
