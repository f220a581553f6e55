"""What the command lines share: their options, and how a request ends. Nothing heavy is imported to list or refuse."""

import argparse
import difflib
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from theory.harness.data import Data

if TYPE_CHECKING:
    from theory.claims.study import Study
    from theory.harness.catalogue import Reader
    from theory.harness.discovery import Stated
    from theory.harness.runner import Engine, Results, Task

HOLD, FAIL, BAD_REQUEST, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141
CACHE = ".cache"
CELLS = 1000  # claims on seeds that are asked for at once: their evidence is in memory together
FORMATS = ("png", "svg", "pdf")


class Parser(argparse.ArgumentParser):
    """Refuses in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_REQUEST, f"{self.prog}: {message}\n")


def parser(command: str, description: str, readers: "Collection[Reader]") -> Parser:
    """The options every command takes; `readers` are of the data the user can bring."""
    new = Parser(prog=f"python -m theory.{command}", description=description)
    new.add_argument("--list", action="store_true", help="show what can be asked for")
    new.add_argument("--profile", default="quick", help="quick (default), paper (its parameters in full) or smoke")
    new.add_argument("--device", default="auto", help="auto (default: CUDA where there is one), cpu or cuda")
    new.add_argument("--seed", type=int, default=0, help="of every random number (default 0)")
    where = new.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=int, help="processes (default: one a core); the numbers do not depend on it")
    text = "judge on dask's workers: tcp://HOST:PORT of a scheduler, or local:N for N workers on this machine"
    where.add_argument("--cluster", metavar="ADDRESS", help=text)
    new.add_argument("--out", type=Path, default=Path("results"), help="folder for the results (default: results)")
    new.add_argument("--format", default="png", help="of figures: png (default), svg, pdf, or several with commas")
    data = new.add_mutually_exclusive_group()
    for reader in readers:
        data.add_argument(
            reader.option, type=partial(Data, reader), dest="data", metavar=reader.metavar, help=reader.help
        )
    new.set_defaults(data=None)
    text = "a parameter of the claims in place of the profile's own, as often as needed"
    new.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=text)
    new.add_argument("--show", action="store_true", help="show what can be varied, with ranges and values")
    new.add_argument("--fresh", action="store_true", help="forget earlier results instead of resuming from them")
    new.add_argument("-v", "--verbose", action="store_true", help="show every check")
    return new


def answer(command: str, respond: Callable[[], int]) -> int:
    """Exit status of `respond()`; what goes wrong on the way is one line on stderr, never a traceback.

    Only a verdict ends with 1. Whoever stops reading, as `head` does, gets what a closed pipe gives a program.
    """
    _prefer_our_packages()
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the command runs
    try:
        status = respond()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        complain(command, "interrupted; what is finished is kept, run the same command again to resume")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing left to flush at the end
        return UNREAD
    except Exception as error:
        from theory.core.validation import InvalidArgument  # numpy comes with it, and a list needs none

        if not isinstance(error, (InvalidArgument, OSError)):
            raise
        complain(command, str(error))
        return BAD_REQUEST


def _prefer_our_packages() -> None:
    """A folder `experiments` or `figures` in the user's own is not taken for the one beside this package."""
    root = str(Path(__file__).parents[2])
    sys.path[:] = [root, *(place for place in sys.path if place != root)]


def complain(command: str, message: str) -> None:
    """One line on stderr."""
    print(f"python -m theory.{command}: {' '.join(message.split())}", file=sys.stderr)


def unknown(kind: str, name: str, known: Collection[str]) -> NoReturn:
    """Refuse a name that does not exist, with those nearest to it."""
    from theory.core.validation import reject

    lowered = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.3)
    nearest = [lowered[each] for each in close] or sorted(known)
    reject(kind, repr(name), f"a name that --list shows, e.g. {', '.join(nearest[:3])}")


def conditions(arguments: argparse.Namespace) -> "Study":
    """The conditions asked for, all of them checked.

    Raises:
        InvalidArgument: one of them is out of range.
    """
    from theory.claims.study import Study
    from theory.core.validation import positive_integer

    data = arguments.data
    study = Study("", arguments.profile, arguments.seed, arguments.device, data=data and data.path)
    formats(arguments)
    if arguments.jobs is not None:
        positive_integer("jobs", arguments.jobs)
    if arguments.cluster is not None:
        _cluster(arguments.cluster)
    if arguments.device != "cpu":
        study = _with_device(study)
    writable_folder("out", arguments.out)
    writable_folder("out", arguments.out / CACHE)
    return study


def matching(pattern: str, known: "Mapping[str, Stated]") -> "list[Stated]":
    """The claims whose id matches the pattern.

    Raises:
        InvalidArgument: there is none.
    """
    matches = [claim for claim in known.values() if fnmatchcase(claim.id, pattern)]
    return matches or unknown("claim", pattern, known)


def formats(arguments: argparse.Namespace) -> list[str]:
    """The picture formats asked for."""
    from theory.core.validation import reject

    names = list(dict.fromkeys(arguments.format.split(",")))
    for name in names:
        if name not in FORMATS:
            reject("format", repr(name), f"one or several of {','.join(FORMATS)}")
    return names


