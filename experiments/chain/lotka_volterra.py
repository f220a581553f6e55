"""Depth 2: closed orbits of the naive multiplier method, a spiral to the minimum with any augmentation at all."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import minnorm_descent
from experiments.training import extrapolated, tends_to
from theory.chain import minnorm
from theory.chain.problem import Chain, distance, product
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning

CHAIN = Chain(1.7, 2, x=1.2)
NAIVE, AUGMENTED = Tuning(1.3, 0.7, 0.0), Tuning(1.3, 0.7, 0.3)
HORIZON = 6.0
W = np.repeat(np.sqrt([1.3, 0.9, 0.5, 2.6])[:, None], 2, axis=1)
MULTIPLIERS = np.array([1.0, 0.9, 0.7, 1.1]) / CHAIN.x


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
)
def depth_two_orbits_or_converges(study: Study) -> Iterator[Check | Curves]:
    naive, augmented = _refined(study, NAIVE), _refined(study, AUGMENTED)
    yield from _conserved(naive)
    yield from _dissipated(augmented)
    yield from _from_everywhere(study)
    yield from _descent_spirals_out(study)
    yield from _phase_portrait("naive", NAIVE, naive[-1])
    yield from _phase_portrait("augmented", AUGMENTED, augmented[-1])
    yield curves("minimum", p=CHAIN.s, multiplier=minnorm.solution_multiplier(CHAIN) * CHAIN.x)


def _refined(study: Study, tuning: Tuning) -> list[Trajectory]:
    eta = study.pick(smoke=0.02, quick=0.02, paper=0.005)
    trainee = minnorm_descent(study, CHAIN, W, tuning, MULTIPLIERS)
    return trainee.refine(learning_rate=eta, horizon=HORIZON, records=61, levels=4)


def _energy(tuning: Tuning, run: Trajectory, chain: Chain = CHAIN) -> Array:
    return minnorm.orbit_energy(chain, tuning, product(run["w"]), run["multipliers"])


def _changed(tuning: Tuning, run: Trajectory, chain: Chain = CHAIN) -> Array:
    energy = _energy(tuning, run, chain)
    return energy - energy[:1]


def _conserved(runs: list[Trajectory]) -> Iterator[Check]:
    """H(t) - H(0), against what either of its two terms changes alone."""
    alone = NAIVE.a * (CHAIN.x * runs[-1]["multipliers"] - 1) ** 2
    moved = float(np.abs(alone - alone[:1]).max())
    changes = [_changed(NAIVE, run) for run in runs]
    yield from tends_to("change of the energy", changes, lambda k: 0.0, against=moved, case="c = 0")
    shifted = [_changed(NAIVE, run, Chain(1.1 * CHAIN.s, 2, CHAIN.x)) for run in runs]
    yield extrapolated("change of the energy", shifted).control("s in the logarithm 10 % larger").equals(0)


def _dissipated(runs: list[Trajectory]) -> Iterator[Check]:
    """H(t) - H(0) against the integral of its velocity along the flow."""
    energies = [_changed(AUGMENTED, run) for run in runs]
    lost, error = _lost(runs[0].t)
    yield from tends_to("energy lost", energies, lambda k: k * lost, error, case="c > 0")
    change = extrapolated("energy lost", energies, error)
    yield change.control("energy conserved with augmentation").equals(0)
    yield change.control("dissipation 10 % larger").equals(1.1 * lost)


def _lost(t: Array) -> tuple[Array, Array]:
    """int_0^t H' along the flow, integrated with it, and what two tolerances of the solver change."""
    fine, coarse = (_flow(AUGMENTED, t, tolerance)["lost"] for tolerance in (1e-11, 1e-9))
    return fine, np.abs(fine - coarse).max(0)


def _flow(tuning: Tuning, t: Array, tolerance: float) -> Trajectory:
    """Weights and multipliers, and with them the energy that is lost."""

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        w, multipliers = minnorm.velocity(CHAIN, tuning, state["w"], state["multipliers"])
        lost = minnorm.orbit_dissipation(CHAIN, tuning, product(state["w"]))
        return {"w": w, "multipliers": multipliers, "lost": lost}

    start = {"w": W, "multipliers": MULTIPLIERS, "lost": np.zeros(len(W))}
    return flow(velocity, start, t, relative_tolerance=tolerance)


