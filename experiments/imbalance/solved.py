"""What the solved dynamics are held against: gradient descent of a network, refined by halves over one horizon."""

from dataclasses import dataclass

import numpy as np

from experiments.imbalance.networks import by_autograd, largest_curvature
from experiments.training import Observe
from experiments.training.together import refine_together
from theory.claims import Study, varies
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance.problem import Network

RECORDS = 16
STEPS = 20_000  # of all learning rates together
# Of learning rate x curvature: beyond it the first order in the step does not show.
LARGEST_STEP = 0.7


@dataclass(frozen=True)
class Refinement:
    """Learning rates eta, eta/2, eta/4, ... over one time."""

    learning_rate: float = varies(
        "the largest of those that are extrapolated to 0, unless the starts ask for a smaller",
        0.015,
        smoke=0.03,
        paper=0.0075,
        low=1e-3,
        high=0.1,
        unit="time",
    )
    time: float = varies("for which is trained", 3.0, low=0.1, high=10, unit="time")
    levels: int = varies("how many learning rates, each half the one before", 4, smoke=3, low=3, high=5)

    def __post_init__(self) -> None:
        if (steps := self.time / self.learning_rate * 2**self.levels) > STEPS:
            reject(
                "learning_rate", self.learning_rate, f"at least {self.learning_rate * steps / STEPS:.3g}: fewer steps"
            )


def first_order(learning_rate: float, problem: Regression, network: Network) -> float:
    """The learning rate, or a smaller one where starts are so steep that its first order would not show.

    Among starts that are drawn one in ten or so is.
    """
    return min(learning_rate, LARGEST_STEP / largest_curvature(problem, network))


def refined(
    study: Study,
    problem: Regression,
    network: Network,
    sizes: Refinement,
    *,
    observe: Observe | None = None,
    levels: int | None = None,
) -> list[Trajectory]:
    """Training by torch's gradient at learning rates eta, eta/2, eta/4, ..., its weights recorded unless told other."""
    eta = first_order(sizes.learning_rate, problem, network)
    return refine_together(
        by_autograd(study, problem, network, observe=observe),
        learning_rate=eta,
        horizon=sizes.time,
        records=RECORDS,
        levels=levels or sizes.levels,
    )


def whitened(study: Study, r: int, m: int) -> Regression:
    """Random data every singular value of which is 1."""
    return random_regression(study.rng("whitened", r, m), D=r + 1, n=r, m=m, singular_values=np.ones(r))


def not_whitened(rng: np.random.Generator) -> Regression:
    """Random data that break the hypothesis: r = 3, m = 2, singular values of different size."""
    return random_regression(rng, D=4, n=3, m=2, singular_values=np.array([1.2, 1.0, 0.8]))
