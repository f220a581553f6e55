"""Evidence is computed once, kept at once, and the same however it was computed."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from theory.claims import Evidence
from theory.claims.study import Study
from theory.harness import runner
from theory.harness.cache import Cache, key
from theory.harness.discovery import Stated, stated_claims

ROOT = Path(__file__).parents[3]
TOYS = stated_claims(("toys",))
STUDY = Study("", "smoke", seed=5)


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


DAMAGES = [
    lambda content: b"",
    lambda content: content[:100],
    lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    lambda content: content.replace(b"1", b"2"),
    lambda content: b"[]",
    lambda content: bytes(len(content)),
]


def run(folder: Path, *names: str, study: Study = STUDY, jobs: int = 1, fresh: bool = False) -> dict[str, Evidence]:
    claims = [TOYS[f"toy.{name}"] for name in names]
    return runner.run(claims, study, folder=folder, jobs=jobs, fresh=fresh).evidence


def assert_same(one: dict[str, Evidence], other: dict[str, Evidence]) -> None:
    assert list(one) == list(other)
    for name, evidence in one.items():
        assert evidence.checks == other[name].checks
        assert evidence.curves.keys() == other[name].curves.keys()
        assert all(array.tobytes() == other[name].curves[curve].tobytes() for curve, array in evidence.curves.items())


def test_the_same_seed_twice(tmp_path: Path) -> None:
    first = run(tmp_path / "a", "holds", "misprinted")
    assert_same(first, run(tmp_path / "b", "holds", "misprinted"))
    other = run(tmp_path / "c", "holds", study=replace(STUDY, seed=6))
    assert not np.array_equal(first["toy.holds"].curves["x"], other["toy.holds"].curves["x"])


def test_the_number_of_jobs_changes_nothing(tmp_path: Path) -> None:
    names = ("waits", "holds", "fails", "misprinted")
    assert_same(run(tmp_path / "one", *names), run(tmp_path / "two", *names, jobs=2))


def test_finished_evidence_is_not_computed_again(tmp_path: Path, log: Path) -> None:
    first = run(tmp_path, "holds")
    assert_same(first, run(tmp_path, "holds"))
    assert log.read_text() == "toy.holds\n"
    assert_same(first, run(tmp_path, "holds", fresh=True))
    assert log.read_text() == "toy.holds\n" * 2


def test_damaged_evidence_is_computed_again(tmp_path: Path, log: Path) -> None:
    first = run(tmp_path / "cache", "holds")
    for count, (ending, damage) in enumerate([(e, d) for e in ("npz", "json", "sum") for d in DAMAGES], start=1):
        (file,) = (tmp_path / "cache").glob(f"*.{ending}")
        file.write_bytes(damage(file.read_bytes()))
        assert_same(first, run(tmp_path / "cache", "holds"))
        assert log.read_text() == "toy.holds\n" * (count + 1)


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"provenance": 1, "claims": []}', '{"claims": [{}]}', "["])
def test_evidence_of_another_form_counts_as_none(tmp_path: Path, log: Path, content: str) -> None:
    """Whole, as its checksum says, and not what this version writes; with `fresh` it is not so much as looked at."""
    first = run(tmp_path, "holds")
    for fresh in (False, True):
        (file,) = tmp_path.glob("*.json")
        file.write_text(content)
        checksum = Cache(tmp_path)._checksum(file.stem)
        (tmp_path / f"{file.stem}.sum").write_text(checksum)
        assert_same(first, run(tmp_path, "holds", fresh=fresh))


def test_whatever_can_change_the_numbers_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data.npz"
    data.write_bytes(b"1")
    claim = TOYS["toy.holds"]
    studies = [replace(STUDY, **change) for change in ({}, {"profile": "quick"}, {"seed": 1}, {"device": "cuda"})]
    keys = [key(claim, study) for study in studies] + [key(TOYS["toy.fails"], STUDY)]
    keys.append(key(claim, replace(STUDY, data=data)))
    data.write_bytes(b"2")
    keys.append(key(claim, replace(STUDY, data=data)))
    for content in (b"1", b"2"):  # a folder
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(content)
        keys.append(key(claim, replace(STUDY, data=tmp_path)))
    monkeypatch.setattr("theory.harness.cache.version", lambda library: "0")
    keys.append(key(claim, STUDY))
    monkeypatch.setattr("theory.harness.cache.fingerprint", lambda module: "other code")
    keys.append(key(claim, STUDY))
    assert len(set(keys)) == len(keys)


def test_checkpoints_go_when_the_evidence_is_there(tmp_path: Path) -> None:
    scratch = Cache(tmp_path).scratch(key(TOYS["toy.holds"], STUDY))
    scratch.mkdir(parents=True)
    (scratch / "toy.holds-run.ckpt").touch()
    run(tmp_path, "holds")
    assert not scratch.exists()


def test_the_longest_comes_first(tmp_path: Path, log: Path) -> None:
    run(tmp_path, "holds", "waits")
    for name, seconds in (("holds", 1.0), ("waits", 2.0)):
        (file,) = tmp_path.glob(f"toy.{name}-*.json")
        text = file.read_text()
        start = text.index('"seconds"')
        file.write_text(text[:start] + f'"seconds": {seconds}' + text[text.index("\n", start) :])
    log.unlink()
    for file in tmp_path.glob("*.npz"):
        file.unlink()
    results = run(tmp_path, "holds", "misprinted", "waits")
    assert log.read_text().split() == ["toy.misprinted", "toy.waits", "toy.holds"]
    assert list(results) == ["toy.holds", "toy.misprinted", "toy.waits"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_claim_that_stops_does_not_stop_the_others(tmp_path: Path, jobs: int) -> None:
    claims = [TOYS[f"toy.{name}"] for name in ("stops", "holds", "refuses")]
    results = runner.run(claims, STUDY, folder=tmp_path, jobs=jobs, fresh=False)
    assert list(results.evidence) == ["toy.holds"]
    stopped = {item.id: item for item in results.stopped}
    assert stopped["toy.stops"].reason == "ArithmeticError: run 3 diverged\nat step 7"
    assert not stopped["toy.stops"].invalid
    assert stopped["toy.refuses"].reason == "width = 3: expected at least 5"
    assert stopped["toy.refuses"].invalid


def test_one_thread_and_back() -> None:
    import torch
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info()]
    with runner.one_thread():
        assert torch.get_num_threads() == 1
        assert all(pool["num_threads"] == 1 for pool in threadpool_info())
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def start(out: Path, waiting: Path, *names: str, jobs: int = 1, profile: str = "smoke") -> subprocess.Popen:
    names = names or ("toy.holds", "toy.waits")
    command = [sys.executable, "tests/toy_main.py", "verify", *names, "--device=cpu", f"--jobs={jobs}", f"--out={out}"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": paths, "TOY_WAIT": str(waiting)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # What is started from a background shell ignores Ctrl-C, and so would its children.
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    arguments = [*command, f"--profile={profile}", "--seed=5"]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, preexec_fn=heed, **streams)


def wait_for(log: Path, lines: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not log.exists() or len(log.read_text().splitlines()) < lines:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_run_resumes(tmp_path: Path, log: Path) -> None:
    """SIGKILL in the second claim: the first is not judged again, and the results are those of a run left alone."""
    waiting = tmp_path / "wait"
    waiting.touch()
    process = start(tmp_path / "out", waiting)
    wait_for(log, 2, process)
    process.kill()
    process.communicate()
    waiting.unlink()
    cache = tmp_path / "out" / ".cache"
    resumed = run(cache, "holds", "waits")
    assert log.read_text().split() == ["toy.holds", "toy.waits", "toy.waits"]
    assert_same(resumed, run(tmp_path / "alone", "holds", "waits"))


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, log: Path) -> None:
    waiting = tmp_path / "wait"
    waiting.touch()
    process = start(tmp_path / "out", waiting)
    wait_for(log, 2, process)
    process.send_signal(signal.SIGINT)
    printed, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"to resume" in complaint and complaint.count(b"\n") == 1
    assert printed == b""


def test_a_claim_is_judged_in_its_own_study(tmp_path: Path) -> None:
    evidence = run(tmp_path, "holds")["toy.holds"]
    expected = Study("toy.holds", "smoke", 5).rng("x").standard_normal((50, 50))
    assert np.array_equal(evidence.curves["x"], expected)
    assert isinstance(TOYS["toy.holds"], Stated)


def toys(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """The command on toys, to its end."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [
        sys.executable,
        "tests/toy_main.py",
        "verify",
        *arguments,
        "--device=cpu",
        "--profile=smoke",
        f"--out={out}",
    ]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths, **environment}, capture_output=True, text=True
    )


