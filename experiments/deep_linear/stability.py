"""How Minnorm comes to rest at its limit: the spectrum there, and where one direction oscillates for ever."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import everything
from experiments.deep_linear.networks import Constraint, MinnormDescent, train_stack
from experiments.training.batches import layers_of
from theory.claims import Check, claim
from theory.claims.estimates import richardson
from theory.claims.legacy import at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.deep_linear import minnorm
from theory.deep_linear.modes import planted
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

DAMPED = "damped: less than half of it is left, relative to an oscillation that is not"


@claim(
    "minnorm.deep_spectrum",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    statement=r"(\theta, \Lambda)' = \begin{pmatrix} -a (H + c J J^\top) & a J \\ -b J^\top & 0 \end{pmatrix}"
    r" (\theta, \Lambda);\quad L = 2,\ c = 0:\ \text{undamped} \iff X X^\top v = g v,\ \omega = \sqrt{2 a b g |Y X^+|}",
    hypotheses=("one output", "hidden widths 1", "next to the rest"),
    controls=(
        "linearisation of another depth",
        "linearisation with c 10 % larger",
        "linearisation with Y X^+ 10 % larger",
        "an eigenvector of X X^T: damped",
        "no eigenvector of X X^T: undamped",
        "frequency without the factor 2",
    ),
)
def rest_has_this_spectrum(study: Study) -> Iterator[Check]:
    for L in study.pick(smoke=(1, 3), quick=(1, 2, 3, 4), paper=(1, 2, 3, 4, 5)):
        yield from _jacobian(study, L)
    yield from _oscillations(study)


def _jacobian(study: Study, L: int) -> Iterator[Check]:
    """One training step from beside the rest, in every direction: the derivative is 1 + eta times the Jacobian."""
    rng = study.rng("jacobian", L)
    problem = planted([1.3], rng.uniform(0.6, 1.4, 3), d=5, K=1, rng=rng)
    tuning = Tuning(*rng.uniform(0.5, 1.5, 3))
    step, error = _derivative(study, f"depth {L}", problem, tuning, L, 1.0, 1)
    J = step - np.eye(len(step))
    because = "central differences over three displacements, last Richardson correction and rounding"
    name = f"depth {L}: Jacobian"
    predicted = minnorm.linearisation(problem, tuning, L)[0]
    yield equal(name, J, predicted, tolerance=error, because=because)
    if L == 3:
        larger = Tuning(tuning.a, tuning.b, 1.1 * tuning.c)
        longer = TeacherStudent(problem.X, 1.1 * problem.teacher, problem.noise)
        wrong = {
            "linearisation of another depth": np.pad(minnorm.linearisation(problem, tuning, 2)[0], ((1, 0), (1, 0))),
            "linearisation with c 10 % larger": minnorm.linearisation(problem, larger, L)[0],
            "linearisation with Y X^+ 10 % larger": minnorm.linearisation(longer, tuning, L)[0],
        }
        for control, matrix in wrong.items():
            yield refuted(control, equal(control, J, matrix, tolerance=error, because=because))


def _oscillations(study: Study) -> Iterator[Check]:
    """Depth 2, c = 0: what is left of the slowest direction after a while, where Y X^+ lies along the first of the
    eigenvectors of X X^T, and between the first two."""
    eta, tuning, steps = 0.02, Tuning(1.1, 0.8), study.pick(smoke=1000, quick=1500, paper=6000)
    X = np.diag([1.0, 0.5, 1.2, 0.8])[None, :, :3]
    along, between = (
        TeacherStudent(X, 1.3 * np.array([[[np.cos(angle), np.sin(angle), 0.0, 0.0]]]), np.zeros((1, 1, 3)))
        for angle in (0.0, np.pi / 4)
    )
    frequency = float(minnorm.undamped_frequency(along, tuning)[0])
    neutral = lambda omega: np.log1p((eta * omega) ** 2) / (2 * eta)  # noqa: E731
    because = "|1 + i eta omega| a step; the error of the derivative, by the condition of its eigenvectors"
    growth, error = _growth(study, "an eigenvector", along, tuning, eta, steps)
    yield equal("an eigenvector: growth", growth, neutral(frequency), tolerance=error, because=because)
    lower = equal("growth", growth, neutral(frequency / np.sqrt(2)), tolerance=error, because=because)
    yield refuted("frequency without the factor 2", lower)
    left = lambda growth: np.exp((growth - neutral(frequency)) * steps * eta)  # noqa: E731
    yield refuted("an eigenvector of X X^T: damped", at_most("left", left(growth), 0.5, because=DAMPED))
    growth, error = _growth(study, "no eigenvector", between, tuning, eta, steps)
    predicted = np.log(np.abs(1 + eta * np.linalg.eigvals(minnorm.linearisation(between, tuning, 2)))).max() / eta
    yield equal("no eigenvector: growth", growth, predicted, tolerance=error, because=because)
    yield at_most("no eigenvector: damped", left(growth), 0.5, because=DAMPED)
    undamped = equal("growth", growth, neutral(frequency), tolerance=error, because=because)
    yield refuted("no eigenvector of X X^T: undamped", undamped)


def _growth(
    study: Study, name: str, problem: TeacherStudent, tuning: Tuning, eta: float, steps: int
) -> tuple[float, float]:
    """Rate of growth of the slowest direction, a unit of time, over many steps, and its error (Bauer & Fike)."""
    power, error = _derivative(study, name, problem, tuning, 2, eta, steps)
    values, vectors = np.linalg.eig(power)
    largest = np.abs(values).max()
    uncertain = np.linalg.cond(vectors) * error / largest
    return float(np.log(largest)) / (steps * eta), float(uncertain) / (steps * eta)


def _derivative(
    study: Study, name: str, problem: TeacherStudent, tuning: Tuning, L: int, eta: float, steps: int
) -> tuple[Array, float]:
    """Derivative of the state (w_1, w_2, ..., w_L, Lambda) after `steps` by the start at rest, and its error's norm.

    Central differences over three displacements, extrapolated; every displaced start is a run of one training.
    """
    d, n = problem.d, problem.n
    solution = problem.minimum_norm_solution[0, 0]
    size = np.linalg.norm(solution)
    omega = size ** (1 / L)
    multiplier = minnorm.solution_multiplier(problem, L)[0, 0]
    rest = np.concatenate([omega * solution / size, np.full(L - 1, omega), multiplier])
    sizes = 1e-3 / 2.0 ** np.arange(3)
    starts = rest + np.multiply.outer(np.outer(sizes, [1, -1]), np.eye(len(rest)))
    flat = starts.reshape(-1, len(rest))
    W = [flat[:, None, :d], *(flat[:, l, None, None] for l in range(d, d + L - 1))]
    constraint = Constraint(problem.each(len(flat)), [d, *[1] * L], study.device)
    rule = MinnormDescent(constraint, tuning, flat[:, -n:, None])
    schedule = {"learning_rate": eta, "steps": steps, "record": [steps]}
    run = train_stack(study, name, constraint, W, rule, **schedule, observe=everything)
    layers = [layer[-1].reshape(len(flat), -1) for layer in layers_of(run.arrays)]
    ends = np.concatenate([*layers, run["multiplier"][-1, :, :, 0]], axis=-1).reshape(starts.shape)
    central = (ends[:, 0] - ends[:, 1]) / (2 * sizes[:, None, None])
    derivative, error = richardson(list(central), order=2)
    # Each step rounds numbers of the size of the state, and the difference divides that by the displacement.
    rounding = steps * len(rest) ** 2 * EPS * np.abs(rest).max() / sizes[-1]
    return derivative.T, float(np.linalg.norm(error)) + rounding
