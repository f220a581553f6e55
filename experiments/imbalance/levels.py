"""The levels of imbalance of the paper's starts, against the law they are drawn from; and where its Figure 3 ends."""

from collections.abc import Iterator, Sequence

from theory.claims import Check, Measured, Study, Tolerance, by_chance, measured
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.imbalance import convergence
from theory.imbalance.compression import compressed_problem, gaussian_compressed
from theory.imbalance.problem import Network

LEGEND = (0.2, 0.05)  # of the third start in the paper's Figure 2; its Appendix A has (0.05, 0.2)
DEVIATIONS = 7.0  # of one draw from its mean that are allowed
END = 0.02  # where the balanced curve of the paper's Figure 3 ends, read off


def levels_follow_their_law(
    study: Study, problem: Regression, network: Network, scales: Sequence[tuple[float, float]]
) -> Iterator[Check]:
    """The level c of each start (a run each) beside the mean of its law, from draws that need no array of its width."""
    because = f"{DEVIATIONS:g} standard deviations of one draw, whose law is nearly normal, a little skew"
    for level, pair in zip(convergence.imbalance_level(problem, network), scales):
        drawn = _drawn(study, problem, network.h, pair)
        within = Tolerance(DEVIATIONS * drawn.std(ddof=1), because, significance=SIGNIFICANCE)
        yield _level(pair, level, within).supporting().equals(drawn.mean())
    law, legend = mean(drawn), mean(_drawn(study, problem, network.h, LEGEND))
    third = _level(scales[-1], law.value, by_chance(law) + by_chance(legend))
    yield third.control("level of the scales in the legend of Figure 2").equals(legend.value)


def ends_as_in_the_paper(study: Study, loss: Array) -> Iterator[Check]:
    """The balanced start's loss, in the paper's units, at the end of its Figure 3."""
    if study.pick(smoke=False, quick=True, paper=True):
        because = "read off the paper's figure; both are draws, of a loss that spreads like a chi^2 of n = 100 does"
        within = Tolerance(0.75 * END, because, significance=1e-5)
        end = measured("loss at the end", loss[-1], within=within, case="balanced start")
        yield end.supporting().equals(END)


def _drawn(study: Study, problem: Regression, h: int, scales: tuple[float, float]) -> Array:
    """Levels c of Gaussian weights of these scales, (runs,)."""
    runs = study.pick(smoke=1000, quick=1000, paper=4000)
    drawn = gaussian_compressed(compressed_problem(problem), h, study.rng("level", *scales), scales=scales, runs=runs)
    return convergence.imbalance_level(drawn.problem, drawn.network)


def _level(scales: tuple[float, float], level: float, within: Tolerance) -> Measured:
    return measured("level of the imbalance", level, within=within, case=f"scales {scales[0]:g}, {scales[1]:g}")
