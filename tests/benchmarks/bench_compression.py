"""The compressed recursion against training the whole network: seconds a step, as the width grows.

The problem is that of the paper's Figure 4 (D = 400, n = 100, m = 1), float64, one thread. The loop over the whole
network is the hand-written one, whose gradient costs as little as the width allows; autograd is what most would run.
The recursion, compiled, reads and writes its r (m + r) numbers once a step: moving as many takes as long at least.
"""

from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
import pytest
import torch

from benchmarks.timing import interleaved
from experiments.imbalance.networks import LinearDescent, squared_loss
from experiments.updates import GradientDescent, State, Update
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.imbalance.compression import (
    Compressed,
    compress,
    gaussian_compressed,
    gradient_descent,
    gradient_descent_in_numpy,
)
from theory.imbalance.problem import Network, fan_in_scale, gaussian, paper_regression
from theory.imbalance.recursion import FASTEST

ETA = 2 * 5e-3 / 100  # the paper's 5e-3 on (2/n) L
FEW, MANY = 20, 20_000  # steps of a whole and of a compressed network that one measurement takes


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


def last_loss(compressed: Compressed, steps: int, descent: Callable[..., Trajectory] = gradient_descent) -> float:
    run = descent(compressed, learning_rate=ETA, steps=steps, record=[steps])
    return float(run["excess_loss"][-1]) + compressed.original.optimal_loss


def bandwidth(compressed: Compressed) -> dict[str, Callable[[], object]]:
    """What moves as many bytes as a step has to, from and to the same cache: from one array to another, and in place.

    The second is what the step does, and faster; a call of numpy is some 0.3 us of it.
    """
    here, there = np.ones((2, *compressed.network.U.shape[-2:]))
    return {"copy": lambda: np.copyto(there, here), "in place": lambda: np.negative(here, out=here)}


@pytest.mark.parametrize("h", [500, 2000, 10_000])
def test_a_step_of_the_compressed_network(h: int, problem: Regression, report: Callable[[str], None]) -> None:
    network = start(problem, h)
    small = compress(problem, network)
    fused, plain = LinearDescent(problem, "cpu"), GradientDescent(squared_loss(problem, "cpu"))
    losses = {
        "compressed": last_loss(small, FEW),
        "in numpy": last_loss(small, FEW, gradient_descent_in_numpy),
        "hand-written": float(squared_loss(problem, "cpu")(whole(fused, network, FEW))),
        "autograd": float(squared_loss(problem, "cpu")(whole(plain, network, FEW))),
    }
    assert np.ptp(list(losses.values())) <= 1e-10 * losses["compressed"]
    seconds = interleaved(
        {
            "compress": lambda: compress(problem, network),
            **bandwidth(small),
            "compressed": lambda: last_loss(small, MANY),
            "in numpy": lambda: last_loss(small, MANY, gradient_descent_in_numpy),
            "hand-written": lambda: whole(fused, network, FEW),
            "autograd": lambda: whole(plain, network, FEW),
        },
        rounds=7,
    )
    step = {name: seconds[name] / MANY for name in ("compressed", "in numpy")}
    step |= {name: seconds[name] / FEW for name in ("hand-written", "autograd")}
    ratios = {name: step[name] / step["compressed"] for name in step}
    kilobytes = 2 * small.network.U[0].nbytes / 1000
    report(
        f"h = {h:6d}: {step['compressed'] * 1e6:.2f} us a step by {FASTEST.name}; numpy {ratios['in numpy']:.1f} x, "
        f"hand-written loop {ratios['hand-written']:.0f} x, autograd {ratios['autograd']:.0f} x as long; moving its "
        f"{kilobytes:.0f} kB by a copy {seconds['copy'] / step['compressed']:.0%}, in place "
        f"{seconds['in place'] / step['compressed']:.0%} of it; compressing once {seconds['compress'] * 1e3:.0f} ms; "
        f"loss {losses['compressed']:.12f}"
    )
    if h == 10_000:
        least = {"numba": (2000, 4000), "numpy": (200, 400)}[FASTEST.name]
        assert ratios["hand-written"] >= least[0]
        assert ratios["autograd"] >= least[1]


def test_the_width_does_not_matter(problem: Regression, report: Callable[[str], None]) -> None:
    widths = (500, 10_000, 10**9)
    networks = {h: drawn(problem, h, 1) for h in widths}
    seconds = interleaved({str(h): lambda h=h: last_loss(networks[h], MANY) for h in widths}, rounds=9)
    report("; ".join(f"h = {h:.0e}: {seconds[str(h)] / MANY * 1e6:.2f} us a step" for h in widths))
    assert seconds[str(10**9)] <= 1.05 * seconds["500"]


def test_figure_4_in_one_call(problem: Regression, report: Callable[[str], None]) -> None:
    """Fifty of its runs, to the paper's loss (2/n) L = 1e-8."""
    networks, steps = drawn(problem, 10_000, 50), 200_000
    begin = perf_counter(), process_time()
    run = gradient_descent(networks, learning_rate=ETA, steps=steps, record=[steps], stop_below=50 * 1e-8)
    wall, cpu = perf_counter() - begin[0], process_time() - begin[1]
    taken = run.facts["steps"]
    report(
        f"50 runs by {FASTEST.name}: {wall:.1f} s, {cpu:.1f} s of them computing; {taken.min()} to {taken.max()} steps"
    )
    assert (run["excess_loss"] < 50 * 1e-8).all()
    assert cpu <= {"numba": 15, "numpy": 60}[FASTEST.name]


def drawn(problem: Regression, h: int, runs: int) -> Compressed:
    scale = fan_in_scale(h, 0.5)
    return gaussian_compressed(problem, h, np.random.default_rng(2), scales=(scale, scale), runs=runs)
