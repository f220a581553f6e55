"""Depth 2: closed orbits of the naive multiplier method, a spiral to the minimum with any augmentation at all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import minnorm_descent
from experiments.chain.parameters import INPUT, TARGET, Units
from experiments.training import extrapolated, tends_to
from experiments.training.together import copies
from theory.chain import minnorm
from theory.chain.problem import Chain, distance, product
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning


@dataclass(frozen=True)
class Orbits:
    """A chain of depth 2, by Minnorm with and without augmentation; numbers are in the units of `Units`."""

    augmentation: float = varies("c, beside 0", 0.3, low=0.02, high=2)
    integration: float = varies("speed b of the multiplier", 0.7, low=0.1, high=2)
    speed: float = varies("a of the weights", 1.3, low=0.3, high=2)
    learning_rate: float = varies("of the coarsest run", 0.02, paper=0.005, low=1e-3, high=0.02)
    horizon: float = varies("until when orbits are watched", 6.0, low=1, high=10, unit="time")
    runs: int = varies("random starts over three decades of p", 64, smoke=8, paper=512, low=1, high=4096)
    target: float = varies("s, of the product of the weights", TARGET, low=0.1, high=10)
    input: float = varies("x; the target is x s", INPUT, low=0.1, high=10)

    @property
    def chain(self) -> Chain:
        return Chain(self.target, 2, x=self.input)

    @property
    def units(self) -> Units:
        return Units(self.chain)

    @property
    def naive(self) -> Tuning:
        return self.units.tuning(Tuning(self.speed, self.integration, 0.0))

    @property
    def augmented(self) -> Tuning:
        return self.units.tuning(Tuning(self.speed, self.integration, self.augmentation))

    @property
    def w(self) -> Array:
        """Of four orbits (4, 2)."""
        return self.units.weight * np.repeat(np.sqrt([1.3, 0.9, 0.5, 2.6])[:, None], 2, axis=1)

    @property
    def multipliers(self) -> Array:
        return np.array([1.0, 0.9, 0.7, 1.1]) / self.chain.x


@claim(
    "minnorm.chain_lotka_volterra",
    source="ours: Minnorm (reconstructed from Bansal et al. 2018) at depth 2; the method for c = 0: Platt & Barr 1987",
    source_kind=OURS,
    statement=r"p = w_1 w_2:\quad p' = 2 a \big(x \lambda + c \sigma (s - p) - 1\big) p,\ \lambda' = b x (s - p);\quad"
    r" H = a (x\lambda - 1)^2 + b \sigma (p - s - s \ln\tfrac{p}{s}),\quad"
    r" H' = -2abc\,\sigma^2 (s - p)^2,\quad c = 0: \text{closed orbits};\ c > 0: p \to s \text{ from every } p > 0",
    hypotheses=("depth 2", "squared norm", "balanced start w_1 = w_2", "input x, sigma = x^2, target x s"),
    theory_side="ODE",
    controls=(
        "naive multipliers converge",
        "s in the logarithm 10 % larger",
        "energy conserved with augmentation",
        "dissipation 10 % larger",
        "descent conserves the energy",
    ),
    parameters=Orbits,
)
def depth_two_orbits_or_converges(study: Study, orbits: Orbits) -> Iterator[Check | Curves]:
    naive, augmented = _refined(study, orbits)
    yield from _conserved(orbits, naive)
    yield from _dissipated(orbits, augmented)
    yield from _from_everywhere(study, orbits)
    yield from _descent_spirals_out(study, orbits)
    yield from _phase_portrait("naive", orbits, orbits.naive, naive[-1])
    yield from _phase_portrait("augmented", orbits, orbits.augmented, augmented[-1])
    chain = orbits.chain
    yield curves("minimum", p=chain.s, multiplier=minnorm.solution_multiplier(chain) * chain.x)


def _refined(study: Study, orbits: Orbits) -> tuple[list[Trajectory], list[Trajectory]]:
    """Without augmentation and with it, side by side."""
    tuning = _side_by_side(orbits.naive, orbits.augmented, len(orbits.w))
    trainee = minnorm_descent(study, orbits.chain, copies(orbits.w, 2), tuning, copies(orbits.multipliers, 2))
    runs = trainee.refine(learning_rate=orbits.learning_rate, horizon=orbits.horizon, records=61, levels=4)
    halves = [{name: np.split(array, 2, axis=1) for name, array in run.arrays.items()} for run in runs]
    naive, augmented = (
        [Trajectory(run.t, {name: half[i] for name, half in each.items()}) for run, each in zip(runs, halves)]
        for i in (0, 1)
    )
    return naive, augmented


def _side_by_side(one: Tuning, other: Tuning, runs: int) -> Tuning:
    """So many runs of one, then as many of the other."""
    return Tuning(*(np.repeat([getattr(tuning, name) for tuning in (one, other)], runs) for name in "abc"))


def _energy(chain: Chain, tuning: Tuning, run: Trajectory) -> Array:
    return minnorm.orbit_energy(chain, tuning, product(run["w"]), run["multipliers"])


def _changed(chain: Chain, tuning: Tuning, run: Trajectory) -> Array:
    energy = _energy(chain, tuning, run)
    return energy - energy[:1]


def _conserved(orbits: Orbits, runs: list[Trajectory]) -> Iterator[Check]:
    """H(t) - H(0), against what either of its two terms changes alone."""
    chain, naive = orbits.chain, orbits.naive
    alone = naive.a * (chain.x * runs[-1]["multipliers"] - 1) ** 2
    moved = float(np.abs(alone - alone[:1]).max())
    changes = [_changed(chain, naive, run) for run in runs]
    yield from tends_to("change of the energy", changes, lambda k: 0.0, against=moved, case="c = 0")
    shifted = [_changed(Chain(1.1 * chain.s, 2, chain.x), naive, run) for run in runs]
    yield extrapolated("change of the energy", shifted).control("s in the logarithm 10 % larger").equals(0)


def _dissipated(orbits: Orbits, runs: list[Trajectory]) -> Iterator[Check]:
    """H(t) - H(0) against the integral of its velocity along the flow."""
    energies = [_changed(orbits.chain, orbits.augmented, run) for run in runs]
    lost, error = _lost(orbits, runs[0].t)
    yield from tends_to("energy lost", energies, lambda k: k * lost, error, case="c > 0")
    change = extrapolated("energy lost", energies, error)
    yield change.control("energy conserved with augmentation").equals(0)
    yield change.control("dissipation 10 % larger").equals(1.1 * lost)


def _lost(orbits: Orbits, t: Array) -> tuple[Array, Array]:
    """int_0^t H' along the flow, integrated with it, and what two tolerances of the solver change."""
    fine, coarse = (_flow(orbits, orbits.augmented, t, tolerance)["lost"] for tolerance in (1e-11, 1e-9))
    return fine, np.abs(fine - coarse).max(0)


