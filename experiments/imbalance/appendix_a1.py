"""The paper's Appendix A.1: its whitened data, its starts and their training; or others of as many parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.imbalance.networks import largest_curvature
from experiments.imbalance.own_data import Plan
from theory.claims import Study, varies
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.imbalance.compression import compressed_problem, gaussian_compressed
from theory.imbalance.problem import Network, coordinates, gaussian, paper_regression, rebalanced

SCALES = ((0.1, 0.1), (0.5, 0.02), (0.05, 0.2))  # standard deviations of U and V in the paper's Figure 2
EXPLICIT = 400 * 1000  # weights of U that are trained as they are; larger networks in compressed form, exactly
STARTS = 6
# Of learning rate x curvature: above it the higher orders of the step blur that the first is 1. Descent is stable to 2.
LARGEST_STEP = 1 / 3
# Of learning rate x rate^2 x time, by which the logarithm of the loss differs from the flow's: below it rounding shows.
SMALLEST_EFFECT = 1e-8
LEFT = 90.0  # rate x time: the loss is then e^-90 of its start, far below rounding
FEWEST = 10  # steps
OVERHEAD, WORK = 4e4, 3e10  # of a step, and of all, in squared rows of [V; U1] x starts: about two minutes


@dataclass(frozen=True)
class AppendixA1:
    """What is drawn and trained. The paper's own in the quick profile."""

    width: int = varies("units of the hidden layer, h", 500, smoke=50, low=1, high=10**8, from_data=True)
    scales: tuple[float, ...] = varies(
        "standard deviations of U and V, a pair a start; of --data only their ratios count",
        tuple(scale for pair in SCALES for scale in pair),
        low=1e-6,
        high=1e3,
    )
    learning_rate: float = varies(
        "of gradient descent on L", 1e-5, smoke=1e-4, low=0, high=1, brackets="()", unit="time", from_data=True
    )
    time: float = varies(
        "for which is trained, or until nothing of the loss is left",
        0.15,
        low=0,
        high=1e3,
        brackets="()",
        unit="time",
        from_data=True,
    )
    inputs: int = varies("columns of X, D", 400, smoke=40, low=2, high=1000, from_data=True)
    examples: int = varies("rows of X, n", 100, smoke=10, low=2, high=200, from_data=True)
    runs: int = varies("starts on each random problem", 64, smoke=8, paper=256, low=3, high=1000)
    draws: int = varies("starts of which the law of the level c is drawn", 1000, paper=4000, low=200, high=10_000)

    def __post_init__(self) -> None:
        if len(self.scales) % 2 or len(self.scales) > 2 * STARTS:
            reject("scales", f"{len(self.scales)} numbers", f"a pair for each of at most {STARTS} starts")

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Standard deviations of U and V, of each start."""
        return list(zip(self.scales[::2], self.scales[1::2]))

    @property
    def is_the_papers(self) -> bool:
        """Whether the balanced start and its training are the paper's."""
        own = AppendixA1()
        sizes = ("width", "inputs", "examples", "time")
        return self.pairs[0] == own.pairs[0] and all(getattr(self, name) == getattr(own, name) for name in sizes)


def plan(study: Study, rng: np.random.Generator, sizes: AppendixA1) -> Plan:
    """The paper's data, its Gaussian starts, and the balanced start of its Figure 3, the last.

    Raises:
        InvalidArgument: a learning rate so large that its effect has higher orders than the first, or so small that it
            has none beyond rounding; or what would take much longer than two minutes.
    """
    data, problem, network = _drawn(rng, sizes)
    curvature, fastest = largest_curvature(problem, network), fastest_rate(problem, network)
    eta, time = sizes.learning_rate, _time(study, sizes, fastest)
    if eta * curvature > LARGEST_STEP:
        largest = f"at most {LARGEST_STEP / curvature:.3g}, a sixth of where descent at these scales and width diverges"
        reject("learning_rate", eta, largest)
    if eta * fastest * fastest * time < SMALLEST_EFFECT:
        effect = f"larger scales, or learning_rate x time above {SMALLEST_EFFECT / fastest**2:.3g}"
        reject("learning_rate", eta, f"{effect}: below it, descent is the flow up to rounding")
    steps = round(time / eta)
    if steps < FEWEST:
        reject("time", time, f"at least {FEWEST * eta:.3g}, {FEWEST} steps of {eta:g}")
    work = 7.0 * steps * (len(network.U) * (problem.r + problem.m) ** 2 + OVERHEAD)
    if work > WORK:
        most = f"at most {steps * WORK / work:.3g} steps at these sizes: a larger learning_rate or less time"
        reject("learning_rate", eta, most)
    pairs = np.array([*sizes.pairs, (np.nan, np.nan)])
    return Plan(data, problem, network, eta, steps, pairs)


def _drawn(rng: np.random.Generator, sizes: AppendixA1) -> tuple[Regression, Regression, Network]:
    """Data, and what is trained: the network, or the smaller one that is trained as it is."""
    data = paper_regression(rng, whitened=True, D=sizes.inputs, n=sizes.examples)
    if sizes.inputs * sizes.width <= EXPLICIT:
        starts = [gaussian(data, sizes.width, rng, scales=scales) for scales in sizes.pairs]
        problem = data
    else:
        starts = [gaussian_compressed(data, sizes.width, rng, scales=scales).network for scales in sizes.pairs]
        problem = compressed_problem(data)
    starts.append(rebalanced(problem, starts[0], rng))  # Theta0 = U V^T of the first, as in the paper's Figure 3
    return data, problem, stacked(starts)


def stacked(starts: Sequence[Network]) -> Network:
    """Starts of one shape, the runs of one network."""
    return Network(np.concatenate([s.U for s in starts]), np.concatenate([s.V for s in starts]))


def _time(study: Study, sizes: AppendixA1, fastest: float) -> float:
    """That which is asked for, or less where the fastest start has nothing of its loss left."""
    longest = LEFT / fastest
    if sizes.time <= longest:
        return sizes.time
    study.remark(f"trained for the time {longest:.3g} in place of {sizes.time:g}: nothing of the loss is left by then")
    return longest


def fastest_rate(problem: Regression, network: Network) -> float:
    """2 sigma_1^2 |Z|^2: no loss decays faster at the start."""
    stretch = np.linalg.norm(coordinates(problem, network), ord=2, axis=(-2, -1))
    return 2 * float((problem.S[0] * stretch.max()) ** 2)
