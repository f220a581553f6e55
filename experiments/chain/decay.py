"""What Minnorm forgets: the imbalance decays as e^(-2 a t) whatever the multiplier does."""

from collections.abc import Iterator

from experiments.chain.networks import minnorm_descent, plain_descent, random_minnorm
from experiments.training import extrapolated, tends_to
from theory.chain.problem import Chain, imbalance, imbalance_solution
from theory.claims import RECONSTRUCTED, Check, Study, claim
from theory.core.arrays import Array

REFINEMENT = {"learning_rate": 0.01, "horizon": 1.0, "records": 17, "levels": 4}


@claim(
    "minnorm.chain_decay",
    source="Bansal et al. 2018 (reconstruction: Minnorm on the scalar chain)",
    source_kind=RECONSTRUCTED,
    statement=r"w_l' = a \big(x (\lambda + c h)\, q_l - w_l\big),\ \lambda' = b h,"
    r"\ q_l = \textstyle\prod_{j \neq l} w_j,\ h = x (s - w_l q_l):\quad w_i^2 - w_j^2 = e^{-2 a t} (w_i^2 - w_j^2)(0)",
    hypotheses=("L weights w_l, input x, target x s", "squared norm", "any a > 0, b and c; any start and multiplier"),
    theory_side="closed form",
    controls=("half the rate", "rate 10 % larger", "gradient descent forgets"),
)
def imbalance_decays_whatever_the_multiplier(study: Study) -> Iterator[Check]:
    for L in study.pick(smoke=(2, 3), quick=(2, 3, 4, 5), paper=(2, 3, 4, 5, 6)):
        yield from _forgets(study, Chain(1.7, L, x=1.2))


def _forgets(study: Study, chain: Chain) -> Iterator[Check]:
    w, tuning, multipliers = random_minnorm(study, chain, integration=(-0.5, 2))
    runs = minnorm_descent(study, chain, w, tuning, multipliers).refine(**REFINEMENT)
    imbalances, t = [imbalance(run["w"]) for run in runs], runs[0].t

    def predicted(k: float) -> Array:
        return imbalance_solution(w, k * tuning.a, t)

    yield from tends_to("imbalance", imbalances, predicted, case=f"depth {chain.L}")
    if chain.L == 3:
        left = extrapolated("imbalance", imbalances)
        yield left.control("half the rate").equals(predicted(0.5))
        yield left.control("rate 10 % larger").equals(predicted(1.1))
        descent = [imbalance(run["w"]) for run in plain_descent(study, chain, w).refine(**REFINEMENT)]
        yield extrapolated("imbalance", descent).control("gradient descent forgets").equals(predicted(1))
