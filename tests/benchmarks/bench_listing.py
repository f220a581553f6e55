"""`--list` against starting Python, and against Python that imports numpy: a list reads the source, it imports none."""

import subprocess
import sys
from collections.abc import Callable

from benchmarks.timing import interleaved


def test_a_list_against_importing_numpy(report: Callable[[str], None]) -> None:
    commands = {
        "python alone": ("-c", "pass"),
        "import numpy": ("-c", "import numpy"),
        "verify --list": ("-m", "theory.verify", "--list"),
    }
    call = lambda arguments: lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True)  # noqa: E731
    seconds = interleaved({name: call(arguments) for name, arguments in commands.items()})
    for name, value in seconds.items():
        report(f"{name:13s} {1e3 * value:6.0f} ms, {value / seconds['import numpy']:5.2f} x import numpy")
    assert call(commands["verify --list"])().stdout
