"""Proposition 14: the bound of Proposition 1' is the exact rate of a start, on either side of r = m."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.imbalance.min2022.problems import B, algebra, attained_with_one_output, rate_of, tight
from theory.claims import AS_PRINTED, Check, Study, Tolerance, claim, measured, varies
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import convergence_rate
from theory.imbalance.problem import coordinates


@dataclass(frozen=True)
class Homogeneous:
    """A start with r = m = 2 whose imbalance has two eigenvalues, and its product two singular values."""

    product: float = varies("smallest singular value of U1 V^T", 1.2, low=0.01, high=2)
    above: float = varies("eigenvalue of Lambda above 0", 0.3, low=0.01, high=100)
    below: float = varies("eigenvalue of -Lambda above 0", 0.2, low=0.01, high=100)


@claim(
    "min2022.proposition14",
    source="Min et al. 2022, Proposition 14, for r != m; starts with r = m are ours",
    source_kind=AS_PRINTED,
    statement=r"\min_{U, V}\ -\tfrac{d}{dt} \log(L - L^*) = \lambda_r(\Sigma_x) B(\sigma_m(P), \sigma_r(P))"
    r"\quad\text{over all } U, V \text{ with this } \Lambda \text{ and } U_1 V^\top = P,\quad " + B,
    hypotheses=("a residual in the slowest direction",),
    theory_side="bound",
    controls=("bound 5% larger where it is attained", "gain with the product 5% larger"),
    parameters=Homogeneous,
)
def bound_is_the_rate_of_a_start(study: Study, sizes: Homogeneous) -> Iterator[Check]:
    starts = [attained_with_one_output(study)]
    for S, m in (((1.9, 1.5, 1.1), 2), ((1.6,), 3), ((1.8, 1.3), 4), ((1.7, 1.2), 2)):
        r = len(S)
        products, extra = np.linspace(1.5, 1.2, min(r, m)), np.linspace(0.7, 0.4, abs(r - m))
        sides = {"above": 4.0, "below": 0.2} if r > m else {}
        starts.append(tight(study, f"attained {r} {m}", S=S, m=m, products=products, extra=extra, **sides))
    for problem, network in starts:
        rate, slack = rate_of(study, problem, network)
        within = algebra(slack, "equality by construction")
        case = f"r = {problem.r}, m = {problem.m}"
        attained = measured("rate where the bound is attained", rate, within=within, case=case)
        bound = tighter_rate.product_rate(problem, coordinates(problem, network))
        yield attained.equals(bound)
        if (problem.r, problem.m) == (4, 1):
            yield attained.control("bound 5% larger where it is attained").equals(1.05 * bound)
    yield from _gain(study, sizes)


def _gain(study: Study, sizes: Homogeneous) -> Iterator[Check]:
    """How much better: at r = m with homogeneous imbalance Delta, c / (2 Delta) = sqrt(1 + 4 p^2 / Delta^2)."""
    above, below, product = sizes.above, sizes.below, sizes.product
    problem, network = tight(study, "gain", S=(1.5, 1.5), m=2, products=(2.0, product), above=above, below=below)
    rate, slack = rate_of(study, problem, network)
    earlier = convergence_rate(problem, network)
    within = Tolerance(2 * slack / earlier, "rounding of the rate and of the level of the imbalance")
    gain = measured("tightness: torch's rate over Theorem 1's of 2021", rate / earlier, within=within)
    yield gain.equals(np.sqrt(1 + 4 * product**2 / (above + below) ** 2))
    larger = np.sqrt(1 + 4 * (1.05 * product) ** 2 / (above + below) ** 2)
    yield gain.control("gain with the product 5% larger").equals(larger)
