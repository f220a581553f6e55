"""Five dynamics of sizes and directions: one pair (A, B_k), five pairs of speeds (Banburski et al. 2019).

    rho_k' = radial_k A,   V_k' = angular_k B_k                           radial_k           angular_k

    unconstrained gradient flow of W                                      rho / rho_k        rho / rho_k^2
    Lagrange multiplier: flow of V under |V_k| = 1, rho_k frozen          0                  rho
    tangent gradient: flow of W, its radial part left out                 0                  rho / rho_k^2
    weight normalisation W_k = g_k v_k / |v_k|, |v_k| = c                 rho / rho_k        rho / c^2
    exponential weight normalisation g_k = e^{a_k}                        rho rho_k          rho / c^2

So all five have the same critical directions B_k = 0 at a given size, and that is all they have in common: sizes have
no critical point, since A > 0 where every example is classified. Lagrange multiplier with free sizes rho_k' = (rho /
rho_k) A is weight normalisation with c = 1, the same equation.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from theory.core import flows
from theory.core.arrays import SQUARABLE, Array
from theory.core.trajectory import Trajectory
from theory.core.validation import entries_inside, positive, reject
from theory.homogeneous.decomposition import Examples, LossSlope, Polar, per_layer, radial_and_tangential

# rho (*runs, L) -> (radial, angular), each (*runs, L).
Dynamics = Callable[[Array], tuple[Array, Array]]


def gradient_flow(rho: Float[Array, "*runs L"]) -> tuple[Array, Array]:
    """Of W itself.

    Raises:
        InvalidArgument: sizes that are 0, or whose products are not finite.
    """
    others = _others(rho)
    return others, others / _off_zero(rho)


def lagrange_multiplier(rho: Float[Array, "*runs L"]) -> tuple[Array, Array]:
    """Of V, with multipliers that keep |V_k| = 1; the sizes are frozen."""
    return np.zeros_like(rho), rho * _others(rho)


def tangent_gradient(rho: Float[Array, "*runs L"]) -> tuple[Array, Array]:
    """Of W along the tangents of the spheres its layers lie on. Raises as `gradient_flow`."""
    return np.zeros_like(rho), _others(rho) / _off_zero(rho)


def weight_normalisation(rho: Float[Array, "*runs L"], c: float = 1.0) -> tuple[Array, Array]:
    """Of g_k and v_k, |v_k| = c for ever (Salimans & Kingma 2016).

    Raises:
        InvalidArgument: c not above 0.
    """
    others = _others(rho)
    return others, rho * others / positive("c", c) / c


def exponential_weight_normalisation(rho: Float[Array, "*runs L"], c: float = 1.0) -> tuple[Array, Array]:
    """Of a_k = log g_k and v_k. Raises as `weight_normalisation`."""
    product = rho * _others(rho)
    return product * rho, product / positive("c", c) / c


def flow(
    dynamics: Dynamics,
    examples: Examples,
    start: Polar,
    t: Float[Array, " T"],
    slope: LossSlope,
    *,
    relative_tolerance: float = 1e-11,
    method: str = "DOP853",
    evaluations: int = 1_000_000,
) -> Trajectory:
    """Sizes `rho` (T, *runs, L), directions `V1`, `V2`, ... (T, *runs, h_k, h_{k-1}) along time.

    Beside them `clock` = int dt / rho_1^2 (T, *runs), and `work` = int A dt (T, *runs).

    Raises as `theory.core.flows.flow`, whose `evaluations` bound the work; where the loss or a size overflows as
    `radial_and_tangential` and the dynamics.
    """

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        rho = state["rho"]
        A, B = radial_and_tangential(examples, Polar(rho, directions(state)), slope)
        radial, angular = dynamics(rho)
        turns = named([speed * turn for speed, turn in zip(per_layer(angular), B)])
        return {"rho": radial * A[..., None], "clock": rho[..., 0] ** -2.0, "work": A, **turns}

    runs = start.rho.shape[:-1]
    begin = {"rho": start.rho, "clock": np.zeros(runs), "work": np.zeros(runs), **named(start.V)}
    return flows.flow(velocity, begin, t, relative_tolerance=relative_tolerance, method=method, evaluations=evaluations)


def orbit(
    dynamics: Dynamics,
    examples: Examples,
    start: Polar,
    log_growth: Float[Array, " T"],
    slope: LossSlope,
    *,
    relative_tolerance: float = 1e-11,
    method: str = "DOP853",
    evaluations: int = 1_000_000,
) -> Trajectory:
    """The curve of `flow`, by how much the product of the sizes has grown in place of time: log rho - log rho(0).

    Only of dynamics whose sizes grow (A > 0), or backwards where they shrink; reaches sizes that time reaches
    exponentially late.

    Raises:
        InvalidArgument: dynamics of frozen sizes, or a start at which they rest; and as `flow`.
    """
    moving = dynamics(start.rho)[0].sum(-1) * radial_and_tangential(examples, start, slope)[0]
    if (moving == 0).any():
        reject("dynamics", "one that leaves the sizes as they are at the start", "dynamics under which they grow")

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        rho = state["rho"]
        A, B = radial_and_tangential(examples, Polar(rho, directions(state)), slope)
        radial, angular = dynamics(rho)
        growth = (radial / rho).sum(-1) * A
        turns = named([speed * turn / growth[..., None, None] for speed, turn in zip(per_layer(angular), B)])
        return {"rho": radial * (A / growth)[..., None], **turns}

    begin = {"rho": start.rho, **named(start.V)}
    return flows.flow(
        velocity, begin, log_growth, relative_tolerance=relative_tolerance, method=method, evaluations=evaluations
    )


def finite_until(examples: Examples, start: Polar) -> Float[Array, "*runs"]:
    """A time, 1 / (L rho(0) mean_n |x_n|), before which exponential weight normalisation on the logarithm of the
    exponential loss stays finite (ours): rho' = L rho^2 A, so 1 / rho falls by L A a unit of time, and A = sum_n p_n
    f~_n <= mean_n f~_n <= mean_n |x_n| as p = softmax(-rho f~) is the smaller the larger f~_n is.

    One example, and layers aligned with it, blow up then. Infinite where all examples are 0: nothing moves.

    Raises:
        InvalidArgument: sizes whose product is not finite and above 0.
    """
    product = entries_inside("rho", start.product, 0)
    with np.errstate(divide="ignore"):
        return 1 / start.rho.shape[-1] / product / np.hypot.reduce(examples.X, axis=1).mean()


def named(V: list[Array]) -> dict[str, Array]:
    """Directions by the names a trajectory has for them."""
    return {f"V{k}": direction for k, direction in enumerate(V, start=1)}


def directions(arrays: dict[str, Array]) -> list[Array]:
    """V_1, V_2, ... of a state."""
    return [arrays[f"V{k}"] for k in range(1, 1 + sum(name[0] == "V" for name in arrays))]


def unseen_of_gradient_flow(
    rho0: Float[Array, "*#shape"] | float, rho: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    """|V_perp| / |V_perp(0)| = rho(0) / rho, one layer: the part of V that no example sees, as W_perp is frozen (ours).

    Exponential weight normalisation with c = 1 has the same law, and with another c the power 1 / c^2 of it.

    Raises:
        InvalidArgument: sizes that are not above 0, or rho(0) that is infinite.
    """
    return _sizes("rho0", rho0) / _sizes("rho", rho)


def unseen_of_exponential_weight_normalisation(
    rho0: Float[Array, "*#shape"] | float, rho: Float[Array, "*#shape"], c: float = 1.0
) -> Float[Array, "*shape"]:
    """|V_perp| / |V_perp(0)| = (rho(0) / rho)^(1/c^2), one layer (ours).

    Raises as `unseen_of_gradient_flow`, and for c not above 0.
    """
    # Roots first, whose ratio is a normal number whatever the sizes are.
    return (np.sqrt(_sizes("rho0", rho0)) / np.sqrt(_sizes("rho", rho))) ** (2 / positive("c", c) / c)


def unseen_of_weight_normalisation(
    rho0: Float[Array, "*#shape"] | float, rho: Float[Array, "*#shape"], c: float = 1.0
) -> Float[Array, "*shape"]:
    """|V_perp| / |V_perp(0)| = e^{-(rho^2 - rho(0)^2) / (2 c^2)}, one layer (ours): no power of rho, so not the curve
    of gradient flow, in whatever time. Raises as `unseen_of_exponential_weight_normalisation`."""
    rho0, rho = _sizes("rho0", rho0), _sizes("rho", rho)
    return np.exp(-(rho - rho0) / positive("c", c) * (rho + rho0) / c / 2)


def distance_to_curve(points: Float[Array, "P m"], curve: Float[Array, "T m"]) -> Float[Array, " P"]:
    """Distance of each point to the polyline through the points of a curve, which may be one point.

    Raises:
        InvalidArgument: coordinates beyond 1e150, whose squares overflow.
    """
    for name, coordinates in (("points", points), ("curve", curve)):
        entries_inside(name, coordinates, -SQUARABLE, SQUARABLE, "[]")
    step = np.diff(curve, axis=0, append=curve[-1:])
    length = np.hypot.reduce(step, axis=-1)
    direction = step / np.where(length > 0, length, 1)[:, None]
    apart = points[:, None] - curve
    along = np.clip((apart * direction).sum(-1), 0, length)
    return np.hypot.reduce(apart - along[..., None] * direction, axis=-1).min(1)


def _others(rho: Float[Array, "*runs L"]) -> Float[Array, "*runs L"]:
    """prod_{j != k} rho_j, also where a size is 0."""
    own = np.eye(rho.shape[-1], dtype=bool)
    return entries_inside("rho", np.where(own, 1.0, rho[..., None, :]).prod(-1))


def _off_zero(rho: Array) -> Array:
    if (rho == 0).any():
        reject("rho", 0.0, "sizes off 0, where a layer has no direction")
    return rho


def _sizes(name: str, sizes: Array | float) -> Array:
    """`sizes` as sizes of a layer; only what has grown may be infinite."""
    return entries_inside(name, sizes, 0, np.inf, "(]" if name == "rho" else "()")
