"""Gaussian starts of every width, trained as compressed networks: what Theorem 2 and the exact law are judged on."""

from dataclasses import dataclass

import numpy as np

from experiments.imbalance import own_data
from experiments.imbalance.compression import compressed_network
from theory.claims import Study, Training, samples, varies
from theory.claims.random_numbers import Samples
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.imbalance import wide_limit, width
from theory.imbalance.compression import Compressed, gaussian_compressed, gradient_descent_in_numpy
from theory.imbalance.problem import fan_in_scale, paper_regression

EXPONENTS = (0.5, 0.4, 0.3)
DELTA = 0.05
FIGURE_WIDTHS = np.logspace(2.5, 9.2, 68)
MOST = 1_000_000  # steps of a sweep


WORK = 600_000  # squared examples x networks: about half a minute; networks of any width take as long


@dataclass(frozen=True)
class Figure4:
    """The data of the paper's Figures 1 and 4."""

    inputs: int = varies("columns of X, D", 400, smoke=40, low=2, high=2000)
    examples: int = varies("rows of X, n", 100, smoke=10, low=1, high=120)

    def __post_init__(self) -> None:
        if 2 * self.examples > self.inputs:
            reject("examples", self.examples, f"at most half of the inputs {self.inputs}: X would be ill-conditioned")

    def require_affordable(self, networks: int) -> None:
        """Refuse more networks than a sweep of half a minute trains."""
        if networks * self.examples**2 > WORK:
            most = f"at most {WORK // self.examples**2} on {self.examples} examples"
            reject("widths x runs", networks, most)


def data_of_figure_4(study: Study, sizes: Figure4) -> Regression:
    """Drawn as the paper's."""
    # One data set for the two claims that draw the figure: the stream carries the figure's name, not the claim's.
    return paper_regression(
        Study("figure 4", seed=study.seed).rng("data"), whitened=False, D=sizes.inputs, n=sizes.examples
    )


def learning_rate_of_figure_4(problem: Regression) -> float:
    """The paper's 5e-3, which is for (1/n) |Y - X U V^T|^2 = (2/n) L."""
    return 2 * 5e-3 / problem.X.shape[0]


def wide_start(problem: Regression, h: int, exponent: float, runs: int, rng: np.random.Generator) -> Compressed:
    """Weights N(0, h^(-2a)), a = `exponent`."""
    scale = fan_in_scale(h, exponent)
    return gaussian_compressed(problem, h, rng, scales=(scale, scale), runs=runs)


def distance_reached(
    study: Study, start: Compressed, h: int, exponent: float, *, steps: int = 4000, faster: int = 1
) -> Array:
    """Distance to the minimum-norm solution (runs,) once the residual adds less than rounding to it; with `faster`
    times the learning rate, in as many fewer steps."""
    Y = start.problem.Y
    run = compressed_network(study, start).train(
        learning_rate=faster * learning_rate_to_the_end(start.problem, h, exponent),
        steps=steps // faster,
        record=[steps // faster],
        stop_below=1e-26 * float((Y**2).sum()),
    )
    return start.distance_to_minimum_norm(run["U"][-1], run["V"][-1])


def learning_rate_to_the_end(problem: Regression, h: int, exponent: float) -> float:
    """A tenth of the largest that is stable."""
    level = float(width.imbalance_level_bound(h, exponent))  # the weights and so the rates grow like h^(1 - 2a)
    return 0.2 / ((level + float(np.linalg.norm(problem.Y))) * float(problem.S[0]) ** 2)


def steps_to_the_end(study: Study, data: Regression, networks: int, h: int) -> int:
    """Of the user's data in their own units, until the residual adds nothing to the distance; a = 1/2.

    Raises:
        InvalidArgument: that takes longer than this profile has.
    """
    # |S^-1 E| decays at least like exp(-lambda_r c t), c near 2; it may start at 1 / s_r and should end at 1e-3 of
    # the distance, which is of order h^(-1/2).
    decay = np.log(1e3 * np.sqrt(h) * data.S[0] / data.S[-1])
    step = (1e-4 + networks * (data.m + data.r) ** 2 * (data.m + 1) * 3e-9) / own_data.TRAININGS
    eta, rate = learning_rate_to_the_end(data, h, 0.5), float(data.S[-1]) ** 2
    return own_data.affordable(study, data, eta, rate, step, least=decay, most=decay)


def sweep(study: Study, problem: Regression, widths: Array, *, runs: int, stop_below: float) -> dict[str, Array]:
    """Train `runs` networks of every width by the recursion until the paper's loss (2/n) L is below `stop_below`.

    Returns:
        The widths (W,), and of every run, (W, runs): distance to the minimum-norm solution, |U2 V^T| before and after
        training, |V|^2 after it, and the number of iterations.
    """
    eta, found = learning_rate_of_figure_4(problem), []
    for number, h in enumerate(widths):
        start = wide_start(problem, int(h), 0.5, runs, study.rng("sweep", h))
        shapes = {"U": start.network.U.shape, "V": start.network.V.shape}
        study.record(Training("gradient descent", shapes, (eta, eta), MOST))
        run = gradient_descent_in_numpy(
            start,
            learning_rate=eta,
            steps=MOST,
            record=[0, MOST],
            stop_below=problem.X.shape[0] / 2 * stop_below,
        )
        U, V = run["U"][-1], run["V"]
        found.append(
            {
                "distance": start.distance_to_minimum_norm(U, V[-1]),
                "initial_unseen": start.unseen(V[0]),
                "unseen": start.unseen(V[-1]),
                "output_squared": (V[-1] ** 2).sum((-2, -1)),
                "iterations": run.facts["steps"],
            }
        )
        study.progress((number + 1) / len(widths))
    return {"widths": widths, **{name: np.stack([each[name] for each in found]) for name in found[0]}}


def law(problem: Regression, widths: Array) -> Array:
    """The distance after training by the law of infinite width, a = 1/2."""
    return np.sqrt([wide_limit.squared_distance(problem, int(h), 0.5) for h in widths])


def law_of_the_sweep(name: str, problem: Regression, swept: dict[str, Array]) -> Samples:
    """Draws that follow chi^2 with D - r degrees of freedom, at every width of a sweep, m = 1."""
    draws = swept["widths"][:, None] * swept["unseen"] ** 2 / swept["output_squared"]
    because = "exact at every width: m = 1, so |U2 V^T|^2 h / |V|^2 is chi^2 with D - r degrees of freedom"
    return samples(name, draws, because=because)
