"""How slowly gradient descent finds the max margin: like 1 / log t, with a constant that no start changes."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow import own_data
from experiments.shallow.late import SHARES, limit, settling_examples, trained_late
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, claim, curves, on_data
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, margin_gap
from theory.shallow import gradient_flow


@claim(
    "soudry2018.margin",
    source="Soudry et al. 2018 (JMLR 19), recalled: the rate of the margin, with the constant worked out",
    source_kind=RECONSTRUCTED,
    statement=r"w' = \textstyle\sum_i e^{-z_i \cdot w} z_i:"
    r"\quad \log t\,\left(\gamma^* - \min_i \tfrac{z_i \cdot w}{|w|}\right) \to"
    r" \frac{\log \alpha_{\max} - \sum_i p_i \log \alpha_i}{|\hat w|},\quad p = \alpha / \textstyle\sum \alpha",
    hypotheses=(
        "z_i = y_i x_i separable; w_hat = sum alpha_i z_i their max-margin classifier, of margin gamma* = 1 / |w_hat|",
        "alpha > 0 on all support vectors, which are linearly independent",
    ),
    theory_side="law",
    controls=(
        "smallest dual in place of the largest",
        "duals averaged without weights",
        "constant 10 % larger",
        "constant of unequal duals where all are equal",
    ),
    accepts_data="separable",
)
def margin_gap_does_not_depend_on_the_start(study: Study) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study)
    rng = study.rng("examples")
    problem, gap = _gap_from_many_starts(study, rng, SHARES, "log t x margin gap, many starts")
    constant = gradient_flow.margin_constant(problem)
    yield gap.equals(constant)
    alpha, scale = problem.duals[0], problem.margin[0]
    p = alpha / alpha.sum()
    smallest = (np.log(alpha.min()) - p @ np.log(alpha)) * scale
    yield gap.control("smallest dual in place of the largest").equals(smallest)
    unweighted = (np.log(alpha.max()) - np.log(alpha).mean()) * scale
    yield gap.control("duals averaged without weights").equals(unweighted)
    yield gap.control("constant 10 % larger").equals(1.1 * constant)
    name = "all duals equal: no gap of order 1 / log t"
    _, gap = _gap_from_many_starts(study, rng, np.full(3, 1 / 3), name)
    yield gap.equals(0, against=float(constant[0]))
    yield gap.control("constant of unequal duals where all are equal").equals(constant)


@on_data
def _on_own_data(study: Study) -> Iterator[Check | Curves]:
    """The flow to where it has settled, and training as far as time allows."""
    problem, rng = own_data.examples(study), study.rng("own data")
    w0 = own_data.starts(rng, problem.Z, study.pick(smoke=1, quick=3, paper=8))
    flow, constant = own_data.LateFlow(study, problem, w0), gradient_flow.margin_constant(problem)
    name, scaled = "log t x margin gap", flow.tau[:, None] * flow.margin_gaps()
    size = float(problem.margin)
    yield own_data.equals(own_data.limit(name, scaled, flow.off * size, case="own data, flow"), constant, size)
    run = own_data.trained(study, problem, w0, own_data.DOUBLINGS)
    if run is not None:
        gaps = run["tau"] * margin_gap(problem, run["w"])
        longest = np.linalg.norm(problem.Z, axis=-1).max()
        off = Tolerance(64 * EPS * longest * run["tau"].max(), "margins are known to roundings of the longest example")
        yield own_data.equals(own_data.limit(name, gaps, off, case="own data, training"), constant, size)
    yield curves("own data", log_times=flow.tau, scaled_gap=scaled, constant=constant)


def _gap_from_many_starts(
    study: Study, rng: np.random.Generator, shares: Array, name: str
) -> tuple[Separable, Measured]:
    """One problem with these duals for all starts, and the limit of log t x margin gap from each."""
    starts = study.pick(smoke=3, quick=8, paper=32)
    problem = Separable(np.repeat(settling_examples(rng, shares, 1).Z, starts, axis=0))
    late = trained_late(study, problem, rng.standard_normal((starts, 5)))
    return problem, limit(name, late["tau"] * margin_gap(problem, late["w"]))
