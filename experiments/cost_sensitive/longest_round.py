"""How long a step of the multipliers may be: recalls settle below 2 over an eigenvalue, and oscillate beyond."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.cost_sensitive.on_a_line import Regression, nodes_of, random_classes
from theory.claims import OURS, Check, Study, Tolerance, claim, measured, varies
from theory.core.arrays import Array
from theory.cost_sensitive.gaussian_classes import Classes, equaliser, sensitivity, spectrum

NEWTON, FIRST = 5, 14  # steps of training near a minimum, and from afar
AWAY = 1e-3  # of log lambda from the equaliser


@dataclass(frozen=True)
class Rounds:
    """Of Gaussian classes on a line, and of rounds of training near the equaliser."""

    classes: int = varies("K", 3, low=2, high=5)
    problems: int = varies("random sets of classes", 3, smoke=1, low=1, high=30)
    rounds: int = varies("of training", 8, smoke=5, low=2, high=20)
    beyond: float = varies("steps are this share longer, and shorter, than the longest", 0.1, low=0.02, high=0.4)


@claim(
    "cost_sensitive.longest_round",
    source="ours, on the algorithm of Narasimhan & Menon 2021 (arXiv 2107.04641) for the worst case",
    source_kind=OURS,
    statement=r"\lambda_i \leftarrow \lambda_i e^{\omega (1 - r_i(\lambda))} / Z,\ "
    r"r_i = P(F_\lambda(x) = i \mid y = i),\ J_{ij} = \frac{\partial r_i}{\partial \log \lambda_j},\ \sum_j J_{ij} = 0:"
    r"\quad \log\lambda - \log\lambda^* \mapsto (I - \omega J)(\log\lambda - \log\lambda^*)\ \text{to first order},"
    r"\quad \lambda \to \lambda^*\ \text{nearby} \iff \omega < \frac{2}{\mu_{\max}(J)};\quad"
    r" J_{ik} = -\frac{\sigma\, \varphi((t_{ik} - \mu_i) / \sigma)}{|\mu_k - \mu_i|}",
    hypotheses=(
        "classes N(mu_i, sigma^2) on a line, t_ik the edge between the intervals of neighbouring labels i and k",
        "recalls of the logit-adjusted loss at its minimum, known exactly; phi the standard normal density",
        "lambda* the equaliser; multipliers that differ by a factor are one",
    ),
    theory_side="closed form",
    controls=("it settles beyond the longest step", "eigenvalues 5 % larger", "J without its edges' densities"),
    parameters=Rounds,
)
def multipliers_settle_below_two_over_an_eigenvalue(study: Study, sizes: Rounds) -> Iterator[Check]:
    found, predicted, flat, off, growth, laws = [], [], [], 0.0, [], []
    for i in range(sizes.problems):
        classes = random_classes(study.rng("classes", i), sizes.classes, 1.0, 2.2)
        at = _Trained(study, classes)
        J, error = at.sensitivity()
        found.append(_eigenvalues(classes, J))
        predicted.append(spectrum(classes))
        off = max(off, error)
        densities = (equaliser(classes)[0] * np.sign(sensitivity(classes, equaliser(classes)[1]))) / 2
        flat.append(_eigenvalues(classes, densities - np.diag(densities.sum(1))))
        shares = (1 - sizes.beyond, 1 + sizes.beyond)
        longest = float(2 / predicted[-1][-1])
        growth.append([[at.growth(share * longest, sizes.rounds, AWAY / k) for k in (1, 2)] for share in shares])
        laws.append([abs(1 - 2 * share) ** sizes.rounds for share in shares])
    within = Tolerance(off, "what differences twice as long change, and the last step of Newton's")
    values = measured("eigenvalues of d recall / d log lambda", np.array(found), within=within, axes=("problem",))
    yield values.equals(np.array(predicted))
    yield values.control("eigenvalues 5 % larger").equals(1.05 * np.array(predicted))
    yield values.control("J without its edges' densities").equals(np.array(flat))
    near, half = np.moveaxis(np.array(growth), -1, 0)
    close = Tolerance(2 * np.abs(near - half).max(0) + 1e-6, "twice what a start half as far changes, largest of all")
    grown = measured("distance to the equaliser after the rounds, over that before", half, within=close,
                     axes=("problem", "step"))  # fmt: skip
    yield grown.equals(np.array(laws))
    last = measured("distance beyond the longest step", half[:, 1], within=Tolerance(0.0, "counted"))
    yield last.control("it settles beyond the longest step").at_most(1.0)


class _Trained:
    """Recalls of trained logits at multipliers near the equaliser's."""

    def __init__(self, study: Study, classes: Classes) -> None:
        self.classes = classes
        self.goal = equaliser(classes)[1]
        self.model = Regression(study, classes, nodes_of(classes))
        self.theta = self.model.trained(np.zeros(2 * classes.K), self._shift(self.goal), FIRST)[1]

    def _shift(self, log_a: Array) -> Array:
        return log_a - np.log(self.classes.priors)

    def recalls(self, log_a: Array) -> Array:
        return self.model.recalls(self.model.trained(self.theta, self._shift(log_a), NEWTON)[1])

    def sensitivity(self) -> tuple[Array, float]:
        """J by central differences, and what differences twice as long change, by the largest row."""

        def differences(h: float) -> Array:
            steps = h * np.eye(self.classes.K)
            columns = [(self.recalls(self.goal + e) - self.recalls(self.goal - e)) / (2 * h) for e in steps]
            return np.stack(columns, axis=1)

        J, longer = differences(AWAY), differences(2 * AWAY)
        return J, float(2 * np.abs(J - longer).sum(1).max() + 1e-9)

    def growth(self, step: float, rounds: int, away: float) -> float:
        """How far multipliers are after these rounds, over where they start: so far along the fastest eigenvector."""
        root = np.exp(self.goal / 2)
        J = root[:, None] * sensitivity(self.classes, self.goal) / root
        start = away * np.linalg.eigh((J + J.T) / 2)[1][:, -1] / root
        log_a = self.goal + start - start.mean()
        for _ in range(rounds):
            log_a = log_a + step * (1 - self.recalls(log_a))
        end = log_a - self.goal
        return float(np.linalg.norm(end - end.mean()) / np.linalg.norm(start - start.mean()))


def _eigenvalues(classes: Classes, J: Array) -> Array:
    """Increasing, without the 0 of a common factor."""
    return np.sort(np.linalg.eigvals(J).real)[1:]
