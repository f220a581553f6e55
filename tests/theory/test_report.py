"""The pages: what they say of toy claims, that every link leads somewhere, and nothing of a claim is left out."""

from pathlib import Path

import pytest

from pages import Page, broken
from theory import report, verify
from theory.catalogue import READERS
from theory.core.validation import InvalidArgument
from theory.harness.catalogue import Catalogue, Entry
from theory.harness.site.papers import as_html, paper_of
from theory.papers import texts

ROOT = Path(__file__).parents[2]
TOYS = Catalogue(("toys",), {"fig1": Entry("toy_figures", "Toys", ("toy.holds", "toy.misprinted"))}, READERS)
PROSE = """# First: on <toys>
Said by `toy.holds` and `toy.unknown` of [figure 1](../../figures/rendered/fig1.png),
[figure 2](../../figures/rendered/fig2.png) and [a file](../../figures/x.json):
<!-- number: toy.holds :: x :: measured :: .3g -->1.00<!-- / -->.

<!-- claims: toy -->
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "texts", lambda: [PROSE])
    words = ["toy.holds", "toy.misprinted", "toy.fails", "--profile=smoke", "--device=cpu", "--jobs=1"]
    assert report.main([*words, f"--out={tmp_path}"], TOYS) == 1  # one of them fails
    return tmp_path / "report"


def test_every_claim_has_its_page(site: Path) -> None:
    page = Page(site / "claims" / "toy.holds.html")
    for said in ("Toys, 1", "none", "x + 1", "rounding", "python -m theory.verify toy.holds --profile smoke", "fig1"):
        assert said in page.text
    assert "math" in page.tags and "\\" not in page.text
    assert (site / "pictures" / "toy.holds.svg").read_bytes().startswith(b"<?xml")
    failing = Page(site / "claims" / "toy.fails.html").text
    assert "failed" in failing and "fails" in failing
    assert "correction" not in failing and "nothing: the checks are of formulas" in failing


def test_every_link_leads_somewhere(site: Path) -> None:
    assert broken(site) == []
    names = {str(file.relative_to(site)) for file in site.rglob("*.html")}
    assert {"index.html", "figures/fig1.html", "papers/toy.html", "code/toys.html", "code/toy_figures.html"} <= names


def test_the_prose_of_a_paper_stands_on_its_page(site: Path) -> None:
    text = (site / "papers" / "toy.html").read_text(encoding="utf-8")
    assert "First: on &lt;toys&gt;" in text and "1.00" in text and "number:" not in text
    assert '<a href="../figures/fig1.html">figure 1</a>' in text
    assert "figure 2" in text and "a file" in text and "rendered" not in text
    assert '<a href="../claims/toy.holds.html"><code>toy.holds</code></a> and <code>toy.unknown</code>' in text
    assert text.count('href="../claims/toy.') == 7  # three claims, each by its picture and its name, and one in prose


def test_what_is_in_no_table_is_shown_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "texts", list)
    assert (
        verify.main(["toy.holds", "--profile=smoke", f"--out={tmp_path}", f"--report={tmp_path / 'pages'}"], TOYS) == 0
    )
    assert broken(tmp_path / "pages") == []
    assert "Claims of no paper here" in Page(tmp_path / "pages" / "index.html").text


def test_the_users_own_claim_gets_the_same_page(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "my_paged_theorem.py"
    drawn = (ROOT / "tests" / "toys.py").read_text().replace('"toy.', '"paged.')
    file.write_text(f"{drawn}\n\ndef draw(evidence):\n    raise ValueError('no picture')\n")
    assert report.main([f"{file}::paged.holds", "--profile=smoke", "--jobs=1", f"--out={tmp_path}"], TOYS) == 0
    assert broken(tmp_path / "report") == []
    complaint = capsys.readouterr().err
    assert complaint == "" or "could not be drawn" in complaint
    assert "paged.holds" in Page(tmp_path / "report" / "index.html").text


def test_the_committed_prose_has_papers_with_their_tables() -> None:
    found = [paper_of(text) for text in texts()]
    names = [name for paper in found for name in paper.tables]
    assert len(names) == len(set(names)) > 15 and "others" in names
    for paper in found:
        html = as_html(paper, {}, {}, lambda name: f"<p>TABLE {name}</p>")
        assert all(f"TABLE {name}</p>" in html for name in paper.tables) and "table-of-claims" not in html
        assert "<!--" not in html
    for text in ("prose", "# Heading\nprose", "prose\n# Heading\n<!-- claims: x -->"):
        with pytest.raises(InvalidArgument, match="expected Markdown that begins with a heading"):
            paper_of(text)


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").touch()
    assert verify.main(["toy.holds", f"--out={tmp_path}", f"--report={tmp_path / 'file'}"], TOYS) == 2
    assert "report = " in capsys.readouterr().err
    assert report.main(["toy.unknown"], TOYS) == 2 and report.main(["--list"], TOYS) == 0
