"""What `python -m theory.verify` prints, writes and answers; and the requests both commands refuse."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from theory import reproduce, verify
from theory.harness.archive import restore
from toy_figures import TOYS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ask(tmp_path: Path):
    """The command on toy claims, in this process."""

    def run(*arguments: object, out: object = tmp_path / "out") -> int:
        fixed = ["--device=cpu", "--jobs=1", "--profile=smoke", "--out", str(out)]
        return verify.main([*fixed, *map(str, arguments)], TOYS)

    return run


def refusal(capsys: pytest.CaptureFixture) -> str:
    """The one line on stderr; nothing on stdout."""
    printed, complaint = capsys.readouterr()
    assert printed == "" and complaint.count("\n") == 1 and "Traceback" not in complaint
    return complaint


def refused(command, *arguments: object) -> bool:
    """Whether the request ends with status 2, in the parser or after it."""
    try:
        return command.main([str(argument) for argument in arguments], TOYS) == 2
    except SystemExit as error:
        return error.code == 2


def test_claims_that_hold(ask, capsys: pytest.CaptureFixture) -> None:
    assert ask("toy.holds", "toy.misprinted") == 0
    printed, complaint = capsys.readouterr()
    lines = printed.splitlines()
    (held,) = [line for line in lines if "toy.holds" in line]
    assert re.match(r"toy.holds +holds, to \S+ % +2/2 +\S+ % ", held.strip())
    assert any("toy.misprinted" in line and "holds, not as printed" in line and "3/3" in line for line in lines)
    assert complaint == "" and "FAILED" not in printed and "\x1b" not in printed


def test_a_claim_that_fails(ask, capsys: pytest.CaptureFixture) -> None:
    assert ask("toy.holds", "toy.fails") == 1
    printed, complaint = capsys.readouterr()
    (line,) = [line for line in printed.splitlines() if line.startswith("FAILED")]
    numbers = "predicted 2, measured 1, tolerance 0.5, headroom 0.5"
    assert line == f"FAILED  toy.fails: 1 = 2 (equal): {numbers}. a toy"
    assert complaint == ""


def test_a_claim_that_is_undecided(ask, capsys: pytest.CaptureFixture) -> None:
    """A check that passed and can tell nothing apart is not one that holds."""
    assert ask("toy.holds", "toy.undecided") == 1
    printed = capsys.readouterr().out.splitlines()
    (line,) = [line for line in printed if line.startswith("UNDECIDED")]
    assert line.endswith("headroom inf, resolves 50 %, and has to, 30 % at most. a toy")
    assert any(line.split()[:2] == ["toy.undecided", "undecided"] for line in printed)


def test_verbose_shows_every_check(ask, capsys: pytest.CaptureFixture) -> None:
    assert ask("toy.holds", "-v") == 0
    assert sum(line.startswith("passed  toy.holds") for line in capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("claim", "status", "reason"),
    [("toy.stops", 1, "toy.stops stopped: ArithmeticError: run 3 diverged at step 7\n"),
     ("toy.refuses", 2, "toy.refuses stopped: width = 3: expected at least 5\n")],
)  # fmt: skip
def test_a_claim_that_stops(ask, capsys: pytest.CaptureFixture, claim: str, status: int, reason: str) -> None:
    assert ask("toy.holds", claim) == status
    printed, complaint = capsys.readouterr()
    assert complaint == f"python -m theory.verify: {reason}"
    assert "toy.holds" in printed and "no verdict" in printed


def test_patterns(ask, tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    assert ask("toy.[hm]*", "toy.holds", "--json", file) == 0
    assert [claim["id"] for claim in json.loads(file.read_text())["claims"]] == ["toy.holds", "toy.misprinted"]


def test_all_claims_without_a_name(ask, tmp_path: Path) -> None:
    assert ask("--json", tmp_path / "verdicts.json") == 2  # one of them refuses
    content = json.loads((tmp_path / "verdicts.json").read_text())
    verdicts = {claim["id"]: claim["verdict"] for claim in content["claims"]}
    assert verdicts.pop("toy.fails") == "fails" and verdicts.pop("toy.misprinted") == "holds, not as printed"
    assert verdicts == {"toy.holds": "holds", "toy.waits": "holds", "toy.undecided": "undecided"}
    provenance = content["provenance"]
    assert (provenance["profile"], provenance["seed"], provenance["device"]) == ("smoke", 0, "cpu")
    assert len(restore(content, {})) == 5


def test_the_file_is_the_same_from_the_cache(ask, tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        assert ask("toy.holds", "--json", tmp_path / "v.json") == 0
        texts.append(json.loads((tmp_path / "v.json").read_text())["claims"])
    assert texts[0] == texts[1]


def test_list(capsys: pytest.CaptureFixture) -> None:
    assert verify.main(["--list"], TOYS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and lines[0].split() == ["toy.holds", "toys.py", "Toys,", "1"]
    assert verify.main(["--list", "toy.h*", "toy.stops"], TOYS) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["toy.holds", "toy.stops"]


@pytest.mark.parametrize("command", [verify, reproduce])
@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--device", "gpu9", "device = 'gpu9'"),
        ("--device", "meta", "device = 'meta'"),
        ("--device", "cpu:7", "device = 'cpu:7'"),
        ("--seed", "-1", "seed = -1"),
        ("--seed", "one", "--seed"),
        ("--profile", "fast", "one of smoke, quick, paper"),
        ("--format", "png,gif", "format = 'gif'"),
        ("--jobs", "0", "jobs = 0"),
        ("--out", "/dev/null/x", "out = /dev/null/x"),
        ("--data", "/no/such.npz", "no such file"),
        ("--colour", "red", "--colour"),
    ],
)
def test_refused_options(command, option: str, value: str, expected: str, capsys, tmp_path: Path) -> None:
    name = "toy.holds" if command is verify else "all"
    arguments = [name, "--device=cpu", f"--out={tmp_path}", f"{option}={value}"]
    assert refused(command, *arguments)
    assert expected in refusal(capsys)
    assert not list(tmp_path.iterdir())


def test_unknown_claims(capsys: pytest.CaptureFixture) -> None:
    assert refused(verify, "toy.hold")
    assert "claim = 'toy.hold': expected a name that --list shows, e.g. toy.holds" in refusal(capsys)
    assert refused(verify, "plum.*")
    assert "'plum.*'" in refusal(capsys)


def test_a_json_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for file in (tmp_path, "/dev/null/x/v.json"):
        assert refused(verify, "toy.holds", "--device=cpu", f"--out={tmp_path}", f"--json={file}")
        assert "json = " in refusal(capsys)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"X": np.array([[1.0, np.nan]]), "Y": np.ones((1, 1))}, "X[0, 1] = nan: expected a finite number"),
        ({"X": np.ones((3, 2)), "Y": np.ones((2, 1))}, "Y.shape = (2, 1): expected (3, any)"),
        ({"X": np.ones((3, 2))}, "an array Y (n, m)"),
        ({"X": np.array([[{}]]), "Y": np.ones((1, 1))}, "an .npz file of real numbers"),
        ({"X": np.zeros((3, 2)), "Y": np.ones((3, 1))}, "the zero matrix"),
    ],
)
def test_data_that_cannot_be_used(ask, capsys, tmp_path: Path, arrays: dict, expected: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    assert ask("toy.holds", "--data", tmp_path / "data.npz") == 2
    assert expected in refusal(capsys)


def test_files_that_are_no_data(ask, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    for content in (b"", b"1,2\n3,4\n", b"PK\x03\x04 cut short"):
        (tmp_path / "data.npz").write_bytes(content)
        assert ask("toy.holds", "--data", tmp_path / "data.npz") == 2
        assert "an .npz file" in refusal(capsys)
    np.save(tmp_path / "data.npy", np.ones(3))
    assert ask("toy.holds", "--data", tmp_path / "data.npy") == 2
    assert "an .npz file" in refusal(capsys)


def test_data_goes_to_the_claims_that_accept_it(ask, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=np.ones((3, 2)), Y=np.ones(3))
    assert ask("--data", tmp_path / "data.npz", "--json", tmp_path / "v.json") == 0
    (judged,) = json.loads((tmp_path / "v.json").read_text())["claims"]
    assert judged["id"] == "toy.holds" and {check["data"] for check in judged["checks"]} == {"data.npz"}
    assert "toy.holds: x (equal, on data.npz): predicted" in capsys.readouterr().out
    assert ask("toy.holds", "toy.fails", "--data", tmp_path / "data.npz") == 2
    assert "expected claims that accept data for regression (toy.holds), not toy.fails" in refusal(capsys)


@pytest.mark.parametrize("command", [verify, reproduce])
def test_images_go_to_no_claim_on_other_data(command, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    name = "toy.holds" if command is verify else "all"
    assert refused(command, name, f"--data-dir={tmp_path}", f"--out={tmp_path}")
    assert "claims that accept data for images (none does), not toy.holds" in refusal(capsys)
    assert refused(command, name, "--data=mine.npz", f"--data-dir={tmp_path}")
    assert "not allowed with argument --data" in refusal(capsys)


def test_images_that_cannot_be_read(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    arguments = ["minnorm.images_norm", f"--data-dir={tmp_path}", f"--out={tmp_path / 'out'}"]
    assert verify.main(arguments) == 2
    assert f"data = {tmp_path / 'train-images-idx3-ubyte'}: expected this file" in refusal(capsys)
    assert not (tmp_path / "out").exists()


def test_the_command_itself() -> None:
    command = [sys.executable, "-m", "theory.verify", "min2021.theorem", "--device=cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert "min2021.theorem1" in done.stderr and done.stderr.count("\n") == 1


def test_a_range_of_seeds(ask, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert ask("toy.holds", "toy.waits", "--seeds", "3:5", "--json", tmp_path / "seeds.json") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "smoke: 2 claims on 2 seeds, 4 checks: 0 failed, 0 stopped"
    assert sum(line.startswith("headroom") for line in printed) == 4
    for record in json.loads((tmp_path / "seeds.json").read_text())["claims"]:
        assert (record["seeds"], record["conditions"]) == ("3:5", "smoke")
        assert record["failures"] == record["stopped"] == record["earlier"] == []
        headrooms = [float(check["headroom"]) for check in record["checks"]]
        assert headrooms == sorted(headrooms) and {check["seed"] for check in record["checks"]} <= {3, 4}


def test_a_survey_of_seeds_grows(ask, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """What was judged on other days stays: the table of a hundred seeds need not be made in one sitting."""
    file = tmp_path / "seeds.json"
    assert ask("toy.fails", "toy.stops", "--seeds", "3:5", "--json", file) == 1
    assert ask("toy.holds", "--seeds", "5:8", "--json", file) == 1
    assert ask("toy.holds", "toy.fails", "--seeds", "7:9", "--json", file) == 1
    last = "smoke: 3 claims on 2 to 4 seeds, 4 checks: 4 failed, 2 stopped"
    assert capsys.readouterr().out.splitlines()[-1] == last
    records = {record["claim"]: record for record in json.loads(file.read_text())["claims"]}
    assert {id: record["seeds"] for id, record in records.items()} == {
        "toy.fails": "3:5,7:9",
        "toy.holds": "5:9",
        "toy.stops": "3:5",
    }
    file.write_text("[]")
    assert ask("toy.holds", "--seeds", "0:1", "--json", file) == 2
    assert "expected a new file, or one that --seeds has written, to add to" in refusal(capsys)


def test_seeds_that_a_survey_has_are_not_judged_again(
    ask, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if their evidence is not kept any more."""
    file = tmp_path / "seeds.json"
    assert ask("toy.holds", "--seeds", "0:3", "--json", file) == 0
    before = file.read_text()
    monkeypatch.setattr("theory.harness.runner.attempt", None)
    assert ask("toy.holds", "--seeds", "0:3", "--json", file, "--fresh") == 0
    assert file.read_text() == before


