"""What Minnorm forgets: the imbalance decays as e^(-2 a t) whatever the multiplier does; step by step, exactly."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import MinnormDescent, random_weights, refine, squared_loss, train_chain
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from experiments.training.updates import DecayedDescent, GradientDescent, Update, constant
from theory.chain import minnorm
from theory.chain.problem import Chain, imbalance, imbalance_after_step, product
from theory.claims import Check, Curves, claim
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.minnorm.tuning import Tuning


@claim(
    "minnorm.chain_decay",
    source="Bansal et al. 2018 (reconstruction: Minnorm on the scalar chain)",
    statement=r"w_i^2 - w_j^2 = e^{-2 a t} (w_i^2 - w_j^2)(0)\quad\text{for every } \lambda(t),\ b,\ c,\ L",
    hypotheses=("the flow of the reconstructed rule", "squared norm", "any start, any multiplier"),
    controls=("half the rate", "rate 10 % larger", "gradient descent forgets"),
)
def imbalance_decays_whatever_the_multiplier(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(2, 3), quick=(2, 3, 4, 5), paper=(2, 3, 4, 5, 6)):
        chain = Chain(1.7, L, x=1.2)
        w, tuning, multiplier = _random(study, chain, integration=(-0.5, 2))
        rule = lambda: MinnormDescent(chain, tuning, multiplier)  # noqa: B023, E731
        runs = refine(study, f"depth {L}", chain, w, rule, learning_rate=0.01, horizon=1.0)
        imbalances = [imbalance(run["w"]) for run in runs]
        exponent = np.multiply.outer(runs[0].t, tuning.a)[..., None]
        predicted = np.exp(-2 * exponent) * imbalance(w)
        yield from tends_to(f"depth {L}: imbalance", imbalances, predicted)
        if L == 3:
            for name, rate in (("half the rate", 1.0), ("rate 10 % larger", 2.2)):
                yield refuted(name, extrapolated(name, imbalances, np.exp(-rate * exponent) * imbalance(w)))
            descent = lambda: GradientDescent(squared_loss(chain))  # noqa: B023, E731
            runs = refine(study, "descent", chain, w, descent, learning_rate=0.01, horizon=1.0)
            wrong = extrapolated("descent", [imbalance(run["w"]) for run in runs], predicted)
            yield refuted("gradient descent forgets", wrong)


@claim(
    "minnorm.chain_discrete_law",
    source="Bansal et al. 2018 (reconstruction: simultaneous steps); ours",
    statement=r"D_{ij}^+ = (1 - \eta a)^2 D_{ij} + \eta^2 a^2 x^2 (\lambda + c h)^2 (q_i^2 - q_j^2),"
    r"\quad q_i^2 - q_j^2 = -D_{ij} \Big(\frac{p}{w_i w_j}\Big)^2",
    hypotheses=("simultaneous steps", "any learning rate", "squared norm"),
    controls=("only the factor of the flow", "force 10 % larger", "shrinkage once, not squared"),
)
def every_step_obeys_the_discrete_law(study: Study) -> Iterator[Check | Curves]:
    eta, steps = 0.02, study.pick(smoke=50, quick=300, paper=3000)
    for L in study.pick(smoke=(2, 3), quick=(2, 3, 4, 5), paper=(2, 3, 4, 5, 6)):
        chain = Chain(1.7, L, x=1.2)
        w, tuning, multiplier = _random(study, chain, integration=(0.2, 2))
        gamma = study.rng("gamma", L).uniform(0.05, 1.0, len(w))
        rules: dict[str, Update] = {
            "Minnorm": MinnormDescent(chain, tuning, multiplier),
            "weight decay": DecayedDescent(squared_loss(chain), constant(gamma)),
        }
        for word, rule in rules.items():
            name = f"depth {L}, {word}"
            record = list(range(steps + 1))
            run = train_chain(study, name, chain, w, rule, learning_rate=eta, steps=steps, record=record)
            before, after = run["w"][:-1], imbalance(run["w"][1:])
            if word == "Minnorm":
                force = eta * tuning.a * minnorm.effective_multiplier(chain, tuning, before, run["multiplier"][:-1])
                shrinkage = eta * tuning.a
            else:
                force, shrinkage = eta * chain.sigma * (chain.s - product(before)), eta * gamma
            predicted = imbalance_after_step(before, force, shrinkage)
            # As for gradient descent, and four operations more for the norm and the multiplier.
            tolerance = (2 * L + 16) * EPS * np.maximum(1, (run["w"] ** 2).max((0, 2)))[:, None]
            because = "2 L + 16 roundings of the largest squared weight of the run"
            yield equal(name, after, predicted, tolerance=tolerance, because=because)
            if name == "depth 3, Minnorm":
                wrong = {
                    "only the factor of the flow": imbalance_after_step(before, 0.0, shrinkage),
                    "force 10 % larger": imbalance_after_step(before, 1.1 * force, shrinkage),
                    "shrinkage once, not squared": imbalance_after_step(before, force, 1 - np.sqrt(1 - shrinkage)),
                }
                for control, value in wrong.items():
                    check = equal(control, after, value, tolerance=tolerance, because=because)
                    yield refuted(control, check)


def _random(study: Study, chain: Chain, integration: tuple[float, float]) -> tuple[Array, Tuning, Array]:
    """Random starts and tunings, b between the two numbers (below 0 it integrates away from the solution)."""
    rng = study.rng("random", chain.L)
    runs = study.pick(smoke=6, quick=16, paper=64)
    w = random_weights(rng, runs, chain.L, 0.6 * chain.omega, 1.2 * chain.omega)
    tuning = Tuning(rng.uniform(0.4, 1.2, runs), rng.uniform(*integration, runs), rng.uniform(0.1, 0.5, runs))
    return w, tuning, rng.uniform(-1, 1.2, runs)
