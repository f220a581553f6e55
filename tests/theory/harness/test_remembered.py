"""Source files are read again when they change, and whenever what is remembered of them cannot be trusted."""

import json
import os
from pathlib import Path

import pytest

from theory.harness.discovery import stated_claims
from theory.harness.remembered import read_once


class Words:
    """The words of a file, and how often files were read."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, file: Path) -> list[str]:
        self.count += 1
        return file.read_text(encoding="utf-8").split()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("a.py", "b.py", "reader.py")]
    for file in made:
        file.write_text(f"words of {file.stem}", encoding="utf-8")
    return made


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path: Path, files: list[Path]) -> None:
    words, index = Words(), tmp_path / "kept" / "index.json"
    first = read_once(index, files[:2], words, files[2])
    assert first == [["words", "of", "a"], ["words", "of", "b"]] and words.count == 2
    assert read_once(index, files[:2], words, files[2]) == first and words.count == 2
    files[1].write_text("other", encoding="utf-8")
    assert read_once(index, files[:2], words, files[2]) == [first[0], ["other"]] and words.count == 3
    status = files[0].stat()
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    read_once(index, files[:2], words, files[2])
    assert words.count == 4
    files[2].write_text("another version", encoding="utf-8")
    read_once(index, files[:2], words, files[2])
    assert words.count == 6


def test_files_that_are_gone_are_forgotten(tmp_path: Path, files: list[Path]) -> None:
    words, index = Words(), tmp_path / "index.json"
    read_once(index, files[:2], words, files[2])
    assert read_once(index, files[:1], words, files[2]) == [["words", "of", "a"]]
    assert list(json.loads(index.read_bytes())) == [str(files[0])]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2]", b'{"a": 3}', b'{"a": [[1], 2]}'])
def test_a_damaged_index_counts_as_none(tmp_path: Path, files: list[Path], content: bytes) -> None:
    words, index = Words(), tmp_path / "index.json"
    index.write_bytes(content)
    assert read_once(index, files[:2], words, files[2]) == [["words", "of", "a"], ["words", "of", "b"]]
    assert read_once(index, files[:2], words, files[2]) and words.count == 2


def test_where_nothing_can_be_written_files_are_read_each_time(tmp_path: Path, files: list[Path]) -> None:
    words, index = Words(), files[0] / "index.json"  # under a file, not a folder
    for _ in range(2):
        assert read_once(index, files[:1], words, files[2]) == [["words", "of", "a"]]
    assert words.count == 2


def test_a_claim_that_changes_is_listed_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "remembered_package"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    stating = '@claim("{}", source="ours")\ndef theorem(study): ...\n'
    for name in ("mine.first", "mine.renamed"):
        (package / "theorem.py").write_text(stating.format(name), encoding="utf-8")
        for _ in range(2):
            (claim,) = stated_claims(["remembered_package"]).values()
            assert claim == (name, "ours", "remembered_package.theorem", Path("remembered_package/theorem.py"), "")
    assert (package / "__pycache__" / "stated.json").is_file()
