"""What `python -m theory.reproduce` draws and writes. The requests it refuses are in test_verify.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from theory import reproduce
from theory.catalogue import READERS
from theory.harness import archive
from theory.harness.catalogue import Catalogue, Entry
from toy_figures import TOYS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ask(tmp_path: Path):
    """The command on toy figures, in this process."""

    def run(*arguments: str) -> int:
        fixed = ["--device=cpu", "--jobs=1", "--profile=smoke", f"--out={tmp_path / 'out'}"]
        return reproduce.main([*fixed, *arguments], TOYS)

    return run


def files(tmp_path: Path) -> set[str]:
    return {file.name for file in (tmp_path / "out").iterdir()} - {".cache"}


def test_a_figure_is_a_picture_its_data_and_its_verdicts(ask, tmp_path: Path, capsys) -> None:
    assert ask("fig1") == 0
    assert files(tmp_path) == {"fig1.png", "fig1.npz", "fig1.json"}
    assert (tmp_path / "out" / "fig1.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "out" / "fig1.npz", allow_pickle=False) as data:
        assert set(data) == {"toy.holds/x", "toy.holds/y", "toy.misprinted/x"}
    evidence = archive.read(tmp_path / "out" / "fig1")
    assert {name: item.verdict for name, item in evidence.items()} == {
        "toy.holds": "holds",
        "toy.misprinted": "holds, not as printed",
    }
    assert "toy.misprinted" in capsys.readouterr().out


def test_formats_and_equal_bytes(ask, tmp_path: Path) -> None:
    pictures = []
    for _ in range(2):
        assert ask("fig1", "--format", "svg,pdf,svg", "--fresh") == 0
        assert files(tmp_path) == {"fig1.svg", "fig1.pdf", "fig1.npz", "fig1.json"}
        pictures.append([(tmp_path / "out" / f"fig1.{ending}").read_bytes() for ending in ("svg", "pdf", "npz")])
    assert pictures[0] == pictures[1]


def test_a_failing_claim_is_drawn_and_reported(ask, tmp_path: Path) -> None:
    assert ask("fig2") == 1
    verdicts = json.loads((tmp_path / "out" / "fig2.json").read_text())["claims"]
    assert [claim["verdict"] for claim in verdicts] == ["holds", "fails"]
    assert "fig2.png" in files(tmp_path)


def test_a_figure_without_its_evidence_is_not_drawn(ask, tmp_path: Path, capsys) -> None:
    assert ask("fig3", "fig1") == 1
    assert files(tmp_path) == {"fig1.png", "fig1.npz", "fig1.json"}
    assert "toy.stops stopped" in capsys.readouterr().err


def test_a_figure_that_cannot_be_drawn(ask, tmp_path: Path, capsys) -> None:
    assert ask("fig4", "fig1") == 1
    assert files(tmp_path) == {"fig1.png", "fig1.npz", "fig1.json"}
    complaint = capsys.readouterr().err
    assert complaint == "python -m theory.reproduce: fig4 could not be drawn by toy_figures: KeyError: 'toy.holds'\n"


@pytest.mark.parametrize(("name", "nearest"), [("fig11", "fig1"), ("figure2", "fig2"), ("FIG3", "fig3")])
def test_an_unknown_figure(ask, tmp_path: Path, capsys, name: str, nearest: str) -> None:
    assert ask("fig1", name) == 2
    printed, complaint = capsys.readouterr()
    assert printed == "" and complaint.count("\n") == 1 and repr(name) in complaint and nearest in complaint
    assert not (tmp_path / "out").exists()


def test_no_figure(ask, capsys) -> None:
    assert ask() == 2
    assert "expected all, some of fig1, fig2, fig3, fig4, or the id of a claim" in capsys.readouterr().err


def test_any_claim_has_a_picture_of_its_checks(ask, tmp_path: Path, capsys) -> None:
    assert ask("toy.h*", "toy.fails") == 1
    drawn = {f"{name}.{ending}" for name in ("toy.holds", "toy.fails") for ending in ("png", "npz", "json")}
    assert files(tmp_path) == drawn and archive.read(tmp_path / "out" / "toy.fails")["toy.fails"].verdict == "fails"
    assert ask("toy.hold") == 2
    assert "claim = 'toy.hold': expected a name that --list shows, e.g. toy.holds" in capsys.readouterr().err


def test_the_picture_of_the_users_own_file_needs_no_line(tmp_path: Path, ask) -> None:
    file = tmp_path / "my_own_picture.py"
    file.write_text((ROOT / "tests" / "toys.py").read_text().replace('"toy.', '"mine.'))
    assert ask(f"{file}::mine.holds") == 0
    assert files(tmp_path) == {"mine.holds.png", "mine.holds.npz", "mine.holds.json"}


def test_data_for_a_pattern_take_the_claims_that_accept_them(ask, tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "data.npz", X=np.ones((3, 2)), Y=np.ones(3))
    assert ask("toy.[hf]*", f"--data={tmp_path / 'data.npz'}") == 0
    assert {name.split("-")[0] for name in files(tmp_path)} == {"toy.holds"}
    assert ask("toy.fails", f"--data={tmp_path / 'data.npz'}") == 2


def test_list(capsys) -> None:
    assert reproduce.main(["--list"], TOYS) == 0
    assert capsys.readouterr().out.splitlines()[0] == "fig1  Toys  (toy.holds, toy.misprinted)"


def test_data_only_for_figures_whose_claims_accept_it(ask, tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "data.npz", X=np.ones((3, 2)), Y=np.ones(3))
    assert ask("fig1", f"--data={tmp_path / 'data.npz'}") == 2
    assert "expected claims that accept data for regression (toy.holds), not toy.misprinted" in capsys.readouterr().err


def test_a_figure_of_the_users_data_leaves_the_papers_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.v2.npz", X=np.ones((3, 2)), Y=np.ones(3))
    toys = Catalogue(("toys",), {"fig5": Entry("toy_figures", "A toy on the user's data", ("toy.holds",))}, READERS)
    arguments = ["fig5", "--device=cpu", "--jobs=1", "--profile=smoke", f"--out={tmp_path / 'out'}"]
    assert reproduce.main([*arguments, f"--data={tmp_path / 'mine.v2.npz'}"], toys) == 0
    assert files(tmp_path) == {"fig5-mine.png", "fig5-mine.npz", "fig5-mine.json"}
    facts = json.loads((tmp_path / "out" / "fig5-mine.json").read_text())["provenance"]["data"]
    assert facts["name"] == "mine.v2.npz" and len(facts["digest"]) == 64


def test_pictures_do_not_depend_on_the_users_settings(tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, 'tests'); import matplotlib, figures.style; print(matplotlib.rcParams)"
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nlines.linewidth: 7\n")
    printed = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True).stdout
        for environment in (dict(os.environ), {**os.environ, "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")})
    ]
    assert printed[0] == printed[1] != ""
