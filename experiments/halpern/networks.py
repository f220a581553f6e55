"""What is trained under Halpern's iteration: least squares, squared hinge, and what rounding does to least squares."""

from dataclasses import dataclass

import numpy as np
import torch

from experiments.methods.halpern import HalpernDescent, Schedule, harmonic
from experiments.training import GradientDescent, Loss, State, Trainee, along
from theory.claims import Study, Tolerance, rounding, varies
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject

FORGOTTEN = 30.0  # -log of what steps have to leave of the slowest eigendirection, where limits are read


@dataclass(frozen=True)
class LeastSquares:
    """Fewer examples than inputs, and these of deficient rank: some of Y cannot be fitted, some of w is never seen."""

    inputs: int = varies("of the linear model, D", 12, low=2, high=300, from_data=True)
    examples: int = varies("rows of X, n", 6, low=1, high=300, from_data=True)
    outputs: int = varies("columns of Y, m", 2, low=1, high=20, from_data=True)
    rank: int = varies("of X, below the inputs", 5, low=1, high=200, from_data=True)
    largest: float = varies("of the singular values of X", 1.3, low=0.01, high=100, from_data=True)
    smallest: float = varies("of them; they are evenly spaced", 0.6, low=0.001, high=100, from_data=True)

    def __post_init__(self) -> None:
        if self.rank > min(self.examples, self.inputs - 1):
            expected = f"at most the examples {self.examples} and below the inputs {self.inputs}"
            reject("rank", self.rank, expected)
        if self.smallest > self.largest:
            reject("smallest", self.smallest, f"at most the largest {self.largest:g}")

    @property
    def squared_values(self) -> tuple[float, float]:
        """Largest and smallest eigenvalue of X^T X other than 0; with rank 1 they are the same."""
        return self.largest**2, (self.smallest if self.rank > 1 else self.largest) ** 2


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


def regression(rng: np.random.Generator, sizes: LeastSquares) -> Regression:
    """Of exactly these sizes and singular values, otherwise random."""
    values = np.linspace(sizes.largest, sizes.smallest, sizes.rank)
    return random_regression(rng, D=sizes.inputs, n=sizes.examples, m=sizes.outputs, singular_values=values)


def require_forgetting(sizes: LeastSquares, step: float, steps: int) -> None:
    """Refuse steps that leave too much of the slowest eigendirection for a limit to be read; see `FORGOTTEN`.

    Args:
        step: learning rate in units of the longest, 2 / h_max.
    """
    largest, smallest = sizes.squared_values
    needed = needed_steps(step, smallest / largest)
    if steps < needed:
        reject("steps", steps, f"{needed} or more: so long is e^-{FORGOTTEN:g} of the start left")


def needed_steps(step: float, share: float) -> int:
    """Until e^-30 is left of the slowest eigendirection.

    Args:
        step: learning rate in units of the longest, 2 / h_max.
        share: the smallest eigenvalue h over the largest.
    """
    slowest = max(abs(1 - 2 * step), abs(1 - 2 * step * share))
    return int(np.ceil(FORGOTTEN / -np.log(slowest))) if 0 < slowest < 1 else 1


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
