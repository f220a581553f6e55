"""Claims judged on a cluster, by dask: each worker has one at a time, and each that is lost is judged again elsewhere.

All goes through the scheduler, evidence too: workers need no folder that this machine sees. Where they see the folder
for unfinished work all the same, a claim goes on from the checkpoint of the worker that was lost.
"""

import asyncio
import logging
import re
import signal
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from theory.claims import Evidence
from theory.core.validation import reject
from theory.harness.discovery import module_file
from theory.harness.fingerprint import INSTALLED
from theory.harness.provenance import ROOT
from theory.harness.runner import Stopped, Task, interrupt_once, on_interrupt
from theory.harness.worker import ABSENT, Refused, Terms, judge_here, refusal, versions

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

PACKAGE = "deep-learning-theory"
ADDRESS = re.compile(r"(?:tcp|tls)://(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
LOCAL = re.compile(r"local:([1-9]\d*)")
CONNECT, PATIENCE, LOOK = 8.0, 60.0, 1.0  # seconds: to reach the scheduler, without a worker, between two looks
KILLED = "its workers were killed, when it alone was judged too; the system may have been short of memory"
Outcome = tuple[str, Evidence | Stopped]
Answer = Evidence | Stopped | Refused | BaseException


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster, and any where dask is not installed.

    Raises:
        InvalidArgument: in either case.
    """
    port = ADDRESS.fullmatch(address)
    if not (LOCAL.fullmatch(address) or (port and 0 < int(port[1]) < 65536)):
        expected = "local:N, for N workers on this machine, or a scheduler's address, tcp://HOST:PORT"
        reject("cluster", repr(address), expected)
    if find_spec("distributed") is None:
        reject("cluster", repr(address), f"dask to be installed: pip install '{PACKAGE}[cluster]'")


def outcomes(address: str, tasks: Mapping[str, Task], scratch: Callable[[str], Path]) -> Iterator[Outcome]:
    """What came of each task, by its name, as they are finished.

    Args:
        address: as `check_address` lets pass.
        tasks: in the order in which they are handed out.
        scratch: the folder for the unfinished work of a task, asked for when its turn has come.

    Raises:
        InvalidArgument: there is no scheduler, or it has no worker, or one with other code, libraries or data than
            are here, or with more than one thread.
        ConnectionError: the scheduler is gone, or the last worker.
    """
    asked = _terms(tasks.values())
    with on_interrupt(interrupt_once), _connected(address, len(tasks)) as client:
        _refuse_others(client, address, asked)
        for name, answer in _answers(client, address, asked, tasks, scratch):
            yield name, _outcome(address, name, answer)


def _answers(
    client: "Client", address: str, asked: Terms, tasks: Mapping[str, Task], scratch: Callable[[str], Path]
) -> Iterator[tuple[str, Answer]]:
    """What the workers answer. No worker has more than one claim, so that none is killed by another that it waits for.

    A claim whose workers are killed all the same is judged once more in the end, each alone: two that are too large
    for one machine together are not too large.
    """
    left, suspects, killed = deque(tasks), deque[str](), set[str]()
    running: dict[Future, str] = {}
    seen = time.monotonic()
    while left or running or suspects:
        if not left and not running:
            left.append(suspects.popleft())
        with _reaching(address):
            workers = len(client.nthreads())
        seen = time.monotonic() if workers else seen
        if time.monotonic() - seen > PATIENCE:
            raise ConnectionError(_ended(address, f"no worker has been there for {PATIENCE:.0f} s"))
        for name in [left.popleft() for _ in range(min(workers - len(running), len(left)))]:
            running[_submitted(client, asked, name, tasks[name], scratch(name))] = name
        with _reaching(address):
            finished = {running.pop(future): _answer(future) for future in _finished(running)}
        for name, answer in finished.items():
            if _is_killed(answer) and name not in killed:
                killed.add(name)
                suspects.append(name)
            else:
                yield name, answer


def _terms(tasks: Collection[Task]) -> Terms:
    """What workers must have to judge these."""
    modules = tuple(dict.fromkeys(task.claim.module for task in tasks))
    data = tuple(dict.fromkeys(task.study.data.absolute() for task in tasks if task.study.data))
    places = tuple(dict.fromkeys(str(place) for place in map(_place, modules) if place not in (ROOT, *INSTALLED)))
    return Terms(tuple(versions(modules, data).items()), modules, places, data, uuid.uuid4().hex)


def _place(module: str) -> Path:
    """The folder from which the module, or its package, is imported."""
    file = module_file(module.split(".")[0])
    assert file is not None
    return file.resolve().parents[file.name == "__init__.py"]


@contextmanager
def _connected(address: str, most: int) -> "Iterator[Client]":
    """A client of the scheduler there, which has workers; those of this machine are as many as asked for, or `most`."""
    from distributed import Client
    from distributed.utils import silence_logging_cmgr
    from distributed.versions import VersionMismatchWarning

    with ExitStack() as stack:
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", VersionMismatchWarning)  # what has to be the same is compared here
        local = LOCAL.fullmatch(address)
        if local:
            yield stack.enter_context(Client(stack.enter_context(_workers_here(min(int(local[1]), most)))))
            return
        _refuse_what_does_not_answer(address)
        client = stack.enter_context(Client(address, timeout=CONNECT))
        try:
            client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError:
            reject("cluster", address, f"a scheduler with workers: start one by dask worker {address} --nthreads 1")
        yield client


def _refuse_what_does_not_answer(address: str) -> None:
    """A client waits for ever for the first words of what is no scheduler, so another question comes first."""
    from distributed import Security, rpc

    async def ask() -> None:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            await asyncio.wait_for(scheduler.identity(), CONNECT)

    try:
        asyncio.run(ask())
    except TimeoutError:
        reject("cluster", address, f"a scheduler of dask that answers within {CONNECT:.0f} s")
    except Exception as error:  # whatever something else may answer
        reject("cluster", address, f"a scheduler of dask, not what answers there ({type(error).__name__}: {error})")


def _workers_here(count: int) -> "LocalCluster":
    """Processes of one thread each, of any size, as those of `--jobs` are."""
    import dask
    from distributed import LocalCluster

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), _without_interrupts():
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Whatever is started meanwhile, and whatever that starts, leaves Ctrl-C to this process."""
    resource_tracker.ensure_running()  # it lets interrupts through wherever it is started from, so not from there
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _refuse_others(client: "Client", address: str, asked: Terms) -> None:
    with _reaching(address):
        answers = client.run(refusal, asked, on_error="return")
    for worker, answer in answers.items():
        if isinstance(answer, OSError):  # it is gone
            continue
        if isinstance(answer, Exception):  # it does not know the question
            with _reaching(address):
                (found,) = client.run(version, PACKAGE, workers=[worker], on_error="return").values()
            own = ABSENT if isinstance(found, Exception) else found
            answer = Refused(worker, f"{PACKAGE} {own} instead of {version(PACKAGE)} ({answer})")
        if answer is not None:
            _refuse(address, answer)


def _refuse(address: str, refused: Refused) -> NoReturn:
    expected = f"workers of one thread with the code, libraries and data of this process, but {refused.worker} has"
    reject("cluster", address, f"{expected} {refused.why}: bring it up to date and restart it")


def _submitted(client: "Client", asked: Terms, name: str, task: Task, scratch: Path) -> "Future":
    scratch.mkdir(parents=True, exist_ok=True)  # a worker that sees it keeps its checkpoints there
    data = task.study.data and task.study.data.absolute()
    own = replace(task.study, claim=task.claim.id, scratch=scratch.absolute(), data=data)
    return client.submit(judge_here, asked, Task(task.claim, own), key=f"{name}-{uuid.uuid4().hex}", pure=False)


def _finished(running: "Collection[Future]") -> "list[Future]":
    """Those that are finished, after a look of at most LOOK seconds."""
    from distributed import wait

    if not running:  # no worker is there
        time.sleep(LOOK)
        return []
    try:
        wait(list(running), timeout=LOOK, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return []
    return [future for future in running if future.done()]


def _answer(future: "Future") -> Answer:
    """And the scheduler may forget it, which would have it judged again if its worker died before that."""
    error = future.exception()
    answer = future.result() if error is None else error
    future.release()
    return answer


def _is_killed(answer: Answer) -> bool:
    from distributed.scheduler import KilledWorker

    return isinstance(answer, KilledWorker)


def _outcome(address: str, name: str, answer: Answer) -> Evidence | Stopped:
    """What goes wrong in a claim is an answer; an error is that of a worker that could not so much as judge it."""
    if _is_killed(answer):
        return Stopped(name, KILLED, False, str(answer))
    if isinstance(answer, BaseException):
        reject("cluster", address, f"workers that can judge {name} ({type(answer).__name__}: {answer})")
    if isinstance(answer, Refused):
        _refuse(address, answer)
    return answer


@contextmanager
def _reaching(address: str) -> Iterator[None]:
    """What goes wrong between here and the scheduler means that it is gone."""
    from distributed import CancelledError

    try:
        yield
    except (OSError, CancelledError) as error:
        raise ConnectionError(_ended(address, "the scheduler is gone")) from error


def _ended(address: str, why: str) -> str:
    return f"cluster = {address}: {why}; what is finished is kept, run the same command again to resume"
