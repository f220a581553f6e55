"""Starting: `--list` and a wrong request against Python that imports numpy; methods for users against importing torch.

A list reads the source, and only what has changed of it since the last one; methods come with torch and no more.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from benchmarks.timing import interleaved

VERIFY = ("-m", "theory.verify")
LISTS = {
    "import numpy": ("-c", "import numpy"),
    "python alone": ("-c", "pass"),
    "verify --list": (*VERIFY, "--list"),
    "verify nonsense": (*VERIFY, "nonsense"),
}
METHODS = {
    "import torch": ("-c", "import torch"),
    "Minnorm": ("-c", "import experiments.methods.minnorm"),
    "Halpern": ("-c", "import experiments.methods.halpern"),
    "orthogonalise": ("-c", "import experiments.methods.orthogonal"),
    "FineGrainedSGD": ("-c", "import experiments.methods.manifolds"),
}


@pytest.mark.parametrize("commands", [LISTS, METHODS], ids=["lists", "methods"])
def test_starting(commands: Mapping[str, tuple[str, ...]], report: Callable[[str], None]) -> None:
    call = lambda arguments: lambda: subprocess.run([sys.executable, *arguments], capture_output=True)  # noqa: E731
    seconds = interleaved({name: call(arguments) for name, arguments in commands.items()})
    peer = next(iter(commands))
    for name, value in seconds.items():
        report(f"{name:15s} {1e3 * value:6.0f} ms, {value / seconds[peer]:5.2f} x {peer}")
    assert call((*VERIFY, "--list"))().stdout
