"""The largest mean recall with every label predicted often enough: gains off the diagonal, for the hybrid loss."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.stats import norm

from experiments.cost_sensitive.cells import hybrid
from experiments.cost_sensitive.on_a_line import confusion_of, nodes_of
from experiments.methods.cost_sensitive import LeastCoverage
from experiments.training import Trainee
from theory.claims import AS_PRINTED, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument, reject
from theory.cost_sensitive import coverage as theory
from theory.cost_sensitive.gaussian_classes import Classes

CANDIDATES = 4
SHORTEST = 0.6  # sigma between edges: seven nodes
CLOSE = 12  # nodes a sigma


@dataclass(frozen=True)
class Rounds:
    """Of Gaussian classes on a line, and of rounds of training."""

    problems: int = varies("sets of three classes, the first fixed", 2, smoke=1, low=1, high=10)
    rounds: int = varies("of training, each with new multipliers", 60, smoke=16, low=4, high=200)
    least: float = varies("of the even share 1 / K: how often each label is predicted", 0.95, low=0.5, high=0.98)
    step: float = varies("of the multipliers, in units of the longest that converges", 0.6, low=0.1, high=0.9)
    steps: int = varies("of gradient descent in each round", 60, low=20, high=1000)


@dataclass(frozen=True)
class Bound:
    """Classes, the least coverage asked of each label, and the optimum."""

    classes: Classes
    least: float
    value: float = field(init=False)
    multipliers: Array = field(init=False)

    def __post_init__(self) -> None:
        value, multipliers = theory.optimum(self.classes, self.least)
        if not (multipliers > 0).any():
            K = self.classes.K
            free = K * theory.coverage(self.classes, multipliers).min()
            reject("least", K * self.least, f"more than {free:.3g}, which balanced gains cover of the even share")
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "multipliers", multipliers)

    @property
    def spectrum(self) -> Array:
        """Of the dual's curvature at the optimum, along the labels that are bound."""
        bound = self.multipliers > 0
        return np.linalg.eigvalsh(theory.curvature(self.classes, self.multipliers)[np.ix_(bound, bound)])


@claim(
    "narasimhan2021.coverage",
    source="Narasimhan & Menon 2021 (arXiv 2107.04641), equation 2 and its algorithm; the optimum is ours",
    source_kind=AS_PRINTED,
    statement=r"\max_F \frac1K \sum_i \frac{C_{ii}[F]}{\pi_i}\ \text{s.t.}\ \sum_i C_{ij}[F] \ge \tau:\quad"
    r" G_{ij} = \frac{\delta_{ij}}{K \pi_i} + \lambda_j,\quad"
    r" \lambda_j \leftarrow \max\Big(\lambda_j - \omega \big(\textstyle\sum_i C_{ij} - \tau\big), 0\Big);"
    r"\quad C_{ij} = P(y = i, F(x) = j),\ \pi_i = P(y = i)",
    hypotheses=(
        "classes N(mu_i, sigma^2) on a line: coverages vary continuously with the multipliers; tau < 1 / K",
        "each round's training with the hybrid loss ends at its minimum, at every node",
        "coverages are known exactly, as on held-out data without end",
        "a step omega below 2 over the largest eigenvalue of d coverage_i / d lambda_j at the optimum",
    ),
    theory_side="closed form",
    controls=(
        "multipliers 5 % smaller",
        "a step of the multipliers 5 % longer",
        "balanced gains cover every label",
        "the diagonal of the gains alone",
        "a mean recall 5 % larger",
        "diagonal gains that cover as much reach as much",
    ),
    parameters=Rounds,
)
def coverages_are_met_at_the_largest_mean_recall(study: Study, sizes: Rounds) -> Iterator[Check | Curves]:
    problems = [_known(sizes), *(_random(study, sizes, i) for i in range(1, sizes.problems))]
    trained = [_rounds(study, problem, sizes) for problem in problems]
    seen = np.stack([path for path, _ in trained], axis=1)
    within = Tolerance(
        np.max([off for _, off in trained]), "what as many steps again change, and every second node alone"
    )
    within += rounding(1000 * sizes.rounds, of="logits at edges, round after round")
    course = measured("coverages, round by round", seen, within=within, axes=("t", "problem", "label"))
    yield course.equals(lambda k: np.stack([_course(problem, sizes, k) for problem in problems], axis=1))
    late = np.stack([_course(problem, sizes, 1.05) for problem in problems], axis=1)
    yield course.control("a step of the multipliers 5 % longer").equals(late)
    yield from _at_the_end(study, problems, seen[-1], sizes, within)
    yield from _diagonal(study, sizes)
    first = problems[0]
    yield curves(coverages=seen[:, 0], predicted=_course(first, sizes, 1.0), least=first.least, value=first.value)


