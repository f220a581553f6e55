"""The augmentation that the minimum of the norm needs to attract training by Minnorm."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.jacobians import growth_beside_the_critical, jacobian, pair
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, exactly, measured
from theory.minnorm.tuning import Tuning

DEPTHS = (1, 2, 3, 4, 5, 6)
ETA, A, B = 0.01, 0.8, 0.5


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
)
def augmentation_must_exceed_a_critical_value(study: Study) -> Iterator[Check | Curves]:
    depths = study.pick(smoke=(2, 3), quick=DEPTHS, paper=DEPTHS)
    offsets = np.array([-0.5, -0.03, 0.0, 0.03, 0.5])
    for L in depths:
        yield from growth_beside_the_critical(study, Chain(1.7, L, x=1.2), Tuning(A, B), ETA, offsets, f"depth {L}")
    yield from _neutral_elsewhere(study)
    yield from _largest_real_part(study, [Chain(1.7, L, x=1.2) for L in depths])


def _neutral_elsewhere(study: Study) -> Iterator[Check]:
    chain = Chain(1.7, 3, x=1.2)
    critical = minnorm.critical_augmentation(chain, Tuning(b=B), ETA)
    wrong = {
        "without eta b: neutral": minnorm.critical_augmentation(chain),
        "L - 1 in place of L - 2: neutral": critical + 1 / chain.g,
        "3 % above: neutral": 1.03 * critical,
    }
    growth, _, within = pair(study, chain, Tuning(A, B, np.array(list(wrong.values()))), ETA)
    for i, control in enumerate(wrong):
        one = Tolerance(within.value[i], within.reason)
        yield measured("growth a step", growth[i], within=one).control(control).equals(0)
    growth, _, _ = pair(study, chain, Tuning(A, B, np.zeros(1)), ETA)
    within = exactly("a minimum that attracts shrinks displacements")
    factor = measured("factor a unit of time", np.exp(growth / ETA), within=within)
    yield factor.control("no augmentation at depth 3: the minimum attracts").at_most(1.0)


def _largest_real_part(study: Study, chains: list[Chain]) -> Iterator[Curves]:
    """For the figure: the largest real part against c, from the formula and from training steps."""
    c = np.linspace(0, 0.6, 121)
    sparse = c[::8]
    lines = [minnorm.spectrum(chain, Tuning(A, B, c)).real.max(-1) for chain in chains]
    matrices = [jacobian(study, chain, Tuning(A, B, sparse))[0] for chain in chains]
    trained = [np.linalg.eigvals(J).real.max(-1) for J in matrices]
    yield curves(c=c, largest=np.array(lines), trained_c=sparse, trained_largest=np.array(trained))
    yield curves(
        depths=np.array([chain.L for chain in chains]),
        critical=np.array([minnorm.critical_augmentation(chain) for chain in chains]),
    )
