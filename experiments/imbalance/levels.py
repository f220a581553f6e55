"""The levels of imbalance of the paper's starts, against the law they are drawn from; and where its Figure 3 ends."""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from experiments.imbalance.appendix_a1 import AppendixA1
from theory.claims import Check, Measured, Study, Tolerance, by_chance, measured
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.imbalance import convergence
from theory.imbalance.compression import compressed_problem, gaussian_compressed
from theory.imbalance.problem import Network, gaussian

APPENDIX, LEGEND = (0.05, 0.2), (0.2, 0.05)  # of Appendix A's third start, and exchanged, as in Figure 2's legend
DEVIATIONS = 7.0  # of one draw from its mean that are allowed, at least
END = 0.02  # where the balanced curve of the paper's Figure 3 ends, read off


def levels_follow_their_law(study: Study, problem: Regression, network: Network, sizes: AppendixA1) -> Iterator[Check]:
    """The level c of each start (a run each) beside the mean of its law, from draws that need no array of its width."""
    pairs = dict.fromkeys([*sizes.pairs, APPENDIX, LEGEND])
    draws = {pair: _drawn(study, problem, sizes, pair) for pair in pairs}
    for run, (level, pair) in enumerate(zip(convergence.imbalance_level(problem, network), sizes.pairs)):
        drawn = draws[pair]
        deviations = max(DEVIATIONS, _deviations(drawn))
        because = f"{deviations:g} standard deviations of one draw, whose law is nearly normal, a little skew"
        rounded = EPS * sizes.width * (pair[0] ** 2 + pair[1] ** 2)
        within = Tolerance(max(deviations * drawn.std(ddof=1), rounded), because, significance=SIGNIFICANCE)
        case = "" if pair not in sizes.pairs[:run] else f", start {run}"
        yield _level(pair, level, within, case).supporting().equals(drawn.mean())
    law, legend = (mean(draws[pair]) for pair in (APPENDIX, LEGEND))
    third = _level(APPENDIX, law.value, by_chance(law) + by_chance(legend))
    yield third.control("level of the scales in the legend of Figure 2").equals(legend.value)


def ends_as_in_the_paper(loss: Array) -> Check:
    """The balanced start's loss, in the paper's units, at the end of its Figure 3."""
    because = "read off the paper's figure; both are draws, of a loss that spreads like a chi^2 of n = 100 does"
    within = Tolerance(0.75 * END, because, significance=1e-5)
    return measured("loss at the end", loss[-1], within=within, case="balanced start").supporting().equals(END)


def _drawn(study: Study, problem: Regression, sizes: AppendixA1, scales: tuple[float, float]) -> Array:
    """Levels c of Gaussian weights of these scales, (runs,)."""
    h, runs = sizes.width, sizes.draws
    rng, small = study.rng("level", *scales), compressed_problem(problem)
    if h >= problem.m + problem.r:
        return convergence.imbalance_level(small, gaussian_compressed(small, h, rng, scales=scales, runs=runs).network)
    return convergence.imbalance_level(small, gaussian(small, h, rng, scales=scales, runs=runs))


def _deviations(drawn: Array) -> float:
    """How many a law as skew as this may be from its mean, at `SIGNIFICANCE`: Pearson's third."""
    skewness = float(np.nan_to_num(stats.skew(drawn)))
    return float(stats.pearson3(abs(skewness)).isf(SIGNIFICANCE))


def _level(scales: tuple[float, float], level: float, within: Tolerance, case: str = "") -> Measured:
    case = f"scales {scales[0]:g}, {scales[1]:g}{case}"
    return measured("level of the imbalance", level, within=within, case=case)
