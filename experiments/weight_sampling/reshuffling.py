"""Epochs without replacement: noise that adds up to 0 leaves averages over whole epochs only that of their ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel

from theory.claims import OURS, Check, Study, claim, measured, rate, rounding, varies
from theory.claims.estimates import mean
from theory.claims.study import Training
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.weight_sampling import averages, reshuffling
from theory.weight_sampling.descent import Descent, kept, variance

FEW = 6  # examples, all of whose orders are tried: 720


@dataclass(frozen=True)
class Examples:
    """Numbers y whose mean is learned, one example a step, each once an epoch."""

    examples: int = varies("n, of an epoch", 24, low=4, high=200)
    curvature: float = varies("h of the loss h (w - y)^2 / 2 of an example", 0.8, low=0.01, high=100)
    learning_rate: float = varies("eta", 0.15, low=1e-3, high=10)
    epochs: int = varies("m, over which weights are averaged", 3, low=2, high=50)
    runs: int = varies("each in an order of its own", 90_000, smoke=8_000, low=8_000, high=300_000)

    def __post_init__(self) -> None:
        product = self.learning_rate * self.curvature
        if not 0.01 <= product <= 0.6:
            reject(
                "learning_rate x curvature", product, "a number in [0.01, 0.6]: steps that neither rest nor overshoot"
            )
        if product * self.examples < 0.5:
            expected = f"{0.5 / product:.0f} or more, an epoch that forgets a part of where it begins"
            reject("examples", self.examples, expected)

    def descent(self, y: Array) -> Descent:
        """Its noise is xi = h (mean y - y)."""
        return Descent(self.curvature, self.learning_rate, self.curvature * float(y.std()))


@claim(
    "weight_sampling.reshuffling",
    source="ours: what independent noise is an approximation of",
    source_kind=OURS,
    statement=r"L_i = \tfrac h2 (w - y_i)^2,\ w \leftarrow w - \eta L_i'(w),"
    r"\ \text{each}\ i \le n\ \text{once an epoch},\quad"
    r" s^2 = \tfrac{h^2}{n} \textstyle\sum_i (y_i - \bar y)^2,\ \rho = 1 - \eta h:\quad"
    r" \mathrm{Var}\,w_{\text{end}} = V_e = \frac{n}{n-1}\,\frac{\eta^2 s^2}{1 - \rho^{2n}}"
    r" \textstyle\sum_{i<n} (\rho^i - \bar{\rho})^2,\ \bar\rho = \tfrac1n \sum_{i<n} \rho^i;\quad"
    r" \tfrac{1}{mn} \textstyle\sum_k w_k - \bar y = \frac{\rho\,(w_0 - w_{mn})}{\eta h m n},\ \mathrm{Var} ="
    r" 2 V_e (1 - \rho^{mn}) \Big(\frac{\rho}{\eta h m n}\Big)^2",
    hypotheses=(
        "examples of one curvature h, one a step",
        "orders independent from epoch to epoch; averages over m whole epochs of the weights after each step",
        "stationary: the start is forgotten",
    ),
    theory_side="closed form",
    controls=(
        "orders with replacement: w",
        "orders with replacement: averages",
        "averages over m epochs vary by 1/m",
        "averages over epochs that are cut short",
        "without the n/(n - 1) of drawing without replacement",
    ),
    parameters=Examples,
)
def reshuffled_noise_averages_away(study: Study, sizes: Examples) -> Iterator[Check]:
    yield from _all_orders(study, sizes)
    yield from _each_run(study, sizes)


def _all_orders(study: Study, sizes: Examples) -> Iterator[Check]:
    """One epoch from the mean, in each of the orders that there are: their variance, and not an estimate of it."""
    y = study.rng("few").uniform(-1, 1, FEW)
    descent = sizes.descent(y)
    orders = np.array(list(permutations(range(FEW))))
    module = Learner(np.full(len(orders), y.mean()), sizes.curvature, study.device)
    _train(study, module, y[orders].T, sizes.learning_rate)
    shared = float(-np.expm1(2 * FEW * np.log1p(-sizes.learning_rate * sizes.curvature)))  # 1 - rho^(2 n)
    V = variance(descent)
    within = rounding(64 * FEW, V + y.mean() ** 2, of="squares of weights, 8 operations a step")
    spread = measured("variance after an epoch, all orders", module.w.var(correction=0).item(), within=within)
    V_e = reshuffling.variance_between_epochs(descent, FEW)
    yield spread.equals(V_e * shared)
    yield spread.control("orders with replacement: w").equals(V * shared)
    yield spread.control("without the n/(n - 1) of drawing without replacement").equals((1 - 1 / FEW) * V_e * shared)


def _each_run(study: Study, sizes: Examples) -> Iterator[Check]:
    """The average over whole epochs is known from their ends in each run; and the variances of both, over runs."""
    n, m, rng = sizes.examples, sizes.epochs, study.rng("many")
    y = rng.uniform(-1, 1, n)
    descent = sizes.descent(y)
    burn = int(np.ceil(-6 / np.log(float(kept(descent, n)))))  # epochs that leave e^-12, 6e-6, of the variance before
    module = Learner(np.full(sizes.runs, y.mean()), sizes.curvature, study.device)
    for _ in range(burn):
        _train(study, module, _epoch(rng, y, sizes.runs), sizes.learning_rate)
    start, average = module.w.detach().clone(), AveragedModel(module)
    orders = np.concatenate([_epoch(rng, y, sizes.runs) for _ in range(m)])
    cut = len(orders) - n // 2
    _train(study, module, orders[:cut], sizes.learning_rate, average)
    short = average.module.w.detach() - y.mean(), module.w.detach().clone()
    _train(study, module, orders[cut:], sizes.learning_rate, average)
    found, end = (average.module.w.detach() - y.mean()).cpu().numpy(), module.w.detach().cpu().numpy()
    within = rounding(16 * len(orders), 1 / (descent.eta * descent.h), of="weights of at most 1, over eta h")
    share = descent.rho / (descent.eta * descent.h)
    first = start.cpu().numpy()
    identity = measured("average over epochs from their ends", found, within=within, axes=("run",))
    yield identity.equals(lambda k: k * share * (first - end) / (m * n))
    cut_short = measured("average over less than m epochs", short[0].cpu().numpy(), within=within, axes=("run",))
    yield cut_short.control("averages over epochs that are cut short").equals(
        share * (first - short[1].cpu().numpy()) / cut
    )
    yield from _spreads(sizes, descent, found, end - y.mean())


def _spreads(sizes: Examples, descent: Descent, found: Array, end: Array) -> Iterator[Check]:
    """Squares vary by 2^(1/2) of their mean, or less: an interval of 90000 is 2.3 % to either side."""
    n, m = sizes.examples, sizes.epochs
    ends = rate("variance where epochs end", mean(end**2 / reshuffling.variance_between_epochs(descent, n)))
    yield ends.equals(1)
    predicted = reshuffling.averaged_variance(descent, n, m)
    spread = rate("variance of averages over epochs", mean(found**2 / predicted))
    yield spread.equals(1)
    independent = float(averages.averaged_variance(descent, m * n))
    yield spread.control("orders with replacement: averages").equals(independent / predicted)
    by_epochs = reshuffling.averaged_variance(descent, n, 1) / m
    yield spread.control("averages over m epochs vary by 1/m").equals(by_epochs / predicted)


class Learner(nn.Module):
    """Runs w (runs,), and the loss of a number y (runs,) each: h (w - y)^2 / 2."""

    def __init__(self, start: Array, h: float, device: str) -> None:
        super().__init__()
        self.w, self.h = nn.Parameter(torch.tensor(start, dtype=torch.float64, device=device)), h

    def forward(self, y: Tensor) -> Tensor:
        return self.h / 2 * (self.w - y).square().sum()


def _train(
    study: Study, module: Learner, orders: Array, learning_rate: float, average: AveragedModel | None = None
) -> None:
    """A step for each row of numbers y (steps, runs)."""
    optimizer = SGD(module.parameters(), lr=learning_rate)
    study.record(Training("SGD", {"w": tuple(module.w.shape)}, (learning_rate, learning_rate), len(orders)))
    for y in torch.tensor(orders, dtype=torch.float64, device=study.device):
        optimizer.zero_grad()
        module(y).backward()
        optimizer.step()
        if average is not None:
            average.update_parameters(module)


def _epoch(rng: np.random.Generator, y: Array, runs: int) -> Array:
    """All examples in an order of each run's own: (n, runs)."""
    return rng.permuted(np.tile(y, (runs, 1)), axis=1).T
