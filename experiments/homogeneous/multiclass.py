"""Linear classifiers of several classes end at the hard-margin classifier of Crammer & Singer from any start."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.homogeneous.approach import approach, at_infinity, late, stable, stiffness
from experiments.homogeneous.losses import Margins, log_logistic
from experiments.homogeneous.networks import tensors
from experiments.homogeneous.predictions import departing
from experiments.training import State
from experiments.training.batches import outputs, stack
from theory.claims import RECONSTRUCTED, Check, Study, Tolerance, claim, measured
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error
from theory.homogeneous import max_margin
from theory.shallow import gradient_flow

CLASSES = 3


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
        "of 60 random problems for each that is judged, those whose support settles the soonest",
    ),
    theory_side="law",
    controls=("cross-entropy: the sum over classes is forgotten", "cross-entropy: one class against the rest"),
)
def classifiers_end_at_the_max_margin(study: Study) -> Iterator[Check]:
    rng = study.rng("cross-entropy")
    X, labels, problem = _problems(rng, study.pick(smoke=3, quick=6, paper=24))
    runs = len(X)
    W = 0.5 * rng.standard_normal((runs, CLASSES, X.shape[-1]))
    run = late(study, log_logistic(_exponents(study, X, labels)), [W], stable(problem, 1))
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


def _constants(problem: Separable, starts: Array) -> Array:
    """|P w~| of each run's own problem, from starts (runs, K d)."""
    each = [max_margin.approach_constant(problem.run(i), start) for i, start in enumerate(starts)]
    return np.array(each, dtype=np.float64)


def _problems(rng: np.random.Generator, runs: int) -> tuple[Array, Array, Separable]:
    """Examples of three classes in the plane whose support spans all a classifier can tell apart."""
    X = rng.standard_normal((60 * runs, 9, 2))
    teacher = rng.standard_normal((60 * runs, CLASSES, 2))
    labels = (X @ teacher.mT).argmax(-1)
    X = X + 0.3 * np.take_along_axis(teacher, labels[..., None], axis=1)
    fitting = [i for i in range(len(X)) if _fits(X[i], labels[i], teacher[i])]
    problem = Separable(max_margin.crammer_singer(X[fitting], labels[fitting], CLASSES))
    slack = np.where(problem.support, np.inf, apply(problem.Z, problem.w) - 1).min(-1)
    span = (CLASSES - 1) * X.shape[-1]
    good = (problem.support.sum(-1) == span) & (slack > 0.3) & (gradient_flow.relaxation_rate(problem) > 0.3)
    least_stiff = np.argsort(np.where(good, stiffness(problem), np.inf))[:runs]
    chosen = np.array(fitting)[least_stiff]
    return X[chosen], labels[chosen], Separable(problem.Z[least_stiff])


def _fits(X: Array, labels: Array, teacher: Array) -> bool:
    """All classes are there, and the teacher separates what was moved towards its class."""
    rows = max_margin.crammer_singer(X, labels, CLASSES)
    return len(np.unique(labels)) == CLASSES and float((rows @ teacher.ravel()).min()) > 0.1


def _exponents(study: Study, X: Array, labels: Array) -> Margins:
    """a_n = log sum_{k != y} e^{f_k - f_y}, so that cross-entropy is sum_n log(1 + e^{a_n})."""
    (inputs,) = tensors(study.device, X)
    own = torch.nn.functional.one_hot(torch.tensor(labels, device=study.device), CLASSES).bool()
    network = stack([X.shape[-1], CLASSES])

    def exponents(state: State) -> Tensor:
        f = outputs(network, state, inputs)
        others = f.masked_fill(own, -torch.inf)
        return torch.logsumexp(others, -1) - f.masked_fill(~own, 0).sum(-1)

    return exponents


def _one_against_the_rest(X: Array, labels: Array) -> Array:
    """Unit direction of the K least-squares classifiers of one class against the others, flattened."""
    W = np.linalg.lstsq(X, np.eye(CLASSES)[labels] - 1 / CLASSES, rcond=None)[0].T
    return W.ravel() / np.linalg.norm(W)
