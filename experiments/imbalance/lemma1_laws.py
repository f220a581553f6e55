"""By how much Lemma 1 holds: its probability of failure at the least width, and its laws as the width grows."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy import stats

from experiments.imbalance.quantiles import with_probability
from experiments.imbalance.wide_networks import DELTA
from theory.claims import Check, Estimated, Measured, Study, Tolerance, exactly, measured, rate, samples
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.imbalance import convergence, wide_starts, width
from theory.imbalance.compression import Compressed, gaussian_compressed
from theory.imbalance.problem import fan_in_scale

WIDE, EXPONENT = 10**14, 0.4  # so wide that what is left of the limits' corrections, of order h^(-1/2), is 1e-7
SIZES = (1, 2, 3, 10, 200)  # of m, r and D - r at which the lemma is proved
DELTAS = (1e-9, 1e-4, 0.05, 0.2, 0.3, 0.35, 0.4, 0.6, 0.99)
MANY = 150  # starts with D or r >> 1
BELOW = 0.77  # of delta: the largest probability of failure that the bound leaves


def proved() -> Iterator[Check]:
    """The lemma with the printed s, at every size tried and for every delta: `wide_starts.failure_bound`."""
    cases = list(product(SIZES, SIZES, SIZES, DELTAS))
    over_delta = np.array([_failure(m, r, r + unseen, 16.0, delta) / delta for m, r, unseen, delta in cases])
    because = exactly("Davidson & Szarek at m + r rows, chi^2 given these; no step of the printed proof")
    yield measured("failure at 16 s^2 over delta, at most", over_delta, within=because).supporting().at_most(BELOW)
    narrow = measured("failure at 5 s^2 over delta", _failure(1, 2, 3, 5.0, 0.3) / 0.3, within=because)
    yield narrow.control("failure at 5 s^2").at_most(1)


def _failure(m: int, r: int, D: int, widths: float, delta: float) -> float:
    """Bound on the probability of failure at h = `widths` s^2."""
    s = float(np.sqrt(m + D) + np.log(2 / delta) / 2)
    return wide_starts.failure_bound(m, r, D, widths * s**2, s)


def in_the_limit(study: Study, problem: Regression, s: float, draws: int) -> Iterator[Check]:
    """Overlap, product and c of starts of width 10^14, in units of their bounds."""
    drawn = _wide(problem, study.rng("limit"), draws)
    unit = WIDE ** (2 * EXPONENT - 0.5)
    overlap, product_of = unit * _overlap(drawn), unit * _product(drawn)
    degrees, entries = wide_starts.overlap_degrees(problem), wide_starts.product_degrees(problem)
    because = "as h grows, U2 is seen by m + r orthogonal rows of one length"
    squared = samples("overlap^2 h^(4a - 1)", overlap**2, because=because)
    yield squared.follow(stats.chi2(degrees))
    fewer = squared.control("limit of the overlap, one row of U2 fewer")
    yield fewer.follow(stats.chi2(degrees - problem.m - problem.r))
    because = "as h grows, r m independent normal entries"
    squared = samples("|U1 V^T|^2 h^(4a - 1)", product_of**2, because=because)
    yield squared.follow(stats.chi2(entries))
    larger = samples("|U1 V^T|^2 of a scale 5 % larger", product_of**2 * 1.05**2, because=because)
    yield larger.control("limit of the product, scale 5 % larger").follow(stats.chi2(entries))
    shares = overlap / unit / width.overlap_bound(problem, WIDE, EXPONENT, s)
    yield _mean("overlap over its bound", shares).equals(wide_starts.overlap_share(problem, s))
    shares = product_of / unit / width.product_bound(problem, WIDE, EXPONENT, s)
    yield _mean("product over its bound", shares).equals(wide_starts.product_share(problem, s))
    level = convergence.imbalance_level(drawn.problem, drawn.network) / width.imbalance_level_bound(WIDE, EXPONENT)
    within = Tolerance(40 * (problem.m + problem.r) / np.sqrt(WIDE), "fluctuations of order h^(-1/2), forty times over")
    limit = measured("c / h^(1 - 2a)", level, within=within, axes=("run",))
    yield limit.equals(2.0)
    yield limit.control("limit of c, 2 of them 5 % smaller").equals(1.9)


def nearly_half_of_the_bounds(study: Study) -> Iterator[Check]:
    """D >> m and r >> 1: most starts reach all but half of what (18) and (19) allow."""
    problem, s, drawn = _large(study, "overlap", 2000, 1, 2)
    shares = _overlap(drawn) / width.overlap_bound(problem, WIDE, EXPONENT, s)
    yield _mean("overlap over its bound, D = 2000", shares).equals(wide_starts.overlap_share(problem, s))
    yield _most("overlap", 2 / 0.9 * shares).control("0.9 in place of 2 in (18), D >> m").at_most(1.0)
    problem, s, drawn = _large(study, "product", 101, 100, 20)
    shares = _product(drawn) / width.product_bound(problem, WIDE, EXPONENT, s)
    yield _mean("product over its bound, r = 100", shares).equals(wide_starts.product_share(problem, s))
    yield _most("product", 2 / 0.7 * shares).control("0.7 in place of 2 in (19), r >> 1").at_most(1.0)


def _large(study: Study, name: str, D: int, r: int, m: int) -> tuple[Regression, float, Compressed]:
    problem = random_regression(study.rng(name), D=D, n=r, m=m, singular_values=np.linspace(1.1, 0.9, r))
    return problem, width.printed_deviation(problem, DELTA), _wide(problem, study.rng(name, "starts"), MANY)


def _most(name: str, ratios: Array) -> Measured:
    return with_probability(0.5, f"{name} over a smaller bound", ratios, because="what most of the starts keep")


def _wide(problem: Regression, rng: np.random.Generator, runs: int) -> Compressed:
    scale = fan_in_scale(WIDE, EXPONENT)
    return gaussian_compressed(problem, WIDE, rng, scales=(scale, scale), runs=runs)


def _overlap(drawn: Compressed) -> Array:
    """|[V U2^T; U1 U2^T]|_F (runs,)."""
    rows = np.concatenate([drawn.network.V, drawn.network.U], axis=-2)
    return np.asarray(np.linalg.norm(rows @ drawn.frozen.mT, axis=(-2, -1)))


def _product(drawn: Compressed) -> Array:
    """|U1 V^T|_F (runs,)."""
    return np.asarray(np.linalg.norm(drawn.network.end_to_end, axis=(-2, -1)))


def _mean(name: str, ratios: Array) -> Estimated:
    return rate(f"mean {name}", mean(ratios))
