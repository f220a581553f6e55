"""The largest least recall: multipliers by exponentiated gradient, logit-adjusted training in each round."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.cost_sensitive.on_a_line import Regression, nodes_of, random_classes
from experiments.methods.cost_sensitive import WorstCaseRecall
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.cost_sensitive.gaussian_classes import (
    Classes,
    equaliser,
    exponentiated_gradient,
    recalls,
    sensitivity,
    spectrum,
)

NEWTON = 4  # steps a round: the multipliers, and with them the minimiser, move little in one
FIRST = 12  # and in the first


@dataclass(frozen=True)
class Rounds:
    """Of Gaussian classes on a line, and of rounds of training."""

    classes: int = varies("K", 3, low=2, high=6)
    problems: int = varies("sets of classes, the first fixed", 3, smoke=2, low=1, high=30)
    rounds: int = varies("of training, each with new multipliers", 50, smoke=16, low=4, high=500)
    step: float = varies("of the multipliers, in units of the longest that converges", 0.45, low=0.02, high=0.95)
    closest: float = varies("means lie this many sigma apart at least", 1.0, low=0.3, high=4)
    farthest: float = varies("and this many at most", 2.2, low=0.3, high=4)

    def __post_init__(self) -> None:
        if self.farthest < self.closest:
            reject("farthest", self.farthest, f"at least {self.closest:g}, as means lie apart at least")


@claim(
    "narasimhan2021.worst_case_recall",
    source="Narasimhan & Menon 2021 (arXiv 2107.04641), equation 1 and its algorithm; the equaliser is ours",
    source_kind=AS_PRINTED,
    statement=r"\max_F \min_i \frac{C_{ii}[F]}{\pi_i} = \max_F \min_{\lambda \in \Delta} \sum_i \lambda_i"
    r" \frac{C_{ii}[F]}{\pi_i},\quad G = \mathrm{diag}(\lambda_i / \pi_i),\quad"
    r" \lambda_i \leftarrow \frac{\lambda_i e^{\omega (1 - C_{ii} / \pi_i)}}"
    r"{\sum_k \lambda_k e^{\omega (1 - C_{kk} / \pi_k)}};\quad C_{ii} = P(y = i, F(x) = i),\ \pi_i = P(y = i)",
    hypotheses=(
        "classes N(mu_i, sigma^2) on a line with priors pi_i: recalls vary continuously with the multipliers",
        "each round's training ends at its minimum: logits - log(lambda / pi) fit the labels",
        "recalls are known exactly, as on held-out data without end",
        "a step omega below 2 over the largest eigenvalue of d recall_i / d log lambda_j at the equaliser",
    ),
    theory_side="closed form",
    controls=(
        "a step of the multipliers 5 % longer",
        "balanced gains, 1 / pi, are the worst case's",
        "plain cross-entropy is the worst case's",
        "the shift with the wrong sign",
        "a least recall 5 % larger",
        "multipliers that are not updated",
    ),
    parameters=Rounds,
)
def recalls_become_equal_where_the_least_is_largest(study: Study, sizes: Rounds) -> Iterator[Check | Curves]:
    problems = [_known(sizes), *(_random(study, sizes, i) for i in range(1, sizes.problems))]
    paths, offs, steps = [], [], []
    for classes in problems:
        step = sizes.step * 2 / spectrum(classes)[-1]
        path, off = _rounds(study, classes, step, sizes.rounds)
        paths.append(path), offs.append(off), steps.append(step)
    seen = np.stack(paths, axis=1)
    within = Tolerance(np.max(offs), "twice what one more step of Newton's changes") + rounding(
        1000 * sizes.rounds, of="logits at edges, round after round"
    )
    course = measured("recalls, round by round", seen, within=within, axes=("t", "problem", "class"))
    predicted = [_course(classes, step, sizes.rounds) for classes, step in zip(problems, steps)]
    yield course.equals(lambda k: np.stack([each(k) for each in predicted], axis=1))
    late = np.stack([each(1.05) for each in predicted], axis=1)
    yield course.control("a step of the multipliers 5 % longer").equals(late)
    yield from _at_the_end(problems, seen[-1], steps, sizes, within)
    yield from _other_losses(study, problems[0])
    yield curves(recalls=paths[0], predicted=predicted[0](1.0), value=equaliser(problems[0])[0], step=steps[0])


def _at_the_end(
    problems: list[Classes], last: Array, steps: list[float], sizes: Rounds, within: Tolerance
) -> Iterator[Check]:
    values = np.array([equaliser(classes)[0] for classes in problems])
    left = [_left(classes, step, sizes.rounds) for classes, step in zip(problems, steps)]
    rest = Tolerance(np.array(left)[:, None], "what the rounds have left, by their slowest eigenvalue")
    final = measured("recalls after the last round", last, within=rest + within, axes=("problem", "class"))
    yield final.equals(np.broadcast_to(values[:, None], last.shape))
    yield final.control("a least recall 5 % larger").equals(1.05 * values[:, None])
    least = measured("least recall after the last round", last.min(-1), within=within, axes=("problem",))
    yield least.supporting().at_most(values)
    start = recalls(problems[0], np.zeros(sizes.classes))
    unmoved = measured("recalls of equal multipliers", start, within=rest + within, axes=("class",))
    yield unmoved.control("multipliers that are not updated").equals(np.full((1, 1), values[0]))


def _left(classes: Classes, step: float, rounds: int) -> float:
    """How far recalls still are from equal, to first order: twice what the slowest of the eigenvalues leaves."""
    slowest = np.abs(1 - step * spectrum(classes)).max()
    log_a = equaliser(classes)[1]
    start = np.abs(-np.log(classes.K) - log_a).max()
    return float(4 * start * np.abs(sensitivity(classes, log_a)).sum(1).max() * slowest**rounds)


def _course(classes: Classes, step: float, rounds: int):
    equal = np.full(classes.K, -np.log(classes.K))

    def recalled(k: float) -> Array:
        return np.array([recalls(classes, a) for a in exponentiated_gradient(classes, k * step, rounds, equal)])

    return recalled


def _rounds(study: Study, classes: Classes, step: float, rounds: int) -> tuple[Array, float]:
    """Recalls (rounds + 1, K) after each round of training, and what they may be off by."""
    model = Regression(study, classes, nodes_of(classes))
    method = WorstCaseRecall(torch.tensor(classes.priors), step)
    theta, found, off = np.zeros(2 * classes.K), [], 0.0
    for turn in range(rounds + 1):
        log_D = torch.diagonal(method.gains).log().numpy()
        before, theta = model.trained(theta, log_D, NEWTON if turn else FIRST)
        found.append(model.recalls(theta))
        off = max(off, 2 * float(np.abs(found[-1] - model.recalls(before)).max()))
        method.update(torch.tensor(found[-1]))
    return np.array(found), off


def _other_losses(study: Study, classes: Classes) -> Iterator[Check]:
    """Cross-entropy, balanced gains and a shift of the wrong sign: each trained to its minimum."""
    model, value = Regression(study, classes, nodes_of(classes)), equaliser(classes)[0]
    log_a, priors = equaliser(classes)[1], np.log(classes.priors)
    zero = np.zeros(2 * classes.K)

    def least(log_D: Array, name: str) -> tuple[Array, Measured]:
        found = model.recalls(model.trained(zero, log_D, FIRST + NEWTON)[1])
        within = rounding(1e5, of="logits at edges")
        return found, measured(f"least recall, {name}", found.min(), within=within)

    for name, log_D, other, control in (
        ("cross-entropy", 0 * priors, priors, "plain cross-entropy is the worst case's"),
        ("balanced", -priors, 0 * priors, "balanced gains, 1 / pi, are the worst case's"),
    ):
        found, lowest = least(log_D, name)
        close = rounding(1e5, of="logits at edges")
        yield measured("recalls", found, within=close, case=name, axes=("class",)).equals(recalls(classes, other))
        yield lowest.control(control).at_least(value)
    _, wrong = least(priors - log_a, "log G added")
    yield wrong.control("the shift with the wrong sign").at_least(value)


def _known(sizes: Rounds) -> Classes:
    """Three classes of which one is rare, or as many as are asked for."""
    if sizes.classes == 3:
        return Classes(np.array([-2.0, 0.0, 1.5]), np.array([0.85, 0.12, 0.03]))
    shares = 0.3 ** np.arange(sizes.classes)
    return Classes(1.8 * np.arange(sizes.classes), shares / shares.sum())


def _random(study: Study, sizes: Rounds, i: int) -> Classes:
    return random_classes(study.rng("classes", i), sizes.classes, sizes.closest, sizes.farthest)
