"""The augmentation that the minimum of the norm needs to attract training by Minnorm."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.chain.jacobians import growth_beside_the_critical, jacobian, pair
from experiments.chain.parameters import Chains, Units
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, exactly, measured, varies
from theory.core.arrays import Array
from theory.minnorm.tuning import Tuning


@dataclass(frozen=True)
class Augmented(Chains):
    depths: tuple[int, ...] = varies("numbers L of weights", (1, 2, 3, 4, 5, 6), smoke=(2, 3), low=1, high=10)
    learning_rate: float = varies("of descent", 0.01, low=1e-3, high=0.05)
    speed: float = varies("a of the weights", 0.8, low=0.1, high=2)
    integration: float = varies("speed b of the multiplier", 0.5, low=0.1, high=2)

    def tuning(self, chain: Chain, c: Array | float = 0.0) -> Tuning:
        """With the augmentation c itself, not in the chain's units."""
        return replace(Units(chain).tuning(Tuning(self.speed, self.integration)), c=c)


@claim(
    "minnorm.chain_critical_augmentation",
    source="ours: Minnorm (reconstructed from Bansal et al. 2018) on the scalar chain",
    source_kind=OURS,
    statement=r"w_l' = a \big(x (\lambda + c h)\, q_l - w_l\big),\ \lambda' = b h,"
    r"\ q_l = \textstyle\prod_{j \neq l} w_j,\ h = x (s - w_l q_l):"
    r"\quad \text{minima attract the flow} \iff c > \frac{L - 2}{\sigma L s^{2 - 2/L}},"
    r"\quad\text{descent at the learning rate } \eta \iff c > \frac{L - 2}{\sigma L s^{2 - 2/L}} + \eta b",
    hypotheses=(
        "L weights, input x, sigma = x^2, target x s; squared norm",
        "a, b > 0; the pair of eigenvalues that the multiplier takes part in is complex",
    ),
    theory_side="closed form",
    controls=(
        "without eta b: neutral",
        "L - 1 in place of L - 2: neutral",
        "3 % above: neutral",
        "no augmentation at depth 3: the minimum attracts",
    ),
    parameters=Augmented,
)
def augmentation_must_exceed_a_critical_value(study: Study, size: Augmented) -> Iterator[Check | Curves]:
    offsets, chains = np.array([-0.5, -0.03, 0.0, 0.03, 0.5]), [size.chain(L) for L in size.depths]
    for chain in chains:
        tuning, case = size.tuning(chain), f"depth {chain.L}"
        yield from growth_beside_the_critical(study, chain, tuning, size.learning_rate, offsets, case)
    yield from _neutral_elsewhere(study, size)
    yield from _largest_real_part(study, chains, size)


def _neutral_elsewhere(study: Study, size: Augmented) -> Iterator[Check]:
    chain, eta = size.chain(3), size.learning_rate
    critical = minnorm.critical_augmentation(chain, size.tuning(chain), eta)
    wrong = {
        "without eta b: neutral": minnorm.critical_augmentation(chain),
        "L - 1 in place of L - 2: neutral": critical + 1 / chain.g,
        "3 % above: neutral": 1.03 * critical,
    }
    growth, _, within = pair(study, chain, size.tuning(chain, np.array(list(wrong.values()))), eta)
    for i, control in enumerate(wrong):
        one = Tolerance(within.value[i], within.reason)
        yield measured("growth a step", growth[i], within=one).control(control).equals(0)
    growth, _, _ = pair(study, chain, size.tuning(chain, np.zeros(1)), eta)
    within = exactly("a minimum that attracts shrinks displacements")
    factor = measured("factor a unit of time", np.exp(growth / eta), within=within)
    yield factor.control("no augmentation at depth 3: the minimum attracts").at_most(1.0)


def _largest_real_part(study: Study, chains: list[Chain], size: Augmented) -> Iterator[Curves]:
    """For the figure: the largest real part against c, from the formula and from training steps."""
    c = np.linspace(0, 0.6, 121) * Units(size.chain(3)).time
    sparse = c[::8]
    lines = [minnorm.spectrum(chain, size.tuning(chain, c)).real.max(-1) for chain in chains]
    matrices = [jacobian(study, chain, size.tuning(chain, sparse))[0] for chain in chains]
    trained = [np.linalg.eigvals(J).real.max(-1) for J in matrices]
    yield curves(c=c, largest=np.array(lines), trained_c=sparse, trained_largest=np.array(trained))
    yield curves(
        depths=np.array([chain.L for chain in chains]),
        critical=np.array([minnorm.critical_augmentation(chain) for chain in chains]),
    )
