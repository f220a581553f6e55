"""Five dynamics of sizes and directions, trained: each is on its own flow."""

from collections.abc import Iterator

import numpy as np

from experiments.homogeneous.networks import all_directions
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.trainees import SOLVER, flows, refined, trainee, turned
from experiments.training import extrapolated, tends_to
from theory.claims import Check, Study, claim
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import log_slope, polar

HORIZON = 1.0
C = 1.3  # |v_k| of weight normalisation, away from 1 so that its place in the formulas shows
DEEP, SINGLE = ((3, 3, 1), (1.2, 0.8)), ((4, 1), (1.1,))


@claim(
    "banburski2019.five_dynamics",
    source="Banburski et al. 2019 (content: unconstrained descent, Lagrange multiplier, tangent gradient, weight "
    "normalisation have similar dynamics); the exponential one ours",
    statement=r"\dot\rho_k = r_k A,\ \dot V_k = a_k B_k:\quad (r_k, a_k) = "
    r"\Big(\tfrac{\rho}{\rho_k}, \tfrac{\rho}{\rho_k^2}\Big)^{GF},\ (0, \rho)^{LM},\ "
    r"\Big(0, \tfrac{\rho}{\rho_k^2}\Big)^{TG},\ \Big(\tfrac{\rho}{\rho_k}, \tfrac{\rho}{c^2}\Big)^{WN},\ "
    r"\Big(\rho \rho_k, \tfrac{\rho}{c^2}\Big)^{EWN}",
    hypotheses=("homogeneous of degree 1 in each layer", "any loss of the margins; here the logarithm of the loss"),
    theory_side="ODE",
    controls=("|v| of weight normalisation 5 % larger", "sizes of the exponential on the flow of the linear gains"),
)
def each_is_on_its_flow(study: Study) -> Iterator[Check]:
    for widths, sizes in study.pick(smoke=(DEEP,), quick=(DEEP, SINGLE), paper=(DEEP, SINGLE)):
        rng = study.rng("flows", len(sizes))
        examples, t = unit_examples(rng, 6, widths[0]), np.linspace(0, HORIZON, 9)
        W = sized_layers(rng, widths, sizes, study.pick(smoke=2, quick=4, paper=16))
        for name, law in flows(C).items():
            seen = refined(trainee(study, name, examples, W, C), HORIZON)
            rho, turns = [state.rho for state in seen], turned(seen)
            exact = dynamics.flow(law, examples, polar(W), t, log_slope)
            case = f"depth {len(sizes)}, {name}"
            yield from tends_to("directions", turns, all_directions(exact), SOLVER, case=case)
            if name != "Lagrange multiplier":  # whose sizes are not stepped at all
                yield from tends_to("sizes", rho, exact["rho"], SOLVER, case=case)
            if case == "depth 2, weight normalisation":
                longer = dynamics.flow(flows(1.05 * C)[name], examples, polar(W), t, log_slope)
                slower = extrapolated("directions", turns, SOLVER).control("|v| of weight normalisation 5 % larger")
                yield slower.equals(all_directions(longer))
            if case == "depth 2, exponential":
                linear = dynamics.flow(flows(C)["weight normalisation"], examples, polar(W), t, log_slope)
                sizes_of_another = "sizes of the exponential on the flow of the linear gains"
                yield extrapolated("sizes", rho, SOLVER).control(sizes_of_another).equals(linear["rho"])
