"""Judge many claims: what is known already is not computed again, the rest is shared among processes.

Each process computes in one thread, so that the numbers do not depend on how many there are, nor where they are.
"""

import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import joblib
from threadpoolctl import threadpool_limits

from theory.claims import Evidence, judge
from theory.claims.study import Study
from theory.core.validation import InvalidArgument
from theory.harness.cache import Cache, key
from theory.harness.discovery import Stated
from theory.harness.fingerprint import fingerprint
from theory.harness.memory import forget_peak, peak_memory
from theory.harness.progress import Progress
from theory.harness.provenance import provenance
from theory.harness.settings import registered

KILLED = "its process was killed by the system, which may have been short of memory"


@dataclass(frozen=True)
class Stopped:
    """A claim that could not be judged, and why."""

    id: str
    reason: str
    invalid: bool  # the request is wrong, not the claim
    details: str  # where it happened


@dataclass
class Results:
    """Evidence by claim id, or by the name of its task, in the order asked for, and the claims that stopped."""

    evidence: dict[str, Evidence] = field(default_factory=dict)
    stopped: list[Stopped] = field(default_factory=list)


class Task(NamedTuple):
    """A claim and the conditions to judge it under."""

    claim: Stated
    study: Study


def run(claims: Sequence[Stated], study: Study, *, folder: Path, jobs: int, fresh: bool) -> Results:
    """Evidence for each of `claims` under the conditions of `study`, each with its own copy; see `run_tasks`."""
    tasks = {claim.id: Task(claim, study) for claim in claims}
    return run_tasks(tasks, folder=folder, jobs=jobs, fresh=fresh)


# Judges tasks, given by name, elsewhere than in processes of this machine; each has a folder for unfinished work.
Engine = Callable[[Mapping[str, Task], Callable[[str], Path]], Iterator[tuple[str, Evidence | Stopped]]]


def run_tasks(
    tasks: Mapping[str, Task], *, folder: Path, jobs: int, fresh: bool, engine: Engine | None = None
) -> Results:
    """Evidence for each task, by its name; a task that stopped has its name for id.

    Args:
        tasks: claims from `theory.harness.discovery.stated_claims`, with profile, seed, device, data and parameters.
        folder: where finished evidence is found and kept, and unfinished training too.
        jobs: how many processes to use; 1 stays in this one.
        fresh: forget what is kept.
        engine: what judges the tasks in place of these processes.
    """
    kept = Cache(folder)
    code = cache(fingerprint)
    keys = {name: key(task.claim, task.study, code(task.claim.module)) for name, task in tasks.items()}
    if fresh:
        for under in keys.values():
            kept.discard(under)
    found = {name: kept.find(under) for name, under in keys.items()}
    left = [name for name in tasks if found[name] is None]
    # The longest first, so that none is left running alone at the end.
    last_seconds = cache(kept.last_seconds)
    left.sort(key=lambda name: -last_seconds(tasks[name].claim, tasks[name].study.profile))
    results = Results()
    with Progress(len(left)) as progress:
        asked = {name: tasks[name] for name in left}
        if engine is None or not asked:
            outcomes = _outcomes(asked, kept, keys, jobs, progress.training)
        else:
            outcomes = engine(asked, lambda name: kept.scratch(keys[name]))
        for name, outcome in outcomes:
            if isinstance(outcome, Stopped):
                results.stopped.append(replace(outcome, id=name))
            else:
                kept.store(keys[name], outcome, tasks[name].study)
                # Evidence that was computed says the same of itself as evidence that was found.
                facts = provenance(tasks[name].study, outcome.provenance["seconds"]) | outcome.provenance
                found[name] = replace(outcome, provenance=facts)
            progress.advance()
    results.evidence = {name: evidence for name, evidence in found.items() if evidence is not None}
    return results


