"""Minnorm on whitened examples needs the augmentation that its weakest singular mode needs, as a chain."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear.aligned import Whitened, by_minnorm_from, require_different, shown, state_of_modes
from experiments.deep_linear.convergence import DIFFERENCES, central_differences
from theory.chain import minnorm
from theory.claims import OURS, Check, Measured, Study, Tolerance, claim, measured, varies
from theory.core.arrays import EPS, Array
from theory.deep_linear.modes import Modes
from theory.minnorm.tuning import Tuning

STEPS = 40


@dataclass(frozen=True)
class Augmented(Whitened):
    depths: tuple[int, ...] = varies("numbers of layers", (3, 4), smoke=(3,), paper=(3, 4, 5), low=3, high=6)
    learning_rate: float = varies("of descent", 0.01, low=1e-3, high=0.02)
    integration: float = varies("speed b of the multipliers", 0.5, low=0.1, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_different(self.depths)


@claim(
    "minnorm.deep_mode_threshold",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    source_kind=OURS,
    statement=r"X X^\top = x^2 P,\ W_l = R_l\,\mathrm{diag}(w_l) R_{l-1}^\top:\quad \text{stable at}\ Y X^+ \iff c >"
    r" \frac{L - 2}{x^2 L\, s_{\min}^{2 - 2/L}}",
    hypotheses=(
        "whitened examples, X X^T = x^2 P with the projector P; Y X^+ = U diag(s) V^T, s_min its smallest strength",
        "along the modes: R_l with orthonormal columns, R_0 = V, R_L = U; Minnorm's augmentation c",
        "simultaneous steps, small against the time scales of the flow",
    ),
    theory_side="closed form",
    controls=("threshold of the strongest mode", "threshold with L - 1 in place of L - 2"),
    parameters=Augmented,
)
def the_weakest_mode_decides(study: Study, size: Augmented) -> Iterator[Check]:
    for L in size.depths:
        yield from _threshold(study, L, size)


def _threshold(study: Study, L: int, size: Augmented) -> Iterator[Check]:
    """Next to the solution, along the weakest mode: 3 % below, at and 3 % above the critical augmentation."""
    modes, case, eta, b = size.draw(study.rng("threshold", L)), f"depth {L}", size.learning_rate, size.integration
    critical = modes.critical_augmentation(L, Tuning(b=b), eta)
    strongest, *_, weakest = modes.chains(L)
    tuning = Tuning(1.0, b, np.array([0.97, 1.0, 1.03]) * critical)
    growth = _growth(study, modes, L, tuning, case, size)

    def predicted(k: float) -> Array:
        """Growth if the threshold were k times as high, and the growth as far beside it."""
        beside = Tuning(1.0, b, tuning.c - (k - 1) * critical)
        return np.log(np.abs(1 + eta * minnorm.spectrum(weakest, beside)[:, -2:])).mean(-1) / eta

    yield growth.equals(predicted)
    value, error = growth.value, growth.within.value
    at_critical = Tolerance(error[1], DIFFERENCES)
    neutral = measured("neutral at the critical c", value[1], within=at_critical, case=case)
    yield neutral.equals(0, against=float(abs(value[2]) / 0.03))
    if L == shown(size.depths):
        wrong = float(minnorm.critical_augmentation(strongest, Tuning(b=b), eta)), critical + 1 / weakest.g
        growth = _growth(study, modes, L, Tuning(1.0, b, np.array(wrong)), case, size)
        for i, control in enumerate(("threshold of the strongest mode", "threshold with L - 1 in place of L - 2")):
            neutral = measured("neutral", growth.value[i], within=Tolerance(growth.within.value[i], DIFFERENCES))
            yield neutral.control(control).equals(0)


def _growth(study: Study, modes: Modes, L: int, tuning: Tuning, case: str, size: Augmented) -> Measured:
    """Growth, a unit of time, of (normal direction, multiplier) of the weakest mode at rest, one for each c."""
    chains, counts, eta = modes.chains(L), len(tuning.c), size.learning_rate
    rest = np.array([[*[chain.omega] * L, minnorm.solution_multiplier(chain)] for chain in chains])
    directions = np.zeros((2, len(chains), L + 1))
    directions[0, -1, :-1], directions[1, -1, -1] = L**-0.5, 1

    def after(starts: Array) -> Array:
        many = np.tile(starts.reshape(-1, *rest.shape), (counts, 1, 1))
        repeated = Modes(modes.problem.each(len(many)))
        frames = modes.frames(size.widths(L), study.rng("frames", L))
        frames = [np.repeat(frame, len(many), axis=0) for frame in frames]
        augmented = Tuning(tuning.a, tuning.b, np.repeat(tuning.c, len(many) // counts))
        trainee = by_minnorm_from(study, repeated, frames, many[..., :-1], many[..., -1], augmented)
        run = trainee.train(learning_rate=eta, steps=STEPS, record=[STEPS])
        ends = state_of_modes(repeated, frames, run)[-1].reshape(counts, *starts.shape)
        return np.einsum("csdikl,jkl->sdcij", ends, directions)

    power, error, displacement = central_differences(after, rest, directions)
    rounded = 4 * STEPS * sum(size.widths(L)) * EPS * (1 + chains[0].g) / displacement
    uncertain = (np.linalg.norm(error, axis=(-2, -1)) + rounded) * np.linalg.cond(power) / (STEPS * eta)
    growth = np.log(np.abs(np.linalg.det(power))) / (2 * STEPS * eta)
    within = Tolerance(uncertain, DIFFERENCES)
    return measured("growth of the weakest mode", growth, within=within, case=case, axes=("c",))
