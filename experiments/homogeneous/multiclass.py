"""Linear classifiers of several classes end at the hard-margin classifier of Crammer & Singer from any start."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.data.hypotheses import of_examples, of_support
from experiments.data.labelled import load_multiclass
from experiments.data.separation import separated
from experiments.homogeneous import own_data as own_networks
from experiments.homogeneous.approach import STEPS, approach, at_infinity, late, stable, stiffness
from experiments.homogeneous.losses import Margins, log_logistic
from experiments.homogeneous.networks import tensors
from experiments.homogeneous.predictions import departing
from experiments.homogeneous.rules import LogTimeDescent
from experiments.shallow import own_data
from experiments.training import State, Trainee
from experiments.training.batches import outputs, stack, state_of
from theory.claims import RECONSTRUCTED, Check, Study, Tolerance, claim, measured, on_data, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error
from theory.core.trajectory import Trajectory
from theory.core.validation import InvalidArgument, reject
from theory.homogeneous import max_margin
from theory.shallow import gradient_flow

OWN_STEPS = {"smoke": 100, "quick": 1000, "paper": 10_000}  # on the user's examples, that a profile has the time for
RARER = 20  # times, with each class more, are problems that settle fast
AGAIN = 3  # times that as many are drawn, where too few settle fast
MOST_NUMBERS = 20_000_000  # of the rows z_n of the user's own examples


@dataclass(frozen=True)
class Sizes:
    """Of problems in the plane, and of the training."""

    classes: int = varies("K", 3, low=3, high=4)
    examples: int = varies("of a problem", 9, low=6, high=20)
    start: float = varies("standard deviation of the weights at the start", 0.5, low=0.1, high=1)
    steps: int = STEPS(1600, smoke=800, paper=12_800)
    problems: int = varies("random ones that are judged", 6, smoke=3, paper=24, low=1, high=50)


@claim(
    "soudry2018.multiclass",
    source="Soudry et al. 2018 (JMLR 19), Theorem 7, with the constant worked out",
    source_kind=RECONSTRUCTED,
    statement=r"\rho\,\Big|\frac{W}{\rho} - \frac{\hat W}{|\hat W|}\Big| \to |P \tilde W|,\ \rho = |W|_F,\quad"
    r" \hat W = \mathrm{argmin}\, \tfrac12 |W|_F^2 \text{ s.t. } (w_y - w_k) \cdot x \ge 1",
    hypotheses=(
        "separable examples x of class y; cross-entropy of a linear classifier, rows w_k of W (K, d)",
        "W_hat = sum_n alpha_n z_n over the examples z_n = (e_y - e_k) (x) x, alpha > 0 on linearly independent "
        "support vectors, which span what a classifier can tell apart",
        "W~ with z_n . W~ = -log alpha_n on the support, as W(0) elsewhere; P the projection orthogonal to W_hat",
        "of 60 random problems (four classes: 1200) for each that is judged, those whose support settles soonest",
    ),
    theory_side="law",
    controls=("cross-entropy: the sum over classes is forgotten", "cross-entropy: one class against the rest"),
    accepts_data="multiclass",
    parameters=Sizes,
)
def classifiers_end_at_the_max_margin(study: Study, sizes: Sizes) -> Iterator[Check]:
    if study.data is not None:
        yield from _on_own_data(study)
    rng = study.rng("cross-entropy")
    X, labels, problem = _problems(rng, sizes)
    runs = len(X)
    W = sizes.start * rng.standard_normal((runs, sizes.classes, X.shape[-1]))
    run = late(study, log_logistic(_exponents(study, X, labels, sizes.classes)), [W], stable(problem, 1), sizes.steps)
    w = run["W1"].reshape(-1, runs, W[0].size)
    rho = np.linalg.norm(w, axis=-1)
    limit = approach(rho, direction_error(problem, w), "cross-entropy")
    yield limit.equals(_constants(problem, W.reshape(runs, -1)))
    yield limit.control("cross-entropy: the sum over classes is forgotten").equals(_constants(problem, 0 * w[0]))
    because = "the gradients of the classes add up to 0: 16 roundings a step"
    within = Tolerance(16 * EPS * run.facts["recorded"][-1] * np.abs(run["W1"]).max(), because)
    name, change = "change of the sum of the classes' weights", run["W1"] - W
    total = measured(name, change.sum(-2), within=within, case="cross-entropy", axes=("t", "run"))
    yield total.equals(departing(change[:, :, 0]))
    direction = at_infinity("direction", w / rho[..., None], 64 * EPS, "cross-entropy")
    yield direction.equals(problem.w * problem.margin[:, None])
    apart = np.stack([_one_against_the_rest(x, y) for x, y in zip(X, labels)])
    yield direction.control("cross-entropy: one class against the rest").equals(apart)


@on_data
def _on_own_data(study: Study) -> Iterator[Check]:
    """What no step of cross-entropy changes, separable or not; where they are, the flow to where it has settled."""
    Z, X, labels, classes = _own_examples(study)
    rng, runs = study.rng("own data"), own_networks.RUNS[study.profile]
    W = own_data.starts(rng, Z, runs)
    loss = log_logistic(_exponents(study, X, labels, classes))
    steps = OWN_STEPS[study.profile]
    rule, start = LogTimeDescent(loss), [W.reshape(runs, classes, -1)]
    trainee = Trainee(study, loss, state_of(start), rule)
    rate = float(1 / np.square(Z).sum(-1).max())
    yield _sum_is_kept(trainee.train(learning_rate=rate, steps=steps, record=[0, steps // 2, steps]), "own data")
    problem = separated(study.data, Z)  # type: ignore[arg-type]
    if problem is None:
        study.remark("no linear classifier without biases is right on all examples: there is no max-margin one")
        return
    for line in of_support(problem):
        study.remark(line)
    try:
        flow = own_data.LateFlow(study, problem, W, doublings=np.ones(1))
    except InvalidArgument as error:
        study.remark(f"not followed to the limit: {error}")
        return
    duals = gradient_flow.settled_duals(problem)
    support = duals > 0
    shares, within = np.exp(-flow.rho[-1] @ problem.Z[support].T), flow.off * duals[support]
    settled = measured("e^(-z.W~) on the support", shares, within=within, case="own data", axes=("run", "example"))
    yield settled.equals(lambda k: k * np.broadcast_to(duals[support], shares.shape))


def _own_examples(study: Study) -> tuple[Array, Array, Array, int]:
    """Z, X, labels and the number of classes of the user's examples."""
    examples = load_multiclass(study.data)  # type: ignore[arg-type]
    for line in of_examples(examples):
        study.remark(line)
    (n, d), K = examples.X.shape, len(examples.classes)
    if n * (K - 1) * K * d > MOST_NUMBERS:
        expected = f"n (K - 1) K d of at most {MOST_NUMBERS:.0e}: choose fewer rows, columns or classes"
        reject(f"data {study.data}: n, d, K", (n, d, K), expected)
    return max_margin.crammer_singer(examples.X, examples.labels, K), examples.X, examples.labels, K


