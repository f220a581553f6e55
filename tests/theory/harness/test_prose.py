"""Numbers in prose are those of the evidence, in the format they name."""

import re

import pytest

from theory.core.validation import InvalidArgument
from theory.harness import prose

CHECK = {"name": "|x| < 1", "case": "", "predicted": 0.5, "measured": 1.23456e-15, "headroom": "Infinity"}
OTHER = CHECK | {"case": "digits, flipped", "measured": -0.9619}
EVIDENCE = {"verdicts": {"a.b": {"checks": [CHECK, OTHER]}}, "mnist": {"a.b": {"checks": [OTHER | {"measured": 0.25}]}}}


def marked(words: str, number: str = "stale") -> str:
    return f"| so <!-- number: {words} -->{number}<!-- / --> it is |"


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (r"a.b :: \|x\| < 1 :: measured :: .2g", "1.2e-15"),
        (r"a.b :: \|x\| < 1 :: predicted :: .1f", "0.5"),
        (r"a.b :: |x| < 1 :: headroom :: .3g", "inf"),
        (r"a.b :: digits, flipped: |x| < 1 :: measured :: .1%", "−96.2 %"),
        (r"mnist, a.b :: digits, flipped: |x| < 1 :: measured :: .2f", "0.25"),
    ],
)
def test_numbers_are_written(words: str, number: str) -> None:
    page = prose.written(marked(words) + "\n" + marked(words), EVIDENCE)
    assert page == marked(words, number) + "\n" + marked(words, number)
    assert prose.written(page, EVIDENCE) == page


def test_the_files_a_page_needs() -> None:
    words = "mnist, a.b :: x :: measured :: g", "a.b :: x :: measured :: g"
    assert prose.files(marked(words[0])) == {"mnist"}
    assert prose.files(" ".join(map(marked, words))) == {"mnist", "verdicts"}
    assert prose.files("no numbers") == set()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("a.b :: x :: measured", "'claim :: check :: field :: format', field one of predicted, measured"),
        ("a.b :: x :: reason :: g", "'claim :: check :: field :: format'"),
        ("a.c :: x :: measured :: g", "a claim that verdicts.json has"),
        ("digits, a.b :: x :: measured :: g", "a claim that digits.json has"),
        ("a.b :: x :: measured :: g", "a check of a.b, one of ['|x| < 1', 'digits, flipped: |x| < 1']"),
    ],
)
def test_what_is_not_there_is_named(words: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        prose.written(marked(words), EVIDENCE)