def writable_folder(name: str, folder: Path) -> None:
    """Refuse a folder in which no file can be made."""
    from theory.core.validation import reject

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reject(name, folder, f"a folder that can be written to ({os.strerror(error.errno or 0)})")


def judge(arguments: argparse.Namespace, claims: "Collection[Stated]", study: "Study") -> "Results":
    """Run the claims as the options say, and print the verdicts."""
    from theory.harness import report

    results = run(arguments, claims, study)
    report.verdicts(results.evidence.values(), results.stopped, arguments.verbose)
    return results


def run(arguments: argparse.Namespace, claims: "Collection[Stated]", study: "Study") -> "Results":
    """Run the claims as the options say."""
    return run_tasks(arguments, {claim.id: own for claim, own in zip(claims, tasks(arguments, claims, study))})


def tasks(arguments: argparse.Namespace, claims: "Collection[Stated]", study: "Study") -> "list[Task]":
    """Each claim with its own conditions: those of `study`, and the parameters that --set gives it."""
    from dataclasses import replace

    from theory.harness.runner import Task
    from theory.harness.settings import given

    parameters = given(arguments.set, list(claims), study.profile, study.data is not None)
    return [Task(claim, replace(study, given=parameters[claim.id])) for claim in claims]


def swept(arguments: argparse.Namespace, claims: "Collection[Stated]", study: "Study") -> "dict[str, dict[str, Task]]":
    """For each claim that has the parameter of --sweep, by its id, the tasks at each of its values."""
    from dataclasses import replace

    from theory.harness.runner import Task
    from theory.harness.settings import having, sweep

    found = {}
    for claim, own in tasks(arguments, having(arguments.sweep, list(claims)), study):
        values = sweep(arguments.sweep, claim, own.given, study.profile, study.data is not None)
        found[claim.id] = {value: Task(claim, replace(own, given=given)) for value, given in values.items()}
    return found


def run_tasks(arguments: argparse.Namespace, named: "Mapping[str, Task]") -> "Results":
    """Run the tasks, by name, in as many processes as the options say, or on a cluster."""
    import joblib

    from theory.harness import runner

    jobs = arguments.jobs or joblib.cpu_count()
    engine = None if arguments.cluster is None else _cluster(arguments.cluster)
    return runner.run_tasks(named, folder=arguments.out / CACHE, jobs=jobs, fresh=arguments.fresh, engine=engine)


def _cluster(address: str) -> "Engine":
    """What judges tasks on the cluster there.

    Raises:
        InvalidArgument: it is no address of one, or dask is not installed.
    """
    from theory.harness import cluster

    cluster.check_address(address)
    return partial(cluster.outcomes, address)


def run_seeds(
    arguments: argparse.Namespace,
    asked: "Sequence[Task]",
    seeds: range,
    wanted: "Callable[[str, int], bool]",
) -> "Iterator[tuple[int, Results]]":
    """Run the tasks on each seed, those whose claim is wanted on it; on a cluster on many seeds at once, so that no
    worker waits for others."""
    from dataclasses import replace

    from theory.harness.runner import Results, Task

    together = 1 if arguments.cluster is None else max(1, CELLS // len(asked))
    for some in (seeds[first : first + together] for first in range(0, len(seeds), together)):
        cells = {
            (seed, claim.id): Task(claim, replace(study, seed=seed))
            for seed in some
            for claim, study in asked
            if wanted(claim.id, seed)
        }
        found = run_tasks(arguments, {f"{id} on seed {seed}": cell for (seed, id), cell in cells.items()})
        for seed in some:
            names = {f"{claim.id} on seed {seed}": claim.id for claim, _ in asked}
            evidence = {id: found.evidence[name] for name, id in names.items() if name in found.evidence}
            stopped = [replace(each, id=names[each.id]) for each in found.stopped if each.id in names]
            yield seed, Results(evidence, stopped)


def show(arguments: argparse.Namespace, claims: "Collection[Stated]") -> int:
    """Print what can be varied in each claim; exit status 0."""
    from theory.harness import report, settings

    found = settings.given(arguments.set, list(claims), arguments.profile, arguments.data is not None)
    report.parameters({claim.id: list(settings.shown(claim, arguments.profile, found[claim.id])) for claim in claims})
    return HOLD


def status(command: str, results: "Results", verbose: bool) -> int:
    """Exit status of finished results; every claim that stopped gets its line."""
    from theory.claims import VERDICTS

    for stopped in results.stopped:
        complain(command, f"{stopped.id} stopped: {stopped.reason}")
        if verbose:
            print(stopped.details, file=sys.stderr)
    if any(stopped.invalid for stopped in results.stopped):
        return BAD_REQUEST
    failed = any(VERDICTS[evidence.verdict] for evidence in results.evidence.values())
    return FAIL if failed or results.stopped else HOLD


def _with_device(study: "Study") -> "Study":
    from dataclasses import replace

    from theory.harness.devices import select_device

    return replace(study, device=select_device(study.device))
