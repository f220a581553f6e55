"""Claims on a cluster: the same evidence to the bit, whoever is killed on the way; what cannot be, in one line."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
from distributed import Future

from theory import verify
from theory.claims import REGISTRY, Evidence
from theory.claims.study import Study
from theory.core.validation import InvalidArgument
from theory.harness import cluster, runner, worker
from theory.harness.catalogue import Catalogue
from theory.harness.places import Place, claims_at
from theory.harness.runner import Stopped, Task

ROOT = Path(__file__).parents[3]
STUDY = Study("", "smoke", seed=5)
NOBODY = "tcp://127.0.0.1:9"  # a port that no program listens on

CLAIMS = '''"""Claims that say which process judges them, and what becomes of it."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from theory.claims import Tolerance, claim, curves, measured

HERE = Path(__file__).parent


def checks(study):
    x = study.rng("x").standard_normal((50, 50))
    one = measured("1 = 1", 1.0, within=Tolerance(0.5, "a toy")).resolving(0.6, because="a toy")
    yield one.equals(1.0)
    yield one.control("1 = 3").equals(3.0)
    yield curves(x=np.linalg.solve(x, x @ x))


@claim("own.fast", source="Toys", statement="1 = 1", hypotheses=(), theory_side="law", controls=("1 = 3",))
def fast(study):
    yield from checks(study)


@claim("own.slow", source="Toys", statement="1 = 1", hypotheses=(), theory_side="law", controls=("1 = 3",))
def slow(study):
    checkpoint = study.scratch and study.scratch / "checkpoint"
    resumed = checkpoint and checkpoint.exists()
    if checkpoint:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.touch()
    with open(HERE / "log", "a") as log:
        log.write(f"{os.getpid()} {'resumes' if resumed else 'starts'}\\n")
    while (HERE / "wait").exists():
        time.sleep(0.01)
    yield from checks(study)


@claim("own.deadly", source="Toys", statement="1 = 1", hypotheses=(), theory_side="law", controls=("1 = 3",))
def deadly(study):
    os.kill(os.getpid(), signal.SIGKILL)
    yield from checks(study)
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of claims, under a name that no other test has imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / f"own_{abs(hash(tmp_path))}.py"
    file.write_text(CLAIMS)
    yield file
    for id in ("own.fast", "own.slow", "own.deadly"):
        REGISTRY.pop(id, None)


def judged(file: Path, folder: Path, *names: str) -> dict[str, Evidence]:
    """In this process."""
    stated = claims_at(Place(file, ""))
    return runner.run([stated[f"own.{name}"] for name in names], STUDY, folder=folder, jobs=1, fresh=False).evidence


def assert_same(one: dict[str, Evidence], other: dict[str, Evidence]) -> None:
    assert list(one) == list(other) and one
    for name, evidence in one.items():
        assert evidence.checks == other[name].checks
        assert {k: v.tobytes() for k, v in evidence.curves.items()} == {
            k: v.tobytes() for k, v in other[name].curves.items()
        }


def wait_for(log: Path, lines: int, process: subprocess.Popen | None = None) -> list[str]:
    deadline = time.monotonic() + 120
    while not log.exists() or len(log.read_text().splitlines()) < lines:
        assert process is None or process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return log.read_text().splitlines()


