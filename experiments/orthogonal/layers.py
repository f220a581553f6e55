"""Random layers, torch's own descent on one, and energies: the least that descent finds, and what rounding costs."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.parametrisations import energies
from theory.claims import Study, Tolerance, rounding
from theory.claims.study import Training
from theory.core.arrays import Array
from theory.orthogonal import energy


def gaussian(rng: np.random.Generator, shape: tuple[int, int, int]) -> Tensor:
    """Weights (draws, N, d) of independent standard normal entries."""
    return torch.from_numpy(rng.standard_normal(shape))


def pairs(N: Array | int) -> Array | float:
    """N (N - 1): the energy sums over so many pairs."""
    return N * (np.asarray(N) - 1.0)


def sgd(study: Study, parameter: Tensor, loss: Callable[[], Tensor], *, learning_rate: float, steps: int) -> float:
    """Descent on a loss by torch's own optimiser, as a user would; returns the loss before the first step."""
    study.record(Training("SGD", {"parameter": tuple(parameter.shape)}, (learning_rate, learning_rate), steps))
    optimizer = torch.optim.SGD([parameter], lr=learning_rate)
    first = float(loss().detach())
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return first


def least_energies(study: Study, W: Tensor, s: float, iterations: int = 2000) -> tuple[Tensor, Tensor]:
    """L-BFGS on the energy from W (runs, N, d), all runs at once: energies (runs,) and directions where it ends."""
    W = (W / W.norm(dim=-1, keepdim=True)).requires_grad_()
    stop = {"max_iter": iterations, "tolerance_grad": 1e-11, "tolerance_change": 0}
    optimizer = torch.optim.LBFGS([W], history_size=30, line_search_fn="strong_wolfe", **stop)
    study.record(Training("L-BFGS", {"W": tuple(W.shape)}, (1.0, 1.0), iterations))

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = energies(W, s).sum()
        total.backward()
        return total

    optimizer.step(closure)
    W = W.detach()
    return energies(W, s), W / W.norm(dim=-1, keepdim=True)


def energy_rounding(W: Array, s: float) -> Tolerance:
    """What 16 d roundings of a squared distance cost E_s: |df_s / dz^2| = c z^-(s+2), c = s/2 (1/2 at s = 0)."""
    slope = 0.5 if s == 0 else s / 2
    size = slope * energy.energy(W, s + 2)
    return rounding(16 * W.shape[-2], size, of="each squared distance, through the derivative of the kernel")
