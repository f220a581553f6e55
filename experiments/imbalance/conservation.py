"""Section 2.2: the imbalance is conserved by the flow; gradient descent drifts by an amount that is known exactly."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.integrate import simpson

from experiments.data import budget
from experiments.imbalance import appendix_a1, own_data
from experiments.imbalance.networks import by_autograd, largest_curvature, trained_coordinates
from experiments.training import extrapolated
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    on_data,
    order,
    residual,
    rounding,
    varies,
)
from theory.claims.estimates import observed_order
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import convergence, dynamics, identities
from theory.imbalance.problem import Network, coordinates, gaussian

HORIZON = 0.5  # time over which the drift is measured
SECONDS = 6e-5  # of all trainings on the user's data, in cubes of m + r
ENTRIES = 400_000
LARGEST_STEP = 0.3  # of learning rate x curvature: above it the drift is of no single order


@dataclass(frozen=True)
class Sizes:
    """Of the problem and its starts."""

    width: int = varies("units of the hidden layer", 9, low=1, high=200, from_data=True)
    scale: float = varies(
        "standard deviation of the weights, times the root of the width", 1.8, low=0.3, high=6, from_data=True
    )
    learning_rate: float = varies(
        "the largest of four that the drift is measured at", 0.004, low=1e-3, high=0.1, unit="time", from_data=True
    )
    inputs: int = varies("columns of X, D", 12, low=1, high=100, from_data=True)
    examples: int = varies("rows of X, n", 7, low=1, high=50, from_data=True)
    outputs: int = varies("columns of Y, m", 3, low=1, high=20, from_data=True)
    runs: int = varies("Gaussian starts", 16, smoke=2, paper=64, low=1, high=100, from_data=True)

    def __post_init__(self) -> None:
        if (entries := self.runs * self.width**2) > ENTRIES:
            reject("runs x width^2", entries, f"at most {ENTRIES}, the entries of the imbalances at one time")


@claim(
    "min2021.conservation",
    source="Min et al. 2021, Section 2.2",
    source_kind=AS_PRINTED,
    statement=r"\frac{d}{dt}\left(U_1^\top U_1 - V^\top V\right) = 0",
    hypotheses=(
        "gradient flow of L = 1/2 |Y - X U V^T|^2",
        "U1 = Phi1^T U: the rows of U that the data see, X = W S Phi1^T the thin SVD",
    ),
    theory_side="identity",
    controls=(
        "the sum U1^T U1 + V^T V is conserved by the flow",
        "the sum U1^T U1 + V^T V is conserved by training",
        "one step of gradient descent conserves the imbalance",
        "symbolic: the hidden layer ascends",
        "symbolic: layers with their own learning rates",
    ),
    accepts_data="regression",
    parameters=Sizes,
)
def imbalance_is_conserved(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _by_symbols()
    yield from _trained(study, sizes)


@on_data
def _trained(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    setting = _drawn(study, sizes) if study.data is None else _of_the_data(study)
    yield from _along_the_flow(setting)
    yield from _step_by_step(study, setting)
    yield from _drift_in_the_step_size(study, setting)


class Setting(NamedTuple):
    """What is trained, and the times that suit it."""

    problem: Regression
    network: Network
    until: float  # which time the flow goes
    step: float  # of a few, one by one
    learning_rate: float  # the largest of those at which the drift is measured
    horizon: float  # and the time over which it is


def _drawn(study: Study, sizes: Sizes) -> Setting:
    rng, eta = study.rng("problem"), sizes.learning_rate
    D, n = sizes.inputs, sizes.examples
    problem = random_regression(rng, D=D, n=n, m=sizes.outputs, singular_values=np.linspace(1.6, 0.5, min(D, n)))
    scale = sizes.scale / np.sqrt(sizes.width)
    network = gaussian(problem, sizes.width, rng, scales=(scale, scale), runs=sizes.runs)
    largest = LARGEST_STEP / largest_curvature(problem, network)
    if eta > largest and study.given:
        reject("learning_rate", eta, f"at most {largest:.3g} at these sizes and scale")
    eta = min(eta, largest)  # a start in some thousands is as steep as that
    return Setting(problem, network, 3.0, 0.01, eta, round(HORIZON / eta) * eta)


def _of_the_data(study: Study) -> Setting:
    """The data in their own basis, from starts of three proportions and a balanced one, for a few hundred steps."""
    data = own_data.read(study)
    seconds, allowed = SECONDS * (data.r + data.m) ** 3, budget.allowed(study)
    if seconds > allowed:
        expected = f"at most {round((allowed / SECONDS) ** (1 / 3))}{budget.longer_profile(seconds)}"
        reject(f"data {study.data}: rank of X and outputs", f"{data.r + data.m} together", expected)
    budget.say_before(study, seconds)
    problem, network = own_data.starts(data, study.rng("own data"), appendix_a1.SCALES)
    eta = own_data.learning_rate(problem, network)
    return Setting(problem, network, 750 * eta, 2.5 * eta, eta, 125 * eta)


def _by_symbols() -> Iterator[Check]:
    symbolic = partial(residual, because="non-commuting symbols for the matrices, expanded (exp(eta A) to eta^4)")
    velocity, drift = "symbolic: conserved by the flow", "symbolic: one step of descent"
    yield symbolic(velocity, identities.imbalance_velocity()).vanishes()
    yield symbolic(drift, identities.descent_drift_error()).vanishes()
    yield symbolic("symbolic: the generator lies in so(m, r)", identities.generator_anticommutator()).vanishes()
    yield symbolic("symbolic: exp(eta A) is in O(m, r)", identities.lie_euler_drift(4)).vanishes()
    ascending = symbolic(velocity, identities.imbalance_velocity(hidden_rate=-1))
    yield ascending.control("symbolic: the hidden layer ascends").vanishes()
    unequal = symbolic(drift, identities.descent_drift_error(hidden_rate=2))
    yield unequal.control("symbolic: layers with their own learning rates").vanishes()


def _along_the_flow(setting: Setting) -> Iterator[Check]:
    problem, network, until, *_ = setting
    flow = dynamics.gradient_flow(problem, network, np.linspace(0, until, 31), relative_tolerance=1e-12)
    Z = flow["Z"]
    # An error dZ of one step changes Z^T J Z by 2 dZ^T J Z, and from then on the exact flow conserves it: no growth.
    largest = np.linalg.norm(Z.reshape(len(Z), -1), axis=1).max()
    within = Tolerance(
        2 * flow.facts["steps"] * flow.facts["local_error"] * largest,
        "steps x 2 x local error of the solver x |Z|: errors in a conserved quantity add up but do not grow",
    )
    imbalance, total = (gram - gram[0] for gram in (convergence.imbalance(problem, Z), Z.mT @ Z))
    kept = measured("change of the imbalance along the flow", imbalance, within=within, axes=("t", "run"))
    yield kept.equals(0.0, against=float(np.abs(total).max()))
    wrong = measured("change of the sum along the flow", total, within=within, axes=("t", "run"))
    yield wrong.control("the sum U1^T U1 + V^T V is conserved by the flow").equals(0.0)


def _step_by_step(study: Study, setting: Setting) -> Iterator[Check]:
    problem, network, _, eta, *_ = setting
    steps = 40
    run = by_autograd(study, problem, network).train(learning_rate=eta, steps=steps, record=range(steps + 1))
    Z = trained_coordinates(problem, run)
    # An entry of the imbalance is a sum of m + r products; a coordinate of Z is itself a sum of D, and the step rounds
    # once more. Each costs half an ulp of a column's squared norm, in both matrices that are subtracted.
    terms = problem.D + problem.m + problem.r + 4
    within = rounding(terms, float((Z**2).sum(-2).max()), of="a column's squared norm, D + m + r + 4 of them")
    imbalance = convergence.imbalance(problem, Z)
    drift = measured("one step of descent", imbalance[1:] - imbalance[:-1], within=within, axes=("step", "run"))
    yield drift.equals(convergence.descent_drift(problem, Z[:-1], eta))
    yield drift.control("one step of gradient descent conserves the imbalance").equals(0.0)


def _drift_in_the_step_size(study: Study, setting: Setting) -> Iterator[Check | Curves]:
    problem, network, _, _, eta, horizon = setting
    step_sizes = eta / 2.0 ** np.arange(4)
    first_order = _accumulated_drift(problem, network, horizon)
    drifts, changes, lie_drifts = [], [], []
    start = coordinates(problem, network)
    before = convergence.imbalance(problem, start)
    for eta in step_sizes:
        steps = round(horizon / eta)
        run = by_autograd(study, problem, network).train(learning_rate=float(eta), steps=steps, record=[steps])
        Z = trained_coordinates(problem, run)
        drifts.append(convergence.imbalance(problem, Z[-1]) - before)
        changes.append(Z.mT @ Z - start.mT @ start)
        end = dynamics.lie_euler(problem, start, float(eta), steps)
        lie_drifts.append(np.linalg.norm(convergence.imbalance(problem, end) - before))
    changed = float(np.abs(changes[-1]).max())
    kept = extrapolated("change of the imbalance by training, learning rate 0", [drift[None] for drift in drifts])
    yield kept.equals(0.0, against=changed)
    wrong = extrapolated("change of the sum by training, learning rate 0", changes)
    yield wrong.control("the sum U1^T U1 + V^T V is conserved by training").equals(0.0)
    remainders = [drift - eta * first_order for eta, drift in zip(step_sizes, drifts)]
    yield order("drift at a fixed time", observed_order(drifts)).equals(1, excludes=(0.75, 1.25))
    yield order("drift beyond eta x integral", observed_order(remainders)).equals(2, excludes=(1.75, 2.25))
    # exp(eta A) is computed to rounding and lies in O(m, r), so each of the steps costs one rounding of |Z|^2.
    terms, size = steps * (problem.m + problem.r), float((start**2).sum()) * np.e
    within = rounding(terms, size, of="the (m + r)-term products, one a step, at the smallest of the step sizes")
    lie = measured("drift of the Lie-Euler step", lie_drifts, within=within)
    yield lie.equals(0.0, against=float(np.linalg.norm(drifts[-1])))
    sizes, predicted = np.array([np.linalg.norm(drift) for drift in drifts]), step_sizes * np.linalg.norm(first_order)
    yield curves(step_sizes=step_sizes, drift=sizes, predicted_drift=predicted, lie_euler_drift=lie_drifts)
    yield curves(drift_beyond_predicted=sizes / predicted - 1)


def _accumulated_drift(problem: Regression, network: Network, horizon: float) -> Array:
    """int_0^T (V^T E^T Sigma_x E V - U1^T S E E^T S U1) dt along the flow: the drift per unit of step size."""
    flow = dynamics.gradient_flow(problem, network, np.linspace(0, horizon, 201), relative_tolerance=1e-11)
    return simpson(convergence.descent_drift(problem, flow["Z"], 1.0), x=flow.t, axis=0)