def test_a_killed_worker_loses_nothing_but_its_claim(tmp_path: Path, own: Path) -> None:
    """One of two is killed in a claim, which goes on elsewhere; a claim that kills every worker is left."""
    log, waiting, out = tmp_path / "log", tmp_path / "wait", tmp_path / "out"
    waiting.touch()
    command = [sys.executable, "-m", "theory.verify", own, "--cluster=local:2", "--device=cpu", f"--out={out}"]
    process = subprocess.Popen(
        [*command, "--profile=smoke", "--seed=5"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    (first,) = wait_for(log, 1, process)
    os.kill(int(first.split()[0]), signal.SIGKILL)
    first, second = wait_for(log, 2, process)
    waiting.unlink()
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 1
    assert complaint == f"python -m theory.verify: own.deadly stopped: {cluster.KILLED}\n"
    assert first.split()[0] != second.split()[0] and [first.split()[1], second.split()[1]] == ["starts", "resumes"]
    found = judged(own, out / ".cache", "fast", "slow")
    assert len(log.read_text().splitlines()) == 2  # it was not judged again
    assert_same(found, judged(own, tmp_path / "alone", "fast", "slow"))


def test_an_answer_that_is_here_is_not_asked_for_again() -> None:
    """As long as a future is held, its scheduler has the claim judged again when the worker that knew it dies."""
    future = create_autospec(Future, instance=True)
    future.exception.return_value = None
    future.result.return_value = Stopped("a.b", "it was", False, "")
    assert cluster._answer(future) == Stopped("a.b", "it was", False, "")
    future.release.assert_called_once_with()


@contextmanager
def dask(*arguments: object) -> Iterator[subprocess.Popen]:
    """A scheduler or a worker, as the command line starts it, in a folder that knows nothing of the claims."""
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_scheduler_from_its_start_to_its_end(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Without workers; with one, on seeds; with a claim edited since the worker has it; killed in a claim."""

    def ask(*arguments: str) -> int:
        fixed = ["--device=cpu", "--profile=smoke", f"--out={tmp_path / 'out'}", f"--cluster={address}"]
        return verify.main([*arguments, *fixed], Catalogue((), {}))

    file, log, waiting = tmp_path / "scheduler.json", tmp_path / "log", tmp_path / "wait"
    start = ("distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0")
    with dask(*start, "--scheduler-file", file) as scheduler:
        wait_for(file, 1, scheduler)
        address = json.loads(file.read_text())["address"]
        monkeypatch.setattr(cluster, "CONNECT", 3.0)
        assert ask(f"{own}::own.fast") == 2
        assert one_line(capsys) == (
            f"python -m theory.verify: cluster = {address}: expected a scheduler with workers: "
            f"start one by dask worker {address} --nthreads 1\n"
        )
        monkeypatch.setattr(cluster, "CONNECT", 60.0)
        work = ("distributed.cli.dask_worker", address, "--nthreads=1", "--no-nanny", "--no-dashboard")
        with dask(*work, "--local-directory", tmp_path / "worker"):
            assert ask(f"{own}::own.fast", f"{own}::own.slow", "--seeds=5:8") == 0
            last = "smoke: 2 claims on 3 seeds, 4 checks: 0 failed, 0 stopped"
            assert capsys.readouterr().out.splitlines()[-1] == last
            found = judged(own, tmp_path / "out" / ".cache", "fast", "slow")
            assert len(log.read_text().splitlines()) == 3
            assert_same(found, judged(own, tmp_path / "alone", "fast", "slow"))

            own.write_text(CLAIMS.replace("(50, 50)", "(50,50)").replace("HERE = ", "HERE=").replace("0.5", "0.25"))
            assert ask(f"{own}::own.fast") == 2
            line = one_line(capsys)
            assert "threads" not in line and f"code of {own.stem} " in line and " instead of " in line
            assert "but tcp://127.0.0.1:" in line and "restart it\n" in line

            own.write_text(CLAIMS)
            waiting.touch()
            lines = len(log.read_text().splitlines())
            threading.Thread(target=lambda: wait_for(log, lines + 1) and scheduler.kill()).start()
            assert ask(f"{own}::own.slow", "--fresh") == 2
            assert "the scheduler is gone; what is finished is kept" in one_line(capsys)


def one_line(capsys: pytest.CaptureFixture) -> str:
    printed, complaint = capsys.readouterr()
    assert printed == "" and complaint.count("\n") == 1 and "Traceback" not in complaint
    return complaint


ADDRESSES = ["", "local", "local:", "local:0", "local:-1", "local:1.5", "local:two", "localhost:8786", "8786", "tcp://"]
ADDRESSES += ["tcp://host", "tcp://host:", "tcp://host:0", "tcp://host:65536", "tcp://host:port", "http://host:8786"]
ADDRESSES += ["tcp://ho st:8786", "tcp://host:8786/x", "tcp://::1:8786", "loky"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        cluster.check_address(address)
    expected = "expected local:N, for N workers on this machine, or a scheduler's address, tcp://HOST:PORT"
    assert str(refused.value) == f"cluster = {address!r}: {expected}"


def test_what_is_no_address_is_refused_before_anything_is_done(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert verify.main(["--cluster=loky", "--device=cpu", f"--out={tmp_path / 'out'}"]) == 2
    assert "cluster = 'loky': expected local:N" in one_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["local:1", "tcp://10.0.0.1:8786", "tls://node-7.cluster:65535", "tcp://[::1]:1"])
def test_addresses(address: str) -> None:
    cluster.check_address(address)


def test_where_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(InvalidArgument, match=r"expected dask to be .*: pip install 'deep-learning-theory\[cluster\]'"):
        cluster.check_address("local:4")


def test_jobs_and_a_cluster_at_once(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        verify.main(["--jobs=2", "--cluster=local:2"])
    assert ended.value.code == 2
    assert one_line(capsys) == "python -m theory.verify: argument --cluster: not allowed with argument --jobs\n"


def test_a_scheduler_that_does_not_answer(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    assert verify.main([str(own), f"--cluster={NOBODY}", "--device=cpu", f"--out={tmp_path / 'out'}"]) == 2
    assert f"cluster = {NOBODY}: expected a scheduler of dask that answers" in one_line(capsys)


@pytest.fixture
def asked(own: Path) -> worker.Terms:
    """What workers must have to judge the claims of the file."""
    return cluster._terms([Task(claim, STUDY) for claim in claims_at(Place(own, "")).values()])


def test_a_worker_like_this_process(asked: worker.Terms) -> None:
    assert worker.difference(asked) == ""
    assert worker.refusal(asked, SimpleNamespace(address="there", state=SimpleNamespace(nthreads=1))) is None


def test_a_worker_of_several_threads(asked: worker.Terms) -> None:
    refused = worker.refusal(asked, SimpleNamespace(address="there", state=SimpleNamespace(nthreads=4)))
    assert refused == worker.Refused("there", "4 threads instead of 1")
    with pytest.raises(InvalidArgument, match="expected workers of one thread .* but there has 4 threads instead of 1"):
        cluster._refuse("tcp://x:1", refused)


@pytest.mark.parametrize("name", ["Python", "numpy", "scikit-learn", "torch", f"code of {worker.__name__}"])
def test_a_worker_of_another_version(asked: worker.Terms, name: str) -> None:
    """Of the package alone it may be: the code is what counts. Where that differs, both versions are named."""
    here = dict(asked.versions)
    assert worker.difference(asked._replace(versions=tuple({**here, "theory": "another"}.items()))) == ""
    found = worker.difference(asked._replace(versions=tuple({**here, "theory": "another", name: "old"}.items())))
    assert found.startswith("theory ") and found.endswith(
        f" instead of another, {name} {here[name][:12]} instead of old"
    )


def test_many_differences_are_counted(asked: worker.Terms) -> None:
    others = tuple((name, "old") for name, _ in asked.versions)
    assert worker.difference(asked._replace(versions=others)).endswith(f", {len(others) - 1 - worker.SHOWN} more")


def test_data_that_the_worker_does_not_see(asked: worker.Terms, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    asked = asked._replace(data=(data,), versions=(*asked.versions, (f"data {data}", "0" * 64)))
    assert worker.difference(asked).endswith(f"data {data} none instead of 000000000000")
    data.touch()
    assert worker.difference(asked._replace(run="another")).endswith("instead of 000000000000")


def test_a_process_runs_the_code_that_it_has_read_first(own: Path, asked: worker.Terms) -> None:
    assert worker.difference(asked) == ""
    own.write_text(CLAIMS.replace("0.5", "0.25"))
    edited = cluster._terms([Task(claim, STUDY) for claim in claims_at(Place(own, "")).values()])
    assert f"code of {own.stem} " in worker.difference(edited)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """This process as a worker."""
    state = SimpleNamespace(nthreads=1, tasks={"task": SimpleNamespace(state="executing")})
    found = SimpleNamespace(address="here", state=state, get_current_task=lambda: "task")
    monkeypatch.setattr("distributed.get_worker", lambda: found)
    return found


def slow(own: Path, scratch: Path | None) -> Task:
    claim = claims_at(Place(own, "own.slow"))["own.slow"]
    return Task(claim, replace(STUDY, claim="own.slow", scratch=scratch))


def test_a_folder_that_the_worker_does_not_see(
    own: Path, asked: worker.Terms, here: SimpleNamespace, tmp_path: Path
) -> None:
    """No checkpoint is written, and the evidence is the same."""
    unseen, seen = tmp_path / "unseen", tmp_path / "seen"
    seen.mkdir()
    without, beside = (worker.judge_here(asked, slow(own, folder)) for folder in (unseen, seen))
    assert (seen / "checkpoint").exists() and not unseen.exists()
    assert_same({"own.slow": without}, {"own.slow": beside})


def test_a_claim_that_is_edited_while_it_is_judged(own: Path, asked: worker.Terms, here: SimpleNamespace) -> None:
    assert worker.difference(asked) == ""
    own.write_text(CLAIMS.replace("0.5", "0.25"))
    outcome = worker.judge_here(asked, slow(own, None))
    assert isinstance(outcome, Stopped) and outcome.reason == worker.CHANGED


def test_training_that_nobody_waits_for_ends(here: SimpleNamespace) -> None:
    proceed = worker._while_wanted(here)
    proceed(0.5)
    here.state.tasks["task"].state = "cancelled"
    with pytest.raises(InterruptedError):
        proceed(0.6)


def test_what_no_worker_can_judge() -> None:
    with pytest.raises(
        InvalidArgument, match=r"expected workers that can judge own.slow \(ModuleNotFoundError: no x\)"
    ):
        cluster._outcome("tcp://x:1", "own.slow", ModuleNotFoundError("no x"))


def test_a_worker_that_is_gone_is_none_that_is_refused(asked: worker.Terms) -> None:
    def run(function: object, *_: object, **__: object) -> dict[str, object]:
        return {"tcp://x:1": OSError("gone"), "tcp://x:2": None}

    cluster._refuse_others(SimpleNamespace(run=run), "tcp://x:8786", asked)


def test_a_worker_without_this_module(asked: worker.Terms) -> None:
    def run(function: object, *_: object, **__: object) -> dict[str, object]:
        return {"tcp://x:1": "0.0.1" if function is cluster.version else ModuleNotFoundError("no theory.harness")}

    with pytest.raises(
        InvalidArgument, match=r"but tcp://x:1 has deep-learning-theory 0.0.1 instead of \d.* theory.harn"
    ):
        cluster._refuse_others(SimpleNamespace(run=run), "tcp://x:8786", asked)


def test_no_worker_is_left(own: Path, asked: worker.Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.05)
    monkeypatch.setattr(cluster, "LOOK", 0.01)
    nobody = SimpleNamespace(nthreads=dict)
    answers = cluster._answers(nobody, "tcp://x:8786", asked, {"own.slow": slow(own, None)}, lambda name: own.parent)
    with pytest.raises(ConnectionError, match="no worker has been there for 0 s; what is finished is kept"):
        list(answers)
