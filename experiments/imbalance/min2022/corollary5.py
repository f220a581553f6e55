"""Corollary 5: a start near enough to the target has a rate, whatever its imbalance."""

from collections.abc import Callable, Iterator

import numpy as np

from experiments.imbalance.loss_bounds import columns, over_bounds
from experiments.imbalance.min2022.problems import (
    C,
    States,
    algebra,
    bounded,
    random_states,
    rate_of,
    rounding_of_margins,
    tight,
    trained_at_its_rate,
)
from theory.claims import AS_PRINTED, Check, Study, Tolerance, claim, measured
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import convergence_rate
from theory.imbalance.problem import Network, coordinates, orthogonal_rows


@claim(
    "min2022.corollary5",
    source="Min et al. 2022, Corollary 5; the value at balanced starts is ours",
    source_kind=AS_PRINTED,
    statement=r"\sigma_{\min(r, m)}(\tilde y) > \|E\|_F \Rightarrow c > 0,\quad \Lambda = 0 \Rightarrow c = 2 (\mu_m + "
    rf"\mu_r),\quad {C}",
    hypotheses=("any imbalance", "a positive margin"),
    theory_side="bound",
    controls=(
        "a margin of the largest singular value",
        "balanced start, margin 5% larger",
        "balanced start, exponent 5% larger",
        "no margin: U1 V^T = 0 gains nothing",
    ),
    parameters=States,
)
def margin_is_enough(study: Study, sizes: States) -> Iterator[Check]:
    yield from _any_imbalance(study, sizes)
    yield from _balanced(study)
    yield from _gain(study)


def _any_imbalance(study: Study, sizes: States) -> Iterator[Check]:
    """c is positive wherever the margin is more than a thousandth of what it can be: below, c may round to 0."""
    states = list(random_states(study, sizes))
    within = Tolerance(0.25, "a count")
    without = measured("states with a margin and without a rate", _without_rate(states, np.minimum), within=within)
    yield without.equals(0)
    largest = measured("states without a rate", _without_rate(states, lambda r, m: 1), within=within)
    yield largest.control("a margin of the largest singular value").equals(0)


def _without_rate(states: list[tuple[Regression, Network]], index: Callable[..., Array]) -> int:
    """How many states with a margin of sigma_k(y~), k = index(r, m), have c <= 0."""
    margin, largest, rate = columns(
        (
            tighter_rate.margin(problem, Z := coordinates(problem, network), int(index(problem.r, problem.m))),
            np.linalg.norm(problem.targets, ord=2) / problem.S[0],
            tighter_rate.margin_rate(problem, Z),
        )
        for problem, network in states
    )
    return int(((margin > 1e-3 * largest) & (rate <= 0)).sum())


def _balanced(study: Study) -> Iterator[Check]:
    """Lambda = 0, where Theorem 1 of 2021 promises nothing; the rate is the one promised, or as good as that."""
    starts = {"r = m = 2": _short_of_its_limit(study, 0.95), "r = 2, m = 1": _far_from_white()}
    cells = [_rates(study, *start) for start in starts.values()]
    rate, slack, promised = columns(cells)
    yield measured("rate of the loss, balanced starts", rate, within=algebra(slack)).at_least(promised)
    for (case, (problem, network)), (_, slack, promised) in zip(starts.items(), cells):
        Z = coordinates(problem, network)
        margins = sum(tighter_rate.margin(problem, Z, k) for k in (problem.m, problem.r))
        level = measured("Theorem 3's rate, balanced start", promised, within=algebra(slack), case=case)
        yield level.equals(2 * problem.S[-1] ** 2 * margins)
    yield level.control("balanced start, margin 5% larger").equals(2 * problem.S[-1] ** 2 * 1.05 * margins)
    problem, network = _short_of_its_limit(study, 0.999)
    trained = bounded(problem, trained_at_its_rate(study, problem, network))
    over, bound = over_bounds("loss over Theorem 3's bound, balanced start", [trained])
    yield over.at_most(bound)
    yield over.control("balanced start, exponent 5% larger").at_most(bound(1.05))


def _short_of_its_limit(study: Study, share: float) -> tuple[Regression, Network]:
    """Sigma_x white, r = m = 2, and U1 V^T with its smallest singular value at this share of its limit."""
    rng = study.rng("balanced")
    left, right = (np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2))
    X = random_regression(rng, D=4, n=2, m=2, singular_values=np.array([1.25, 1.25])).X
    problem = Regression(X, left * np.array([1.5, 1.1]) @ right)
    a, sigma, bT = np.linalg.svd(problem.targets / problem.S[:, None])
    root = np.sqrt(sigma * np.array([1, share]))
    return problem, Network((problem.Phi1 @ (a * root))[None], (bT.T * root)[None])


def _far_from_white() -> tuple[Regression, Network]:
    """U1 V^T = 0.9 where X has the singular value 5, and a residual of 1e-4 where it has 1."""
    problem = Regression(np.diag([5.0, 1.0]), np.array([[5 * 0.9], [1e-4]]))
    return problem, Network(np.sqrt(0.9) * np.eye(2, 1)[None], np.sqrt(0.9) * np.ones((1, 1, 1)))


def _rates(study: Study, problem: Regression, network: Network) -> tuple[Array, Array, Array]:
    """The rate, what the two may be off by, and Theorem 3's rate."""
    Z, (rate, slack) = coordinates(problem, network), rate_of(study, problem, network)
    return rate, slack + rounding_of_margins(problem, Z).value, tighter_rate.margin_rate(problem, Z)


def _gain(study: Study) -> Iterator[Check]:
    """With homogeneous imbalance and sigma_min(U1 V^T) = p attained, c / (2 Delta) = sqrt(1 + 4 p^2 / Delta^2)."""
    above, below, p = 0.3, 0.2, 1.2
    problem, warm = tight(study, "gain", S=(1.5, 1.5), m=2, products=(2.0, p), above=above, below=below)
    cold = orthogonal_rows(problem, np.array([0.7, 0.6]), np.array([0.5, 0.4]), study.rng("no margin"), 6)
    gain = np.sqrt(1 + 4 * p**2 / (above + below) ** 2)
    for start, control in ((warm, ""), (cold, "no margin: U1 V^T = 0 gains nothing")):
        _, slack, promised = _rates(study, problem, start)
        earlier = convergence_rate(problem, start)
        within = Tolerance(2 * slack * promised / earlier**2, "rounding of the two rates")
        over = measured("Theorem 3 over Theorem 1 of 2021", promised / earlier, within=within)
        yield (over.control(control) if control else over).equals(gain)
