"""How slowly gradient descent finds the max margin: like 1 / log t, with a constant that no start changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.shallow import own_data
from experiments.shallow.late import Settling, limit, settling_examples, trained_late
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, claim, curves, on_data, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, margin_gap
from theory.core.validation import reject
from theory.shallow import gradient_flow

UNEQUAL = 1.2  # the least ratio of the largest dual to the smallest: constants of equal ones are 0


@dataclass(frozen=True)
class Starts(Settling):
    runs: int = varies("starts", 8, smoke=3, paper=32, low=1, high=200)
    data_runs: int = varies("starts on own data", 3, smoke=1, paper=8, low=1, high=50)

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.shares) < UNEQUAL * min(self.shares):
            reject(
                "shares", self.shares, f"a largest at least {UNEQUAL} times the smallest: equal ones are judged besides"
            )


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
    parameters=Starts,
)
def margin_gap_does_not_depend_on_the_start(study: Study, sizes: Starts) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study, sizes)
    rng = study.rng("examples")
    problem, gap = _gap_from_many_starts(study, rng, sizes, sizes.distribution, "log t x margin gap, many starts")
    constant = gradient_flow.margin_constant(problem)
    yield gap.equals(constant)
    alpha, scale = problem.duals[0], problem.margin[0]
    p = alpha / alpha.sum()
    smallest = (np.log(alpha.min()) - p @ np.log(alpha)) * scale
    yield gap.control("smallest dual in place of the largest").equals(smallest)
    unweighted = (np.log(alpha.max()) - np.log(alpha).mean()) * scale
    yield gap.control("duals averaged without weights").equals(unweighted)
    yield gap.control("constant 10 % larger").equals(1.1 * constant)
    name, k = "all duals equal: no gap of order 1 / log t", len(sizes.shares)
    _, gap = _gap_from_many_starts(study, rng, sizes, np.full(k, 1 / k), name)
    yield gap.equals(0, against=float(constant[0]))
    yield gap.control("constant of unequal duals where all are equal").equals(constant)


@on_data
def _on_own_data(study: Study, sizes: Starts) -> Iterator[Check | Curves]:
    """The flow to where it has settled, and training as far as time allows."""
    problem, rng = own_data.examples(study), study.rng("own data")
    w0 = own_data.starts(rng, problem.Z, sizes.data_runs)
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
    study: Study, rng: np.random.Generator, sizes: Starts, shares: Array, name: str
) -> tuple[Separable, Measured]:
    """One problem with these duals for all starts, and the limit of log t x margin gap from each."""
    problem = Separable(np.repeat(settling_examples(rng, sizes, shares, 1).Z, sizes.runs, axis=0))
    late = trained_late(study, problem, rng.standard_normal((sizes.runs, sizes.inputs)))
    return problem, limit(name, late["tau"] * margin_gap(problem, late["w"]))
