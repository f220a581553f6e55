"""Corollary 5: a start near enough to the target has a rate, whatever its imbalance."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.min2022.problems import algebra, rate_of, tight
from theory.claims import Check, Study, claim, exactly, measured
from theory.core.regression import Regression, random_regression
from theory.imbalance import tighter_rate, wide_limit
from theory.imbalance.convergence import convergence_rate
from theory.imbalance.problem import Network, coordinates, orthogonal_rows


@claim(
    "min2022.corollary5",
    source="Min et al. 2022, Corollary 5; the value at balanced starts is ours",
    statement=r"\sigma_{\min(r, m)}(\tilde y) > |E|_F \Rightarrow c > 0,\quad \Lambda = 0 \Rightarrow c = 2 (\mu_m + "
    r"\mu_r)",
    hypotheses=("any imbalance", "a positive margin"),
    theory_side="bound",
    controls=("no margin: U1 V^T = 0 gains nothing", "balanced start, margin 5% larger"),
)
def margin_is_enough(study: Study) -> Iterator[Check]:
    yield from _balanced(study)
    problem, network = tight(study, "gain", S=(1.5, 1.5), m=2, products=(2.0, 1.2), above=0.3, below=0.2)
    name = "Theorem 3 over Theorem 1 of 2021"
    ratio = tighter_rate.margin_rate(problem, coordinates(problem, network)) / convergence_rate(problem, network)
    warm = measured(name, ratio, within=exactly("a tight case of known gain 4.9"), case="warm start")
    yield warm.at_least(2.0)
    start = orthogonal_rows(problem, np.array([0.7, 0.6]), np.array([0.5, 0.4]), study.rng("no margin"), 6)
    ratio = tighter_rate.margin_rate(problem, coordinates(problem, start)) / convergence_rate(problem, start)
    cold = measured(name, ratio, within=exactly("the margin of U1 V^T = 0 is 0"))
    yield cold.control("no margin: U1 V^T = 0 gains nothing").at_least(2.0)


def _balanced(study: Study) -> Iterator[Check]:
    """Lambda = 0 and U1 V^T at 95 % of its limit: Theorem 1 of 2021 promises nothing here."""
    rng = study.rng("balanced")
    left, right = (np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2))
    X = random_regression(rng, D=4, n=2, m=2, singular_values=np.array([1.3, 1.2])).X
    problem = Regression(X, left * np.array([1.5, 1.1]) @ right)  # sigma_2(y~) far above |E|, whatever the draw
    a, sigma, bT = np.linalg.svd(0.95 * wide_limit.limit(problem))
    network = Network((problem.Phi1 @ (a * np.sqrt(sigma)))[None], (bT.T * np.sqrt(sigma))[None])
    Z, (rate, slack) = coordinates(problem, network), rate_of(study, problem, network)
    promised = tighter_rate.margin_rate(problem, Z)
    margins = sum(tighter_rate.margin(problem, Z, k) for k in (problem.m, problem.r))
    yield measured("rate of the loss", rate, within=algebra(slack), case="balanced start").at_least(promised)
    level = measured("Theorem 3's rate", promised, within=algebra(slack), case="balanced start")
    yield level.equals(2 * problem.S[-1] ** 2 * margins)
    yield level.control("balanced start, margin 5% larger").equals(2 * problem.S[-1] ** 2 * 1.05 * margins)