def _at_the_end(study: Study, problems: list[Bound], last: Array, sizes: Rounds, within: Tolerance) -> Iterator[Check]:
    left = np.array([_left(problem, sizes) for problem in problems])
    rest = Tolerance(left[:, None], "what the rounds have left, by their slowest eigenvalue") + within
    bound = np.array([problem.multipliers > 0 for problem in problems])
    least = np.array([[problem.least] for problem in problems])
    short = measured("coverages of bound labels", np.where(bound, last, least), within=rest, axes=("problem", "label"))
    yield short.equals(np.broadcast_to(least, last.shape))
    found, fewer, diagonal, off = (np.array(each) for each in zip(*(_at_optimum(study, p, sizes) for p in problems)))
    exact = Tolerance(off, "what as many steps again change, and every second node alone")
    mean = measured("mean recall at the optimum's multipliers", found, within=exact, axes=("problem",))
    values = np.array([problem.value for problem in problems])
    yield mean.equals(values)
    yield mean.control("a mean recall 5 % larger").equals(1.05 * values)
    for name, coverages in (("multipliers 5 % smaller", fewer), ("the diagonal of the gains alone", diagonal)):
        wrong = measured("coverages of bound labels", np.where(bound, coverages, least), within=within)
        yield wrong.control(name).equals(np.broadcast_to(least, last.shape))
    balanced = np.array([theory.coverage(problem.classes, 0 * problem.multipliers) for problem in problems])
    free = measured("coverage of balanced gains", balanced.min(-1), within=within, axes=("problem",))
    yield free.control("balanced gains cover every label").at_least(least[:, 0])


def _at_optimum(study: Study, problem: Bound, sizes: Rounds) -> tuple[float, Array, Array, float]:
    """Mean recall trained there; coverages with smaller multipliers, and with the diagonal of the gains; and errors."""
    classes = problem.classes
    x = nodes_of(classes, CLOSE)

    def trained(G: Array) -> tuple[Array, float]:
        return _confusion(study, classes, x, G, np.zeros((len(x), classes.K)), 5 * sizes.steps)[1:]

    there, off = trained(theory.gain_matrix(classes, problem.multipliers))
    fewer, _ = trained(theory.gain_matrix(classes, 0.95 * problem.multipliers))
    diagonal, _ = trained(np.diag(np.diag(theory.gain_matrix(classes, problem.multipliers))))
    return np.diag(there).mean(), classes.priors @ fewer, classes.priors @ diagonal, float(off + 1e-12)


def _left(problem: Bound, sizes: Rounds) -> float:
    """How far coverages still are, to first order: twice what the slowest eigenvalue leaves of the multipliers."""
    eigenvalues = problem.spectrum
    slowest = np.abs(1 - sizes.step * 2 * eigenvalues / eigenvalues[-1]).max()
    return float(2 * eigenvalues[-1] * np.linalg.norm(problem.multipliers) * slowest**sizes.rounds)


def _course(problem: Bound, sizes: Rounds, k: float) -> Array:
    step = k * sizes.step * 2 / problem.spectrum[-1]
    path = theory.dual_descent(problem.classes, problem.least, float(step), sizes.rounds)
    return np.array([theory.coverage(problem.classes, lam) for lam in path])


