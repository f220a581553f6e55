"""Timing several ways of doing one thing, side by side."""

from collections.abc import Callable, Mapping
from statistics import median
from timeit import Timer


def interleaved(tasks: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Median seconds a call of each task over `rounds`; a quick task is called often enough to take 0.2 s a round.

    Every round runs all of them, so that a machine that slows down slows them all.
    """
    timers = {name: Timer(task) for name, task in tasks.items()}
    calls = {name: timer.autorange()[0] for name, timer in timers.items()}
    seconds = [{name: timer.timeit(calls[name]) / calls[name] for name, timer in timers.items()} for _ in range(rounds)]
    return {name: median(measured[name] for measured in seconds) for name in tasks}
