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
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous.decomposition import Examples, LossSlope, Polar, per_layer, radial_and_tangential

# rho (*runs, L) -> (radial, angular), each (*runs, L).
Dynamics = Callable[[Array], tuple[Array, Array]]


def gradient_flow(rho: Float[Array, "*runs L"]) -> tuple[Array, Array]:
    """Of W itself."""
    return _product(rho) / rho, _product(rho) / rho**2


def lagrange_multiplier(rho: Float[Array, "*runs L"]) -> tuple[Array, Array]:
    """Of V, with multipliers that keep |V_k| = 1; the sizes are frozen."""
    return np.zeros_like(rho), _product(rho) * np.ones_like(rho)


def tangent_gradient(rho: Float[Array, "*runs L"]) -> tuple[Array, Array]:
    """Of W along the tangents of the spheres its layers lie on."""
    return np.zeros_like(rho), _product(rho) / rho**2


def weight_normalisation(rho: Float[Array, "*runs L"], c: float = 1.0) -> tuple[Array, Array]:
    """Of g_k and v_k, |v_k| = c for ever (Salimans & Kingma 2016)."""
    return _product(rho) / rho, _product(rho) / c**2 * np.ones_like(rho)


def exponential_weight_normalisation(rho: Float[Array, "*runs L"], c: float = 1.0) -> tuple[Array, Array]:
    """Of a_k = log g_k and v_k."""
    return _product(rho) * rho, _product(rho) / c**2 * np.ones_like(rho)


def flow(
    dynamics: Dynamics,
    examples: Examples,
    start: Polar,
    t: Float[Array, " T"],
    slope: LossSlope,
    *,
    relative_tolerance: float = 1e-11,
    method: str = "DOP853",
) -> Trajectory:
    """Sizes `rho` (T, *runs, L), directions `V1`, `V2`, ... (T, *runs, h_k, h_{k-1}) along time.

    Beside them `clock` = int dt / rho_1^2 (T, *runs), and `work` = int A dt (T, *runs).
    """

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        rho = state["rho"]
        A, B = radial_and_tangential(examples, Polar(rho, directions(state)), slope)
        radial, angular = dynamics(rho)
        turns = named([speed * turn for speed, turn in zip(per_layer(angular), B)])
        return {"rho": radial * A[..., None], "clock": rho[..., 0] ** -2.0, "work": A, **turns}

    runs = start.rho.shape[:-1]
    begin = {"rho": start.rho, "clock": np.zeros(runs), "work": np.zeros(runs), **named(start.V)}
    return flows.flow(velocity, begin, t, relative_tolerance=relative_tolerance, method=method)


def orbit(
    dynamics: Dynamics,
    examples: Examples,
    start: Polar,
    log_growth: Float[Array, " T"],
    slope: LossSlope,
    *,
    relative_tolerance: float = 1e-11,
    method: str = "DOP853",
) -> Trajectory:
    """The curve of `flow`, by how much the product of the sizes has grown in place of time: log rho - log rho(0).

    Only of dynamics whose sizes grow (A > 0), or backwards where they shrink; reaches sizes that time reaches
    exponentially late.

    Raises:
        InvalidArgument: dynamics of frozen sizes, or a start at which they rest.
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
    return flows.flow(velocity, begin, log_growth, relative_tolerance=relative_tolerance, method=method)


def finite_until(examples: Examples, start: Polar) -> Float[Array, "*runs"]:
    """A time, 1 / (L rho(0) mean_n |x_n|), before which exponential weight normalisation on the logarithm of the
    exponential loss stays finite (ours): rho' = L rho^2 A, so 1 / rho falls by L A a unit of time, and A = sum_n p_n
    f~_n <= mean_n f~_n <= mean_n |x_n| as p = softmax(-rho f~) is the smaller the larger f~_n is.

    One example, and layers aligned with it, blow up then.
    """
    return 1 / (start.rho.shape[-1] * start.product * np.linalg.norm(examples.X, axis=1).mean())


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
    """
    return rho0 / rho


def unseen_of_exponential_weight_normalisation(
    rho0: Float[Array, "*#shape"] | float, rho: Float[Array, "*#shape"], c: float = 1.0
) -> Float[Array, "*shape"]:
    """|V_perp| / |V_perp(0)| = (rho(0) / rho)^(1/c^2), one layer (ours)."""
    return (rho0 / rho) ** (1 / c**2)


def unseen_of_weight_normalisation(
    rho0: Float[Array, "*#shape"] | float, rho: Float[Array, "*#shape"], c: float = 1.0
) -> Float[Array, "*shape"]:
    """|V_perp| / |V_perp(0)| = e^{-(rho^2 - rho(0)^2) / (2 c^2)}, one layer (ours): no power of rho, so not the curve
    of gradient flow, in whatever time."""
    return np.exp(-(rho**2 - rho0**2) / (2 * c**2))


def distance_to_curve(points: Float[Array, "P m"], curve: Float[Array, "T m"]) -> Float[Array, " P"]:
    """Distance of each point to the polyline through the points of a curve."""
    begin, step = curve[:-1], np.diff(curve, axis=0)
    squared = np.maximum((step**2).sum(-1), np.finfo(float).tiny)
    along = ((points[:, None] - begin) * step).sum(-1) / squared
    foot = begin + np.clip(along, 0, 1)[..., None] * step
    return np.linalg.norm(points[:, None] - foot, axis=-1).min(1)


def _product(rho: Float[Array, "*runs L"]) -> Float[Array, "*runs 1"]:
    return rho.prod(-1, keepdims=True)