def _rounds(study: Study, problem: Bound, sizes: Rounds) -> tuple[Array, float]:
    """Coverages (rounds + 1, K) after each round of training, and what they may be off by."""
    classes = problem.classes
    x, s = nodes_of(classes, CLOSE), None
    method = LeastCoverage(torch.tensor(classes.priors), problem.least, float(sizes.step * 2 / problem.spectrum[-1]))
    found, off = [], 0.0
    for turn in range(sizes.rounds + 1):
        start = np.zeros((len(x), classes.K)) if s is None else s
        steps = sizes.steps if turn else 5 * sizes.steps
        s, confusion, error = _confusion(study, classes, x, method.gains.numpy(), start, steps)
        found.append(classes.priors @ confusion)
        off = max(off, error)
        method.update(torch.tensor(found[-1]))
    return np.array(found), off


def _confusion(
    study: Study, classes: Classes, x: Array, G: Array, start: Array, steps: int
) -> tuple[Array, Array, float]:
    """Logits after twice as many steps, their confusion matrix, and what that may be off by."""
    loss, eta = hybrid(study, G), torch.tensor(classes.posteriors(x), device=study.device)
    rate = (2 / (eta @ loss.M).sum(-1)).cpu().numpy()
    trainee = Trainee(study, lambda state: loss(state["s"], eta), {"s": start}, observe=lambda state: {"s": state["s"]})
    half, whole = trainee.train(learning_rate=rate, steps=2 * steps, record=[steps, 2 * steps])["s"]
    confusion, before, coarse = (
        confusion_of(classes, nodes, each) for nodes, each in ((x, whole), (x, half), (x[::2], whole[::2]))
    )
    off = np.abs(confusion - before).max() + np.abs(confusion - coarse).max()
    return whole, confusion, float(off)


def _diagonal(study: Study, sizes: Rounds) -> Iterator[Check]:
    """Three classes whose best rule predicts the last label in two places: no diagonal gains have such a rule."""
    classes = Classes(np.array([-1.2, 0.0, 1.1]), np.array([0.6, 0.3, 0.1]))
    problem, x = Bound(classes, sizes.least / 3), nodes_of(classes, CLOSE)
    # Diagonal gains a / pi have ordered intervals, and coverages of the optimum leave two edges no choice.
    wanted = np.cumsum(theory.coverage(classes, problem.multipliers))[:-1]
    edges = np.array([brentq(lambda e, p=p: classes.priors @ norm.cdf(e, classes.means, 1) - p, -9, 9) for p in wanted])
    middle = (classes.means[1:] + classes.means[:-1]) / 2
    a = np.exp(np.concatenate([[0], np.cumsum((middle - edges) * np.diff(classes.means))]))
    zero = np.zeros((len(x), classes.K))
    _, confusion, off = _confusion(study, classes, x, np.diag(a / classes.priors), zero, 5 * sizes.steps)
    within = Tolerance(off + 1e-12, "what as many steps again change, and every second node alone")
    covered = measured("coverages of diagonal gains", classes.priors @ confusion, within=within, axes=("label",))
    yield covered.supporting().equals(theory.coverage(classes, problem.multipliers))
    mean = measured("mean recall of diagonal gains", np.diag(confusion).mean(), within=within)
    yield mean.control("diagonal gains that cover as much reach as much").at_least(problem.value)


def _known(sizes: Rounds) -> Bound:
    return Bound(Classes(np.array([0.0, 1.2, 2.9]), np.array([0.31, 0.58, 0.11])), sizes.least / 3)


def _random(study: Study, sizes: Rounds, i: int) -> Bound:
    """Of several that whose dual is curved most evenly: there multipliers settle soon. No interval is short."""
    rng, drawn = study.rng("classes", i), []
    while len(drawn) < CANDIDATES:
        means = np.cumsum(rng.uniform(0.8, 2.0, 3))
        priors = 0.05 + rng.dirichlet(np.full(3, 3.0))
        try:
            each = Bound(Classes(means, priors / priors.sum()), sizes.least / 3)
        except InvalidArgument:  # an interval as good as vanishes at the optimum, or no label is bound
            continue
        edges, _ = theory.rule(each.classes, each.multipliers)
        if np.diff(edges).min(initial=9.0) > SHORTEST:
            drawn.append(each)
    return max(drawn, key=lambda b: b.spectrum[0] / b.spectrum[-1])
