"""What the solved dynamics are held against: gradient descent of a network, refined by halves over one horizon."""

import numpy as np

from experiments.imbalance.networks import by_autograd
from experiments.training import Observe
from theory.claims import Study
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance.problem import Network

HORIZON = 3.0
RECORDS = 16


def refined(
    study: Study,
    problem: Regression,
    network: Network,
    *,
    observe: Observe | None = None,
    levels: int | None = None,
) -> list[Trajectory]:
    """Training by torch's gradient at learning rates eta, eta/2, eta/4, ..., its weights recorded unless told other."""
    return by_autograd(study, problem, network, observe=observe).refine(
        learning_rate=study.pick(smoke=0.03, quick=0.015, paper=0.0075),
        horizon=HORIZON,
        records=RECORDS,
        levels=levels or study.pick(smoke=3, quick=4, paper=4),
    )


def whitened(study: Study, r: int, m: int) -> Regression:
    """Random data every singular value of which is 1."""
    return random_regression(study.rng("whitened", r, m), D=r + 1, n=r, m=m, singular_values=np.ones(r))


def not_whitened(rng: np.random.Generator) -> Regression:
    """Random data that break the hypothesis: r = 3, m = 2, singular values of different size."""
    return random_regression(rng, D=4, n=3, m=2, singular_values=np.array([1.2, 1.0, 0.8]))
