"""Curves of directions on the sphere in three dimensions: which dynamics share one, and where they all end."""

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor

from experiments.homogeneous.networks import (
    LOSSES,
    TangentDescent,
    sizes_and_directions,
    stack_margins,
    trainer,
    weight_normalised_margins,
    with_exponential_gains,
)
from experiments.homogeneous.problems import as_examples, classifying_directions
from experiments.training.batches import state_of
from experiments.training.legacy import extrapolated
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.separable import Separable, planted
from theory.core.trajectory import Trajectory
from theory.homogeneous import dynamics
from theory.homogeneous.decomposition import Polar, log_pull
from theory.homogeneous.dynamics import Dynamics
from theory.homogeneous.equilibrium import equilibrium

START = 0.15  # size of the layer at the start of what is free
FROZEN = (1.5, 4.0, 12.0)  # and of what is frozen
GROWTH = 3.8  # log of how much the free sizes grow
FREE: dict[str, Dynamics] = {
    "gradient flow": dynamics.gradient_flow,
    "exponential": dynamics.exponential_weight_normalisation,
    "weight normalisation": dynamics.weight_normalisation,
}


class SlowedDescent(GradientDescent):
    """Descent on (a, v), g = e^a, by steps learning_rate / g^2: in the time of gradient flow, g stays finite."""

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate * (-2 * state["a1"]).exp())