def test_a_killed_worker_costs_its_own_claim_alone(tmp_path: Path) -> None:
    done = toys(tmp_path, "toy.waits", "toy.holds", "toy.misprinted", "--jobs=2", TOY_DIES="1")
    assert done.returncode == 1
    assert done.stderr == f"python -m theory.verify: toy.waits stopped: {runner.KILLED}\n"
    for name, verdict in (
        ("toy.holds", "holds"),
        ("toy.misprinted", "holds, not as printed"),
        ("toy.waits", "no verdict"),
    ):
        assert any(
            line.split(maxsplit=1)[0] == name and verdict in line for line in done.stdout.splitlines() if line.strip()
        )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, log: Path, how: signal.Signals) -> None:
    waiting = tmp_path / "wait"
    waiting.touch()
    process = start(tmp_path / "out", waiting, "toy.waits", "toy.holds", jobs=2)
    wait_for(log, 2, process)
    workers = [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(workers) >= 2
    process.send_signal(how)
    process.wait(timeout=60)
    deadline = time.monotonic() + 20
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _runs(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_evidence_that_was_computed_says_of_itself_what_found_evidence_says(tmp_path: Path) -> None:
    computed, found = run(tmp_path, "holds")["toy.holds"], run(tmp_path, "holds")["toy.holds"]
    assert computed.provenance == found.provenance and computed.provenance["profile"] == "smoke"


def test_two_runs_at_once_do_not_share_unfinished_work(tmp_path: Path) -> None:
    """Not even with `fresh`, which forgets what an earlier run has left."""
    waiting, name = tmp_path / "wait", key(TOYS["toy.waits"], replace(STUDY, profile="quick"))
    waiting.touch()
    process = start(tmp_path / "out", waiting, "toy.waits", profile="quick")
    wait_for(tmp_path / "log", 1, process)
    other = Cache(tmp_path / "out" / ".cache")
    unfinished = tmp_path / "out" / ".cache" / "unfinished" / name
    unfinished.mkdir()
    other.discard(name)
    assert unfinished.exists() and other.scratch(name) != unfinished
    waiting.unlink()
    process.communicate(timeout=60)
    assert process.returncode == 0 and not unfinished.exists()
    later = Cache(tmp_path / "out" / ".cache")
    assert later.scratch(name) == unfinished


def test_smoke_keeps_finished_evidence_alone(tmp_path: Path) -> None:
    """Its training takes less time than keeping it would, unless parameters or data are given."""
    cache, claim = Cache(tmp_path), TOYS["toy.holds"]
    name = key(claim, STUDY)
    assert runner._scratch(STUDY, cache, name) is None
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    own = {"profile": "quick"}, {"given": {"steps": 10**7}}, {"data": tmp_path / "own.csv"}
    for study in (replace(STUDY, **each) for each in own):
        assert runner._scratch(study, cache, name) == tmp_path / "unfinished" / name