def test_a_range_of_seeds_with_failures(ask, capsys: pytest.CaptureFixture) -> None:
    assert ask("toy.fails", "toy.stops", "--seeds", "0:2") == 1
    printed = capsys.readouterr().out
    assert "FAILED   seed 1  toy.fails: 1 = 2" in printed and "stopped  seed 0  toy.stops: ArithmeticError" in printed
    assert "smoke: 2 claims on 2 seeds, 2 checks: 2 failed, 2 stopped" in printed


def test_a_range_of_seeds_with_a_claim_that_is_undecided(ask, capsys: pytest.CaptureFixture) -> None:
    assert ask("toy.undecided", "--seeds", "0:2") == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "FAILED   seed 0  toy.undecided: 1 = 1"
    assert "headroom 0.595    seed 0  toy.undecided: 1 = 1" in printed


def test_seeds_are_not_compared(ask, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    assert ask("toy.holds", "--seeds", "0:2", "--compare", tmp_path / "old.json") == 2
    assert "expected nothing beside --seeds" in refusal(capsys)


@pytest.mark.parametrize("seeds", ["5", "5:5", "6:5", "a:b", "-1:3", "1:2:3"])
def test_seeds_that_are_no_range(ask, capsys: pytest.CaptureFixture, seeds: str) -> None:
    assert ask("toy.holds", f"--seeds={seeds}") == 2
    assert "expected A:B with whole numbers 0 <= A < B" in refusal(capsys)


def test_a_device_is_written_to_and_a_link_stays_one(ask, tmp_path: Path) -> None:
    file, link = tmp_path / "file.json", tmp_path / "link.json"
    file.write_text("old")
    link.symlink_to(file)
    assert ask("toy.holds", "--json", link) == 0
    assert link.is_symlink() and json.loads(file.read_text())["claims"]
    assert ask("toy.holds", "--json", "/dev/null") == 0
    assert Path("/dev/null").is_char_device()


def test_what_cannot_be_written_to_is_refused(ask, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert ask("toy.holds", "--json", tmp_path / "pipe") == 2
    assert "expected a regular file or a new name" in refusal(capsys)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".cache").touch()
    assert verify.main(["toy.holds", "--device=cpu", f"--out={tmp_path / 'out'}"], TOYS) == 2
    assert "expected a folder that can be written to" in refusal(capsys)


COMMAND = f"{sys.executable} -m theory.verify"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"{COMMAND} --list | head -1; exit ${{PIPESTATUS[0]}}", 141),
        (f"{sys.executable} -m theory.reproduce --list | true; exit ${{PIPESTATUS[0]}}", 141),
        (f"{COMMAND} --list >&-", 0),
        (f"{COMMAND} no.such >&-", 2),
    ],
)
def test_whoever_stops_reading_gets_no_traceback(line: str, status: int) -> None:
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert done.returncode in (status, 0)  # a list that fits into the pipe is written before it closes


def test_the_users_own_folders_are_not_taken_for_ours(tmp_path: Path) -> None:
    for name in ("experiments", "figures"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the user's own')")
    command = [sys.executable, "-m", "theory.reproduce", "fig12", "--profile=smoke", "--jobs=1", "--seed=-1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "seed = -1" in done.stderr
    command = [sys.executable, "-m", "theory.verify", "min2021.lemma_e1", "--profile=smoke", "--jobs=1", "--device=cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "content", ["[]", "null", "{", '{"claims": [1]}', '{"claims": [{"id": "a.b", "verdict": "holds", "checks": [{}]}]}']
)
def test_a_file_that_is_no_evidence_is_not_compared(ask, tmp_path: Path, capsys, content: str) -> None:
    (tmp_path / "old.json").write_text(content)
    assert ask("toy.holds", "--compare", tmp_path / "old.json") == 2
    assert "expected an evidence file, as --json writes it" in refusal(capsys)