@claim(
    "banburski2019.curves_on_the_sphere",
    source="Banburski et al. 2019 (content: the dynamics end at the same directions); their curves ours",
    statement=r"\text{one layer: the curve of } V \text{ is one for GF and EWN, another for WN, one for LM and TG;}"
    r"\quad V \to V^*(\rho) \text{ where } \rho \text{ is frozen},\ V^*(\rho) \to \hat w / |\hat w|",
    hypotheses=("one layer, three dimensions", "logarithm of the exponential loss"),
    controls=("trained: weight normalisation is gradient flow", "frozen sizes end at the max-margin direction"),
)
def directions_move_on_few_curves(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("sphere")
    problem = _problem(rng)
    V = _start(rng, problem)
    yield curves(max_margin=problem.w * problem.margin, frozen_sizes=np.array(FROZEN), start=V[0, 0])
    yield from _free(study, problem, V)
    yield from _frozen(study, problem, V)


def _problem(rng: np.random.Generator) -> Separable:
    """Three examples in three dimensions, all of them support vectors, with duals of their own; one direction across
    the max margin settles about ten times as fast as the other, so that what is done first shows."""
    candidates = Separable(planted(rng, np.array([0.6, 0.3, 0.1]), d=3, margin=0.7, spread=0.8, runs=200))
    return candidates.run(int(np.abs(np.log(candidates.condition / 10)).argmin()))


def _start(rng: np.random.Generator, problem: Separable) -> Array:
    """Of four directions (1, 1, 3) the one from which two dynamics part the furthest."""
    growth = np.linspace(0, GROWTH, 40)

    def parting(V: Array) -> float:
        first, second = (_orbit(name, problem, V, growth)["V1"][:, 0, 0] for name in ("gradient flow", _OTHER))
        return float(dynamics.distance_to_curve(second, first).max())

    return max((V[None] for V in classifying_directions(rng, problem, 4)), key=parting)


_OTHER = "weight normalisation"


def _orbit(name: str, problem: Separable, V: Array, growth: Array) -> Trajectory:
    start = Polar(np.full((1, 1), START), [V])
    options = {"method": "LSODA", "relative_tolerance": 1e-9}
    return dynamics.orbit(FREE[name], as_examples(problem), start, growth, log_pull, **options)


def _free(study: Study, problem: Separable, V: Array) -> Iterator[Check | Curves]:
    growth = np.linspace(0, GROWTH, 191)
    for name in FREE:
        path = _orbit(name, problem, V, growth)
        yield curves(**{f"{_key(name)}_curve": path["V1"][:, 0, 0], f"{_key(name)}_sizes": path["rho"][:, 0, 0]})
    trained = {name: _trained(study, name, problem, V) for name in FREE}
    for name, runs in trained.items():
        seen = sizes_and_directions(runs[-1])
        yield curves(**{f"{_key(name)}_trained": seen.V[0][:, 0, 0], f"{_key(name)}_trained_sizes": seen.rho[:, 0, 0]})
    for name, other in (("exponential", "gradient flow"), ("weight normalisation", "gradient flow")):
        pairs = [
            tuple(sizes_and_directions(run).V[0][:, :, 0] for run in pair)
            for pair in zip(trained[name], trained[other])
        ]
        difference = [first - second for first, second in pairs]
        check = extrapolated(f"trained: {name} is {other}", difference, np.zeros_like(difference[0]))
        yield check if name == "exponential" else refuted(check.name, check)


def _trained(study: Study, name: str, problem: Separable, V: Array) -> list[Trajectory]:
    """At three learning rates, recorded where the size has grown evenly in its logarithm (gradient flow: rho ~ s)."""
    examples, device = as_examples(problem), study.device
    widths = (V.shape[-1], 1)
    gains = np.full(len(V), START)
    normalised = weight_normalised_margins(examples, len(V), widths, device)
    cases: dict[str, tuple[Loss, dict[str, Array], Callable[[Loss], GradientDescent]]] = {
        "gradient flow": (_log_loss(stack_margins(examples, widths, device)), state_of([START * V]), GradientDescent),
        "exponential": (
            _log_loss(with_exponential_gains(normalised)),
            {"a1": np.log(gains), "v1": V},
            SlowedDescent,
        ),
        "weight normalisation": (_log_loss(normalised), {"g1": gains, "v1": V}, GradientDescent),
    }
    loss, start, rule = cases[name]
    # Sizes grow by at most the largest |z| and at last by the margin a unit of time.
    horizon = START * (np.exp(GROWTH) - 1) / float(problem.margin)
    base = study.pick(smoke=160, quick=600, paper=6000)
    marks = np.unique(np.round(np.geomspace(1, base, 24)).astype(int))
    runs = []
    for level in range(3):
        run = trainer(study, loss, start, rule(loss))
        record = [0, *(int(mark) << level for mark in marks)]
        rate, steps = horizon / base / 2**level, base << level
        runs.append(run(f"{name}, level {level}", learning_rate=rate, steps=steps, record=record))
    return runs


def _frozen(study: Study, problem: Separable, V: Array) -> Iterator[Check | Curves]:
    """Layers of three frozen sizes: along the flow to where the direction of that size rests."""
    examples, rho = as_examples(problem), np.array(FROZEN)
    W = [rho[:, None, None] * V]
    start = Polar(rho[:, None], [np.repeat(V, len(rho), axis=0)])
    t = np.concatenate([[0.0], np.geomspace(1e-2, 60, 120)])
    path = dynamics.flow(
        lambda sizes: tuple(speed * sizes for speed in dynamics.tangent_gradient(sizes)),  # V' = B, at every size
        examples,
        start,
        t,
        log_pull,
        method="LSODA",
        relative_tolerance=1e-10,
    )
    rest = equilibrium(problem, rho)
    loss = _log_loss(stack_margins(examples, (V.shape[-1], 1), study.device))
    steps = study.pick(smoke=400, quick=2000, paper=12000)
    marks = sorted({0, *np.unique(np.round(np.geomspace(1, steps, 24)).astype(int)).tolist()})
    rate = 0.25 / float(np.square(problem.Z).sum(-1).max())
    run = trainer(study, loss, state_of(W), TangentDescent(loss))(
        "frozen", learning_rate=rate, steps=steps, record=marks
    )
    yield curves(
        frozen_curves=path["V1"][:, :, 0],
        frozen_trained=sizes_and_directions(run).V[0][:, :, 0],
        frozen_rest=rest,
        rest_sizes=(sizes := np.geomspace(FROZEN[0], FROZEN[-1], 24)),
        rest_directions=equilibrium(problem, sizes),
    )
    end = path["V1"][-1, :, 0]
    because = "the solver's relative tolerance times its steps; at rest nothing is left to move"
    tolerance = path.facts["steps"] * path.facts["local_error"] + 1e-7
    yield equal("frozen sizes end where they rest", end, rest, tolerance=tolerance, because=because)
    wrong = equal("end", end, problem.w * problem.margin, tolerance=tolerance, because=because)
    yield refuted("frozen sizes end at the max-margin direction", wrong)


def _key(name: str) -> str:
    return name.replace(" ", "_")


def _log_loss(margins: Callable[[State], Tensor]) -> Loss:
    return lambda state: LOSSES["log"][0](margins(state))