def _sum_is_kept(run: Trajectory, case: str) -> Check:
    because = "the gradients of the classes add up to 0: 16 roundings a step"
    within = Tolerance(16 * EPS * run.facts["recorded"][-1] * np.abs(run["W1"]).max(), because)
    change = run["W1"] - run["W1"][0]
    total = measured(
        "change of the sum of the classes' weights", change.sum(-2), within=within, case=case, axes=("t", "run")
    )
    return total.equals(departing(change[:, :, 0]))


def _constants(problem: Separable, starts: Array) -> Array:
    """|P w~| of each run's own problem, from starts (runs, K d)."""
    each = [max_margin.approach_constant(problem.run(i), start) for i, start in enumerate(starts)]
    return np.array(each, dtype=np.float64)


def _problems(rng: np.random.Generator, sizes: Sizes) -> tuple[Array, Array, Separable]:
    """Examples in the plane whose support spans all a classifier can tell apart: the least stiff of those drawn.

    Of 180 random problems a dozen settle fast, of one set in two thousand fewer than 3: then as many again are drawn.

    Raises:
        InvalidArgument: too few of the random problems are such.
    """
    drawn = 60 * sizes.problems * RARER ** (sizes.classes - 3)
    X, labels, Z = _settling(rng, sizes, drawn)
    for _ in range(AGAIN):
        if len(X) < sizes.problems:
            X, labels, Z = (np.concatenate(each) for each in zip((X, labels, Z), _settling(rng, sizes, drawn)))
    if len(X) < sizes.problems:
        found = f"other classes or examples: of {drawn * (1 + AGAIN)} random problems only {len(X)} settle fast"
        reject("problems", sizes.problems, found)
    least_stiff = np.argsort(stiffness(Separable(Z)))[: sizes.problems]
    return X[least_stiff], labels[least_stiff], Separable(Z[least_stiff])


def _settling(rng: np.random.Generator, sizes: Sizes, drawn: int) -> tuple[Array, Array, Array]:
    """Inputs, labels and rows z_n of those of so many random problems that settle fast."""
    classes = sizes.classes
    X = rng.standard_normal((drawn, sizes.examples, 2))
    teacher = rng.standard_normal((drawn, classes, 2))
    labels = (X @ teacher.mT).argmax(-1)
    X = X + 0.3 * np.take_along_axis(teacher, labels[..., None], axis=1)
    fitting = [i for i in range(len(X)) if _fits(X[i], labels[i], teacher[i])]
    X, labels = X[fitting], labels[fitting]
    problem = Separable(max_margin.crammer_singer(X, labels, classes))
    slack = np.where(problem.support, np.inf, apply(problem.Z, problem.w) - 1).min(-1)
    span = (classes - 1) * X.shape[-1]
    good = (problem.support.sum(-1) == span) & (slack > 0.3) & (gradient_flow.relaxation_rate(problem) > 0.3)
    return X[good], labels[good], problem.Z[good]


def _fits(X: Array, labels: Array, teacher: Array) -> bool:
    """All classes are there, and the teacher separates what was moved towards its class."""
    rows = max_margin.crammer_singer(X, labels, len(teacher))
    return len(np.unique(labels)) == len(teacher) and float((rows @ teacher.ravel()).min()) > 0.1


def _exponents(study: Study, X: Array, labels: Array, classes: int) -> Margins:
    """a_n = log sum_{k != y} e^{f_k - f_y}, so that cross-entropy is sum_n log(1 + e^{a_n})."""
    (inputs,) = tensors(study.device, X)
    own = torch.nn.functional.one_hot(torch.tensor(labels, device=study.device), classes).bool()
    network = stack([X.shape[-1], classes])

    def exponents(state: State) -> Tensor:
        f = outputs(network, state, inputs)
        others = f.masked_fill(own, -torch.inf)
        return torch.logsumexp(others, -1) - f.masked_fill(~own, 0).sum(-1)

    return exponents


def _one_against_the_rest(X: Array, labels: Array) -> Array:
    """Unit direction of the K least-squares classifiers of one class against the others, flattened."""
    K = len(np.unique(labels))
    W = np.linalg.lstsq(X, np.eye(K)[labels] - 1 / K, rcond=None)[0].T
    return W.ravel() / np.linalg.norm(W)
