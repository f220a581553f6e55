"""Lagrange multipliers whose sizes are set free, trained: that is weight normalisation."""

from collections.abc import Iterator

import numpy as np

from experiments.homogeneous.networks import all_directions, sizes_and_directions
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.trainees import SOLVER, constrained, turned
from experiments.training import tends_to
from theory.claims import Check, Study
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import log_slope, polar


def free_sizes(study: Study) -> Iterator[Check]:
    rng, runs = study.rng("coinciding trainings"), study.pick(smoke=2, quick=4, paper=16)
    examples = unit_examples(rng, 6, 3)
    sized_layers(rng, (3, 3, 1), (1.2, 1.2), runs)
    start = polar(sized_layers(rng, (3, 3, 1), (1.2, 0.8), runs))
    trainee = constrained(study, examples, start, free_sizes=True)
    trained = trainee.refine(learning_rate=1 / study.pick(smoke=32, quick=96, paper=512), horizon=1.0, records=9)
    seen, t = [sizes_and_directions(run) for run in trained], trained[0].t
    exact = dynamics.flow(dynamics.weight_normalisation, examples, start, t, log_slope)
    yield from tends_to("sizes", [state.rho for state in seen], exact["rho"], SOLVER)
    yield from tends_to("directions", turned(seen), all_directions(exact), SOLVER)
    norms = [np.stack([np.linalg.norm(run[V], axis=(-2, -1)) for V in ("V1", "V2")], axis=-1) for run in trained]
    yield from tends_to("2 lambda_k = rho A holds |V_k| = 1 in every layer", norms, np.ones_like(norms[0]))
