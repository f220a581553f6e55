"""The compressed recursion against training the whole network: seconds a step, as the width grows.

The problem is that of the paper's Figure 4 (D = 400, n = 100, m = 1), float64, one thread. The loop over the whole
network is the hand-written one, whose gradient costs as little as the width allows; autograd is what most would run.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmarks.timing import interleaved
from experiments.imbalance.networks import LinearDescent, squared_loss
from experiments.training.updates import GradientDescent, State, Update
from theory.core.regression import Regression
from theory.imbalance.compression import Compressed, compress, gaussian_compressed, gradient_descent
from theory.imbalance.problem import Network, fan_in_scale, gaussian, paper_regression

ETA = 2 * 5e-3 / 100  # the paper's 5e-3 on (2/n) L
FEW, MANY = 20, 2000  # steps of a whole and of a compressed network that one measurement takes


@pytest.fixture(scope="module")
def problem() -> Regression:
    return paper_regression(np.random.default_rng(0), whitened=False)


def start(problem: Regression, h: int) -> Network:
    scale = fan_in_scale(h, 0.5)
    return gaussian(problem, h, np.random.default_rng(1), scales=(scale, scale))


def whole(rule: Update, network: Network, steps: int) -> State:
    state = {"U": torch.tensor(network.U), "V": torch.tensor(network.V)}
    rates = torch.full((1,), ETA, dtype=torch.float64)
    rule.begin(state)
    for _ in range(steps):
        rule.apply(state, rule.evaluate(state)[1], rates)
    return state


def last_loss(compressed: Compressed, steps: int) -> float:
    run = gradient_descent(compressed, learning_rate=ETA, steps=steps, record=[steps])
    return float(run["excess_loss"][-1]) + compressed.original.optimal_loss


@pytest.mark.parametrize("h", [500, 2000, 10_000])
def test_a_step_of_the_compressed_network(h: int, problem: Regression, report: Callable[[str], None]) -> None:
    network = start(problem, h)
    small = compress(problem, network)
    fused, plain = LinearDescent(problem, "cpu"), GradientDescent(squared_loss(problem, "cpu"))
    losses = {
        "compressed": last_loss(small, FEW),
        "hand-written": float(squared_loss(problem, "cpu")(whole(fused, network, FEW))),
        "autograd": float(squared_loss(problem, "cpu")(whole(plain, network, FEW))),
    }
    assert np.ptp(list(losses.values())) <= 1e-10 * losses["compressed"]
    seconds = interleaved(
        {
            "compress": lambda: compress(problem, network),
            "compressed": lambda: last_loss(small, MANY),
            "hand-written": lambda: whole(fused, network, FEW),
            "autograd": lambda: whole(plain, network, FEW),
        },
        rounds=3,
    )
    step = {"compressed": seconds["compressed"] / MANY}
    step |= {name: seconds[name] / FEW for name in ("hand-written", "autograd")}
    ratios = {name: step[name] / step["compressed"] for name in ("hand-written", "autograd")}
    report(
        f"h = {h:6d}: {step['compressed'] * 1e6:.1f} us a step; hand-written loop {ratios['hand-written']:.0f} x, "
        f"autograd {ratios['autograd']:.0f} x as long; compressing once {seconds['compress'] * 1e3:.0f} ms; "
        f"loss {losses['compressed']:.12f}"
    )
    if h == 10_000:
        assert ratios["hand-written"] >= 200


def test_the_width_does_not_matter(problem: Regression, report: Callable[[str], None]) -> None:
    widths = (500, 10_000, 10**9)
    networks = {}
    for h in widths:
        scale = fan_in_scale(h, 0.5)
        networks[h] = gaussian_compressed(problem, h, np.random.default_rng(2), scales=(scale, scale))
    seconds = interleaved({str(h): lambda h=h: last_loss(networks[h], MANY) for h in widths})
    report("; ".join(f"h = {h:.0e}: {seconds[str(h)] / MANY * 1e6:.1f} us a step" for h in widths))
    assert seconds[str(10**9)] <= 1.3 * seconds["500"]
