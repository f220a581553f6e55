"""One mode of gradient flow, p' = (c^2 + 4 p^2)^(1/2) (y - p): the closed form, our ODE layer and torchdiffeq."""

from collections.abc import Callable

import numpy as np
import torch
import torchdiffeq

from benchmarks.timing import interleaved
from theory.core.flows import flow
from theory.imbalance.closed_forms import scalar_solution

Y, C, P0 = 1.5, 0.4, -0.7
T = np.linspace(0, 3, 61)
RELATIVE, ABSOLUTE = 1e-10, 1e-12


def closed_form() -> np.ndarray:
    return scalar_solution(Y, C, P0, T)


def ode_layer() -> np.ndarray:
    velocity = lambda _, state: {"p": np.hypot(C, 2 * state["p"]) * (Y - state["p"])}  # noqa: E731
    options = {"relative_tolerance": RELATIVE, "absolute_tolerance": ABSOLUTE}
    return flow(velocity, {"p": np.array(P0)}, T, **options)["p"]


def by_torchdiffeq() -> np.ndarray:
    velocity = lambda _, p: torch.sqrt(C**2 + 4 * p**2) * (Y - p)  # noqa: E731
    start, t = torch.tensor(P0, dtype=torch.float64), torch.tensor(T)
    # Steps that end at the times asked for: between steps its interpolation is a thousand times less accurate.
    options = {"step_t": t}
    with torch.no_grad():
        run = torchdiffeq.odeint(velocity, start, t, method="dopri8", rtol=RELATIVE, atol=ABSOLUTE, options=options)
    return run.numpy()


def test_one_mode(report: Callable[[str], None]) -> None:
    ways = {"closed form": closed_form, "theory.flows": ode_layer, "torchdiffeq": by_torchdiffeq}
    losses = {name: 0.5 * (Y - way()) ** 2 for name, way in ways.items()}
    exact = losses["closed form"]
    errors = {name: np.abs(loss - exact).max() / exact[0] for name, loss in losses.items()}
    assert max(errors.values()) <= 1e-10
    seconds = interleaved(ways)
    for name, value in seconds.items():
        ratio = value / seconds["closed form"]
        report(f"{name:12s} {value * 1e3:7.3f} ms, {ratio:6.0f} x; loss off by {errors[name]:.1e} of its start")
    assert seconds["closed form"] < seconds["theory.flows"] < seconds["torchdiffeq"]
