"""Five dynamics of sizes and directions, trained: each is on its own flow."""

from collections.abc import Iterator

import numpy as np

from experiments.homogeneous.networks import all_directions
from experiments.homogeneous.predictions import departing, in_time
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.trainees import SOLVER, flows, refined, trainee, turned
from experiments.training import extrapolated, tends_to
from theory.claims import RECONSTRUCTED, Check, Study, claim
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Examples, Polar, log_slope, polar

HORIZON = 1.0
C = 1.3  # |v_k| of weight normalisation, away from 1 so that its place in the formulas shows
DEEP, SINGLE = ((3, 3, 1), (1.2, 0.8)), ((4, 1), (1.1,))


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
)
def each_is_on_its_flow(study: Study) -> Iterator[Check]:
    for widths, sizes in study.pick(smoke=(DEEP,), quick=(DEEP, SINGLE), paper=(DEEP, SINGLE)):
        rng = study.rng("flows", len(sizes))
        examples = unit_examples(rng, 6, widths[0])
        W = sized_layers(rng, widths, sizes, study.pick(smoke=2, quick=4, paper=16))
        for name in flows():
            yield from _on_its_flow(study, name, examples, W)


def _on_its_flow(study: Study, name: str, examples: Examples, W: Layers) -> Iterator[Check]:
    start, case = polar(W), f"depth {len(W)}, {name}"
    horizon = _horizon(name, examples, start)
    t = np.linspace(0, horizon, 9)
    seen = refined(trainee(study, name, examples, W, C), horizon)
    rho, turns = [state.rho for state in seen], turned(seen)

    def along(other: str, c: float = C) -> Trajectory:
        return dynamics.flow(flows(c)[other], examples, start, t, log_slope)

    exact = along(name)
    yield from tends_to("directions", turns, in_time(t, all_directions(exact)), SOLVER, case=case)
    if name == "tangent gradient":
        free = along("gradient flow")["rho"] - start.rho
        yield from tends_to("change of the sizes", [each - start.rho for each in rho], departing(free), case=case)
    elif name != "Lagrange multiplier":  # whose sizes are not stepped at all
        yield from tends_to("sizes", rho, in_time(t, exact["rho"]), SOLVER, case=case)
    if case == "depth 2, weight normalisation":
        slower = extrapolated("directions", turns, SOLVER).control("|v| of weight normalisation 5 % larger")
        yield slower.equals(all_directions(along(name, 1.05 * C)))
    if case == "depth 2, exponential":
        other = extrapolated("sizes", rho, SOLVER).control("sizes of the exponential on the flow of the linear gains")
        yield other.equals(along("weight normalisation")["rho"])


def _horizon(name: str, examples: Examples, start: Polar) -> float:
    """Exponential normalisation blows up at last: six tenths of the time until which no run can, so that none has grown
    by more than 2.5."""
    return 0.6 * float(dynamics.finite_until(examples, start).min()) if name == "exponential" else HORIZON
