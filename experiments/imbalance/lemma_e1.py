"""Lemma E.1: how often a singular value of a Gaussian matrix leaves its interval."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.quantiles import with_probability
from theory.claims import AS_PRINTED, Check, Study, claim, exactly, measured
from theory.imbalance import width

FAR = 600.0  # where the tail of one Gaussian is exp(-180 000): its exponent is t^2 / 2 up to 2 t


@claim(
    "min2021.lemma_e1",
    source="Min et al. 2021, Lemma E.1",
    source_kind=AS_PRINTED,
    statement=r"\mathbb P\Big(\text{a singular value of } A \in \mathbb{R}^{n \times m} \text{ lies outside }"
    r" \big[\sqrt{n} - \sqrt{m} - t,\; \sqrt{n} + \sqrt{m} + t\big]\Big) \le 2 e^{-t^2/2}, \quad t \ge 0",
    hypotheses=("A has independent N(0, 1) entries",),
    theory_side="bound",
    controls=("tail 2 exp(-t^2)", "sqrt(m) 10 % smaller"),
)
def singular_values_of_gaussian_matrices_concentrate(study: Study) -> Iterator[Check]:
    t = np.append(np.linspace(0, 6, 61), np.geomspace(7, FAR, 20))
    known = exactly("n = m = 1, where the tail is known exactly")
    exponent = measured("-log of the tail of one Gaussian", -width.scalar_log_tail(t), within=known)
    yield exponent.at_least(lambda k: -width.log_tail(np.sqrt(k) * t))
    correction = "the tail is 2 exp(-t^2/2), hence s = sqrt(m + D) + sqrt(2 log(2/delta)) in Lemma 1"
    printed = exponent.misprint("tail 2 exp(-t^2)", correction=correction)
    yield printed.at_least(-width.printed_log_tail(t))
    yield from _large_matrices(study)


def _large_matrices(study: Study) -> Iterator[Check]:
    """A matrix large enough for its spectrum to fill the interval, at the t where the lemma allows one draw in two."""
    m, draws = study.pick(smoke=2000, quick=4000, paper=10_000), study.pick(smoke=60, quick=100, paper=200)
    n, t, rng = 4 * m, np.sqrt(2 * np.log(4)), study.rng("large matrices")
    extremes = np.array([width.extreme_singular_values(n, m, rng) for _ in range(draws)])
    furthest = np.abs(extremes - np.sqrt(n)).max(1)
    name, because = "distance from sqrt(n) over sqrt(m) + t", f"n = {n}, m = {m}, where 2 exp(-t^2/2) = 1/2"
    yield with_probability(0.5, name, furthest / (np.sqrt(m) + t), because=because).at_most(1.0)
    smaller = with_probability(0.5, name, furthest / (0.9 * np.sqrt(m) + t), because=because)
    yield smaller.control("sqrt(m) 10 % smaller").at_most(1.0)
