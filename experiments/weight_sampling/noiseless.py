"""The same networks without noise: descent on all examples at once, where there is nothing to average away."""

import numpy as np
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel

from experiments.methods.weight_sampling import RestartedAverage
from experiments.weight_sampling.networks import Networks, Regression, Task, random_start
from theory.claims import Study
from theory.claims.study import Training
from theory.core.arrays import Array

RUNS, EPOCHS = 8, 6


def full_batch_losses(study: Study, sizes: Regression, task: Task) -> dict[str, Array]:
    """Loss (epochs, runs) where epochs end, of the first runs: of iterates, averages, and with restart."""
    few = Task(task.x[:RUNS], task.y[:RUNS])
    start = random_start(study.rng("start"), RUNS, sizes.inputs, sizes.width)
    plain, again = (Networks(start, study.device) for _ in range(2))
    average, sampling = AveragedModel(plain), RestartedAverage(again, period=sizes.period, samples=sizes.samples)
    seen: dict[str, list[Array]] = {"iterates": [], "averages": [], "restarted": []}
    optimizers = [descent(study, sizes, network) for network in (plain, again)]
    for step in range(1, EPOCHS * sizes.steps + 1):
        for network, optimizer in zip((plain, again), optimizers):
            step_on(few, network, optimizer)
        if step % sizes.period == 0:
            average.update_parameters(plain)
        sampling.step()
        if step % sizes.steps == 0:
            for name, network in (("iterates", plain), ("averages", average.module), ("restarted", again)):
                seen[name].append(few.loss(network))
            average.n_averaged.zero_()
    return {name: np.stack(each) for name, each in seen.items()}


def averages_of_strangers(study: Study, sizes: Regression, task: Task) -> tuple[Array, Array]:
    """Mean loss (runs,) of two networks that were started and trained independently, and loss of their average."""
    few, networks = Task(task.x[:RUNS], task.y[:RUNS]), []
    for name in ("one", "other"):
        network = Networks(random_start(study.rng(name), RUNS, sizes.inputs, sizes.width), study.device)
        optimizer = descent(study, sizes, network)
        for _ in range(EPOCHS * sizes.steps):
            step_on(few, network, optimizer)
        networks.append(network)
    average = AveragedModel(networks[0])
    for network in networks:
        average.update_parameters(network)
    each = np.mean([few.loss(network) for network in networks], axis=0)
    return each, few.loss(average.module)


def descent(study: Study, sizes: Regression, network: Networks) -> SGD:
    """Gradient descent, noted as what is trained."""
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    study.record(Training("SGD", shapes, (sizes.sgd, sizes.sgd), EPOCHS * sizes.steps))
    return SGD(network.parameters(), lr=sizes.sgd)


def step_on(task: Task, network: Networks, optimizer: SGD) -> None:
    optimizer.zero_grad()
    (network(task.x) - task.y).square().mean(1).sum().backward()
    optimizer.step()
