"""What Minnorm forgets: the imbalance decays as e^(-2 a t) whatever the multiplier does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from experiments.chain.networks import minnorm_descent, plain_descent, random_minnorm
from experiments.chain.parameters import Chains, Units
from experiments.training import extrapolated, tends_to
from theory.chain.problem import Chain, imbalance, imbalance_solution
from theory.claims import RECONSTRUCTED, Check, Study, claim, varies
from theory.core.arrays import Array
from theory.core.validation import reject


@dataclass(frozen=True)
class Forgetting(Chains):
    runs: int = varies("random starts, tunings and multipliers", 16, smoke=6, paper=64, low=1, high=1000)
    integration: tuple[float, ...] = varies(
        "speeds b of the multiplier, drawn between the first and the second", (-0.5, 2.0), low=-1, high=4
    )
    learning_rate: float = varies("of the coarsest run, where it is stable", 0.01, low=1e-4, high=0.02)
    horizon: float = varies("until when it is watched", 1.0, low=0.1, high=2, unit="time")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.integration) != 2 or self.integration[0] > self.integration[1]:
            reject("integration", self.integration, "two numbers, the smaller first")

    def refinement(self, chain: Chain, unit: float = 1.0) -> dict[str, Any]:
        """In this unit of time. No start is stiffer than a c sigma |q|^2, where a c < 0.6 and w < 1.2 omega."""
        stiffest = 0.6 * Units(chain).stated_for.g * 1.2 ** (2 * chain.L - 2)
        eta = min(self.learning_rate, 0.8 / stiffest)
        return {"learning_rate": eta * unit, "horizon": self.horizon * unit, "records": 17, "levels": 4}


@claim(
    "minnorm.chain_decay",
    source="Bansal et al. 2018 (reconstruction: Minnorm on the scalar chain)",
    source_kind=RECONSTRUCTED,
    statement=r"w_l' = a \big(x (\lambda + c h)\, q_l - w_l\big),\ \lambda' = b h,"
    r"\ q_l = \textstyle\prod_{j \neq l} w_j,\ h = x (s - w_l q_l):\quad w_i^2 - w_j^2 = e^{-2 a t} (w_i^2 - w_j^2)(0)",
    hypotheses=("L weights w_l, input x, target x s", "squared norm", "any a > 0, b and c; any start and multiplier"),
    theory_side="closed form",
    controls=("half the rate", "rate 10 % larger", "gradient descent forgets"),
    parameters=Forgetting,
)
def imbalance_decays_whatever_the_multiplier(study: Study, size: Forgetting) -> Iterator[Check]:
    for L in size.depths:
        yield from _forgets(study, size.chain(L), size)


def _forgets(study: Study, chain: Chain, size: Forgetting) -> Iterator[Check]:
    w, tuning, multipliers = random_minnorm(study, chain, size.runs, size.integration)
    runs = minnorm_descent(study, chain, w, tuning, multipliers).refine(**size.refinement(chain))
    imbalances, t = [imbalance(run["w"]) for run in runs], runs[0].t

    def predicted(k: float) -> Array:
        return imbalance_solution(w, k * tuning.a, t)

    yield from tends_to("imbalance", imbalances, predicted, case=f"depth {chain.L}")
    if chain.L == size.shown:
        left = extrapolated("imbalance", imbalances)
        yield left.control("half the rate").equals(predicted(0.5))
        yield left.control("rate 10 % larger").equals(predicted(1.1))
        plain = plain_descent(study, chain, w).refine(**size.refinement(chain, Units(chain).time))
        descent = [imbalance(run["w"]) for run in plain]
        yield extrapolated("imbalance", descent).control("gradient descent forgets").equals(predicted(1))
