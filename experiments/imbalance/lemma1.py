"""Lemma 1: wide Gaussian starts are imbalanced, and nearly orthogonal to what training does not see."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.imbalance.lemma1_laws import in_the_limit, nearly_half_of_the_bounds, proved
from experiments.imbalance.quantiles import fewest_draws, with_probability
from experiments.imbalance.wide_networks import DELTA, EXPONENTS
from theory.claims import AS_PRINTED, Check, Study, claim, exactly, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import convergence, dynamics, invariant_set, width
from theory.imbalance.problem import Network, coordinates, fan_in_scale, gaussian

RANK = 4  # of the data
NARROW = 2  # times m + r: a width at which all but a few starts are less imbalanced than the lemma says
ENTRIES = 5e7  # of all starts: about a minute
FEW = rounding(1e3, of="one number, a few operations")


@dataclass(frozen=True)
class Starts:
    """The draws, and the problem that looks at them: of rank 4."""

    exponents: tuple[float, ...] = varies("a of the scales h^(-a)", EXPONENTS, low=0.25, high=0.5, brackets="(]")
    delta: float = varies("probability with which the lemma may fail", DELTA, low=1e-9, high=0.3)
    draws: int = varies("starts of the least width", 1000, smoke=300, paper=4000, low=20, high=20_000)
    inputs: int = varies("columns of X, D", 12, low=9, high=40)
    outputs: int = varies("columns of Y, m", 2, low=1, high=10)
    limit_draws: int = varies(
        "starts so wide that the laws of the limit hold", 80_000, smoke=8000, low=4000, high=400_000
    )

    def __post_init__(self) -> None:
        if self.draws < fewest_draws(1 - self.delta):
            reject("draws", self.draws, f"at least {fewest_draws(1 - self.delta)} for delta = {self.delta:g}")
        if self.inputs < self.outputs + 2 * RANK:
            reject("inputs", self.inputs, f"at least outputs + 8 = {self.outputs + 2 * RANK}: room for the worst start")
        if len(set(self.exponents)) < len(self.exponents):
            reject("exponents", self.exponents, "different ones")


@claim(
    "min2021.lemma1",
    source="Min et al. 2021, Lemma 1, inequalities 17 to 19",
    source_kind=AS_PRINTED,
    statement=r"c > h^{1-2a},\quad \|[V U_2^\top; U_1 U_2^\top]\|_F \le 2\sqrt{m+r}\, s\, h^{1/2-2a},\quad"
    r" \|U_1 V^\top\|_F \le 2\sqrt{m}\, s\, h^{1/2-2a}\quad\text{with probability} \ge 1-\delta,"
    r"\quad s = \sqrt{m + D} + \tfrac12 \ln(2/\delta),\quad"
    r" c = [\lambda_r(\Lambda)]_+ + [\lambda_m(-\Lambda)]_+,\quad \Lambda = U_1^\top U_1 - V^\top V",
    hypotheses=(
        "U (D, h), V (m, h) iid N(0, h^{-2a}), U1 and U2 what X of rank r < D sees of U and what it does not",
        "1/4 < a <= 1/2",
        "h > 16 s^2",
    ),
    theory_side="bound",
    controls=(
        "width 2 (m + r) in place of 16 s^2",
        "overlap bound 5 % smaller",
        "deviation with 1/2 log(2/delta)",
        "failure at 5 s^2",
        "limit of the overlap, one row of U2 fewer",
        "limit of the product, scale 5 % larger",
        "limit of c, 2 of them 5 % smaller",
        "0.9 in place of 2 in (18), D >> m",
        "0.7 in place of 2 in (19), r >> 1",
    ),
    parameters=Starts,
)
def wide_gaussian_starts_are_imbalanced(study: Study, starts: Starts) -> Iterator[Check]:
    rng = study.rng("problem")
    singular_values = np.array([1.5, 1.2, 1.0, 0.8])
    problem = random_regression(rng, D=starts.inputs, n=6, m=starts.outputs, singular_values=singular_values)
    s, likely = width.printed_deviation(problem, starts.delta), 1 - starts.delta
    h, draws = int(width.lemma_width(s)) + 1, starts.draws
    if draws * (entries := (problem.D + problem.m) * h) > ENTRIES:
        reject("draws", draws, f"at most {ENTRIES / entries:.0f} of width {h}")
    name = "largest of three ratios to their bounds"
    unit = gaussian(problem, h, study.rng("starts"), runs=draws)
    drawn = [_over_bounds(problem, _scaled(unit, h, a), a, s) for a in starts.exponents]
    worst = [width.imbalance_level_bound(h, a) / width.worst_imbalance_level(h, a, s) for a in starts.exponents]
    because = "Lemma 1, its three inequalities at once, for each a; beside the draws the least c that the event allows"
    over_bounds = with_probability(likely, name, np.array(drawn), because=because, constructed=worst)
    roomy = "c > h^(1-2a) from 11.7 s^2 on: at 16 s^2 its worst start has 9/8 of that"
    yield over_bounds.within_factor(1.13, because=roomy).at_most(1.0)
    few = NARROW * (problem.m + problem.r)
    narrow = gaussian(problem, few, study.rng("narrow"), scales=(fan_in_scale(few, 0.5),) * 2, runs=draws)
    over_bounds = with_probability(likely, name, _over_bounds(problem, narrow, 0.5, s), because=because)
    yield over_bounds.control("width 2 (m + r) in place of 16 s^2").at_most(1.0)
    yield from _where_the_lemma_is_sharp(problem, h, s, rng, starts)
    yield from _deviation_needed(problem, width.deviation(problem, starts.delta), starts.delta)
    yield from proved()
    yield from in_the_limit(study, problem, s, starts.limit_draws)
    yield from nearly_half_of_the_bounds(study)


def _scaled(unit: Network, h: int, exponent: float) -> Network:
    """The same draws with the scale h^(-a)."""
    scale = fan_in_scale(h, exponent)
    return Network(scale * unit.U, scale * unit.V)


def _over_bounds(problem: Regression, network: Network, exponent: float, s: float) -> Array:
    """The largest ratio of inequalities (17), (18) and (19), at most 1 where all three hold, for each draw."""
    level = convergence.imbalance_level(problem, network)
    V, U1 = dynamics.split(problem, coordinates(problem, network))
    product = np.linalg.norm(U1 @ V.mT, axis=(-2, -1))
    overlap = np.hypot(*invariant_set.leakage(problem, network))
    with np.errstate(divide="ignore"):  # a level of 0 is infinitely far from its bound
        imbalanced = width.imbalance_level_bound(network.h, exponent) / level
    overlap /= width.overlap_bound(problem, network.h, exponent, s)
    product /= width.product_bound(problem, network.h, exponent, s)
    return np.maximum.reduce([imbalanced, overlap, product])


def _where_the_lemma_is_sharp(
    problem: Regression, h: int, s: float, rng: np.random.Generator, starts: Starts
) -> Iterator[Check]:
    """The worst matrices the event allows attain each inequality, so that its constants are tested, not its slack."""
    a, size = 0.5, problem.m + problem.r
    within = rounding(1e3 * size, of="one small matrix: m + r of its squared norm, a thousand times over")
    overlap = np.hypot(*invariant_set.leakage(problem, width.extreme_network(problem, h, a, s, rng)))
    bound = width.overlap_bound(problem, h, a, s)
    yield measured("inequality 18 is attained", overlap / bound, within=within).equals(1.0)
    smaller = measured("overlap", overlap, within=exactly("Lemma 1")).control("overlap bound 5 % smaller")
    yield smaller.at_most(0.95 * bound)
    hidden, output = (h**-a * rows for rows in width.extreme_rows(h, s, problem.m, rng))
    ratio = np.linalg.norm(hidden @ output.T) / width.product_bound(problem, h, a, s)
    yield measured("inequality 19 is attained", ratio, within=within).equals(1.0)
    for exponent in starts.exponents:
        frame = np.linalg.qr(rng.standard_normal((h, size)))[0].T * (np.sqrt(h) - s) * h**-exponent
        ratio = convergence.level(problem, frame) / width.worst_imbalance_level(h, exponent, s)
        yield measured(f"worst c, a = {exponent}", ratio, within=within).equals(1.0)
        threshold = width.lemma_width(s)
        ratio = width.worst_imbalance_level(threshold, exponent, s) / width.imbalance_level_bound(threshold, exponent)
        yield measured(f"worst c at h = 16 s^2, a = {exponent}", ratio, within=within).equals(9 / 8)


def _deviation_needed(problem: Regression, s: float, delta: float) -> Iterator[Check]:
    """What the proof takes from Lemma E.1: singular values of [V; U] outside sqrt(h) -+ s with probability delta."""
    yield measured("probability outside sqrt(h) -+ s", _outside(problem, s), within=FEW).equals(delta)
    # 1/2 log(2/delta) and sqrt(2 log(2/delta)) are equal there; above it the printed s is the smaller.
    small = 2 * np.exp(-8)
    leaves = _outside(problem, width.printed_deviation(problem, small))
    yield measured("with the printed s, delta = 2 exp(-8)", leaves, within=FEW).equals(small)
    leaves = _outside(problem, width.printed_deviation(problem, DELTA))
    printed = measured("probability outside sqrt(h) -+ s", leaves, within=exactly("what the proof needs of s"))
    correction = "the tail gives it for s = sqrt(m + D) + sqrt(2 log(2/delta)); the lemma holds with the printed s too"
    yield printed.proof_step("deviation with 1/2 log(2/delta)", correction=correction).at_most(DELTA)


def _outside(problem: Regression, s: float) -> float:
    """What the tail allows for a singular value of [V; U] outside sqrt(h) -+ s."""
    return float(width.tail(s - np.sqrt(problem.m + problem.D)))
