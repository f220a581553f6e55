"""Which norm is the unit norm: six normalised networks of two layers, each at the solution of its own problem."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.homogeneous.networks import tensors
from experiments.homogeneous.six_networks import Network, OnSpheres
from experiments.training import State, Trainee, along
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import Array
from theory.core.separable import Separable
from theory.core.validation import InvalidArgument, reject
from theory.homogeneous import unit_norms

NETWORKS = {
    "product, one norm a layer": Network(True, "layer"),
    "product, one norm a row": Network(True, "row"),
    "product, batch-normalised": Network(True, "batch"),
    "full, one norm a layer": Network(False, "layer"),
    "full, one norm a row": Network(False, "row"),
    "full, batch-normalised": Network(False, "batch"),
}
CANDIDATES = 10
VARIANCES = 0.5, 2.0  # of the inputs, from the least to the largest


@dataclass(frozen=True)
class Sizes:
    """Of the networks, and of their training."""

    inputs: int = varies("d, entries of an example", 6, low=3, high=10)
    examples: int = varies("n, half of them of either label", 12, low=6, high=40)
    width: int = varies("h, rows of the first layer of a full network", 4, low=2, high=16)
    sizes: tuple[float, ...] = varies("rho, by which outputs are multiplied", (5.0, 10.0, 20.0), low=2, high=30)
    problems: int = varies("sets of examples, each of several drawn", 4, smoke=1, paper=16, low=1, high=50)
    steps: int = varies("of gradient descent with momentum", 1600, smoke=320, paper=4000, low=100, high=20_000)

    def __post_init__(self) -> None:
        if self.examples % 2 or self.examples < self.inputs + 2:
            reject("examples", self.examples, f"an even number, two more than the inputs {self.inputs} at least")


@dataclass(frozen=True)
class Problem:
    """Inputs x (n, d) of mean 0 with labels y, and the size rho of the outputs."""

    x: Array
    y: Array
    rho: float

    @property
    def Z(self) -> Array:
        return self.y[:, None] * self.x

    @property
    def covariance(self) -> Array:
        return self.x.T @ self.x / len(self.x)


# Each network's own ball: a metric (None: the l1 norm), and the square of the radius in units of the width.
Ball = tuple[Array | None, float]


def ball_of(name: str, problem: Problem, width: int) -> Ball:
    """The norm under which a network of this name, by the theory, maximises its margin, and the radius."""
    identity, S = np.eye(problem.x.shape[1]), problem.covariance
    return {
        "product, one norm a layer": (None, 1.0),
        "product, one norm a row": (identity, 1.0),
        "product, batch-normalised": (np.diag(np.diag(S)), 1.0),
        "full, one norm a layer": (identity, 1.0),
        "full, one norm a row": (identity, np.sqrt(width)),
        "full, batch-normalised": (S, np.sqrt(width)),
    }[name]


@claim(
    "banburski2019.unit_norm",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract; whose norm it is, ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\min_{a, W} \log \sum_n e^{-\rho\, y_n f(x_n)},\ f(x) = \beta \cdot x,\ \beta = W^\top a:\quad"
    r" \beta = \mathrm{argmin}_{\beta \in B} \log \sum_n e^{-\rho\, y_n \beta \cdot x_n},\quad"
    r" B = \{|\beta|_1 \le 1\},\ \{|\beta|_2 \le 1\},\ \{|\sigma \circ \beta|_2 \le 1\}\ (\beta = a \circ w);"
    r"\quad \{|\beta|_2 \le 1\},\ \{|\beta|_2 \le \sqrt h\},\ \{\beta^\top S \beta \le h\}\ (W \in R^{h \times d})",
    hypotheses=(
        "linear networks of two layers, without biases, gains frozen at 1, whose outputs are multiplied by rho",
        "in this order: one norm a layer, one norm a row (torch's default), units batch-normalised without eps",
        "each for a first layer of one weight an input, and for one of h rows",
        "inputs x_n of mean 0, standard deviations sigma and covariance S; labels y_n that a classifier separates",
        "descent ends at a minimum that is not a saddle: it starts on the side of the classes' means",
    ),
    theory_side="closed form",
    controls=(
        "weight normalisation maximises the Euclidean margin, whatever the network",
        "rows of one norm rest at size rho, not rho h^(1/2)",
        "batch normalisation maximises the Euclidean margin",
        "one norm a row is one norm a layer",
        "standard deviations over n - 1",
        "a hidden layer of h - 1 rows",
        "training cut at a sixteenth",
    ),
    parameters=Sizes,
)
def each_network_has_a_unit_norm_of_its_own(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    drawn = [_examples(rng, sizes) for _ in range(sizes.problems)]
    problems = [Problem(x, y, rho) for x, y in drawn for rho in sizes.sizes]
    ends = {}
    for name, network in NETWORKS.items():
        early, ends[name] = _trained(study, name, network, problems, sizes)
        yield from _judge(name, problems, sizes.width, early, ends[name])
    yield from _margins(problems, sizes.width, ends)
    yield _angles(problems, sizes.width, ends)


def _judge(name: str, problems: list[Problem], width: int, early: Array, end: Array) -> Iterator[Check]:
    """beta at the end, at the solution of its own problem and at none that is near to it."""
    balls = [ball_of(name, problem, width) for problem in problems]
    off = [_distance(problem, ball, beta) for problem, ball, beta in zip(problems, balls, end)]
    because = "how far convexity lets beta be, by the gradient that is left"
    within = Tolerance(np.array(off)[:, None], because)
    beta = measured("beta", end, within=within, case=name, axes=("run", "input"))
    own = _solutions(problems, balls)
    yield beta.equals(own)

    def wrong(change: Callable[[Problem, Ball], Ball]) -> Array:
        return _solutions(problems, [change(problem, ball) for problem, ball in zip(problems, balls)])(1.0)

    euclidean = wrong(lambda problem, ball: (np.eye(len(problem.x[0])), ball[1]))
    if name == "product, one norm a layer":
        sentence = "weight normalisation maximises the Euclidean margin, whatever the network"
        condition = "the unit norm is l1, l2, of standardised inputs or Mahalanobis', by the network and by torch's dim"
        yield beta.unconditioned(sentence, condition=condition).equals(euclidean)
        cut = measured("beta", early, within=within, case=name)
        yield cut.control("training cut at a sixteenth").equals(own)
    if name == "product, one norm a row":
        yield beta.control("one norm a row is one norm a layer").equals(wrong(lambda problem, ball: (None, 1.0)))
    if name == "product, batch-normalised":
        n = len(problems[0].x)
        fewer = wrong(lambda problem, ball: (ball[0] * n / (n - 1), ball[1]))
        yield beta.control("standard deviations over n - 1").equals(fewer)
    if name == "full, one norm a row":
        # Their length is h^(1/2), but their direction that of size rho, as if gains were not seen.
        shorter = np.sqrt(width) * wrong(lambda problem, ball: (ball[0], 1.0))
        yield beta.control("rows of one norm rest at size rho, not rho h^(1/2)").equals(shorter)
    if name == "full, batch-normalised":
        yield beta.control("batch normalisation maximises the Euclidean margin").equals(euclidean)
        narrower = wrong(lambda problem, ball: (ball[0], np.sqrt(width - 1)))
        yield beta.control("a hidden layer of h - 1 rows").equals(narrower)


def _solutions(problems: list[Problem], balls: list[Ball]) -> Callable[[float], Array]:
    """The optima (runs, d) in these balls, of sizes k rho."""

    def optimum(problem: Problem, ball: Ball, k: float) -> Array:
        metric, radius = ball
        rho = k * problem.rho * radius
        if metric is None:
            return radius * unit_norms.in_l1_ball(problem.Z, rho)
        return radius * unit_norms.in_ellipsoid(problem.Z, metric, rho)

    return lambda k: np.array([optimum(problem, ball, k) for problem, ball in zip(problems, balls)])


def _distance(problem: Problem, ball: Ball, beta: Array) -> float:
    """How far an entry of beta can be from the optimum."""
    metric, radius = ball
    unit, rho = beta / radius, problem.rho * radius
    if metric is None:
        return unit_norms.distance_in_l1_ball(problem.Z, rho, unit)
    least = np.linalg.eigvalsh(metric)[0]
    return radius * unit_norms.distance_in_ellipsoid(problem.Z, metric, rho, unit) / float(np.sqrt(least))


def _margins(problems: list[Problem], width: int, ends: dict[str, Array]) -> Iterator[Check]:
    """By how much margins fall short of the largest in their own norm: at most log(n) / rho."""
    short, most = [], []
    for name, end in ends.items():
        for problem, beta in zip(problems, end):
            metric, radius = ball_of(name, problem, width)
            best = unit_norms.l1_margin(problem.Z) if metric is None else _largest(problem.Z, metric)
            short.append(best - (problem.Z @ beta).min() / radius)
            most.append(np.log(len(problem.x)) / problem.rho / radius)
    within = Tolerance(1e-9, "linear programme")
    gap = measured("margin, short of the largest in its own norm", np.array(short), within=within).supporting()
    yield gap.at_most(np.array(most))


def _largest(Z: Array, metric: Array) -> float:
    """The largest margin of the ellipsoid."""
    return float((Z @ unit_norms.in_ellipsoid(Z, metric, np.inf)).min())


def _angles(problems: list[Problem], width: int, ends: dict[str, Array]) -> Curves:
    """Of the first set of examples at every size: distances of trained directions (rows) to solutions (columns)."""
    of_first = range(sum(problem.x is problems[0].x for problem in problems))
    solutions = {
        name: _solutions(problems, [ball_of(name, problem, width) for problem in problems])(1.0) for name in ends
    }
    chords = [
        [
            [np.linalg.norm(_unit(end[i]) - _unit(solution[i])) for solution in solutions.values()]
            for end in ends.values()
        ]
        for i in of_first
    ]
    angles = 2 * np.arcsin(np.minimum(np.array(chords) / 2, 1))
    return curves(angles=angles, sizes=np.array([problems[i].rho for i in of_first]))


def _unit(v: Array) -> Array:
    return v / np.linalg.norm(v)


def _trained(study: Study, name: str, network: Network, problems: list[Problem], sizes: Sizes) -> tuple[Array, Array]:
    """beta (runs, d) after a sixteenth of the steps, and at the end."""
    x, y, rho = tensors(study.device, *(np.array([getattr(p, field) for p in problems]) for field in ("x", "y", "rho")))

    def loss(state: State) -> Tensor:
        return torch.logsumexp(-along(rho, y) * y * network.outputs(state, x), -1) / rho

    start = _start(study.rng("start", name), network, problems, sizes.width)
    rule = OnSpheres(loss, network, x)
    trainee = Trainee(study, loss, start, rule, lambda state: {"beta": network.beta(state, x)})
    # log sum e^(-rho q) / rho has curvature rho times the variance of the inputs, at most.
    rates = 1 / np.array([problem.rho * np.linalg.eigvalsh(problem.covariance)[-1] for problem in problems])
    run = trainee.train(learning_rate=rates, steps=sizes.steps, record=[sizes.steps // 16, sizes.steps])
    return run["beta"][0], run["beta"][-1]


def _start(rng: np.random.Generator, network: Network, problems: list[Problem], width: int) -> dict[str, Array]:
    """On the side of the classes' means, layers of the sizes that they are normalised to, rows of random signs."""
    mean = np.array([_unit(problem.Z.mean(0)) for problem in problems])
    runs, d = mean.shape
    shape = (runs, d) if network.product else (runs, width)
    signs = rng.choice([-1.0, 1.0], shape)
    a = signs * (1 + 0.3 * rng.random(shape))
    if network.product:
        a *= np.sign(mean) / np.sqrt(d)
        W = signs * (1 + 0.3 * rng.random(shape))
        return {"W": W if network.normalised == "row" else W / np.linalg.norm(W, axis=1, keepdims=True), "a": a}
    W = signs[..., None] * (mean[:, None] + 0.3 * rng.standard_normal((*shape, d)) / np.sqrt(d))
    if network.normalised == "layer":
        return {"W": W / np.linalg.norm(W, axis=(1, 2), keepdims=True), "a": a / np.sqrt(width)}
    units = np.array([problem.x for problem in problems]) @ W.mT
    size = units.std(1)[..., None] if network.normalised == "batch" else np.linalg.norm(W, axis=-1, keepdims=True)
    return {"W": W / size, "a": a}