def _flow(orbits: Orbits, tuning: Tuning, t: Array, tolerance: float) -> Trajectory:
    """Weights and multipliers, and with them the energy that is lost."""
    chain = orbits.chain

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        w, multipliers = minnorm.velocity(chain, tuning, state["w"], state["multipliers"])
        lost = minnorm.orbit_dissipation(chain, tuning, product(state["w"]))
        return {"w": w, "multipliers": multipliers, "lost": lost}

    start = {"w": orbits.w, "multipliers": orbits.multipliers, "lost": np.zeros(len(orbits.w))}
    return flow(velocity, start, t, relative_tolerance=tolerance)


def _from_everywhere(study: Study, orbits: Orbits) -> Iterator[Check]:
    """Random starts over three decades of p: all converge, until their steps round away."""
    rng, runs, chain, units = study.rng("everywhere"), orbits.runs, orbits.chain, orbits.units
    sizes = units.weight * np.exp(rng.uniform(np.log(0.03), np.log(2.0), runs))
    w, multipliers = np.repeat(sizes[:, None], 2, axis=1), units.multiplier * rng.uniform(-1, 3, runs)
    best = minnorm.best_tuning(chain)
    # 10 for the smallest starts to grow, and 20 at rate 2: e^-40 is left.
    horizon, eta = 30.0, 0.02
    steps = round(horizon / eta)

    both = _side_by_side(best, Tuning(best.a, best.b, 0.0), runs)
    trainee = minnorm_descent(study, chain, copies(w, 2), both, copies(multipliers, 2))
    trained = trainee.train(learning_rate=eta, steps=steps, record=range(0, steps + 1, 50))
    augmented, naive = np.split(distance(chain, trained["w"]), 2, axis=1)
    within = rounding(8 / eta, chain.omega + 1, of="the state: a step that rounds away, at a rate above 1")
    name, orbiting = "distance at the end, from everywhere", naive[-10:].max(0)
    yield measured(name, augmented[-1], within=within, case="c > 0").equals(0, against=float(orbiting.min()))
    yield measured(name, orbiting, within=within).control("naive multipliers converge").equals(0)


