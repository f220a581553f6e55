"""What a step forgets: the imbalance after it is known exactly, for Minnorm and for weight decay."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import decayed_descent, minnorm_descent, random_minnorm
from experiments.chain.parameters import Chains, Units
from theory.chain import minnorm
from theory.chain.problem import imbalance, imbalance_after_step, product
from theory.claims import OURS, Check, Measured, Study, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory


@dataclass(frozen=True)
class Stepping(Chains):
    runs: int = varies("random starts, tunings and multipliers", 16, smoke=6, paper=64, low=1, high=1000)
    learning_rate: float = varies("eta", 0.02, low=1e-4, high=0.04)
    steps: int = varies("of each method", 300, smoke=50, paper=3000, low=1, high=10**4)


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
    parameters=Stepping,
)
def every_step_obeys_the_discrete_law(study: Study, size: Stepping) -> Iterator[Check]:
    schedule = {"steps": size.steps, "record": range(size.steps + 1)}
    for L in size.depths:
        chain, eta, case = size.chain(L), size.learning_rate, f"depth {L}"
        w, tuning, multipliers = random_minnorm(study, chain, size.runs, integration=(0.2, 2))
        run = minnorm_descent(study, chain, w, tuning, multipliers).train(learning_rate=eta, **schedule)
        effective = minnorm.effective_multiplier(chain, tuning, run["w"][:-1], run["multipliers"][:-1])
        each = run, eta * tuning.a * effective, eta * tuning.a
        yield _each_step(case, "Minnorm", *each)
        if L == size.shown:
            yield from _other_laws(case, "Minnorm", *each)
        unit = Units(chain).time
        eta, gamma = eta * unit, study.rng("gamma", L).uniform(0.05, 1.0, len(w)) / unit
        run = decayed_descent(study, chain, w, gamma).train(learning_rate=eta, **schedule)
        force = eta * chain.sigma * (chain.s - product(run["w"][:-1]))
        yield _each_step(case, "weight decay", run, force, eta * gamma)


def _step(case: str, method: str, run: Trajectory) -> Measured:
    w, L = run["w"], run["w"].shape[-1]
    # As for gradient descent, and four operations more for the norm and the multiplier.
    size = np.maximum(1, (w**2).max((0, 2)))[:, None]
    within = rounding(2 * L + 16, size, of="the largest squared weight of the run")
    name = f"imbalance after a step of {method}"
    return measured(name, imbalance(w[1:]), within=within, case=case, axes=("step", "run"))


def _each_step(case: str, method: str, run: Trajectory, force: Array, shrinkage: Array) -> Check:
    # The force is the finer of the two constants: it enters by its square, times the learning rate's.
    w = run["w"][:-1]
    return _step(case, method, run).equals(lambda k: imbalance_after_step(w, k * force, shrinkage))


def _other_laws(case: str, method: str, run: Trajectory, force: Array, shrinkage: Array) -> Iterator[Check]:
    for control, wrong in (
        ("only the factor of the flow", (0.0, shrinkage)),
        ("force 10 % larger", (1.1 * force, shrinkage)),
        ("shrinkage once, not squared", (force, 1 - np.sqrt(1 - shrinkage))),
    ):
        yield _step(case, method, run).control(control).equals(imbalance_after_step(run["w"][:-1], *wrong))
