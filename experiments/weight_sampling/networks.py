"""Networks on noisy targets, trained by torch's own optimisers on batches drawn without replacement, and sampled."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.swa_utils import AveragedModel

from experiments.methods.weight_sampling import RestartedAverage
from theory.claims import Study, Tolerance, by_chance, varies
from theory.claims.few_runs import mean_of_runs
from theory.claims.study import Training
from theory.core.arrays import Array
from theory.core.validation import reject

TEACHER, HEIGHT = 4, 2.0  # units of the network that makes the targets, and what they are multiplied by
LEAST = 16  # steps of an epoch
SGD_, MOMENTUM, ADAM = METHODS = ("SGD", "momentum", "Adam")


@dataclass(frozen=True)
class Regression:
    """Networks of one hidden layer, each on examples of its own, whose targets are noisy."""

    runs: int = varies("independent networks", 64, low=48, high=500)
    inputs: int = varies("of each network", 6, low=3, high=24)
    width: int = varies("units of its hidden layer, tanh", 24, smoke=12, low=8, high=48)
    examples: int = varies("in an epoch", 256, smoke=96, low=64, high=2000)
    batch: int = varies("examples of a step", 8, smoke=4, low=2, high=64)
    samples: int = varies("K, of an epoch", 8, smoke=6, low=3, high=50)
    epochs: int = varies("of training", 24, smoke=12, low=8, high=100)
    noise: float = varies("standard deviation of the targets' noise", 0.5, low=0.2, high=1)
    sgd: float = varies("learning rate of SGD", 0.1, low=0.05, high=0.2)
    momentum: float = varies("learning rate with momentum 0.9", 0.02, low=0.01, high=0.03)
    adam: float = varies("learning rate of Adam", 0.02, smoke=0.03, low=0.015, high=0.05)

    def __post_init__(self) -> None:
        if self.examples % (self.batch * self.samples):
            expected = f"a multiple of batch x samples = {self.batch * self.samples}, so that an epoch ends at a sample"
            reject("examples", self.examples, expected)
        if self.steps < LEAST:
            reject("examples / batch", self.steps, f"{LEAST} steps an epoch or more: fewer leave more start than noise")
        if self.work > 2e10:
            reject("runs x epochs x examples x inputs x width", f"{self.work:.3g}", "2e10 at most: two minutes")

    @property
    def work(self) -> float:
        return float(self.runs * self.epochs * self.examples * self.inputs * self.width)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self.examples // self.batch

    @property
    def period(self) -> int:
        return self.steps // self.samples

    def optimiser(self, method: str) -> Callable[[Iterable[Tensor]], Optimizer]:
        makers = {
            SGD_: partial(SGD, lr=self.sgd),
            MOMENTUM: partial(SGD, lr=self.momentum, momentum=0.9),
            ADAM: partial(Adam, lr=self.adam),
        }
        return makers[method]


class Networks(nn.Module):
    """x -> w2 . tanh(W1 x + b1) + b2, each run with weights of its own."""

    def __init__(self, start: Mapping[str, Array], device: str) -> None:
        super().__init__()
        for name, array in start.items():
            self.register_parameter(name, nn.Parameter(torch.tensor(array, dtype=torch.float64, device=device)))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (runs, n) on inputs (runs, n, d)."""
        hidden = torch.baddbmm(self.b1, x, self.W1).tanh()
        return torch.baddbmm(self.b2, hidden, self.w2).squeeze(-1)


@dataclass(frozen=True)
class Task:
    """Examples of each run: inputs (runs, n, d) and targets (runs, n)."""

    x: Tensor
    y: Tensor

    def loss(self, network: nn.Module) -> Array:
        """Mean squared error (runs,) over all examples."""
        with torch.no_grad():
            return (network(self.x) - self.y).square().mean(1).cpu().numpy()