def _descent_spirals_out(study: Study, orbits: Orbits) -> Iterator[Check]:
    """c = 0: the matrix of a small orbit is I + eta A, A antisymmetric in H: H grows by 1 + eta^2 a b g every step."""
    eta, chain, naive = 0.05, orbits.chain, orbits.naive
    gain = np.log1p(eta**2 * minnorm.orbit_frequency(chain, naive) ** 2)
    steps = min(200, int(2.3 / gain))  # until H is tenfold, and orbits still are small
    displacements = 0.02 / 2.0 ** np.arange(3)
    w = chain.omega * (1 + np.repeat(displacements[:, None], 2, axis=1))
    trainee = minnorm_descent(study, chain, w, naive, 1 / chain.x)
    energy = _energy(chain, naive, trainee.train(learning_rate=eta, steps=steps, record=[0, steps]))
    growth, error = richardson(list(np.log(energy[1] / energy[0]) / steps))
    within = Tolerance(error, "last Richardson correction in the size of the orbit")
    within += Tolerance(16 * EPS * chain.s / energy.min() / steps, "H is a difference of numbers near s, each rounded")
    gained = measured("descent gains energy a step", growth, within=within, case="c = 0")
    yield gained.equals(gain)
    yield gained.control("descent conserves the energy").equals(0)


def _phase_portrait(word: str, orbits: Orbits, tuning: Tuning, trained: Trajectory) -> Iterator[Check | Curves]:
    """The orbits of the flow, on which H changes by what is lost."""
    t, chain = np.linspace(0, orbits.horizon, 301), orbits.chain
    orbit = _flow(orbits, tuning, t, 1e-10)
    energy = _energy(chain, tuning, orbit)
    # The exact flow keeps H - lost, so a local error moves it once, by the gradient of H, and it does not grow.
    slope = 2 * tuning.a * chain.x * np.abs(chain.x * orbit["multipliers"] - 1)
    slope = slope + tuning.b * chain.sigma * np.abs(1 - chain.s / product(orbit["w"])) * 2 * orbit["w"][..., 0]
    error = orbit.facts["steps"] * orbit.facts["local_error"] * (1 + slope.max())
    within = Tolerance(error, "the local errors of all steps of the solver, times the gradient of H")
    change = measured("energy along the flow", energy - energy[:1], within=within, case=word, axes=("t", "run"))
    yield change.supporting().equals(orbit["lost"])
    yield curves(
        word,
        p=product(orbit["w"]),
        multiplier=orbit["multipliers"] * chain.x,
        trained_p=product(trained["w"]),
        trained_multiplier=trained["multipliers"] * chain.x,
    )