def _from_everywhere(study: Study) -> Iterator[Check]:
    """Random starts over three decades of p: all converge, until their steps round away."""
    rng = study.rng("everywhere")
    runs = study.pick(smoke=8, quick=64, paper=512)
    sizes = np.exp(rng.uniform(np.log(0.03), np.log(2.0), runs))
    w, multipliers = np.repeat(sizes[:, None], 2, axis=1), rng.uniform(-1, 3, runs)
    best = minnorm.best_tuning(CHAIN)
    # 10 for the smallest starts to grow, and 20 at rate 2: e^-40 is left.
    horizon, eta = 30.0, 0.02
    steps = round(horizon / eta)

    def distances(tuning: Tuning) -> Array:
        trainee = minnorm_descent(study, CHAIN, w, tuning, multipliers)
        return distance(CHAIN, trainee.train(learning_rate=eta, steps=steps, record=range(0, steps + 1, 50))["w"])

    augmented, naive = distances(best), distances(Tuning(best.a, best.b, 0.0))
    within = rounding(8 / eta, CHAIN.omega + 1, of="the state: a step that rounds away, at a rate above 1")
    name, orbiting = "distance at the end, from everywhere", naive[-10:].max(0)
    yield measured(name, augmented[-1], within=within, case="c > 0").equals(0, against=float(orbiting.min()))
    yield measured(name, orbiting, within=within).control("naive multipliers converge").equals(0)


def _descent_spirals_out(study: Study) -> Iterator[Check]:
    """c = 0: the matrix of a small orbit is I + eta A, A antisymmetric in H: H grows by 1 + eta^2 a b g every step."""
    eta, steps = 0.05, 200
    displacements = 0.02 / 2.0 ** np.arange(3)
    w = CHAIN.omega * (1 + np.repeat(displacements[:, None], 2, axis=1))
    trainee = minnorm_descent(study, CHAIN, w, NAIVE, 1 / CHAIN.x)
    energy = _energy(NAIVE, trainee.train(learning_rate=eta, steps=steps, record=[0, steps]))
    growth, error = richardson(list(np.log(energy[1] / energy[0]) / steps))
    within = Tolerance(error, "last Richardson correction in the size of the orbit")
    within += Tolerance(16 * EPS * CHAIN.s / energy.min() / steps, "H is a difference of numbers near s, each rounded")
    gained = measured("descent gains energy a step", growth, within=within, case="c = 0")
    yield gained.equals(np.log1p(eta**2 * minnorm.orbit_frequency(CHAIN, NAIVE) ** 2))
    yield gained.control("descent conserves the energy").equals(0)


def _phase_portrait(word: str, tuning: Tuning, trained: Trajectory) -> Iterator[Check | Curves]:
    """The orbits of the flow, on which H changes by what is lost."""
    t = np.linspace(0, HORIZON, 301)
    orbit = _flow(tuning, t, 1e-10)
    energy = _energy(tuning, orbit)
    # The exact flow keeps H - lost, so a local error moves it once, by the gradient of H, and it does not grow.
    slope = 2 * tuning.a * CHAIN.x * np.abs(CHAIN.x * orbit["multipliers"] - 1)
    slope = slope + tuning.b * CHAIN.sigma * np.abs(1 - CHAIN.s / product(orbit["w"])) * 2 * orbit["w"][..., 0]
    error = orbit.facts["steps"] * orbit.facts["local_error"] * (1 + slope.max())
    within = Tolerance(error, "the local errors of all steps of the solver, times the gradient of H")
    change = measured("energy along the flow", energy - energy[:1], within=within, case=word, axes=("t", "run"))
    yield change.supporting().equals(orbit["lost"])
    yield curves(
        word,
        p=product(orbit["w"]),
        multiplier=orbit["multipliers"] * CHAIN.x,
        trained_p=product(trained["w"]),
        trained_multiplier=trained["multipliers"] * CHAIN.x,
    )
