"""Depth 2: closed orbits of the naive multiplier method, a spiral to the minimum with any augmentation at all."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import MinnormDescent, refine, train_chain
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from theory.chain import minnorm
from theory.chain.problem import Chain, distance, product
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning

CHAIN = Chain(1.7, 2, x=1.2)
NAIVE, AUGMENTED = Tuning(1.0, 0.7, 0.0), Tuning(1.0, 0.7, 0.3)
HORIZON = 6.0


@claim(
    "minnorm.chain_lotka_volterra",
    source="Bansal et al. 2018 (reconstruction: Minnorm at depth 2); Platt & Barr 1987 for c = 0; ours",
    statement=r"H = a (x\lambda - 1)^2 + b \sigma (p - s - s \ln\tfrac{p}{s}),\quad"
    r" H' = -2abc\,\sigma^2 (s - p)^2,\quad c = 0: \text{closed orbits};\ c > 0: w \to w^* \text{ from every } p > 0",
    hypotheses=("depth 2", "squared norm", "balanced start with p > 0"),
    controls=(
        "naive multipliers converge",
        "s in the logarithm 10 % larger",
        "energy conserved with augmentation",
        "dissipation 10 % larger",
        "descent conserves the energy",
    ),
)
def depth_two_orbits_or_converges(study: Study) -> Iterator[Check | Curves]:
    w, multiplier = _starts()
    naive = _refine(study, "naive", w, NAIVE, multiplier)
    augmented = _refine(study, "augmented", w, AUGMENTED, multiplier)
    yield from _conserved(naive)
    yield from _dissipated(augmented)
    yield from _from_everywhere(study)
    yield from _descent_spirals_out(study)
    yield from _phase_portrait(w, multiplier, naive, augmented)


def _starts() -> tuple[Array, Array]:
    p = np.array([1.3, 0.9, 0.5, 2.6]) * CHAIN.s / 1.7
    return np.repeat(np.sqrt(p)[:, None], 2, axis=1), np.array([1.0, 0.9, 0.7, 1.1]) / CHAIN.x


def _refine(study: Study, name: str, w: Array, tuning: Tuning, multiplier: Array) -> list[Trajectory]:
    eta = study.pick(smoke=0.02, quick=0.02, paper=0.005)
    rule = lambda: MinnormDescent(CHAIN, tuning, multiplier)  # noqa: E731
    return refine(study, name, CHAIN, w, rule, learning_rate=eta, horizon=HORIZON, records=61, levels=3)


def _energy(tuning: Tuning, run: Trajectory, chain: Chain = CHAIN) -> Array:
    return minnorm.orbit_energy(chain, tuning, product(run["w"]), run["multiplier"])


def _conserved(runs: list[Trajectory]) -> Iterator[Check]:
    energies = [_energy(NAIVE, run) for run in runs]
    start = np.broadcast_to(energies[0][:1], energies[0].shape)
    yield from tends_to("c = 0: energy", energies, start)
    shifted = [_energy(NAIVE, run, Chain(1.1 * CHAIN.s, 2, CHAIN.x)) for run in runs]
    start = np.broadcast_to(shifted[0][:1], start.shape)
    yield refuted("s in the logarithm 10 % larger", extrapolated("shifted", shifted, start))


def _dissipated(runs: list[Trajectory]) -> Iterator[Check]:
    """H(t) - H(0) against the integral of its velocity along the flow."""
    energies = [_energy(AUGMENTED, run) - _energy(AUGMENTED, run)[:1] for run in runs]
    lost, error = _lost(runs[0])
    yield from tends_to("c > 0: energy lost", energies, lost, error)
    yield refuted("energy conserved with augmentation", extrapolated("conserved", energies, 0 * lost, error))
    yield refuted("dissipation 10 % larger", extrapolated("dissipation", energies, 1.1 * lost, error))


def _lost(run: Trajectory) -> tuple[Array, Array]:
    """int_0^t H' along the flow, integrated with it, and what two tolerances of the solver change."""

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        w, multiplier = minnorm.velocity(CHAIN, AUGMENTED, state["w"], state["multiplier"])
        lost = minnorm.orbit_dissipation(CHAIN, AUGMENTED, product(state["w"]))
        return {"w": w, "multiplier": multiplier, "lost": lost}

    start = {"w": run["w"][0], "multiplier": run["multiplier"][0], "lost": np.zeros(len(run["w"][0]))}
    fine, coarse = (flow(velocity, start, run.t, relative_tolerance=tolerance)["lost"] for tolerance in (1e-11, 1e-9))
    return fine, np.abs(fine - coarse).max(0)


