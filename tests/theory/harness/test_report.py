"""A claim as text: what was claimed, what was trained, where it is worst."""

from dataclasses import replace

import pytest

from theory.claims import Check, Evidence
from theory.harness.report import line, story
from theory.harness.statements import readable

CHECK = Check(
    "rate", "at_least", 1.0, 1.25, 0.5, "rounding", True, 1.25, "Theorem 1", "r = 2", "t 3, run 0", resolution=0.2
)
EVIDENCE = Evidence(
    "a.b",
    "Paper, 1",
    "as printed",
    r"L \le e^{-2 \lambda t}",
    ("flow", "c > 0"),
    "bound",
    ("w (1, 2) by Adam",),
    (CHECK,),
    provenance={"seconds": 1.25, "memory": 512},
)


def test_a_check_in_one_line() -> None:
    numbers = "predicted 1, measured 1.25, tolerance 0.5 at t 3, run 0, headroom 1.25"
    decided = replace(CHECK, resolves=0.25)
    assert line("a.b", decided).startswith(
        f"passed  a.b: Theorem 1, r = 2: rate (at_least): {numbers}, 1.2 times above."
    )
    assert line("a.b", CHECK).startswith("UNDECIDED  a.b") and "above, and has to, 1.05 times at most. " in line(
        "a.b", CHECK
    )
    own = replace(CHECK, kind="equal", resolution=2e-4)
    assert line("a.b", own).endswith("headroom 1.25, resolves 0.02 %. rounding")
    assert line("a.b", replace(own, own=False)).endswith("resolves 0.02 % (supporting). rounding")
    assert line("a.b", replace(own, resolution=0.0)).endswith("headroom 1.25, exact. rounding")
    assert line("a.b", replace(own, resolution=None)).endswith("headroom 1.25. rounding")
    assert line("a.b", replace(own, data="mine.npz")).startswith(
        "passed  a.b: Theorem 1, r = 2: rate (equal, on mine.npz):"
    )
    bare = replace(CHECK, part="", case="", where="", passed=False)
    assert line("a.b", bare).startswith("FAILED  a.b: rate (at_least): predicted 1")


def test_a_claim_in_full() -> None:
    text = list(story(EVIDENCE))
    assert text[0] == "a.b  (Paper, 1; as printed; bound)" and text[2] == "    L ≤ e^{-2 λ t}"
    assert text[4:] == [
        "hypotheses  flow",
        "            c > 0",
        "trained     w (1, 2) by Adam",
        "took        1.2 s, 512 MiB of memory at most, with Python and its libraries",
        "verdict     undecided",
        line("a.b", CHECK),
    ]


def test_what_has_no_hypothesis_and_trains_nothing_says_so() -> None:
    text = list(story(replace(EVIDENCE, hypotheses=(), trained=())))
    assert "hypotheses  none" in text and "trained     nothing: the checks are of formulas" in text


def test_many_trainings_are_counted() -> None:
    text = list(story(replace(EVIDENCE, trained=tuple(f"w{i} (1, 2) by Adam" for i in range(9)))))
    assert "            and 3 more networks" in text


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\tfrac12 |Z w - 1|^2", "1/2 |Z w - 1|^2"),
        (r"\frac{L - 2}{\sigma s}", "(L - 2)/(σ s)"),
        (r"e^{-2 \lambda_r(\Sigma_x) c t}", "e^{-2 λ_r(Σ_x) c t}"),
        (r"U^\top U \iff \|Y\|_F \ge 0", "Uᵀ U ⇔ ‖Y‖_F ≥ 0"),
        (r"\log t \to \infty,\quad \text{for every } c", "log t → ∞, for every c"),
        (r"\left[x\right]_+ \;\Rightarrow\; y", "[x]_+ ⇒ y"),
    ],
)
def test_statements_in_plain_text(latex: str, text: str) -> None:
    assert readable(latex) == text
