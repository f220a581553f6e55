"""What a public function of the theory makes of arguments drawn at random: a number, or one clear line."""

import dataclasses
import inspect
import re
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import numpy as np
from arguments import Draw, Unmakeable

import theory
from theory.core.flows import FlowStopped
from theory.core.separable import Uncertified
from theory.core.validation import InvalidArgument

ENDLESS = ("t", "k", "steps", "log_time", "log_growth", "clock", "tau", "until")
ORDINARY = (1e-6, 1e6)  # sizes between which an infinite answer needs a reason
# Commands, checks and assertions, not mathematics.
LEFT_OUT = (
    "harness",
    "claims",
    "testing",
    "catalogue",
    "docs",
    "papers",
    "pytest_plugin",
    "report",
    "reproduce",
    "tables",
    "verify",
)
Function = Callable[..., Any]


def public_functions() -> dict[str, Function]:
    """The functions of the mathematics, by their full name; what begins with an underscore is not public."""
    found = {}
    for info in walk_packages(theory.__path__, "theory."):
        if info.name.split(".")[1] in LEFT_OUT:
            continue
        module = import_module(info.name)
        for name, thing in vars(module).items():
            if not name.startswith("_") and inspect.isfunction(thing) and thing.__module__ == info.name:
                found[info.name.removeprefix("theory.") + "." + name] = thing
    return found


@dataclasses.dataclass
class Outcome:
    """Of many calls: how many gave an answer, how many were refused clearly, and what was wrong, with the seeds."""

    answered: int = 0
    refused: int = 0
    problems: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    counts: Counter = dataclasses.field(default_factory=Counter)

    def note(self, problem: str, call: str) -> None:
        self.counts[problem] += 1
        self.problems.setdefault(problem, []).append(call) if self.counts[problem] <= 3 else None


def stress(function: Function, seeds: range, *, seconds: float = 5.0) -> Outcome:
    """Call `function` once a seed; one that computes longer than `seconds` counts as one without end."""
    outcome = Outcome()
    for seed in seeds:
        draw = Draw(np.random.default_rng(seed), wildness=(0.0, 0.2, 0.6)[seed % 3])
        try:
            arguments = draw.arguments(function)
        except (InvalidArgument, Uncertified):  # of a problem that the function would have been asked about
            outcome.refused += 1
            continue
        _call(function, arguments, f"seed {seed}: {_shown(arguments)}", seconds, outcome)
    return outcome


def _call(function: Function, arguments: dict[str, Any], call: str, seconds: float, outcome: Outcome) -> None:
    try:
        with _no_longer_than(seconds), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = function(**arguments)
    except (FlowStopped, Uncertified):  # no answer, and why
        outcome.refused += 1
    except InvalidArgument as error:
        outcome.refused += 1
        if "\n" in str(error) or not re.search(r" = .*: expected ", str(error)):
            outcome.note(f"unclear refusal: {error}"[:100], call)
    except _TooLong:
        outcome.note("no end", call)
    except Exception as error:
        if type(error).__name__ in (function.__doc__ or ""):  # documented
            outcome.refused += 1
        else:
            outcome.note(_without_numbers(f"{type(error).__name__}: {error}".splitlines()[0])[:100], call)
    else:
        outcome.answered += 1
        given, numbers = _numbers(arguments), _numbers(answer)
        if np.isnan(numbers).any() and _asks_for_a_number(arguments):
            outcome.note("NaN", call)
        sizes = np.abs(given[given != 0])
        if np.isinf(numbers).any() and ((sizes > ORDINARY[0]) & (sizes < ORDINARY[1])).all():
            outcome.note("infinity", call)


def _asks_for_a_number(arguments: dict[str, Any]) -> bool:
    """An infinite time or count of steps asks for a limit; infinite weights, data or strengths ask for nothing."""
    given = _numbers(arguments)
    others = _numbers({name: value for name, value in arguments.items() if name not in ENDLESS})
    return not np.isnan(given).any() and bool(np.isfinite(others).all())


def _without_numbers(message: str) -> str:
    """Messages that differ in sizes alone are one problem."""
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", message)


def _numbers(thing: Any) -> np.ndarray:
    """All numbers in it, in one row."""
    return np.array([float(x) for x in _leaves(thing)] or [0.0])


def _leaves(thing: Any) -> Iterator[float]:
    if isinstance(thing, (bool, int, float, np.number, np.bool_)):
        yield float(thing)
    elif isinstance(thing, np.ndarray) and thing.dtype.kind in "biufc":
        yield from (float(x) for part in (thing.real, thing.imag) for x in part.ravel())
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        for field in dataclasses.fields(thing):
            yield from _leaves(getattr(thing, field.name))
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from _leaves(value)
    elif isinstance(thing, (tuple, list)):
        for value in thing:
            yield from _leaves(value)


def _shown(arguments: dict[str, Any]) -> str:
    return " ".join(", ".join(f"{name}={value!r}" for name, value in arguments.items()).split())


class _TooLong(BaseException):
    """Not an Exception, so that nothing catches it on the way."""


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _TooLong

    previous = signal.signal(signal.SIGPROF, stop)  # of computing time: other processes do not count
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def with_recipes() -> None:
    """Read the recipes of every setting."""
    for file in sorted((Path(__file__).parent / "recipes").glob("*.py")):
        import_module(f"recipes.{file.stem}")


__all__ = ["Outcome", "Unmakeable", "public_functions", "stress", "with_recipes"]
