"""Lemma 1: wide Gaussian starts are imbalanced, and nearly orthogonal to what training does not see."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.wide_networks import DELTA, EXPONENTS
from theory.claims import Check, Study, claim, exactly, frequency, measured, rounding
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.imbalance import convergence, dynamics, invariant_set, width
from theory.imbalance.problem import Network, coordinates, fan_in_scale, gaussian

FEW = rounding(1e3, of="one number, a few operations")


@claim(
    "min2021.lemma1",
    source="Min et al. 2021, Lemma 1",
    statement=r"c > h^{1-2a},\quad \|[V U_2^\top; U_1 U_2^\top]\|_F \le 2\sqrt{m+r}\, s\, h^{1/2-2a},\quad"
    r" \|U_1 V^\top\|_F \le 2\sqrt{m}\, s\, h^{1/2-2a}\quad\text{with probability} \ge 1-\delta",
    hypotheses=("U, V iid N(0, h^{-2a})", "1/4 < a <= 1/2", "h > 16 s^2"),
    theory_side="bound",
    controls=(
        "width 24 in place of 16 s^2",
        "overlap bound 10 % smaller",
        "deviation with 1/2 log(2/delta)",
    ),
)
def wide_gaussian_starts_are_imbalanced(study: Study) -> Iterator[Check]:
    rng = study.rng("problem")
    problem = random_regression(rng, D=12, n=6, m=2, singular_values=np.array([1.5, 1.2, 1.0, 0.8]))
    s = width.deviation(problem, DELTA)
    h = int(width.lemma_width(s)) + 1
    draws = study.pick(smoke=300, quick=1000, paper=4000)
    for a in EXPONENTS:
        network = gaussian(problem, h, study.rng("draws", a), scales=(fan_in_scale(h, a),) * 2, runs=draws)
        kept = int(_events(problem, network, a, s).sum())
        because = "Lemma 1, its three inequalities at once"
        yield frequency(f"a = {a}", kept, draws, because=because).at_least(1 - DELTA)
    narrow = gaussian(problem, 24, study.rng("narrow"), scales=(fan_in_scale(24, 0.5),) * 2, runs=draws)
    kept = int(_events(problem, narrow, 0.5, s).sum())
    frequent = frequency("h = 24", kept, draws, because="Lemma 1 without its hypothesis on h")
    yield frequent.control("width 24 in place of 16 s^2").at_least(1 - DELTA)
    yield from _where_the_lemma_is_sharp(problem, h, s, rng)
    yield from _deviation_needed(problem, s)


def _events(problem: Regression, network: Network, exponent: float, s: float) -> Array:
    """Whether inequalities (17), (18) and (19) hold, for each draw."""
    level = convergence.imbalance_level(problem, network)
    V, U1 = dynamics.split(problem, coordinates(problem, network))
    product = np.linalg.norm(U1 @ V.mT, axis=(-2, -1))
    overlap = np.hypot(*invariant_set.leakage(problem, network))
    return (
        (level > width.imbalance_level_bound(network.h, exponent))
        & (overlap <= width.overlap_bound(problem, network.h, exponent, s))
        & (product <= width.product_bound(problem, network.h, exponent, s))
    )


def _where_the_lemma_is_sharp(problem: Regression, h: int, s: float, rng: np.random.Generator) -> Iterator[Check]:
    """The worst matrices the event allows attain each inequality, so that its constants are tested, not its slack."""
    a, size = 0.5, problem.m + problem.r
    within = rounding(1e3 * size, of="one small matrix: m + r of its squared norm, a thousand times over")
    seen, unseen = (h**-a * rows for rows in width.extreme_rows(h, s, size, rng))
    worst = Network(problem.Phi1 @ seen[problem.m :] + problem.Phi2[:, :size] @ unseen, seen[: problem.m])
    overlap = np.hypot(*invariant_set.leakage(problem, worst))
    bound = width.overlap_bound(problem, h, a, s)
    yield measured("inequality 18 is attained", overlap / bound, within=within).equals(1)
    smaller = measured("overlap", overlap, within=exactly("Lemma 1")).control("overlap bound 10 % smaller")
    yield smaller.at_most(0.9 * bound)
    hidden, output = (h**-a * rows for rows in width.extreme_rows(h, s, problem.m, rng))
    ratio = np.linalg.norm(hidden @ output.T) / width.product_bound(problem, h, a, s)
    yield measured("inequality 19 is attained", ratio, within=within).equals(1)
    for exponent in EXPONENTS:
        frame = np.linalg.qr(rng.standard_normal((h, size)))[0].T * (np.sqrt(h) - s) * h**-exponent
        ratio = convergence.level(problem, frame) / width.worst_imbalance_level(h, exponent, s)
        yield measured(f"worst c, a = {exponent}", ratio, within=within).equals(1)
        threshold = width.lemma_width(s)
        ratio = width.worst_imbalance_level(threshold, exponent, s) / width.imbalance_level_bound(threshold, exponent)
        yield measured(f"worst c at h = 16 s^2, a = {exponent}", ratio, within=within).equals(9 / 8)


def _deviation_needed(problem: Regression, s: float) -> Iterator[Check]:
    """What the proof takes from Lemma E.1: singular values of [V; U] outside sqrt(h) -+ s with probability delta."""
    yield measured("probability outside sqrt(h) -+ s", _outside(problem, s), within=FEW).equals(DELTA)
    # 1/2 log(2/delta) and sqrt(2 log(2/delta)) are equal there; above it the printed s is the smaller.
    small = 2 * np.exp(-8)
    leaves = _outside(problem, width.printed_deviation(problem, small))
    yield measured("with the printed s, delta = 2 exp(-8)", leaves, within=FEW).equals(small)
    leaves = _outside(problem, width.printed_deviation(problem, DELTA))
    printed = measured("probability outside sqrt(h) -+ s", leaves, within=exactly("what the proof needs of s"))
    correction = "s = sqrt(m + D) + sqrt(2 log(2/delta)); that the lemma fails with the printed s was not seen"
    yield printed.proof_step("deviation with 1/2 log(2/delta)", correction=correction).at_most(DELTA)


def _outside(problem: Regression, s: float) -> float:
    """What the tail allows for a singular value of [V; U] outside sqrt(h) -+ s."""
    return float(width.tail(s - np.sqrt(problem.m + problem.D)))