def _outcomes(
    tasks: Mapping[str, Task], kept: Cache, keys: Mapping[str, str], jobs: int, training: Callable[[float], None]
) -> Iterator[tuple[str, Evidence | Stopped]]:
    left = {
        name: Task(task.claim, replace(task.study, claim=task.claim.id, scratch=_scratch(task.study, kept, keys[name])))
        for name, task in tasks.items()
    }
    if min(jobs, len(left)) <= 1:
        for name, (claim, own) in left.items():
            yield name, attempt(claim, replace(own, progress=training))
        return
    # A worker that has come to hold much memory ends after its claim, and another is started: nothing is lost.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    while left:
        yield from _until_one_is_killed(left, jobs)
        # Those that were being judged are the first of what is left: each alone, so that it is known which one it is.
        for name in list(left)[:jobs]:
            alone = {name: left.pop(name)}
            yield from _until_one_is_killed(alone, 1)
            yield from ((lost, Stopped(task.claim.id, KILLED, False, "")) for lost, task in alone.items())


def _scratch(study: Study, kept: Cache, key: str) -> Path | None:
    """Where unfinished training is kept. Smoke trains for seconds, unless on parameters or data of the user's own:
    keeping that would take longer than to train again."""
    short = study.profile == "smoke" and not study.given and study.data is None
    return None if short else kept.scratch(key)


def _until_one_is_killed(left: dict[str, Task], jobs: int) -> Iterator[tuple[str, Evidence | Stopped]]:
    """Outcomes of `left`, each taken out of it; ends early where the system has killed a process."""
    # One claim a batch: finished evidence is to be stored at once.
    parallel = joblib.Parallel(n_jobs=min(jobs, len(left)), batch_size=1, return_as="generator_unordered")
    if parallel.n_jobs == 1:  # in a process of its own all the same
        parallel = joblib.Parallel(n_jobs=2, pre_dispatch=1, batch_size=1, return_as="generator_unordered")
    # The processes started here ignore Ctrl-C, as this one does while it starts them: it ends them when interrupted.
    with on_interrupt(signal.SIG_IGN):
        tasks = (joblib.delayed(attempt_in_worker)(name, task, os.getpid()) for name, task in list(left.items()))
        outcomes = parallel(tasks)
    try:
        with on_interrupt(interrupt_once):
            for name, outcome in outcomes:
                del left[name]
                yield name, outcome
    except BrokenProcessPool:
        return


def attempt_in_worker(name: str, task: Task, parent: int) -> tuple[str, Evidence | Stopped]:
    """`attempt`, in a process that ends when its parent does."""
    _end_with(parent)
    return name, attempt(*task)


@cache
def _end_with(parent: int) -> None:
    """Whoever is killed cannot end its workers: they look once a second whether it is there."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if os.getppid() == parent:  # on a cluster it is not
        threading.Thread(target=watch, daemon=True).start()


def attempt(claim: Stated, study: Study) -> Evidence | Stopped:
    """Judge the claim under `study` in one thread; whatever goes wrong becomes a `Stopped`."""
    try:
        subject = registered(claim)
        with one_thread():
            forget_peak()
            start = time.perf_counter()
            evidence = judge(subject, study)
            seconds, memory = time.perf_counter() - start, peak_memory()
    except Exception as error:  # the boundary of a process: nothing but a value can cross it
        invalid = isinstance(error, InvalidArgument)
        reason = str(error) if invalid else f"{type(error).__name__}: {error}"
        return Stopped(claim.id, reason, invalid, traceback.format_exc())
    cost = {"seconds": round(seconds, 3), "memory": round(memory)}
    return replace(evidence, provenance=cost | {"fingerprint": fingerprint(claim.module)})


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch, where it is loaded, and the linear algebra libraries to one thread."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    try:
        with threadpool_limits(limits=1):
            if torch:
                torch.set_num_threads(1)
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


@contextmanager
def on_interrupt(answer: Any) -> Iterator[None]:
    """Let Ctrl-C do `answer` for a while. Only the main thread can be interrupted, so only there is it of any use."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def interrupt_once(*_: Any) -> NoReturn:
    """What Ctrl-C does anyway, but a second one does not disturb the tidying up after the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
