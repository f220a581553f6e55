"""Timing two ways of doing one thing, side by side."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def interleaved(tasks: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Median seconds of each task over `rounds`, after one round unmeasured.

    Every round runs all of them, so that a machine that slows down slows them all.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - began)
    return {name: median(times) for name, times in seconds.items()}
