"""When modes are learned from Gaussian starts: logarithms of independent chi-squares, one degree less for each mode."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.deep_linear.aligned import Whitened
from experiments.deep_linear.small_starts import normal_layers, trained
from experiments.training.crossings import passing_times
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    by_chance,
    claim,
    curves,
    measured,
    samples,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.deep_linear import saddle_to_saddle as theory
from theory.deep_linear.modes import Modes

EVERY = 0.1  # time between records
RARE = 1e-10  # of the times of a mode, what is not waited for
SETTLED = 2.5  # of x^2 s t: until the last mode is learned
SHOWN, SHORTER = 20, 4  # runs of the figure, and how much shorter their steps are
ALONG = "a mode is learned along what of its start the modes before leave"


@dataclass(frozen=True)
class Drawn(Whitened):
    strengths: tuple[float, ...] = varies("of the modes, decreasing", (3.0, 1.8, 1.1), low=0.5, high=4)
    inputs: int = varies("d", 4, low=2, high=20)
    examples: int = varies("n", 3, low=2, high=20)
    width: int = varies("h, units of the hidden layer", 6, low=2, high=20)
    deviations: tuple[float, ...] = varies("of the entries of the two layers", (6e-6, 1.4e-5), low=1e-9, high=3e-5)
    runs: int = varies("starts", 10000, smoke=1500, paper=40000, low=1000, high=100000)
    learning_rate: float = varies("of descent", 0.02, paper=0.01, low=5e-3, high=0.02)

    def __post_init__(self) -> None:
        super().__post_init__()
        s = np.array(self.strengths)
        if (s[:-1] < 1.4 * s[1:]).any() or s[0] > 5 * s[-1]:
            reject("strengths", self.strengths, "each 1.4 times the next at least, none 5 times another")
        if len(self.deviations) != 2 or max(self.deviations) > 2.5 * min(self.deviations):
            reject("deviations", self.deviations, "two, one a layer, neither above 2.5 times the other")
        if self.width < len(s) + 2:
            reject("width", self.width, f"at least two more than the modes, {len(s) + 2}: chi-squares with a variance")

    @property
    def both(self) -> tuple[float, float]:
        return self.deviations[0], self.deviations[1]

    @property
    def eta(self) -> float:
        """Smaller where the strongest mode is faster than at 3."""
        return self.learning_rate * min(1.0, 3 / self.strengths[0])


@claim(
    "deep_linear.jump_times",
    source="ours; R_kk^2 of a Gaussian matrix: Bartlett's decomposition",
    source_kind=OURS,
    statement=r"t_k = \frac{1}{2 x^2 s_k} \log \frac{4 s_k}{(\epsilon_1^2 + \epsilon_2^2)\, \chi_k^2} + o(1),\quad"
    r" \chi_k^2 \sim \chi^2_{h - k + 1}\ \text{independent};\quad"
    r" E\, t_k = \frac{\log \frac{2 s_k}{\epsilon_1^2 + \epsilon_2^2} - \psi(\frac{h - k + 1}{2})}{2 x^2 s_k},\quad"
    r" \mathrm{var}\, t_k = \frac{\psi'(\frac{h - k + 1}{2})}{4 x^4 s_k^2}",
    hypotheses=(
        "gradient flow of two layers on whitened examples, X X^T = x^2 P; Y X^+ = U S V^T, s_1 > s_2 > ...",
        "W_1 (h, d), W_2 (K, h) of independent entries N(0, e_1^2) and N(0, e_2^2), as these tend to 0",
        "t_k: when u_k^T W v_k = s_k / 2, k up to the width h",
    ),
    theory_side="law",
    controls=(
        "every mode has h degrees of freedom",
        "h - k degrees of freedom",
        "scale 10 % larger",
        "one layer alone",
        "starts of random size are as independent",
    ),
    parameters=Drawn,
)
def jump_times_are_logarithms_of_chi_squares(study: Study, size: Drawn) -> Iterator[Check | Curves]:
    modes = size.draw(study.rng("problem"))
    s, laws = modes.s[0], theory.jump_time_laws(modes.s[0], modes.x, size.width, size.both)
    rng, uneven = study.rng("starts"), size.runs // 8
    factors = np.append(np.ones(size.runs), np.exp(rng.uniform(0, 2, uneven)))
    unit = normal_layers(rng, modes, size.width, size.deviations, size.runs + uneven)
    W = [factors[:, None, None] * layer for layer in unit]
    horizon = max(law.ppf(1 - RARE) for law in laws) + SETTLED / laws[-1].rate
    (run,) = trained(study, modes, W, learning_rate=size.eta, horizon=horizon, every=EVERY)
    t = theory.flow_time(s, modes.x, size.eta, passing_times(run.t, run["strength"] / s, 0.5))
    equal, of_random_size = t[: size.runs], t[size.runs :]
    off = _off(size, modes, [layer[: size.runs] for layer in W])
    for k, law in enumerate(laws):
        yield from _of_one_mode(equal[:, k], law, off[k], f"mode {k + 1}")
    yield _mean_start(equal, laws, off).equals(1.0)
    larger = [replace(law, scale=1.1 * law.scale) for law in laws]
    yield _mean_start(equal, larger, off).control("scale 10 % larger").equals(1.0)
    yield from _wrong_laws(size, modes, equal)
    yield _correlation(equal, laws).equals(0.0, against=1.0)
    yield _correlation(of_random_size, laws).control("starts of random size are as independent").equals(0.0)
    yield from _shown(study, size, modes, [layer[:SHOWN] for layer in W], equal, laws)


def _off(size: Drawn, modes: Modes, W: list[Array]) -> Array:
    """By what share of themselves the chi-squares of each mode (modes,) may be off in the mean, beside chance."""
    rate = modes.x**2 * modes.s[0]
    neighbours = np.abs(theory.correction(modes.s[0], modes.x, modes.effective_start(W))).mean(0)
    return 2 * ((size.eta * rate) ** 3 + 2 * rate * neighbours)


def _of_one_mode(t: Array, law: theory.JumpTime, off: float, case: str) -> Iterator[Check]:
    yield samples("time of the jump", t, because=ALONG, case=case).follow(law)
    because = "a^3, a = learning rate x x^2 s; twice what neighbours change"
    within = by_chance(mean(t)) + Tolerance(off / (2 * law.rate), because)
    yield measured("mean time", t.mean(), within=within, case=case).equals(law.mean())
    squares = (t - law.mean()) ** 2 / law.var()
    within = by_chance(mean(squares)) + Tolerance(2 * off, because)
    yield measured("variance over its law", squares.mean(), within=within, case=case).supporting().equals(1.0)


def _mean_start(t: Array, laws: list[theory.JumpTime], off: Array) -> Measured:
    """The chi-squares that times (runs, modes) tell, all together: what knows most of their scale."""
    starts = sum(law.start(times) for law, times in zip(laws, t.T)) / sum(law.degrees for law in laws)
    because = "a^3, a = learning rate x x^2 s; twice what neighbours change"
    within = by_chance(mean(starts)) + Tolerance(off.max(), because)
    return measured("mean chi^2 over its degrees of freedom", starts.mean(), within=within)


def _wrong_laws(size: Drawn, modes: Modes, t: Array) -> Iterator[Check]:
    laws = theory.jump_time_laws(modes.s[0], modes.x, size.width, size.both)
    last, drawn = laws[-1], samples("time of the last jump", t[:, -1], because=ALONG)
    yield drawn.control("every mode has h degrees of freedom").follow(replace(last, degrees=size.width))
    yield drawn.control("h - k degrees of freedom").follow(replace(last, degrees=last.degrees - 1))
    alone = theory.jump_time_laws(modes.s[0], modes.x, size.width, (0.0, max(size.both)))[0]
    drawn = samples("time of the first jump", t[:, 0], because=ALONG)
    yield drawn.control("one layer alone").follow(alone)


def _correlation(t: Array, laws: list[theory.JumpTime]) -> Measured:
    """Of what the laws make of the times of two modes, uniform numbers; the mean over all pairs, which varies least."""
    z = np.sqrt(12) * np.stack([law.cdf(times) - 0.5 for times, law in zip(t.T, laws)])
    products = np.mean([z[i] * z[j] for i in range(len(z)) for j in range(i)], axis=0)
    return measured("correlation of the times of two modes", products.mean(), within=by_chance(mean(products)))


def _shown(
    study: Study, size: Drawn, modes: Modes, W: list[Array], t: Array, laws: list[theory.JumpTime]
) -> Iterator[Curves]:
    """Densities under the times of all runs; and losses of a few, by steps too short for a clock of their own."""
    x = np.stack([np.linspace(law.ppf(1e-5), law.ppf(1 - 1e-5), 200) for law in laws])
    density, alike = (
        np.stack([law.pdf(row) for law, row in zip(each, x)])
        for each in (laws, [replace(law, degrees=size.width) for law in laws])
    )
    yield curves(times=t, x=x, density=density, alike=alike, degrees=[law.degrees for law in laws])
    options = {"learning_rate": size.eta / SHORTER, "every": EVERY, "horizon": float(t.max()) + 1.0}
    (run,) = trained(study, modes, W, **options)
    s, jumps = modes.s[0], theory.jump_times(modes.s[0], modes.x, modes.effective_start(W))
    fine = np.linspace(0, run.t[-1], 500)
    staircase = modes.x**2 / 2 * ((s - theory.strengths(s, modes.x, jumps, fine)) ** 2).sum(-1)
    plateaus = modes.x**2 / 2 * np.append((s**2)[::-1].cumsum()[::-1], 0)
    yield curves("losses", t=run.t, loss=run["loss"], fine=fine, staircase=staircase, plateaus=plateaus)
