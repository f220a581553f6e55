"""What is trained under Halpern's iteration: least squares, squared hinge, and what rounding does to least squares."""

import numpy as np
import torch

from experiments.methods.halpern import HalpernDescent, Schedule, harmonic
from experiments.training import GradientDescent, Loss, State, Trainee, along
from theory.claims import Study, Tolerance, rounding
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression


class GrowingSteps(GradientDescent):
    """Norm-minimising descent whose learning rate grows, eta_k = learning rate (1 + t_k) / (1 + slow log(1 + t_k)), its
    weights those of the flow, lambda_k = eta_k / (1 + t_{k+1}): log t grows as the root of the steps.

    Args:
        slow: one a run, by how much the curvature grows with log t, in units of that at the start.
    """

    def __init__(self, loss: Loss, slow: Array) -> None:
        super().__init__(loss)
        self.slow = torch.as_tensor(slow)

    def begin(self, state: State) -> None:
        super().begin(state)
        first = state[self.names[0]]
        self.slow = self.slow.to(first)
        state["time"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def apply(self, state: State, work: tuple[torch.Tensor, ...], learning_rate: torch.Tensor) -> None:
        time = state["time"]
        eta = learning_rate * (1 + time) / (1 + self.slow * time.log1p())
        super().apply(state, work, eta)
        time += eta
        for name in self.names:
            state[name].mul_(1 - along(eta / (1 + time), state[name]))


def regression(rng: np.random.Generator) -> Regression:
    """Fewer examples than inputs, and these of deficient rank: some of Y cannot be fitted, some of w is never seen."""
    return random_regression(rng, D=12, n=6, m=2, singular_values=np.linspace(1.3, 0.6, 5))


def squared_loss(problem: Regression, device: str) -> Loss:
    """1/2 |X w - Y|^2 of each run, w (runs, D, m)."""
    X, Y = (torch.tensor(array, dtype=torch.float64, device=device) for array in (problem.X, problem.Y))
    return lambda state: 0.5 * (X @ state["w"] - Y).square().sum((1, 2))


def squared_hinge_loss(Z: Array, device: str) -> Loss:
    """1/2 sum_i (1 - z_i . w)_+^2 of each run, Z (n, d) or (runs, n, d) and w (runs, d)."""
    examples = torch.tensor(Z, dtype=torch.float64, device=device)
    return lambda state: 0.5 * (1 - (examples @ state["w"].unsqueeze(-1)).squeeze(-1)).clamp(min=0).square().sum(-1)


def anchored(study: Study, loss: Loss, w: Array, schedule: Schedule = harmonic, anchor: Array | float = 0.0) -> Trainee:
    """Halpern's iteration around gradient descent from w (runs, ...), which is one tensor "w" of the state."""
    goal = torch.tensor(np.broadcast_to(anchor, w.shape).copy(), dtype=torch.float64, device=study.device)
    return Trainee(study, loss, {"w": w}, HalpernDescent(GradientDescent(loss), schedule, {"w": goal}))


def polynomial(c: float | Array, power: float | Array, device: str) -> Schedule:
    """lambda_k = c / (k + 2)^power, each a number or one a run: harmonic, summable, constant (power 0), none (c 0)."""
    c, power = (torch.tensor(number, dtype=torch.float64, device=device) for number in (c, power))
    return lambda k: c / (k + 2) ** power


def carried_rounding(problem: Regression, k: Array, *sizes: Array) -> Tolerance:
    """What rounding may add up to in w_k (T, 1, 1, 1) of least squares, `sizes` arrays of the numbers met on the way.

    A step sums n-term and D-term products, and moves w by at most eta |X| (|X| |w| + |Y|) <= 2 (|w| + |w*|); T and
    anchoring carry errors on without growth. The prediction's 1 / (eta h) has the condition number of H.
    """
    n, D = problem.X.shape
    largest = max(float(np.abs(array).max()) for array in (*sizes, problem.minimum_norm_solution))
    condition = (problem.S[0] / problem.S[-1]) ** 2
    terms = 2 * (n + D + 8) * (np.reshape(k, (-1, 1, 1, 1)) + 1 + condition)
    return rounding(
        terms, largest, of="the largest number met: 2 (n + D + 8) a step, carried on, and the condition of H"
    )
