"""Five dynamics of sizes and directions, trained: each is on its own flow."""

from collections.abc import Iterator

import numpy as np

from experiments.homogeneous.curve import constrained_curves, free_curves
from experiments.homogeneous.free_sizes import free_sizes
from experiments.homogeneous.networks import all_directions
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.trainees import SOLVER, flows, refined, trainee, turned
from experiments.homogeneous.unseen_part import unseen_part
from experiments.training import tends_to
from theory.claims import Check, Curves, Study, claim
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import log_slope, polar

HORIZON = 1.0
C = 1.3  # |v_k| of weight normalisation, away from 1 so that its place in the formulas shows
DEEP, SINGLE = ((3, 3, 1), (1.2, 0.8)), ((4, 1), (1.1,))


@claim(
    "banburski2019.five_dynamics",
    source="Banburski et al. 2019 (content: unconstrained descent, Lagrange multiplier, tangent gradient, weight "
    "normalisation have similar dynamics); coincidences and their failure ours",
    statement=r"V_k^{TG}(r^2 t) = V_k^{LM}(t) \text{ if } \rho_k = r,\quad"
    r" (\rho, V)^{EWN}\Big(\int \frac{dt}{\rho_1^2}\Big) = (\rho, V)^{GF}(t) \text{ if balanced},\quad"
    r" |V_\perp|^{GF} \propto \rho^{-1},\ |V_\perp|^{WN} \propto e^{-\rho^2 / 2 c^2}",
    hypotheses=("homogeneous of degree 1 in each layer", "any loss of the margins; here the logarithm of the loss"),
    controls=(
        "Lagrange multiplier and tangent gradient, unequal sizes: one curve",
        "gradient flow and exponential, unbalanced: one curve",
        "gradient flow and weight normalisation: one curve",
        "gradient flow and weight normalisation: one trajectory",
        "tangent gradient in the time of the Lagrange multiplier",
        "exponential normalisation in the time of gradient flow",
        "weight normalisation keeps rho V_perp",
        "gradient flow forgets V_perp as weight normalisation does",
        "law of V_perp without c",
        "V_perp of the tangent gradient at the rate of the Lagrange multiplier",
    ),
)
def each_is_on_its_flow(study: Study) -> Iterator[Check | Curves]:
    for widths, sizes in study.pick(smoke=(DEEP,), quick=(DEEP, SINGLE), paper=(DEEP, SINGLE)):
        rng = study.rng("flows", len(sizes))
        examples, t = unit_examples(rng, 6, widths[0]), np.linspace(0, HORIZON, 9)
        W = sized_layers(rng, widths, sizes, study.pick(smoke=2, quick=4, paper=16))
        for name, law in flows(C).items():
            seen = refined(trainee(study, name, examples, W, C), HORIZON)
            exact = dynamics.flow(law, examples, polar(W), t, log_slope)
            case = f"depth {len(sizes)}, {name}"
            yield from tends_to("directions", turned(seen), all_directions(exact), SOLVER, case=case)
            if name != "Lagrange multiplier":  # whose sizes are not stepped at all
                yield from tends_to("sizes", [state.rho for state in seen], exact["rho"], SOLVER, case=case)
    yield from constrained_curves(study)
    yield from free_curves(study)
    yield from free_sizes(study)
    yield from unseen_part(study)
