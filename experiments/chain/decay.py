"""What Minnorm forgets: the imbalance decays as e^(-2 a t) whatever the multiplier does."""

from collections.abc import Iterator

from experiments.chain.networks import minnorm_descent, plain_descent, random_minnorm
from experiments.training import extrapolated, tends_to
from theory.chain.problem import Chain, imbalance, imbalance_solution
from theory.claims import Check, Curves, Study, claim


@claim(
    "minnorm.chain_decay",
    source="Bansal et al. 2018 (reconstruction: Minnorm on the scalar chain)",
    statement=r"w_i^2 - w_j^2 = e^{-2 a t} (w_i^2 - w_j^2)(0)\quad\text{for every } \lambda(t),\ b,\ c,\ L",
    hypotheses=("the flow of the reconstructed rule", "squared norm", "any start, any multiplier"),
    theory_side="closed form",
    controls=("half the rate", "rate 10 % larger", "gradient descent forgets"),
)
def imbalance_decays_whatever_the_multiplier(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(2, 3), quick=(2, 3, 4, 5), paper=(2, 3, 4, 5, 6)):
        chain = Chain(1.7, L, x=1.2)
        w, tuning, multipliers = random_minnorm(study, chain, integration=(-0.5, 2))
        refinement = {"learning_rate": 0.01, "horizon": 1.0, "records": 17, "levels": 4}
        runs = minnorm_descent(study, chain, w, tuning, multipliers).refine(**refinement)
        imbalances, t = [imbalance(run["w"]) for run in runs], runs[0].t
        predicted = imbalance_solution(w, tuning.a, t)
        yield from tends_to("imbalance", imbalances, predicted, case=f"depth {L}")
        if L == 3:
            left = extrapolated("imbalance", imbalances)
            for control, factor in (("half the rate", 0.5), ("rate 10 % larger", 1.1)):
                yield left.control(control).equals(imbalance_solution(w, factor * tuning.a, t))
            descent = [imbalance(run["w"]) for run in plain_descent(study, chain, w).refine(**refinement)]
            yield extrapolated("imbalance", descent).control("gradient descent forgets").equals(predicted)
