"""What a worker of a cluster does: judge a claim, if it runs the code that is asked of it, on the same data."""

import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import theory
from theory.claims import Evidence
from theory.harness.cache import LIBRARIES
from theory.harness.discovery import Stated
from theory.harness.fingerprint import fingerprint, module_text
from theory.harness.provenance import ROOT, commit, digest
from theory.harness.runner import Stopped, Task, attempt

ABSENT = "none"
CHANGED = "its code was changed while it was judged"
SHOWN = 3  # differences, before the rest is only counted


class Terms(NamedTuple):
    """What evidence depends on beside the claim and its study: a worker that has other than these is of no use.

    Attributes:
        versions: the `versions` of who asks.
        modules: those that state the claims.
        places: folders that the user's own modules are imported from.
        data: the user's own data, if any.
        run: name of the run, which alone the worker's answer is kept for.
    """

    versions: tuple[tuple[str, str], ...]
    modules: tuple[str, ...]
    places: tuple[str, ...]
    data: tuple[Path, ...]
    run: str


class Refused(NamedTuple):
    """The address of a worker that is of no use, and how it differs."""

    worker: str
    why: str


def versions(
    modules: Iterable[str], data: Iterable[Path], text_of: Callable[[str], str] = module_text
) -> dict[str, str]:
    """Version of all that evidence depends on, by name; the package's comes first.

    It is for people to read, and does not count: of the code, digests do, and of the data.
    """
    name = f"{theory.__version__} at {(commit(ROOT) or 'no commit').replace('-dirty', ' with changes')}"
    libraries = {library: _version(library) for library in LIBRARIES}
    code = {f"code of {module}": _code(module, text_of) for module in (__name__, *modules)}
    contents = {f"data {file}": _content(file) for file in data}
    return {theory.__name__: name, "Python": platform.python_version(), **libraries, **code, **contents}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ABSENT


def _code(module: str, text_of: Callable[[str], str]) -> str:
    try:
        return fingerprint(module, text_of)
    except (ModuleNotFoundError, OSError):
        return ABSENT


def _content(file: Path) -> str:
    try:
        return digest(file)
    except OSError:
        return ABSENT


# A process goes on running what it has imported, whatever its files say later: what they said first is its code.
_text_at_first = cache(module_text)


@cache
def difference(terms: Terms) -> str:
    """In which versions this process differs from whoever asks, in words; "" if in none."""
    sys.path += [place for place in terms.places if place not in sys.path]
    asked, own = dict(terms.versions), versions(terms.modules, terms.data, _text_at_first)
    (package, _), *counted = own.items()
    names = [name for name, here in counted if here != asked.get(name)]
    shown = [f"{name} {_short(own[name])} instead of {_short(asked[name])}" for name in [package, *names[:SHOWN]]]
    rest = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join(shown + rest) if names else ""


def _short(name: str) -> str:
    """A digest by its beginning, a commit too."""
    return " ".join(word[:12] for word in name.split())


def refusal(terms: Terms, dask_worker: Any) -> Refused | None:
    """Why the worker is of no use, if it is not; dask hands over the worker."""
    threads = dask_worker.state.nthreads
    why = f"{threads} threads instead of 1" if threads > 1 else difference(terms)
    return Refused(dask_worker.address, why) if why else None


def judge_here(terms: Terms, task: Task) -> Evidence | Stopped | Refused:
    """The claim judged on this worker; its checkpoints are kept if the folder for them is one that the worker sees."""
    from distributed import get_worker

    worker = get_worker()
    refused = refusal(terms, worker)
    if refused:
        return refused
    scratch = task.study.scratch
    scratch = scratch if scratch and scratch.is_dir() else None
    own = replace(task.study, scratch=scratch, progress=_while_wanted(worker))
    outcome = attempt(task.claim, own)
    if isinstance(outcome, Evidence) and outcome.provenance["fingerprint"] != _asked(terms, task.claim):
        return Stopped(task.claim.id, CHANGED, False, "")
    return outcome


def _asked(terms: Terms, claim: Stated) -> str:
    return dict(terms.versions)[f"code of {claim.module}"]


def _while_wanted(worker: Any) -> Callable[[float], None]:
    """Training stops when whoever asked for it is gone or has gone on."""
    task = worker.state.tasks[worker.get_current_task()]

    def proceed(fraction: float) -> None:
        if task.state == "cancelled":
            raise InterruptedError("nobody waits for it any more")

    return proceed
