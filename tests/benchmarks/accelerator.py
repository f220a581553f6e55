"""A step of training on an accelerator against the same on the CPU: `python -m benchmarks.accelerator [DEVICE]`.

The whole network of the paper's Figure 4 (D = 400, n = 100, m = 1) as its width grows, by the fused rule, and a batch
of a thousand small networks by autograd; float64. The CPU has the threads that torch takes by itself.
"""

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.timing import interleaved
from experiments.imbalance.networks import LinearDescent, squared_loss
from experiments.training import GradientDescent, State, Update
from theory.core.files import write_atomically
from theory.core.regression import random_regression
from theory.core.validation import InvalidArgument
from theory.harness.devices import select_device
from theory.imbalance.problem import paper_regression

WIDTHS = (10**4, 10**5, 10**6)
RUNS = 1000
STEPS = 10  # between two looks at the device
Step = Callable[[str], tuple[Update, State]]


def whole_network(h: int) -> Step:
    """One network of width h, with nothing drawn that need not be: the time does not depend on the weights."""
    problem = paper_regression(np.random.default_rng(0), whitened=False)

    def at(device: str) -> tuple[Update, State]:
        sizes = {"U": (1, problem.D, h), "V": (1, problem.m, h)}
        state = {name: torch.full(size, h**-0.5, dtype=torch.float64, device=device) for name, size in sizes.items()}
        return LinearDescent(problem, device), state

    return at


def many_networks(runs: int) -> Step:
    """Networks of width 10 side by side."""
    rng = np.random.default_rng(0)
    problem = random_regression(rng, D=12, n=8, m=2, singular_values=np.linspace(1.5, 0.5, 6))
    weights = {"U": 0.3 * rng.standard_normal((runs, 12, 10)), "V": 0.3 * rng.standard_normal((runs, 2, 10))}

    def at(device: str) -> tuple[Update, State]:
        return GradientDescent(squared_loss(problem, device)), {
            name: torch.tensor(array, device=device) for name, array in weights.items()
        }

    return at


def stepping(step: Step, device: str) -> Callable[[], None]:
    """Takes some steps there, and waits for them."""
    rule, state = step(device)
    rates = torch.full((len(state["U"]),), 1e-6, dtype=torch.float64, device=device)
    rule.begin(state)

    def take() -> None:
        with torch.no_grad():
            for _ in range(STEPS):
                rule.apply(state, rule.evaluate(state)[1], rates)
        float(state["V"].flatten()[0])

    return take


def timed(device: str, widths: Sequence[int] = WIDTHS, runs: int = RUNS) -> dict[str, Any]:
    """Median seconds a step, on the CPU and on the device."""
    steps = {f"the whole network, h = {h:.0e}": whole_network(h) for h in widths}
    steps[f"{runs} networks of width 10 in one batch"] = many_networks(runs)
    rows = []
    for name, step in steps.items():
        seconds = interleaved({"cpu": stepping(step, "cpu"), "device": stepping(step, device)}, rounds=3)
        rows.append({"step": name, **{where: time / STEPS for where, time in seconds.items()}})
    processor = f"CPU, {torch.get_num_threads()} threads"
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    made = {"torch": torch.__version__, "python": platform.python_version()}
    return {"cpu": processor, "device": name, "rows": rows, "provenance": made}


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description=__doc__)
    parser.add_argument("device", nargs="?", default="cuda", metavar="DEVICE", help="as torch names it (default: cuda)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the times to this file, too")
    arguments = parser.parse_args(argv)
    try:
        device = select_device(arguments.device)
    except InvalidArgument as error:
        parser.error(str(error))
    found = timed(device)
    text = json.dumps(found, indent=1) + "\n"
    print(text, end="")
    if arguments.json:
        write_atomically(arguments.json, text.encode())


if __name__ == "__main__":
    main()
