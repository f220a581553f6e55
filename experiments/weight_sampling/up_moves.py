"""Up-moves of the loss between samples: their size is what averaging changes, their chance stays one half."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel

from experiments.methods.weight_sampling import RestartedAverage
from experiments.weight_sampling.noisy import Quadratic, descend, steps_to_forget
from experiments.weight_sampling.ratios import around_ratio
from theory.claims import OURS, Check, Curves, Study, claim, curves, frequency, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.weight_sampling import averages, directions, restart, up_moves
from theory.weight_sampling.descent import Descent, kept, variance

DIRECTIONS = 3  # in which the loss of a run is summed
LOPSIDED = np.diag([1.0, 0.05])  # curvatures, and noise along their diagonal: the two do not commute
ALONG = 0.999 * np.array([[0.5, 0.5], [0.5, 0.5]]) + 0.001 * np.eye(2)
FORGOTTEN = 6e-6  # of the variance before, where an epoch counts as stationary


@dataclass(frozen=True)
class Chains:
    """Runs of descent with Gaussian noise, looked at where epochs end."""

    curvature: float = varies("h, in each of three directions", 0.6, low=1e-3, high=100)
    learning_rate: float = varies("eta", 0.09, low=1e-3, high=10)
    noise: float = varies("standard deviation s of the gradient's", 0.7, low=1e-3, high=1e3)
    period: int = varies("P, steps from a sample to the next", 4, low=1, high=50, unit="steps")
    samples: int = varies("K, of an epoch", 5, low=2, high=50)
    kicks: float = varies("chance of a kick in a step, of noise that is rare", 0.02, low=0.001, high=0.2)
    runs: int = varies("of each kind of noise", 120_000, smoke=30_000, low=30_000, high=500_000)

    def __post_init__(self) -> None:
        product = self.learning_rate * self.curvature
        if not 0.02 <= product <= 0.5:
            reject("learning_rate x curvature", product, "a number in [0.02, 0.5]: epochs that forget, and do not jump")
        if not 0.45 <= self.alpha <= 0.98:
            expected = "an epoch that keeps 0.45 to 0.98 of where it begins on average, so that correlations are seen"
            reject("period x samples", self.epoch, f"{expected}, not {self.alpha:.3g}")

    @property
    def descent(self) -> Descent:
        return Descent(self.curvature, self.learning_rate, self.noise)

    @property
    def epoch(self) -> int:
        return self.period * self.samples

    @property
    def alpha(self) -> float:
        return float(averages.mean_kept(self.descent, self.samples, self.period))


@claim(
    "weight_sampling.up_moves",
    source='ours: what "approximately monotonic" (Tripathi et al. 2019, abstract) can mean',
    source_kind=OURS,
    statement=r"(w, w')\ \text{stationary, Gaussian, of variance}\ v\ \text{and correlation}\ c,\quad"
    r" L = \tfrac h2 |w|^2:\quad"
    r" P(L' > L) = \tfrac12,\quad \mathbb E (L' - L)_+ = h v \sqrt{1 - c^2}\,"
    r"\frac{\Gamma(\frac{d+1}2)}{\sqrt\pi\,\Gamma(\frac d2)}\ \text{in}\ d\ \text{directions};"
    r"\quad w\ \text{where epochs end:}\ v = V, c = \rho^n;\quad"
    r" \text{averages over epochs:}\ v = A, c = \tfrac{V q}{A} \big(\tfrac{1-q^K}{K(1-q)}\big)^2;\quad"
    r" \text{restarted:}\ v = R, c = \alpha",
    hypotheses=(
        "stationary: the start is forgotten",
        "Gaussian noise, alike and independent in d directions of one curvature h",
        "epochs of n = K P steps; rho = 1 - eta h, q = rho^P; V, A, R: variances of w, of averages, with restart",
        "alpha, what an average keeps of where its epoch began",
    ),
    theory_side="closed form",
    controls=(
        "averages rise less often",
        "rises shrink like standard deviations",
        "rises of samples without correlations",
        "one half whatever the directions of the noise",
        "one half whatever the law of the noise",
    ),
    parameters=Chains,
)
def averaging_shrinks_rises_and_leaves_their_chance(study: Study, sizes: Chains) -> Iterator[Check | Curves]:
    yield from _rises(study, sizes)
    yield from _noise_along_the_diagonal(study, sizes)
    yield from _rare_kicks(study, sizes)


def _rises(study: Study, sizes: Chains) -> Iterator[Check | Curves]:
    descent, K, P = sizes.descent, sizes.samples, sizes.period
    V, A = variance(descent), averages.averaged_variance(descent, K, P)
    laws = {
        "w": (V, kept(descent, sizes.epoch)),
        "averages": (A, averages.successive_covariance(descent, K, P) / A),
        "restarted": (restart.restarted_variance(descent, K, P), sizes.alpha),
    }
    for name, (before, after) in _trained(study, sizes).items():
        law = tuple(float(number) for number in laws[name])
        yield from _judged(sizes, name, before, after, law, V)
    yield curves(variances=[law[0] for law in laws.values()], correlations=[law[1] for law in laws.values()])


def _judged(
    sizes: Chains, name: str, before: Array, after: Array, law: tuple[float, float], V: float
) -> Iterator[Check]:
    """One direction at a time, and all of them: how often the loss rises, how far, and how far for its size."""
    h, (own, c) = sizes.curvature, law
    each, alike = (h / 2 * before.ravel() ** 2, h / 2 * after.ravel() ** 2), {"case": name}
    chance = rate("chance of a rise", mean(each[1] > each[0]), **alike)
    yield chance.equals(0.5)
    rise = rate("mean rise over prediction", mean(_rise(*each) / up_moves.mean_rise(h, own, c)), **alike)
    yield rise.equals(1)
    of_size = rate("mean rise over mean loss", mean(around_ratio(_rise(*each), each[0])), **alike)
    yield of_size.equals(2 / np.pi * np.sqrt(1 - c**2))
    together = tuple((h / 2 * w**2).sum(1) for w in (before, after))
    scale = up_moves.mean_rise(h, own, c, before.shape[1])
    jointly = rate(f"mean rise over prediction, {before.shape[1]} directions", mean(_rise(*together) / scale), **alike)
    yield jointly.equals(1)
    if name == "restarted":
        yield chance.control("averages rise less often").equals(0.45)
        yield rise.control("rises shrink like standard deviations").equals(np.sqrt(V / own))
        yield rise.control("rises of samples without correlations").equals(1 / np.sqrt(1 - c**2))


def _noise_along_the_diagonal(study: Study, sizes: Chains) -> Iterator[Check]:
    """A pair that is not exchangeable: noise in directions that are not those of the curvature, from step to step."""
    eta, rng, root = 1.0, study.rng("diagonal"), np.linalg.cholesky(ALONG)
    module = Quadratic(np.zeros((sizes.runs, 2)), np.diag(LOPSIDED), study.device)
    steps = _steps_until_stationary(Descent(LOPSIDED[1, 1], eta)) + 1
    noise = (rng.standard_normal((sizes.runs, 2)) @ root.T for _ in range(steps))
    before, after = _last_two(study, module, noise, steps, partial(SGD, lr=eta))
    rises = (after**2 @ np.diag(LOPSIDED)) > (before**2 @ np.diag(LOPSIDED))
    M = np.eye(2) - eta * LOPSIDED
    S = directions.stationary_covariance(M, eta**2 * ALONG)
    chance = rate("chance of a rise", mean(rises), case="noise across the curvatures")
    yield chance.equals(up_moves.chance_of_rise(LOPSIDED, S, S @ M.T))
    yield chance.control("one half whatever the directions of the noise").equals(0.5)


def _rare_kicks(study: Study, sizes: Chains) -> Iterator[Check]:
    """Noise that kicks rarely: between kicks the loss only falls, so it rises as rarely as they come."""
    rng, p, steps = study.rng("kicks"), sizes.kicks, _steps_until_stationary(sizes.descent) + 1
    module = Quadratic(np.zeros((sizes.runs, 1)), np.array([sizes.curvature]), study.device)
    kick = sizes.noise / p**0.5
    noise = (kick * rng.choice([0.0, 1.0, -1.0], (sizes.runs, 1), p=[1 - p, p / 2, p / 2]) for _ in range(steps))
    before, after = _last_two(study, module, noise, steps, partial(SGD, lr=sizes.learning_rate))
    rises = (np.abs(after) > np.abs(before)).ravel()
    because = "without a kick |w| falls"
    still = frequency("no rise where kicks are rare", len(rises) - int(rises.sum()), len(rises), because=because)
    yield still.supporting().at_least(1 - p)
    chance = rate("chance of a rise where kicks are rare", mean(rises))
    yield chance.control("one half whatever the law of the noise").equals(0.5)


def _trained(study: Study, sizes: Chains) -> dict[str, tuple[Array, Array]]:
    """w where two epochs end, the averages over them, and what training goes on from with restart: (runs, d) each."""
    start = np.zeros((sizes.runs, DIRECTIONS))
    plain, again = (Quadratic(start, np.full(DIRECTIONS, sizes.curvature), study.device) for _ in range(2))
    average, sampling = AveragedModel(plain), RestartedAverage(again, period=sizes.period, samples=sizes.samples)
    seen: dict[str, list[Tensor]] = {"w": [], "averages": [], "restarted": []}
    burn = -(-_steps_until_stationary(sizes.descent) // sizes.epoch)

    def look_and_average(step: int) -> None:
        if step > burn * sizes.epoch and step % sizes.period == 0:
            average.update_parameters(plain)
            if step % sizes.epoch == 0:
                seen["w"].append(plain.w.detach().clone())
                seen["averages"].append(average.module.w.detach().clone())
                average.n_averaged.zero_()

    def look_and_restart(step: int) -> None:
        if sampling.step():
            seen["restarted"] = [*seen["restarted"][-1:], again.w.detach().clone()]

    make = partial(SGD, lr=sizes.learning_rate)
    epochs = {"plain": burn, "restarted": int(np.ceil(np.log(FORGOTTEN) / (2 * np.log(sizes.alpha))))}
    for (name, count), module, look in zip(epochs.items(), (plain, again), (look_and_average, look_and_restart)):
        rng = study.rng(name)
        noise = (sizes.noise * rng.standard_normal(start.shape) for _ in range((count + 2) * sizes.epoch))
        descend(study, module, noise, make, look)
    return {name: tuple(w.cpu().numpy() for w in pair) for name, pair in seen.items()}


def _last_two(
    study: Study, module: Quadratic, noise: Iterator[Array], steps: int, make: partial
) -> tuple[Array, Array]:
    """The weights before the last step, and after it."""
    before: list[Tensor] = []

    def look(step: int) -> None:
        if step == steps - 1:
            before.append(module.w.detach().clone())

    descend(study, module, noise, make, look)
    return before[0].cpu().numpy(), module.w.detach().cpu().numpy()


def _steps_until_stationary(descent: Descent) -> int:
    """Steps that leave the third root of a rounding, 6e-6, of the variance before: far below any interval here."""
    return -(-steps_to_forget(descent) // 3)


def _rise(before: Array, after: Array) -> Array:
    return np.maximum(after - before, 0)
