"""Five dynamics of sizes and directions, trained: each is on its own flow."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.homogeneous.networks import all_directions
from experiments.homogeneous.predictions import departing, in_time
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.trainees import EXAMPLES, RUNS, SOLVER, STEPS, flows, refined, trainee, turned
from experiments.homogeneous.turning import turned_by
from experiments.training import extrapolated, tends_to
from theory.claims import RECONSTRUCTED, Check, Curves, Study, claim, curves, varies
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, Polar, log_slope, polar

HORIZON = 1.0
SINGLE = 1.1  # size of a single layer


@dataclass(frozen=True)
class Sizes:
    """Of a network of two layers and of one of a single layer, and of their trainings."""

    inputs: int = varies("entries of an example", 3, low=2, high=50)
    width: int = varies("of the hidden layer", 3, low=2, high=50)
    scales: tuple[float, ...] = varies("sizes of the layers at the start", (1.2, 0.8), low=0.7, high=2)
    vector: float = varies(
        "|v_k| of weight normalisation, c, away from 1 so that its place in the formulas shows", 1.3, low=0.5, high=3
    )
    examples: int = EXAMPLES()
    single: int = varies("networks of a single layer, on one more input: how many sizes", 1, smoke=0, low=0, high=1)
    runs: int = RUNS(4, smoke=2, paper=16)
    steps: int = STEPS(96, smoke=64, paper=512)

    def __post_init__(self) -> None:
        if len(self.scales) != 2:
            reject("scales", self.scales, "two numbers, of the two layers")
        if max(self.scales) > 2 * min(self.scales):
            reject("scales", self.scales, "one at most twice the other: the flow may take a small layer through 0")

    def networks(self) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
        """Widths and sizes of each."""
        deep = (self.inputs, self.width, 1), self.scales
        return [deep, ((self.inputs + 1, 1), (SINGLE,))][: 1 + self.single]


@claim(
    "banburski2019.five_dynamics",
    source="Banburski et al. 2019 (content: unconstrained descent, Lagrange multiplier, tangent gradient, weight "
    "normalisation have similar dynamics); the exponential one ours",
    source_kind=RECONSTRUCTED,
    statement=r"\dot\rho_k = r_k A,\ \dot V_k = a_k B_k:\quad (r_k, a_k) = "
    r"\Big(\tfrac{\rho}{\rho_k}, \tfrac{\rho}{\rho_k^2}\Big)^{GF},\ (0, \rho)^{LM},\ "
    r"\Big(0, \tfrac{\rho}{\rho_k^2}\Big)^{TG},\ \Big(\tfrac{\rho}{\rho_k}, \tfrac{\rho}{c^2}\Big)^{WN},\ "
    r"\Big(\rho \rho_k, \tfrac{\rho}{c^2}\Big)^{EWN}",
    hypotheses=(
        "network homogeneous of degree 1 in each layer rho_k V_k, |V_k| = 1, rho = prod_k rho_k",
        "A and B_k, the forces on sizes and directions, as in banburski2019.decomposition",
        "GF gradient flow of the layers; LM of V_k with multipliers that keep |V_k| = 1; TG its part along the spheres",
        "WN of g_k and v_k, layers g_k v_k / |v_k| with |v_k| = c; EWN of log g_k and v_k",
        "any loss of the margins; here the logarithm of the exponential loss",
    ),
    theory_side="ODE",
    controls=("|v| of weight normalisation 5 % larger", "sizes of the exponential on the flow of the linear gains"),
    parameters=Sizes,
)
def each_is_on_its_flow(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    for widths, scales in sizes.networks():
        rng = study.rng("flows", len(scales))
        examples = unit_examples(rng, sizes.examples, widths[0])
        W = sized_layers(rng, widths, scales, sizes.runs)
        for name in flows():
            yield from _on_its_flow(study, sizes, name, examples, W)


def _on_its_flow(study: Study, sizes: Sizes, name: str, examples: Examples, W: Layers) -> Iterator[Check | Curves]:
    start, case, c = polar(W), f"depth {len(W)}, {name}", sizes.vector
    horizon = _horizon(name, examples, start)
    t = np.linspace(0, horizon, 9)
    seen = refined(trainee(study, name, examples, W, c), horizon, sizes.steps)
    rho, turns = [state.rho for state in seen], turned(seen)

    def along(other: str, c: float = c) -> Trajectory:
        return dynamics.flow(flows(c)[other], examples, start, t, log_slope)

    exact = along(name)
    yield from tends_to("directions", turns, in_time(t, all_directions(exact)), SOLVER, case=case)
    if name == "tangent gradient":
        free = along("gradient flow")["rho"] - start.rho
        yield from tends_to("change of the sizes", [each - start.rho for each in rho], departing(free), case=case)
    elif name != "Lagrange multiplier":  # whose sizes are not stepped at all
        yield from tends_to("sizes", rho, in_time(t, exact["rho"]), SOLVER, case=case)
    yield curves(case, t=t, trained=turned_by(turns[-1]), law=turned_by(all_directions(exact)))
    if case == "depth 2, weight normalisation":
        slower = extrapolated("directions", turns, SOLVER).control("|v| of weight normalisation 5 % larger")
        yield slower.equals(all_directions(along(name, 1.05 * c)))
    if case == "depth 2, exponential":
        other = extrapolated("sizes", rho, SOLVER).control("sizes of the exponential on the flow of the linear gains")
        yield other.equals(along("weight normalisation")["rho"])


def _horizon(name: str, examples: Examples, start: Polar) -> float:
    """Exponential normalisation blows up at last: six tenths of the time until which no run can, so that none has grown
    by more than 2.5."""
    return 0.6 * float(dynamics.finite_until(examples, start).min()) if name == "exponential" else HORIZON