def _examples(rng: np.random.Generator, sizes: Sizes) -> tuple[Array, Array]:
    """Of several sets that are separable, the one whose l1 solution is told soonest: no entry of it is small, and no
    vertex left out is nearly as steep as the face. Fewer support vectors than inputs, else all solutions coincide."""
    found: list[tuple[float, Array, Array]] = []
    while len(found) < CANDIDATES:
        x, y = _candidate(rng, sizes)
        try:
            problem = Separable(y[:, None] * x)
        except InvalidArgument:
            continue
        if problem.support.sum() < sizes.inputs:
            found.append((_told(problem.Z), x, y))
    _, x, y = max(found, key=lambda each: each[0])
    return x, y


def _told(Z: Array) -> float:
    best = unit_norms.in_l1_ball(Z, 10.0)
    slope = np.abs(Z.T @ np.exp(-10 * (Z @ best - (Z @ best).min())))
    return float(min(1 - slope[best == 0].max(initial=0) / slope.max(), 3 * np.abs(best[best != 0]).min()))


def _candidate(rng: np.random.Generator, sizes: Sizes) -> tuple[Array, Array]:
    """Inputs of mean 0 and correlated coordinates, variances as `VARIANCES` says, that differ between the classes."""
    n, d = sizes.examples, sizes.inputs
    y = np.where(rng.permutation(n) < n // 2, 1.0, -1.0)
    spread = rng.standard_normal((n, d))
    spread[:, 0] += (1.5 + n / d / 4) * y
    frame = np.linalg.qr(spread - spread.mean(0))[0] @ _rotation(rng.standard_normal((d, d)))
    axes = _rotation(np.eye(d) + 0.3 * rng.standard_normal((d, d)))
    return np.sqrt(n) * frame * np.sqrt(np.geomspace(*VARIANCES, d)) @ axes.T, y


def _rotation(matrix: Array) -> Array:
    return np.linalg.qr(matrix)[0]
