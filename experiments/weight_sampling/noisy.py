"""Noisy descent on quadratics by torch's own optimisers, and its variance without a random number.

What descent makes of its noise is linear: a run that is kicked once, at step t, shows what becomes of the noise of that
step, and the variance of anything read out is the sum of its squares over such runs, one a step: exactly.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from theory.claims import Study, Tolerance, rounding
from theory.claims.study import Training
from theory.core.arrays import EPS, Array
from theory.weight_sampling.descent import Descent
from theory.weight_sampling.directions import recursion

Make = Callable[[Iterable[Tensor]], Optimizer]  # an optimiser of parameters
Look = Callable[[int], None]  # called after each step, of which the first is 1


class Quadratic(nn.Module):
    """Runs w (runs, d) on w H w / 2 + xi w, a loss whose gradient is H w and noise xi.

    Args:
        H: the curvatures (d,) of directions that do not see each other, or a matrix (d, d).
    """

    def __init__(self, start: Array, H: Array, device: str) -> None:
        super().__init__()
        tensor = partial(torch.tensor, dtype=torch.float64, device=device)
        self.w = nn.Parameter(tensor(start))
        self.register_buffer("H", tensor(H))

    def forward(self, noise: Tensor) -> Tensor:
        force = self.w * self.H if self.H.dim() == 1 else self.w @ self.H
        return ((force / 2 + noise) * self.w).sum()


def descend(study: Study, module: Quadratic, noise: Iterable[Array | Tensor], make: Make, look: Look) -> None:
    """One step for each noise (runs, d); what is the same for all runs or directions broadcasts."""
    optimizer = make(module.parameters())
    eta, step = optimizer.defaults["lr"], 0
    for step, xi in enumerate(noise, start=1):
        optimizer.zero_grad()
        module(torch.as_tensor(xi, dtype=torch.float64, device=study.device)).backward()
        optimizer.step()
        look(step)
    study.record(Training(type(optimizer).__name__, {"w": tuple(module.w.shape)}, (eta, eta), step))


def kicks(steps: int, s: float, d: int = 1) -> Iterable[Tensor]:
    """Noise of steps x d runs: run (t, j) is kicked by s at step t, in direction j, and never else.

    With d = 1 a kick is felt by all directions there are.
    """
    for t in range(steps):
        noise = torch.zeros(steps, d, d, dtype=torch.float64)
        noise[t] = s * torch.eye(d, dtype=torch.float64)
        yield noise.reshape(steps * d, d)


def spread(read: Tensor) -> Array:
    """Variance (d,) of what was read from runs (runs, d) that were kicked once each."""
    return read.detach().square().sum(0).cpu().numpy()


def steps_to_forget(descent: Descent, beta: float = 0.0) -> int:
    """Steps after which less than a rounding is left of the variance that there was, with heavy ball's beta."""
    one = np.eye(1)
    M, _ = recursion(descent.h * one, one, one, descent.eta, beta)
    radius = float(np.abs(np.linalg.eigvals(M)).max())
    return max(int(np.ceil(np.log(EPS) / (2 * np.log(radius)))), 1) if radius > 0 else 1


def rounded(steps: int, size: Array | float) -> Tolerance:
    """What sums of squares of that size may be off by: each number was rounded a few times a step."""
    return rounding(8 * steps, size, of="a variance, 8 a step; and less than one of what was before the first step")
