"""Lagrange multipliers whose sizes are set free, trained: that is weight normalisation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.homogeneous.networks import all_directions, sizes_and_directions
from experiments.homogeneous.predictions import departing, in_time
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.trainees import EXAMPLES, RUNS, SOLVER, constrained, flows, turned
from experiments.homogeneous.turning import turned_by
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, claim, curves, varies
from theory.core.validation import reject
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import log_slope, polar


@dataclass(frozen=True)
class Sizes:
    """Of a network of two layers, and of its training to time 1."""

    inputs: int = varies("entries of an example", 3, low=2, high=50)
    width: int = varies("of the hidden layer", 3, low=2, high=50)
    scales: tuple[float, ...] = varies("sizes of the layers at the start", (1.2, 0.8), low=0.7, high=2)
    examples: int = EXAMPLES()
    runs: int = RUNS(4, smoke=2, paper=16)
    steps: int = varies("to time 1, at the largest of three learning rates", 96, smoke=32, paper=512, low=32, high=1024)

    def __post_init__(self) -> None:
        if len(self.scales) != 2:
            reject("scales", self.scales, "two numbers, of the two layers")


@claim(
    "homogeneous.free_sizes",
    source="ours; the dynamics of Banburski et al. 2019",
    source_kind=OURS,
    statement=r"|V_k| = 1 \text{ by } 2 \lambda_k = \rho A,\ \rho_k \text{ free}:\quad "
    r"\dot\rho_k = \tfrac{\rho}{\rho_k} A,\ \dot V_k = \rho B_k,\ \text{which is } WN \text{ with } c = 1",
    hypotheses=(
        "network homogeneous of degree 1 in each layer rho_k V_k, rho = prod_k rho_k; here the logarithm of the loss",
        "lambda_k the multipliers; A and B_k, the forces on sizes and directions, as in banburski2019.decomposition",
        "WN: weight normalisation, rho_k v_k / |v_k| with |v_k| = c",
    ),
    theory_side="ODE",
    controls=("weight normalisation with |v| = 1.05",),
    parameters=Sizes,
)
def multipliers_with_free_sizes_are_weight_normalisation(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng = study.rng("layers")
    examples = unit_examples(rng, sizes.examples, sizes.inputs)
    start = polar(sized_layers(rng, (sizes.inputs, sizes.width, 1), sizes.scales, sizes.runs))
    trainee = constrained(study, examples, start, free_sizes=True)
    trained = trainee.refine(learning_rate=1 / sizes.steps, horizon=1.0, records=9)
    seen, t = [sizes_and_directions(run) for run in trained], trained[0].t
    exact, longer = (
        dynamics.flow(flows(c)["weight normalisation"], examples, start, t, log_slope) for c in (1.0, 1.05)
    )
    yield from tends_to("sizes", [state.rho for state in seen], in_time(t, exact["rho"]), SOLVER)
    yield from tends_to("directions", turned(seen), in_time(t, all_directions(exact)), SOLVER)
    slower = extrapolated("directions", turned(seen), SOLVER).control("weight normalisation with |v| = 1.05")
    yield slower.equals(all_directions(longer))
    yield curves(t=t, trained=turned_by(turned(seen)[-1]), law=turned_by(all_directions(exact)))
    excess = [np.stack([np.square(run[V]).sum((-2, -1)) for V in ("V1", "V2")], axis=-1) - 1 for run in trained]
    # |V_k|^2 would grow by twice the part of the force along V_k, rho A, if no multiplier held it.
    unheld = exact["work"][..., None] * start.product[:, None]
    yield from tends_to("2 lambda_k = rho A holds |V_k|^2 = 1 in every layer", excess, departing(2 * unheld))
