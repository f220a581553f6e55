"""Training to log t = 400, and limits read off late times."""

from dataclasses import dataclass

import numpy as np

from experiments.shallow.classifiers import normalised_classifier
from experiments.shallow.examples import adding_to_one
from theory.claims import Measured, Study, Tolerance, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, planted
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.shallow import gradient_flow

LATE = 50.0 * 2.0 ** np.arange(4)  # log t at which limits are read: each twice the one before, for extrapolation
SETTLING = 0.5  # the least rate in log t: e^-25 of the start is left at the first of them


@dataclass(frozen=True)
class Settling:
    """Examples with known duals, that settle."""

    inputs: int = varies("of each example", 5, low=2, high=50, from_data=True)
    margin: float = varies("gamma* of the examples", 0.8, low=0.5, high=0.9, from_data=True)
    shares: tuple[float, ...] = varies(
        "of the duals in their sum, up to a factor", (0.5, 0.3, 0.2), low=0.01, high=100, from_data=True
    )

    def __post_init__(self) -> None:
        if not 2 <= len(self.shares) < self.inputs:
            fewer = f"2 at least, and fewer than the {self.inputs} inputs: what is off their span stays"
            reject("shares", f"{len(self.shares)} of them", fewer)

    @property
    def distribution(self) -> Array:
        """The shares, adding up to 1."""
        return adding_to_one(self.shares)


def settling_examples(
    rng: np.random.Generator, sizes: Settling, shares: Array, runs: int, slack: tuple[float, ...] = ()
) -> Separable:
    """Random examples with these duals that settle fast enough for limits to be read from log t = 50 on.

    Raises:
        InvalidArgument: hardly any of these sizes do.
    """
    drawn = planted(rng, shares, d=sizes.inputs, margin=sizes.margin, slack=np.array(slack), runs=60 * runs)
    candidates = Separable(drawn)
    settling = candidates.Z[gradient_flow.relaxation_rate(candidates) > SETTLING]
    if len(settling) < runs:
        found = f"{len(settling)} of {len(drawn)} problems"
        reject("shares", f"{sizes.shares} ({found} settle)", f"{runs} that do: more equal ones, or a smaller margin")
    # The shortest of these allow the largest steps.
    return Separable(settling[np.argsort((settling**2).sum(-1).max(-1))[:runs]])


def trained_late(study: Study, problem: Separable, w0: Array) -> Trajectory:
    """Trained to log t = 400 by steps learning_rate / loss: s ~ |w_hat|^2 log t. The limits hold at any step size."""
    rate = float(1 / (problem.Z**2).sum(-1).max())
    steps = int(np.ceil(LATE[-1] / problem.margin.min() ** 2 / rate / 8)) * 8
    trainee = normalised_classifier(study, problem.Z, w0)
    return trainee.train(learning_rate=rate, steps=steps, record=[steps // k for k in (8, 4, 2, 1)])


def limit(name: str, values: Array, solver_error: float = 0.0, *, case: str = "") -> Measured:
    """Limit (runs,) of values (4, runs) at times T, 2T, 4T, 8T, whose error is a series in 1 / T."""
    value, error = richardson(list(values))
    # The last of the weights w ~ w_hat log t carries a rounding of its size, and the extrapolation triples it.
    off = error.max() + 100 * EPS * LATE[-1] ** 2 + solver_error
    because = "last corrections of the extrapolation in 1 / log t, and rounding"
    return measured(name, value, within=Tolerance(off, because), case=case, axes=("run",))
