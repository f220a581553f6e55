"""How long the flows take to come within epsilon of the minimum norm, and stay, by integrating them.

Every function starts from one chain w (L,). Two phases are weight decay until a switch, then none. A time is infinite
where the flow has not arrived at the end of what is integrated; flows that take too long raise FlowStopped.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from theory.chain import gradient_flow, minnorm, weight_decay
from theory.chain.problem import Chain, distance
from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.validation import increasing_times, inside, positive, reject
from theory.minnorm.tuning import Tuning

EVALUATIONS, NUMBERS = 10_000, 1_000_000  # at most, of a velocity, and computed by it: about a second
STEPWISE = 4_000  # of the velocity of Minnorm, by a method that resolves every time constant
RESOLVED = 1e-12  # of omega: smaller distances are rounding
NEIGHBOURS = 3  # on either side of the best of those tried


def hitting_time(t: Float[Array, " T"], distances: Float[Array, " T"], epsilon: float) -> float:
    """When a distance (T,) is last above epsilon: the last crossing of the cubic spline of its logarithm.

    Infinite if it still is above at the end, or is no number there.

    Raises:
        InvalidArgument: epsilon that is not above 0, times that do not increase.
    """
    positive("epsilon", epsilon)
    t = increasing_times(t)
    if not distances[-1] <= epsilon:
        return np.inf
    above = np.flatnonzero(~(distances <= epsilon))
    if above.size == 0:
        return 0.0
    near = slice(max(above[-1] - 3, 0), above[-1] + 5)
    # Neither zero nor infinity has a logarithm to draw a curve through.
    bounds = np.finfo(float)
    height = np.log(np.clip(np.nan_to_num(distances[near], nan=bounds.max), bounds.tiny, bounds.max)) - np.log(epsilon)
    roots = CubicSpline(t[near], height).roots(extrapolate=False)
    inside = roots[(roots >= t[above[-1]]) & (roots <= t[above[-1] + 1])]
    return float(inside[-1] if inside.size else t[above[-1] + 1])  # at epsilon to rounding


def hitting_times(
    t: Float[Array, " T"], distances: Float[Array, " T"], epsilons: Sequence[float] | Float[Array, " n"]
) -> Float[Array, " n"]:
    """The same for several accuracies."""
    return np.array([hitting_time(t, distances, epsilon) for epsilon in epsilons])


def minnorm_distances(
    chain: Chain, tuning: Tuning, w: Float[Array, " L"], t: Float[Array, " T"], tolerance: float = 1e-12
) -> Float[Array, " T"]:
    """|w - w*| along the Minnorm flow from multiplier 0, integrated to this relative tolerance.

    Raises:
        InvalidArgument: times that do not increase, or so late that the decay of the weights alone takes too long;
            tunings of several runs.
        FlowStopped: the flow is too fast to be integrated until then.
    """
    if np.ndim(tuning.a) or np.ndim(tuning.b) or np.ndim(tuning.c):
        reject("tuning", tuning, "the numbers of one run")
    last, most = float(increasing_times(t)[-1]), STEPWISE / np.max(tuning.a)
    if last > most:
        reject("t", last, f"times of at most {most:g}: the weights decay at the rate {np.max(tuning.a):g}")

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        moved, integrated = minnorm.velocity(chain, tuning, state["w"], state["multiplier"])
        return {"w": moved, "multiplier": integrated}

    start = {"w": w, "multiplier": np.zeros(())}
    tolerances = {"relative_tolerance": tolerance, "absolute_tolerance": 1e-15}
    solution = flow(velocity, start, t, evaluations=STEPWISE, **tolerances)
    return distance(chain, solution["w"])


def decayed_times(chain: Chain, w: Float[Array, " L"], gamma: Float[Array, " n"], epsilon: float) -> Float[Array, " n"]:
    """Times under each of these constant weight decays; infinite where its bias is above epsilon.

    Raises:
        InvalidArgument: a gamma that is not above 0, an epsilon below 1e-12 omega.
        FlowStopped: the flow is too fast to be integrated until then.
    """
    positive("gamma", np.min(gamma))
    _require_resolved(chain, [epsilon])
    # In units of 1 / gamma all of them forget alike.
    farthest = 4 * (chain.omega + distance(chain, w))
    scaled = np.linspace(0, 1.5 * np.log1p(farthest / epsilon), 401)

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        return {"w": weight_decay.velocity(chain, state["w"], gamma) / gamma[:, None]}

    tolerances = {"relative_tolerance": 1e-9, "absolute_tolerance": 1e-11 * epsilon}
    start = np.repeat(w[None], len(gamma), axis=0)
    options = {"method": "LSODA", "bandwidth": chain.L - 1, "evaluations": _evaluations(start)}
    distances = distance(chain, flow(velocity, {"w": start}, scaled, **options, **tolerances)["w"])
    return np.array([hitting_time(scaled, d, epsilon) / g for d, g in zip(distances.T, gamma)])


def fixed_time(chain: Chain, w: Float[Array, " L"], epsilon: float) -> float:
    """Shortest time to epsilon under any constant weight decay: `weight_decay.best_fixed_time` without its limit.

    Raises:
        InvalidArgument: an epsilon to which the best weight decay is not nearly epsilon / kappa: too large a share of
            the weights or of what is to forget.
        FlowStopped: as `decayed_times`.
    """
    _require_resolved(chain, [epsilon])
    theta = np.linspace(0.5, 1 + epsilon / chain.omega, 45)
    times = decayed_times(chain, w, theta * epsilon / weight_decay.distance_per_gamma(chain), epsilon)
    # Between the gammas tried, by a spline through the best and its neighbours.
    best = int(times.argmin())
    near = slice(best - NEIGHBOURS, best + NEIGHBOURS + 1)
    if not NEIGHBOURS <= best < len(theta) - NEIGHBOURS or not np.isfinite(times[near]).all():
        reject("epsilon", epsilon, f"an accuracy small against omega = {chain.omega:g} and the imbalance of the start")
    spline = CubicSpline(theta[near], times[near])
    return float(spline(np.linspace(theta[best - 1], theta[best + 1], 2001)).min())


def annealed_times(chain: Chain, w: Float[Array, " L"], epsilons: Float[Array, " n"]) -> Float[Array, " n"]:
    """Times under gamma = 1 / (1 + t), integrated in log time up to t = 13000.

    Raises:
        InvalidArgument: an epsilon below 1e-12 omega.
        FlowStopped: the flow is too fast to be integrated until then.
    """
    _require_resolved(chain, epsilons)
    log_time = np.linspace(0, 9.5, 1201)

    def velocity(tau: float, state: dict[str, Array]) -> dict[str, Array]:
        return {"w": np.exp(tau) * weight_decay.velocity(chain, state["w"], np.exp(-tau))}

    options = {"method": "LSODA", "absolute_tolerance": 1e-13, "evaluations": _evaluations(w)}
    solution = flow(velocity, {"w": w}, log_time, **options)
    return hitting_times(np.expm1(log_time), distance(chain, solution["w"]), epsilons)


def two_phase_times(
    chain: Chain, w: Float[Array, " L"], gamma: float, epsilons: Float[Array, " n"]
) -> Float[Array, " n"]:
    """Times with the best switch for each epsilon: about log(1 / epsilon), for an epsilon known before.

    Raises:
        InvalidArgument: gamma below 0, an epsilon below 1e-12 omega.
        FlowStopped: the flow is too fast to be integrated until then.
    """
    inside("gamma", gamma, 0, np.inf, "[)")
    _require_resolved(chain, epsilons)
    switch = np.linspace(0, 14, 57)
    t = np.linspace(0, 20, 401)
    decaying = lambda _, state: {"w": weight_decay.velocity(chain, state["w"], gamma)}  # noqa: E731
    released = lambda _, state: {"w": gradient_flow.velocity(chain, state["w"])}  # noqa: E731
    options = {"method": "LSODA", "bandwidth": chain.L - 1}
    states = CubicSpline(t, flow(decaying, {"w": w}, t, evaluations=_evaluations(w), **options)["w"])(switch)
    after = np.linspace(0, 8, 161)
    ends = flow(released, {"w": states}, after, evaluations=_evaluations(states), **options)["w"]
    times = [begins + hitting_times(after, d, epsilons) for begins, d in zip(switch, distance(chain, ends).T)]
    return np.min(times, axis=0)


def _require_resolved(chain: Chain, epsilons: Sequence[float] | Float[Array, " n"]) -> None:
    for epsilon in epsilons:
        inside("epsilon", epsilon, RESOLVED * chain.omega, chain.omega / RESOLVED)


def _evaluations(w: Array) -> int:
    return min(EVALUATIONS, NUMBERS // w.size)