def random_start(rng: np.random.Generator, runs: int, inputs: int, width: int) -> dict[str, Array]:
    """Gaussian weights that keep the size of what passes, and no biases."""
    return {
        "W1": rng.standard_normal((runs, inputs, width)) / inputs**0.5,
        "b1": np.zeros((runs, 1, width)),
        "w2": rng.standard_normal((runs, width, 1)) / width**0.5,
        "b2": np.zeros((runs, 1, 1)),
    }


def random_task(study: Study, sizes: Regression) -> Task:
    """Targets of a small network of the same kind, and noise."""
    rng, device = study.rng("task"), study.device
    x = torch.tensor(rng.standard_normal((sizes.runs, sizes.examples, sizes.inputs)), device=device)
    teacher = Networks(random_start(rng, sizes.runs, sizes.inputs, TEACHER), device)
    noise = torch.tensor(rng.standard_normal((sizes.runs, sizes.examples)), device=device)
    with torch.no_grad():
        return Task(x, HEIGHT * teacher(x) + sizes.noise * noise)


def batches(study: Study, sizes: Regression, method: str) -> Iterator[Tensor]:
    """Indices (runs, batch) of the examples of each step: each once an epoch, in an order of each run's own."""
    rng = study.rng("orders", method)
    everything = np.tile(np.arange(sizes.examples), (sizes.runs, 1))
    for _ in range(sizes.epochs):
        orders = torch.tensor(rng.permuted(everything, axis=1), device=study.device)
        yield from orders.split(sizes.batch, dim=1)


def losses(study: Study, sizes: Regression, task: Task, method: str) -> dict[str, Array]:
    """Loss on all examples where epochs end, (epochs, runs): of the iterates, and of the averages over the epoch.

    And of the same two where each epoch starts from the average of the one before; steps see the same examples.
    """
    start = random_start(study.rng("start"), sizes.runs, sizes.inputs, sizes.width)
    plain, again = (Networks(start, study.device) for _ in range(2))
    average, sampling = AveragedModel(plain), RestartedAverage(again, period=sizes.period, samples=sizes.samples)
    optimizers = [_recorded(study, sizes, network, method) for network in (plain, again)]
    seen: dict[str, list[Array]] = {name: [] for name in ("iterates", "averages", "restarted iterates", "restarted")}
    for step, chosen in enumerate(batches(study, sizes, method), start=1):
        x, y = task.x.gather(1, chosen[..., None].expand(-1, -1, sizes.inputs)), task.y.gather(1, chosen)
        for network, optimizer in zip((plain, again), optimizers):
            optimizer.zero_grad()
            (network(x) - y).square().mean(1).sum().backward()
            optimizer.step()
        if step % sizes.period == 0:
            average.update_parameters(plain)
        if step % sizes.steps == 0:
            seen["restarted iterates"].append(task.loss(again))
        sampling.step()
        if step % sizes.steps == 0:
            for name, network in (("iterates", plain), ("averages", average.module), ("restarted", again)):
                seen[name].append(task.loss(network))
            average.n_averaged.zero_()
    found = {name: np.stack(each) for name, each in seen.items()}
    if not all(np.isfinite(each).all() for each in found.values()):
        reject(f"learning rate of {method}", f"{optimizers[0].defaults['lr']:g}", "one at which losses stay finite")
    return found


def rises(loss: Array) -> Array:
    """By how much the loss (epochs, runs) rises from epoch to epoch, in all."""
    return np.maximum(np.diff(loss, axis=0), 0).sum(0)


def paired(differences: Array, because: str) -> tuple[float, Tolerance]:
    """The mean of differences, one a run, and what the truth may lie to either side of it by."""
    estimate = mean_of_runs(differences)
    return estimate.value, by_chance(estimate, f"paired, run by run: {because}")


def _recorded(study: Study, sizes: Regression, network: Networks, method: str) -> Optimizer:
    """The optimiser; what it will train is noted."""
    optimizer = sizes.optimiser(method)(network.parameters())
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    eta = optimizer.defaults["lr"]
    study.record(Training(type(optimizer).__name__, shapes, (eta, eta), sizes.epochs * sizes.steps))
    return optimizer