def _from_everywhere(study: Study) -> Iterator[Check]:
    """Random starts over three decades of p: all converge, at the pace of the spectrum."""
    rng = study.rng("everywhere")
    runs = study.pick(smoke=8, quick=64, paper=512)
    sizes = np.exp(rng.uniform(np.log(0.03), np.log(2.0), runs))
    w, multiplier = np.repeat(sizes[:, None], 2, axis=1), rng.uniform(-1, 3, runs)
    best = minnorm.best_tuning(CHAIN)
    rate = -minnorm.spectrum(CHAIN, best).real.max()
    horizon, eta = 18.0, 0.02
    steps = round(horizon / eta)
    ends = {}
    for word, tuning in (("best", best), ("naive", Tuning(best.a, best.b, 0.0))):
        rule = MinnormDescent(CHAIN, tuning, multiplier)
        run = train_chain(
            study, word, CHAIN, w, rule, learning_rate=eta, steps=steps, record=list(range(0, steps + 1, 50))
        )
        ends[word] = distance(CHAIN, run["w"][-1]), distance(CHAIN, run["w"]).max(0)
    last, largest = ends["best"]
    # A third of the time may pass before the neighbourhood of the minimum is reached; half the rate there leaves room
    # for the factor t of a double eigenvalue.
    bound = np.exp(-rate / 2 * horizon * 2 / 3) * largest
    because = "half the asymptotic rate over two thirds of the time"
    yield at_most("c > 0: distance at the end, from everywhere", last, bound, because=because)
    yield refuted("naive multipliers converge", at_most("naive", ends["naive"][0], bound, because=because))


def _descent_spirals_out(study: Study) -> Iterator[Check]:
    """c = 0: the matrix of a small orbit is I + eta A, A antisymmetric in H: H grows by 1 + eta^2 a b g every step."""
    eta, steps = 0.05, 200
    displacements = 0.02 / 2.0 ** np.arange(3)
    w = CHAIN.omega * (1 + np.repeat(displacements[:, None], 2, axis=1))
    rule = MinnormDescent(CHAIN, NAIVE, 1 / CHAIN.x)
    run = train_chain(study, "outwards", CHAIN, w, rule, learning_rate=eta, steps=steps, record=[0, steps])
    energy = _energy(NAIVE, run)
    growth, error = richardson(list(np.log(energy[1] / energy[0]) / steps))
    predicted = np.log1p(eta**2 * minnorm.orbit_frequency(CHAIN, NAIVE) ** 2)
    # H is a difference of numbers near s, each rounded, and smallest at the start.
    tolerance = error + 16 * EPS * CHAIN.s / energy.min() / steps
    because = "last Richardson correction in the size of the orbit, and rounding of H"
    yield equal("c = 0: descent gains energy a step", growth, predicted, tolerance=tolerance, because=because)
    conserved = equal("conserved", growth, 0, tolerance=tolerance, because=because)
    yield refuted("descent conserves the energy", conserved)


def _phase_portrait(
    w: Array, multiplier: Array, naive: list[Trajectory], augmented: list[Trajectory]
) -> Iterator[Curves]:
    t = np.linspace(0, HORIZON, 301)
    for word, tuning, runs in (("naive", NAIVE, naive), ("augmented", AUGMENTED, augmented)):

        def velocity(_: float, state: dict[str, Array], tuning: Tuning = tuning) -> dict[str, Array]:
            moved, integrated = minnorm.velocity(CHAIN, tuning, state["w"], state["multiplier"])
            return {"w": moved, "multiplier": integrated}

        solution = flow(velocity, {"w": w, "multiplier": multiplier}, t)
        finest = runs[-1]
        yield curves(
            **{
                f"{word}_p": product(solution["w"]),
                f"{word}_multiplier": solution["multiplier"] * CHAIN.x,
                f"{word}_p_trained": product(finest["w"]),
                f"{word}_multiplier_trained": finest["multiplier"] * CHAIN.x,
            }
        )
    yield curves(target=CHAIN.s)
