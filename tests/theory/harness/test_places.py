"""Claims in the user's own files: found, judged again when edited, refused in one line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from theory.core.validation import InvalidArgument
from theory.harness.discovery import Stated
from theory.harness.fingerprint import fingerprint
from theory.harness.places import Place, claims_at, figure_at, place, with_claims, with_figures

CLAIM = '''"""A theorem of the user's. It has a second line."""

from theory.claims import claim, exactly, measured
{first}

@claim(
    "{id}",
    source="nobody",
    statement="1 = 1",
    hypotheses=(),
    theory_side="identity",
    controls=("2 = 1",),
)
def one_is_one(study):
    yield measured("one", {one}, within=exactly("counting")).at_most(1)
    yield measured("one", 2, within=exactly("counting")).control("2 = 1").at_most(1)
'''


@pytest.fixture(autouse=True)
def path_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    """Names of modules that no other test has imported."""
    return (f"user_theorem_{k}" for k in range(99))


def write(file: Path, id: str = "user.one", one: str = "1", first: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CLAIM.format(id=id, one=one, first=first))
    return file


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a.py", Place(Path("a.py"), "")),
        ("a.py::user.one", Place(Path("a.py"), "user.one")),
        ("folder/a", Place(Path("folder/a"), "")),
        ("folder", Place(Path("folder"), "")),
        (".", Place(Path("."), "")),
        ("min2021.*", None),
        ("min2021.theorem1", None),
        ("fig5", None),
        ("all", None),
    ],
)
def test_what_is_a_place(word: str, expected: Place | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "min2021.theorem1").mkdir()
    assert place(word) == expected


def test_a_file_a_folder_and_a_package(tmp_path: Path, names: Iterator[str]) -> None:
    alone, inside = next(names), next(names)
    file = write(tmp_path / f"{alone}.py")
    member = write(tmp_path / inside / "part.py", "user.two")
    (tmp_path / inside / "__init__.py").touch()
    assert claims_at(Place(file, "")) == {"user.one": Stated("user.one", "nobody", alone, file, "")}
    both = claims_at(Place(tmp_path, ""))
    assert [claim.module for claim in both.values()] == [alone, f"{inside}.part"]
    assert list(claims_at(Place(member, "user.two"))) == ["user.two"]


def test_words_become_claims(tmp_path: Path, names: Iterator[str]) -> None:
    file = write(tmp_path / f"{next(names)}.py")
    known = {"toy.holds": Stated("toy.holds", "", "toys", Path("toys.py"), "")}
    words, all_of_them = with_claims([str(file), "toy.*"], known)
    assert words == ["user.one", "toy.*"]
    assert list(all_of_them) == ["toy.holds", "user.one"] and list(known) == ["toy.holds"]


def test_a_file_that_draws(tmp_path: Path, names: Iterator[str]) -> None:
    name = next(names)
    file = write(tmp_path / f"{name}.py")
    assert figure_at(Place(file, "")) is None
    words, figures, known = with_figures([str(file)], {}, {})
    assert words == ["user.one"] and not figures and list(known) == ["user.one"]
    file.write_text(file.read_text() + "\n\ndef draw(evidence): ...\n")
    words, figures, known = with_figures([str(file), "all"], {}, {})
    assert words == [name, "all"] and list(known) == ["user.one"]
    assert figures == {name: (name, "A theorem of the user's. It has a second line.", ("user.one",))}
    with pytest.raises(InvalidArgument, match="not named as a figure of the package"):
        with_figures([str(file)], figures, {})


def refused(where: Path, expected: str, id: str = "") -> None:
    with pytest.raises(InvalidArgument, match=expected) as error:
        claims_at(Place(where, id))
    assert "\n" not in str(error.value) and "path = " in str(error.value)


def test_what_is_refused(tmp_path: Path, names: Iterator[str]) -> None:
    refused(tmp_path / "none.py", "a file or a folder that exists")
    refused(tmp_path, "a file or folder that states claims")
    file = write(tmp_path / f"{next(names)}.py")
    refused(file, "a claim that is stated there: user.one", "user.two")
    refused(write(tmp_path / "my-theorem.py"), "a name that Python can import")
    refused(write(tmp_path / "numpy.py"), "a name that no other module has")
    refused(write(tmp_path / f"{next(names)}.py", one="("), "a file of Python")
    taken = {"user.one": Stated("user.one", "", "elsewhere", Path("elsewhere.py"), "")}
    with pytest.raises(InvalidArgument, match="expected another id than elsewhere.py has stated"):
        with_claims([str(file)], taken)


def test_a_file_beside_it_counts(tmp_path: Path, names: Iterator[str]) -> None:
    name, beside = next(names), next(names)
    (tmp_path / f"{beside}.py").write_text("ONE = 1\n")
    claims_at(Place(write(tmp_path / f"{name}.py", one="ONE", first=f"from {beside} import ONE"), ""))
    before = fingerprint(name)
    (tmp_path / f"{beside}.py").write_text("ONE = 2\n")
    assert fingerprint(name) != before


def test_the_command_judges_it_again_when_it_is_edited(tmp_path: Path, names: Iterator[str]) -> None:
    file = write(tmp_path / f"{next(names)}.py")
    command = [sys.executable, "-m", "theory.verify", file.name, "--device=cpu"]
    run = lambda: subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)  # noqa: E731
    assert run().returncode == 0
    write(file, one="3")
    again = run()
    assert again.returncode == 1 and "fails" in again.stdout
    write(file, id='" + "user" + ".one')
    assert run().returncode == 0
    write(file, id='" + str(1) + ".one')
    unread = run()
    assert unread.returncode == 2 and "so that it can be read without running the module" in " ".join(
        unread.stderr.split()
    )


def test_an_installed_package_offers_claims(tmp_path: Path, names: Iterator[str]) -> None:
    name = next(names)
    write(tmp_path / f"{name}.py", id="offered.one")
    offer = tmp_path / "offer-1.0.dist-info"
    offer.mkdir()
    (offer / "METADATA").write_text("Name: offer\nVersion: 1.0\n")
    for module, status in ((name, 0), ("no_such_module", 2)):
        (offer / "entry_points.txt").write_text(f"[theory.claims]\noffer = {module}\n")
        command = [sys.executable, "-m", "theory.verify", "offered.*", "--device=cpu", "--jobs=1"]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
    assert "package = no_such_module: expected a module that is installed" in done.stderr
