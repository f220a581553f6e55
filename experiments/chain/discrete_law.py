"""What a step forgets: the imbalance after it is known exactly, for Minnorm and for weight decay."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import decayed_descent, minnorm_descent, random_minnorm
from theory.chain import minnorm
from theory.chain.problem import Chain, imbalance, imbalance_after_step, product
from theory.claims import OURS, Check, Curves, Study, claim, measured, rounding
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory

ETA = 0.02


@claim(
    "minnorm.chain_discrete_law",
    source="ours: simultaneous steps of the rule reconstructed from Bansal et al. 2018",
    source_kind=OURS,
    statement=r"D_{ij} = w_i^2 - w_j^2,\ p = \textstyle\prod_l w_l,\ q_l = \tfrac{p}{w_l},\ h = x (s - p):"
    r"\quad D_{ij}^+ = (1 - \eta a)^2 D_{ij} + \eta^2 a^2 x^2 (\lambda + c h)^2 (q_i^2 - q_j^2),"
    r"\quad q_i^2 - q_j^2 = -D_{ij} \Big(\frac{p}{w_i w_j}\Big)^2",
    hypotheses=(
        "simultaneous steps of any learning rate eta, the weights at the speed a, with the multiplier lambda + c h",
        "weight decay gamma: gamma in place of a, sigma (s - p) in place of a x (lambda + c h)",
        "input x, sigma = x^2, target x s; squared norm",
    ),
    theory_side="identity",
    controls=("only the factor of the flow", "force 10 % larger", "shrinkage once, not squared"),
)
def every_step_obeys_the_discrete_law(study: Study) -> Iterator[Check | Curves]:
    steps = study.pick(smoke=50, quick=300, paper=3000)
    schedule = {"learning_rate": ETA, "steps": steps, "record": range(steps + 1)}
    for L in study.pick(smoke=(2, 3), quick=(2, 3, 4, 5), paper=(2, 3, 4, 5, 6)):
        chain = Chain(1.7, L, x=1.2)
        w, tuning, multipliers = random_minnorm(study, chain, integration=(0.2, 2))
        run = minnorm_descent(study, chain, w, tuning, multipliers).train(**schedule)
        effective = minnorm.effective_multiplier(chain, tuning, run["w"][:-1], run["multipliers"][:-1])
        yield from _each_step(f"depth {L}", "Minnorm", run, ETA * tuning.a * effective, ETA * tuning.a)
        gamma = study.rng("gamma", L).uniform(0.05, 1.0, len(w))
        run = decayed_descent(study, chain, w, gamma).train(**schedule)
        force = ETA * chain.sigma * (chain.s - product(run["w"][:-1]))
        yield from _each_step(f"depth {L}", "weight decay", run, force, ETA * gamma)


def _each_step(case: str, method: str, run: Trajectory, force: Array, shrinkage: Array) -> Iterator[Check]:
    w, L = run["w"], run["w"].shape[-1]
    # As for gradient descent, and four operations more for the norm and the multiplier.
    size = np.maximum(1, (w**2).max((0, 2)))[:, None]
    within = rounding(2 * L + 16, size, of="the largest squared weight of the run")
    step = measured(
        f"imbalance after a step of {method}", imbalance(w[1:]), within=within, case=case, axes=("step", "run")
    )
    # The force is the finer of the two constants: it enters by its square, times the learning rate's.
    yield step.equals(lambda k: imbalance_after_step(w[:-1], k * force, shrinkage))
    if (L, method) == (3, "Minnorm"):
        once = 1 - np.sqrt(1 - shrinkage)
        for control, wrong in (
            ("only the factor of the flow", (0.0, shrinkage)),
            ("force 10 % larger", (1.1 * force, shrinkage)),
            ("shrinkage once, not squared", (force, once)),
        ):
            yield step.control(control).equals(imbalance_after_step(w[:-1], *wrong))
