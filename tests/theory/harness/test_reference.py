"""The reference: what stands in docstrings stands on the pages, and its names lead to where they are explained."""

import re
import warnings
from html import unescape
from pathlib import Path

import pytest

from pages import Page, broken

pytest.importorskip("pdoc", reason="pdoc is not installed (the extra docs)")

from theory.harness.site.docs import write_docs
from theory.harness.site.reference import as_html, as_markdown, documented, first_sentence, place, written


def shown(docstring: str) -> str:
    """The text of a docstring as a page has it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", as_html(as_markdown(docstring)))).split())


@pytest.mark.parametrize(
    "formula",
    [
        "L(t) - L* <= e^(-t) (L(0) - L*)",
        "c = [lambda_r(Lambda)]_+ + [lambda_m(-Lambda)]_+",
        "the rate is 2 <e, T e> / <e, e>, below |x| and |y|",
        "shapes (*times, *runs, d) and (*runs,), of w*",
        "1 < x & y > 2, R <script>",
    ],
)
def test_formulas_stay_as_they_are(formula: str) -> None:
    assert shown(formula) == formula
    assert "<em>" not in as_html(as_markdown(formula))


def test_words_are_emphasised() -> None:
    assert as_html(as_markdown("Either *as printed* or *ours*.")).count("<em>") == 2


def test_sections_become_lists_and_examples_code() -> None:
    html = as_html(
        as_markdown(
            """One line.

            Args:
                x, y: numbers,
                    of any kind: w_1.
                rate: one.

            Raises:
                InvalidArgument: x < 0.

            >>> 1 + 1
            2

            After it.
            """
        )
    )
    assert "<strong>Args</strong>" in html and "<strong>Raises</strong>" in html
    assert html.count("<ul>") == 2 and html.count("<li>") == 3
    assert "<li><code>x</code>, <code>y</code>: numbers,\nof any kind: w_1.</li>" in html
    assert "<code>InvalidArgument</code>: x &lt; 0." in html
    assert '<pre class="code">' in html and "&gt;&gt;&gt;" in html and html.rstrip().endswith("<p>After it.</p>")


def test_a_thing_in_a_line() -> None:
    assert first_sentence("\nThe first\nof `two`. The second.\n\nMore.") == "The first of <code>two</code>."


def test_annotations_are_as_in_the_source() -> None:
    either = "Union[jaxtyping.Float[ndarray, '*runs h'], jaxtyping.Float[floating, '*runs h']]"
    assert repr(written(either)) == "Float[Array, '*runs h']"
    assert repr(written("numpy.ndarray | numpy.floating | float")) == "Array | float"


def test_pages_of_modules(tmp_path: Path) -> None:
    """No warning, no link that leads nowhere, and every public name on its page."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modules = documented(["theory.core"], ["theory.core.flows"])
        write_docs(modules, [], tmp_path)
    assert "theory.core.separable" in modules and "theory.core.flows" not in modules
    assert broken(tmp_path) == []
    page = Page(tmp_path / place("theory.core.regression"))
    assert {"Regression", "random_regression"} <= page.ids
    assert any(link.endswith("validation.html#InvalidArgument") for link in page.links)
    assert "theory.core.regression" in Page(tmp_path / "docs.html").text
    assert "python -m theory.report" in Page(tmp_path / "index.html").text


def test_links_to_what_is_inherited_from_a_library_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '''"""Of a toy."""\n\nclass Toy(Exception):\n    """It has `args`, and is a `Toy`."""\n'''
    (tmp_path / "toy_of_reference.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    write_docs(documented(["toy_of_reference"]), [], tmp_path)
    page = Page(tmp_path / place("toy_of_reference"))
    assert "#Toy" in page.links and broken(tmp_path) == [] and "It has args, and is a Toy." in page.text


def test_an_argument_is_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a function, here or elsewhere, has the name of the argument."""
    text = '''"""Of a toy."""\n\ndef size():\n    """One."""\n\ndef of(size, InvalidArgument):\n    """
    Args:\n        size, InvalidArgument: not `of`.\n    """\n'''
    (tmp_path / "toy_of_arguments.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    write_docs(documented(["toy_of_arguments", "theory.core.validation"]), [], tmp_path)
    page = Page(tmp_path / place("toy_of_arguments"))
    assert page.links.count("#size") == page.links.count("#of") - 1 == 1  # what is on the page, and `of` once more
    assert not any("InvalidArgument" in link for link in page.links)


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        documented(["theory.no_such_module"])
