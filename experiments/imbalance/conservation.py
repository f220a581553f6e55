"""Section 2.2: the imbalance is conserved by the flow; gradient descent drifts by an amount that is known exactly."""

from collections.abc import Iterator

import numpy as np
from scipy.integrate import simpson

from experiments.imbalance.networks import squared_loss, train_network, weights
from experiments.training.updates import GradientDescent
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import halving_order
from theory.claims.legacy import equal, identity, order, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance import convergence, dynamics
from theory.imbalance import identities as symbolic
from theory.imbalance.problem import Network, coordinates, gaussian

HORIZON = 0.5  # time over which the drift is measured


@claim(
    "min2021.conservation",
    source="Min et al. 2021, Section 2.2",
    statement=r"\frac{d}{dt}\left(U_1^\top U_1 - V^\top V\right) = 0",
    hypotheses=("gradient flow",),
    controls=(
        "the sum U1^T U1 + V^T V is conserved",
        "one step of gradient descent conserves the imbalance",
        "symbolic: the hidden layer ascends",
        "symbolic: layers with their own learning rates",
    ),
)
def imbalance_is_conserved(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("problem")
    problem = random_regression(rng, D=12, n=7, m=3, singular_values=np.linspace(1.6, 0.5, 7))
    network = gaussian(problem, 9, rng, scales=(0.6, 0.6), runs=study.pick(smoke=2, quick=16, paper=64))
    yield from _by_symbols()
    yield from _along_the_flow(problem, network)
    yield from _step_by_step(study, problem, network)
    yield from _drift_in_the_step_size(study, problem, network)


def _by_symbols() -> Iterator[Check]:
    because = "non-commuting symbols for the matrices, expanded"
    yield identity("symbolic: conserved by the flow", symbolic.imbalance_velocity(), because=because)
    yield identity("symbolic: one step of descent", symbolic.descent_drift_error(), because=because)
    yield identity("symbolic: the generator lies in so(m, r)", symbolic.generator_anticommutator(), because=because)
    yield identity("symbolic: exp(eta A) is in O(m, r)", symbolic.lie_euler_drift(4), because=f"{because} to eta^4")
    ascending = identity("ascending", symbolic.imbalance_velocity(hidden_rate=-1), because=because)
    yield refuted("symbolic: the hidden layer ascends", ascending)
    unequal = identity("two learning rates", symbolic.descent_drift_error(hidden_rate=2), because=because)
    yield refuted("symbolic: layers with their own learning rates", unequal)


def _along_the_flow(problem: Regression, network: Network) -> Iterator[Check]:
    flow = dynamics.gradient_flow(problem, network, np.linspace(0, 3, 31), relative_tolerance=1e-12)
    Z = flow["Z"]
    imbalance = convergence.imbalance(problem, Z)
    # An error dZ of one step changes Z^T J Z by 2 dZ^T J Z, and from then on the exact flow conserves it: no growth.
    largest = np.linalg.norm(Z.reshape(len(Z), -1), axis=1).max()
    tolerance = 2 * flow.facts["steps"] * flow.facts["local_error"] * largest
    because = "steps x 2 x local error of the solver x |Z|: errors in a conserved quantity add up but do not grow"
    yield equal("imbalance along the flow", imbalance, imbalance[:1], tolerance=tolerance, because=because)
    total = Z.mT @ Z
    wrong = equal("sum along the flow", total, total[:1], tolerance=tolerance, because=because)
    yield refuted("the sum U1^T U1 + V^T V is conserved", wrong)


def _step_by_step(study: Study, problem: Regression, network: Network) -> Iterator[Check]:
    eta = 0.01
    Z = _trained(study, "each step", problem, network, eta, 40)
    before, after = convergence.imbalance(problem, Z[:-1]), convergence.imbalance(problem, Z[1:])
    predicted = convergence.descent_drift(problem, Z[:-1], eta)
    # An entry of the imbalance is a sum of m + r products; a coordinate of Z is itself a sum of D, and the step rounds
    # once more. Each costs half an ulp of a column's squared norm, in both matrices that are subtracted.
    terms = problem.D + problem.m + problem.r + 4
    tolerance = terms * EPS * float((Z**2).sum(-2).max())
    because = "(D + m + r + 4) roundings of a column's squared norm"
    yield equal("one step of descent", after - before, predicted, tolerance=tolerance, because=because)
    conserved = equal("no drift", after - before, 0.0, tolerance=tolerance, because=because)
    yield refuted("one step of gradient descent conserves the imbalance", conserved)


def _drift_in_the_step_size(study: Study, problem: Regression, network: Network) -> Iterator[Check | Curves]:
    step_sizes = 0.004 / 2.0 ** np.arange(4)
    first_order = _accumulated_drift(problem, network)
    drifts, remainders, lie_drifts = [], [], []
    start = coordinates(problem, network)
    for eta in step_sizes:
        steps = round(HORIZON / eta)
        Z = _trained(study, f"horizon {eta:g}", problem, network, float(eta), steps, record=[steps])
        drift = convergence.imbalance(problem, Z[-1]) - convergence.imbalance(problem, start)
        drifts.append(drift)
        remainders.append(drift - eta * first_order)
        lie = dynamics.lie_euler(problem, start, float(eta), steps)
        lie_drifts.append(np.linalg.norm(convergence.imbalance(problem, lie) - convergence.imbalance(problem, start)))
    yield order("drift at a fixed time", halving_order(*drifts[-2:]), 1, excludes=(0, 2))
    yield order("drift beyond eta x integral", halving_order(*remainders[-2:], expected=2), 2, excludes=(1, 3))
    # exp(eta A) is computed to rounding and lies in O(m, r), so each of the steps costs one rounding of |Z|^2.
    size = problem.m + problem.r
    tolerance = steps * size * EPS * float((start**2).sum()) * np.e
    because = "one rounding of the (m + r)-term products a step, at the smallest of the step sizes"
    yield equal("drift of the Lie-Euler step", lie_drifts, 0.0, tolerance=tolerance, because=because)
    yield curves(
        step_sizes=step_sizes,
        drift=[np.linalg.norm(drift) for drift in drifts],
        predicted_drift=step_sizes * np.linalg.norm(first_order),
        lie_euler_drift=lie_drifts,
    )


def _accumulated_drift(problem: Regression, network: Network) -> Array:
    """int_0^T (V^T E^T Sigma_x E V - U1^T S E E^T S U1) dt along the flow: the drift per unit of step size."""
    flow: Trajectory = dynamics.gradient_flow(problem, network, np.linspace(0, HORIZON, 201), relative_tolerance=1e-11)
    return simpson(convergence.descent_drift(problem, flow["Z"], 1.0), x=flow.t, axis=0)


def _trained(
    study: Study,
    name: str,
    problem: Regression,
    network: Network,
    eta: float,
    steps: int,
    record: list[int] | None = None,
) -> Array:
    """Z (T, runs, m + r, h) along a training whose gradient is autograd's; every step unless told otherwise."""
    run = train_network(
        study,
        name,
        problem,
        network,
        learning_rate=eta,
        steps=steps,
        record=list(range(steps + 1)) if record is None else record,
        observe=weights,
        update=GradientDescent(squared_loss(problem, study.device)),
    )
    return coordinates(problem, Network(run["U"], run["V"]))
