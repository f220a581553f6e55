"""What changes the digest of a claim's code, and what does not."""

from pathlib import Path

import pytest

from theory.harness.fingerprint import code_digest, dependencies, fingerprint

CODE = '''
"""A module."""
import math

def area(r: float) -> float:
    """Of a disc."""
    return math.pi * r**2  # Archimedes

class Disc:
    """A disc."""
    name = "disc"
    label = f"{name!r:>{10}}"
'''


def package(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another text."""'),
        ('    """Of a disc."""\n', ""),
        ('    """A disc."""\n', ""),
        ("  # Archimedes", ""),
        ("math.pi * r**2", "(math.pi *\n        (r ** 2))"),
        ('"disc"', "'disc'"),
    ],
)
def test_words_and_layout_do_not_count(old: str, new: str) -> None:
    assert old in CODE
    assert code_digest(CODE.replace(old, new)) == code_digest(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("r**2", "r**3"), ("r**2", "r**2.0"), ("area", "volume"), ('"disc"', '"disk"'), ("math.pi * r", "r * math.pi")],
)
def test_code_counts(old: str, new: str) -> None:
    assert old in CODE
    assert code_digest(CODE.replace(old, new)) != code_digest(CODE)


def test_the_digest_does_not_depend_on_the_version_of_python() -> None:
    """The number was computed once; a Python that parses differently would give another one."""
    assert code_digest(CODE) == "2cc47514c70359263202386549d4756dc6bdbf8d232ffc06fb68f7cf9e159de3"


def test_dependencies_are_followed_inside_the_package_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package(
        tmp_path,
        shapes__claims="import math\nfrom shapes import disc\nfrom . import square as s\nimport shapes.deep.line\n",
        shapes__disc="import theory.core.files\ndef f():\n    import shapes.late",
        shapes__square="import json",
        shapes__late="",
        shapes__deep__line="from .. import square\nfrom ..unused import *",
        shapes__unused="",
        shapes__other="",
    )
    assert dependencies("shapes.claims") == [
        "shapes.claims",
        "shapes.deep.line",
        "shapes.disc",
        "shapes.late",
        "shapes.square",
        "shapes.unused",
        "theory.core.files",
    ]


def test_a_change_behind_an_import_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package(tmp_path, forms__claims="from forms.disc import area", forms__disc="area = 1", forms__other="x = 1")
    before = fingerprint("forms.claims")
    package(tmp_path, forms__other="x = 2")
    assert fingerprint("forms.claims") == before
    package(tmp_path, forms__disc="area = 2")
    assert fingerprint("forms.claims") != before


def test_a_missing_module() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        fingerprint("no_such_module")
