"""`--set`, `--show` and `--sweep` on toy claims: what they judge, print, write, and refuse."""

import json
from pathlib import Path

import pytest

from theory import reproduce, verify
from theory.harness.settings import written
from varied_toys import TOYS


@pytest.fixture
def ask(tmp_path: Path):
    def run(*arguments: object, command=verify) -> int:
        fixed = ["--device=cpu", "--jobs=1", "--profile=smoke", "--out", str(tmp_path / "out")]
        return command.main([*fixed, *map(str, arguments)], TOYS)

    return run


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def claims(file: Path) -> list[dict]:
    return json.loads(file.read_text())["claims"]


def test_a_parameter_that_is_set(ask, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "v.json"
    assert ask("toy.varied", "--set", "width=2e1", "--set", "scale=0.5", "--json", file) == 0
    (entry,) = claims(file)
    assert entry["parameters"] == {"width": 20, "scale": 0.5, "powers": [1, 2]}
    assert entry["given"] == ["width"]  # the scale is the profile's own
    assert all(check["varied"] for check in entry["checks"])
    printed = capsys.readouterr().out
    assert "parameters  width = 20, not the profile's own\n            scale = 0.5, powers = 1,2\n" in printed


def test_results_are_kept_by_their_parameters(ask, log: Path) -> None:
    for _ in range(2):
        ask("toy.varied"), ask("toy.varied", "--set", "width=20"), ask("toy.varied", "--set", "width=5")
    assert log.read_text().count("toy.varied") == 2


def test_claims_without_the_parameter_stay_as_they_are(ask, tmp_path: Path) -> None:
    file = tmp_path / "v.json"
    assert ask("toy.holds", "toy.varied", "--set", "width=7", "--json", file) == 0
    assert [entry["given"] for entry in claims(file)] == [[], ["width"]]


def test_what_is_wrong_and_not_refused_there_is_undecided(ask, capsys: pytest.CaptureFixture) -> None:
    """A negative control that does not fail at the user's parameters says nothing against the theorem."""
    assert ask("toy.varied", "--set", "scale=0.1") == 1
    printed = capsys.readouterr().out
    assert "verdict     undecided" in printed and "UNDECIDED  toy.varied: half of it (control)" in printed
    assert ask("toy.varied", "--set", "scale=1.5") == 1
    assert "verdict     fails" in capsys.readouterr().out


def test_what_can_be_varied_is_shown(ask, capsys: pytest.CaptureFixture, log: Path) -> None:
    assert ask("toy.varied", "toy.holds", "--show", "--set", "width=9") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["toy.holds", "none"] in lines
    (width,) = [line for line in lines if "width" in line]
    assert width[:3] == ["toy.varied", "width", "9"] and width[-3:] == ["decided", "by", "--data"]
    assert not log.exists()
    assert ask("fig1", "--show", command=reproduce) == 0


def test_a_sweep_says_where_it_stops_holding(ask, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "v.json"
    assert ask("toy.varied", "--sweep", "scale=0.1,0.5,1.5", "--set", "width=9", "--json", file) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    verdicts = {line[0]: line[1] for line in lines if line and line[0].startswith("scale=")}
    assert verdicts == {"scale=0.1": "undecided", "scale=0.5": "holds,", "scale=1.5": "fails"}
    assert [entry["parameters"]["scale"] for entry in claims(file)] == [0.1, 0.5, 1.5]
    assert [entry["parameters"]["width"] for entry in claims(file)] == [9, 9, 9]
    assert (tmp_path / "out" / "toy.varied-by-scale.png").stat().st_size > 1000


def test_a_sweep_over_lists(ask, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert ask("toy.*", "--sweep", "powers=1;1,2") == 0
    assert "powers=1,2" in capsys.readouterr().out and (tmp_path / "out" / "toy.varied-by-powers.png").exists()


def test_a_figure_of_the_users_parameters_is_not_the_papers_own(ask, tmp_path: Path, capsys) -> None:
    assert ask("fig1", "--set", "width=9", command=reproduce) == 0
    assert (tmp_path / "out" / "fig1-width=9.png").exists() and not (tmp_path / "out" / "fig1.png").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["toy.varied", "--set", "wid=3"],
            "parameter = 'wid': expected one that --show shows, e.g. width of toy.varied",
        ),
        (["toy.holds", "--set", "width=3"], "parameter = 'width': expected none: nothing can be varied in toy.holds"),
        (
            ["toy.varied", "--set", "width"],
            "set = 'width': expected NAME=VALUE; --show names the parameters of a claim",
        ),
        (["toy.varied", "--set", "=3"], "set = '=3': expected NAME=VALUE; --show names the parameters of a claim"),
        (["toy.varied", "--set", "width=1"], "width = 1: expected a number in [2, 1000]"),
        (["toy.varied", "--set", "powers=9"], "powers = (9,): expected at most the width 5"),
        (["toy.varied", "--sweep", "width=3"], "sweep = 'width=3': expected at least two values, all different"),
        (
            ["toy.varied", "--sweep", "width=3,3.0"],
            "sweep = 'width=3,3.0': expected at least two values, all different",
        ),
        (["toy.varied", "--sweep", "scal=3,4"], "parameter = 'scal': expected one that --show shows, e.g. scale of"),
        (["toy.varied", "--sweep", "powers=1;9"], "powers = (9,): expected at most the width 5"),
        (
            ["toy.varied", "--set", "width=9", "--sweep", "width=3,4"],
            "sweep = 'width=3,4': expected a parameter that --set does not make 9",
        ),
        (
            ["toy.varied", "--sweep", "width=3,4", "--seeds", "1:2"],
            "sweep = 'width=3,4': expected neither --compare nor --seeds beside it",
        ),
    ],
)
def test_wrong_use_is_refused_in_one_line(
    ask, log: Path, capsys: pytest.CaptureFixture, arguments: list[str], complaint: str
) -> None:
    assert ask(*arguments) == 2
    printed, complained = capsys.readouterr()
    assert printed == "" and complained.count("\n") == 1
    assert complained.startswith(f"python -m theory.verify: {complaint}") and not log.exists()


def test_values_are_written_as_they_are_read() -> None:
    assert [written(value) for value in (2000, 0.001, (0.3, 0.05), 10**9)] == [
        "2000",
        "0.001",
        "0.3,0.05",
        "1000000000",
    ]
