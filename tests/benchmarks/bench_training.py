"""The training loop on 64 runs at once against 64 runs one by one, at the sizes of the tests."""

from collections.abc import Callable

import numpy as np

from benchmarks.timing import interleaved
from experiments.imbalance.networks import linear_network, squared_loss
from theory.claims.study import Study
from theory.core.regression import random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance.problem import Network, gaussian

RUNS, STEPS = 64, 200
STUDY = Study("bench.training")


def test_runs_in_one_batch(report: Callable[[str], None]) -> None:
    rng = np.random.default_rng(0)
    problem = random_regression(rng, D=12, n=8, m=2, singular_values=np.linspace(1.5, 0.5, 6))
    networks = gaussian(problem, 10, rng, scales=(0.3, 0.3), runs=RUNS)
    loss = squared_loss(problem, "cpu")

    def trained(runs: slice) -> Trajectory:
        part = Network(networks.U[runs], networks.V[runs])
        trainee = linear_network(STUDY, problem, part, observe=lambda state: {"loss": loss(state)})
        return trainee.train(learning_rate=0.02, steps=STEPS, record=[0, STEPS])

    def together() -> np.ndarray:
        return trained(slice(None))["loss"][-1]

    def one_by_one() -> np.ndarray:
        return np.array([trained(slice(run, run + 1))["loss"][-1, 0] for run in range(RUNS)])

    assert np.allclose(together(), one_by_one(), rtol=1e-10, atol=0)
    seconds = interleaved({"together": together, "one by one": one_by_one}, rounds=3)
    ratio = seconds["one by one"] / seconds["together"]
    report(
        f"{RUNS} runs of {STEPS} steps: {RUNS / seconds['together']:.0f} runs a second in one batch, "
        f"{RUNS / seconds['one by one']:.0f} one by one: {ratio:.1f} x"
    )
    assert ratio >= 8
