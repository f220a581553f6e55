"""The largest learning rate at which one mode converges, found by training at many: from its start alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.imbalance.one_mode_descent import held_one_mode
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.imbalance import finite_step

AT_REST = 0.05  # |u . v - y| / y of a run that is taken to converge
ROUNDS, RATES = 3, 40  # of the search; each looks at so many learning rates


@dataclass(frozen=True)
class Starts:
    """Starts of one mode, of all sizes."""

    target: float = varies("y", 1.3, low=0.01, high=100)
    width: int = varies("h, numbers in each of u and v", 4, low=2, high=50)
    squares: tuple[float, float] = varies(
        "|u|^2 + |v|^2 over y, of the smallest start and of the largest", (0.5, 200.0), low=0.1, high=1000
    )
    runs: int = varies("Gaussian starts, and as many with u . v = 0", 16, smoke=6, paper=60, low=4, high=500)
    steps: int = varies("of each training", 800, paper=3000, low=400, high=10**5)

    def __post_init__(self) -> None:
        if len(self.squares) != 2 or self.squares[0] > 1 or self.squares[1] < 100:
            reject("squares", self.squares, "two numbers, the first at most 1 and the second at least 100")
        if self.steps < 4 * self.squares[1]:
            reject(
                "steps", self.steps, f"at least {4 * self.squares[1]:g}, for the slowest of the search to come to rest"
            )


@claim(
    "imbalance.critical_learning_rate",
    source="ours; Liang & Montufar 2025 (abstract: an exact critical step), Lewkowycz et al. 2020 (4 / lambda_0)",
    source_kind=OURS,
    statement=r"\eta^* = \min\Big(\frac{1}{y},\ \frac{8}{Q + (Q^2 - 16\, y\, e)^{1/2}}\Big),\quad"
    r" Q = |u|^2 + |v|^2,\ e = u \cdot v - y;\quad u \cdot v = 0:"
    r"\ \frac{4}{Q/2 + (Q^2/4 + 4 y^2)^{1/2}} \to \frac{4}{Q}\ (Q \gg y)",
    hypotheses=(
        "u, v in R^h, loss (y - u . v)^2 / 2, y > 0, constant learning rate; almost every start",
        "above eta* descent diverges, or comes to no rest where eta* = 1 / y",
    ),
    theory_side="closed form",
    controls=(
        "4 over the sharpness at the start",
        "no cap at 1 / y",
        "5 % larger",
        "without the sign of the residual",
    ),
    parameters=Starts,
)
def learning_rates_are_critical_where_the_ellipse_is(study: Study, size: Starts) -> Iterator[Check | Curves]:
    y = size.target
    starts = _starts(study, size)
    u, v = (np.concatenate(each) for each in zip(*starts.values()))
    critical = np.split(np.array(_search(study, size, u, v)), len(starts), axis=1)
    for (case, (u, v)), between in zip(starts.items(), critical):
        found = _measured(size, *between, case)
        law = finite_step.critical_learning_rate(u, v, y)
        Q, p = (u**2 + v**2).sum(-1), (u * v).sum(-1)
        yield found.equals(lambda k, law=law: k * law)
        yield curves(case, size=Q / y, law=law * y, trained=found.value * y)
        if case == "Gaussian":
            yield found.control("no cap at 1 / y").equals(8 / (Q + np.sqrt(Q**2 - 16 * y * (p - y))))
            yield found.control("5 % larger").equals(1.05 * law)
        elif case == "aligned":
            other = np.minimum(1 / y, 8 / (Q + np.sqrt(Q**2 + 16 * y * np.abs(p - y))))
            yield found.control("without the sign of the residual").equals(other)
        else:
            yield found.control("4 over the sharpness at the start").equals(4 / Q)
            yield from _catapult(size, Q, found)
    Q = np.geomspace(size.squares[0], size.squares[1], 200) * y
    u, v = (np.sqrt(Q / 2)[:, None] * np.eye(2)[i] for i in (0, 1))
    yield curves("at 0", size=Q / y, law=finite_step.critical_learning_rate(u, v, y) * y)


def _starts(study: Study, size: Starts) -> dict[str, tuple[Array, Array]]:
    """Starts (runs, h) of sizes spread evenly in their logarithm, at three kinds of angle between u and v."""
    u, v = study.rng("starts").standard_normal((2, size.runs, size.width))
    across = v - (u * v).sum(-1, keepdims=True) / (u**2).sum(-1, keepdims=True) * u
    Q = size.target * np.geomspace(*size.squares, size.runs)

    def scaled(u: Array, v: Array) -> tuple[Array, Array]:
        scale = np.sqrt(Q / (u**2 + v**2).sum(-1))[:, None]
        return scale * u, scale * v

    return {"Gaussian": scaled(u, v), "aligned": scaled(u, 0.8 * u + 0.6 * v), "u . v = 0": scaled(u, across)}


def _search(study: Study, size: Starts, u: Array, v: Array) -> tuple[Array, Array]:
    """Two learning rates (runs,) between which training first comes to no rest, found in ever finer steps."""
    y, Q = size.target, (u**2 + v**2).sum(-1)
    low, high = 1 / (y + Q), np.full_like(Q, 4 / y)
    for _ in range(ROUNDS):
        eta = np.exp(np.linspace(np.log(low), np.log(high), RATES))
        rests = _rests(study, size, u, v, eta)
        first = np.argmin(np.concatenate([rests, np.zeros_like(rests[:1])]), axis=0)
        low, high = (np.take_along_axis(eta, np.clip(first + k, 0, RATES - 1)[None], 0)[0] for k in (-1, 0))
    return low, high


def _measured(size: Starts, low: Array, high: Array, case: str) -> Measured:
    found = np.sqrt(low * high)
    # From 1 / y on the two products of a cycle multiply to 1 / eta^2 and add to y + 1 / eta: the nearer is AT_REST from
    # y at eta y = 1 + AT_REST^2 and a little. Below, where eta y = 1 - x, errors fall by 1 - 2 x a step at least.
    slow = AT_REST**2 * (1 + 4 * AT_REST) + np.log(10 / AT_REST) / (2 * size.steps)
    within = Tolerance(found * slow + (high - low), "the last gap of the search, and how near 1 / y rest is told")
    return measured("critical learning rate", found, within=within, case=case, axes=("run",))


def _rests(study: Study, size: Starts, u: Array, v: Array, eta: Array) -> Array:
    """Whether runs from each start come to rest at y, of learning rates (RATES, runs)."""
    y, many = size.target, len(eta)
    u, v = (np.broadcast_to(each, (many, *each.shape)).reshape(-1, size.width) for each in (u, v))
    trainee, last = held_one_mode(study, y, u, v, eta.ravel()), [size.steps - 1, size.steps]
    end = trainee.train(learning_rate=eta.ravel(), steps=size.steps, record=last)
    off = np.abs((end["u"] * end["v"]).sum(-1) / y - 1).max(0)
    return (off < AT_REST).reshape(eta.shape)


def _catapult(size: Starts, Q: Array, found: Measured) -> Iterator[Check]:
    """The limit of large starts: 4 over the sharpness, of which the law is a share of (2 y / Q)^2 away."""
    y, largest = size.target, Q.argmax()
    away = Tolerance(4 / Q[largest] * (2 * y / Q[largest]) ** 2, "(2 y / Q)^2 of the limit")
    within = Tolerance(found.within.value[largest], found.within.reason) + away
    limit = measured("largest start: critical learning rate", found.value[largest], within=within)
    yield limit.equals(4 / Q[largest])
