"""The most memory that this process held while it was at something."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc/self")  # of Linux
MIB = 2**20
RESET = "5"  # what Linux takes for: the peak is the memory held now


def forget_peak() -> None:
    """Let `peak_memory` count from now on. Only Linux can: elsewhere it counts from the start of the process."""
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text(RESET, encoding="ascii")


def peak_memory() -> float:
    """MiB held at most since `forget_peak`: the interpreter and its libraries are part of them."""
    with suppress(OSError, StopIteration):
        lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
        _, kilobytes, _ = next(line for line in lines if line.startswith("VmHWM:")).split()
        return int(kilobytes) * 1024 / MIB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
