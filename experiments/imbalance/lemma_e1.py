"""Lemma E.1: how often a singular value of a Gaussian matrix leaves its interval."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.imbalance.quantiles import with_probability
from theory.claims import AS_PRINTED, Check, Study, claim, exactly, measured, varies
from theory.imbalance import width

ASPECT = 4  # rows over columns of the large matrices
FAR = 600.0  # where the tail of one Gaussian is exp(-180 000): its exponent is t^2 / 2 up to 2 t


@dataclass(frozen=True)
class Matrices:
    """Large enough for their spectrum to fill the interval: sqrt(m) / 10 has to exceed t = 1.67."""

    columns: int = varies("of the large matrices, m", 4000, smoke=2000, paper=10_000, low=1000, high=20_000)
    draws: int = varies(
        "matrices of which the extreme singular values are drawn", 100, smoke=60, paper=200, low=30, high=500
    )


@claim(
    "min2021.lemma_e1",
    source="Min et al. 2021, Lemma E.1",
    source_kind=AS_PRINTED,
    statement=r"\mathbb P\Big(\text{a singular value of } A \in \mathbb{R}^{n \times m} \text{ lies outside }"
    r" \big[\sqrt{n} - \sqrt{m} - t,\; \sqrt{n} + \sqrt{m} + t\big]\Big) \le 2 e^{-t^2/2}, \quad t \ge 0",
    hypotheses=("A has independent N(0, 1) entries",),
    theory_side="bound",
    controls=("tail 2 exp(-t^2)", "sqrt(m) 10 % smaller"),
    parameters=Matrices,
)
def singular_values_of_gaussian_matrices_concentrate(study: Study, sizes: Matrices) -> Iterator[Check]:
    t = np.append(np.linspace(0, 6, 61), np.geomspace(7, FAR, 20))
    known = exactly("n = m = 1, where the tail is known exactly")
    exponent = measured("-log of the tail of one Gaussian", -width.scalar_log_tail(t), within=known)
    yield exponent.at_least(lambda k: -width.log_tail(np.sqrt(k) * t))
    correction = "the tail is 2 exp(-t^2/2), hence s = sqrt(m + D) + sqrt(2 log(2/delta)) in Lemma 1"
    printed = exponent.misprint("tail 2 exp(-t^2)", correction=correction)
    yield printed.at_least(-width.printed_log_tail(t))
    yield from _large_matrices(study, sizes.columns, sizes.draws)


def _large_matrices(study: Study, m: int, draws: int) -> Iterator[Check]:
    """A matrix large enough for its spectrum to fill the interval, at the t where the lemma allows one draw in two."""
    n, t, rng = ASPECT * m, np.sqrt(2 * np.log(4)), study.rng("large matrices")
    extremes = np.array([width.extreme_singular_values(n, m, rng) for _ in range(draws)])
    furthest = np.abs(extremes - np.sqrt(n)).max(1)
    name, because = "distance from sqrt(n) over sqrt(m) + t", f"n = {n}, m = {m}, where 2 exp(-t^2/2) = 1/2"
    yield with_probability(0.5, name, furthest / (np.sqrt(m) + t), because=because).at_most(1.0)
    smaller = with_probability(0.5, name, furthest / (0.9 * np.sqrt(m) + t), because=because)
    yield smaller.control("sqrt(m) 10 % smaller").at_most(1.0)
