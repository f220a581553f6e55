"""The pages in a browser: they load without a complaint, search, filter and sort, and fit a telephone.

They show the committed evidence, under the committed prose; drawn are placeholders, which test_report.py is not about.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from theory.catalogue import CATALOGUE
from theory.harness import archive
from theory.harness.discovery import stated_claims
from theory.harness.site import Site, write_site
from theory.papers import captions, texts

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
ROOT = Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (Debian's package: chromium)")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="500"><rect width="800" height="500"/></svg>'
SHOWN = ("index", "claims/min2021.theorem1", "claims/ozay2019.norm_ranges", "figures/fig5", "papers/min2021")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of every ninth claim, and of those that are looked at."""
    content = json.loads((ROOT / "figures" / "rendered" / "verdicts.json").read_text(encoding="utf-8"))
    known = stated_claims(CATALOGUE.packages)
    found = {id: item for id, item in archive.restore(content, {}).items() if id in known}
    looked_at = {page.partition("/")[2] for page in SHOWN} | set(CATALOGUE.figures["fig5"].claims)
    evidence = {id: item for i, (id, item) in enumerate(found.items()) if i % 9 == 0 or id in looked_at}
    figures = {"fig5": CATALOGUE.figures["fig5"]}
    pictures = {name: {"svg": SVG, "thumbnail": SVG} for name in [*evidence, *figures]}
    folder = tmp_path_factory.mktemp("site")
    stated = {id: known[id].module for id in evidence}
    write_site(Site(evidence, stated, figures, pictures, texts(), captions()), folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page at which nothing may be complained of."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", lambda request: complaints.append(request.url))
    yield opened
    opened.close()
    assert complaints == []


def shown(page: Any) -> int:
    return page.locator(".claims tbody tr:visible").count()


def test_search_and_filters(site: Path, page: Any) -> None:
    page.goto((site / "index.html").as_uri())
    everything = shown(page)
    assert everything > 15 and page.locator("#count").inner_text() == f"{everything} of {everything} claims"
    page.get_by_label("Search").fill("theorem1 imbalance")
    assert page.locator(".claims tbody tr:visible th").all_inner_texts() == ["min2021.theorem1"]
    assert page.locator("section.paper:visible").count() == 1
    page.get_by_label("Search").fill("")
    for id in ("setting", "kind", "verdict"):
        value = (
            page.locator(f"#{id} option").nth(1).get_attribute("value")
            or page.locator(f"#{id} option").nth(1).inner_text()
        )
        page.locator(f"#{id}").select_option(value)
        assert 0 < shown(page) < everything
        assert page.locator(".claims tbody tr:visible").first.get_attribute(f"data-{id}") == value
        page.locator(f"#{id}").select_option("")
    page.get_by_label("bounds that are loose").check()
    assert 0 < shown(page) < everything
    page.get_by_label("Search").fill("no such words")
    assert shown(page) == 0 and page.locator("#count").inner_text() == f"0 of {everything} claims"


def test_the_way_to_a_claim_by_keyboard(site: Path, page: Any) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.get_by_role("link", name="min2021.theorem1").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("heading", level=1).inner_text() == "min2021.theorem1"


def test_checks_sort_by_number(site: Path, page: Any) -> None:
    page.goto((site / "claims" / "min2021.theorem1.html").as_uri())
    table = page.locator("table.sorts").first
    for order, sign in (("ascending", 1), ("descending", -1)):
        table.get_by_role("button", name="headroom").click()
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == order
        cells = table.locator("tbody td:nth-child(6)").all_inner_texts()
        numbers = [sign * float(cell) for cell in cells]
        assert numbers == sorted(numbers) and len(numbers) > 5


@pytest.mark.parametrize("name", SHOWN)
def test_it_fits_a_telephone_and_shows_its_mathematics(name: str, site: Path, page: Any) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto((site / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert (site / f"{name}.html").stat().st_size < 300_000
    if name.startswith("claims/"):
        box = page.locator(".statement math").bounding_box()
        assert box["width"] > 40 and box["height"] > 10 and "\\" not in page.locator(".statement").inner_text()
    assert page.locator("h1").count() == 1 and page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str, site: Path, page: Any) -> None:
    """The contrast of text, links and verdicts is 4.5 at least, as WCAG 2 asks."""
    page.emulate_media(color_scheme=scheme)
    page.goto((site / "claims" / "min2021.theorem1.html").as_uri())
    colour = "element => [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor]"
    for place in ("p", "main a", ".verdict"):
        text, ground = (luminance(value) for value in page.locator(place).first.evaluate(colour))
        assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Of `rgb(r, g, b)` (WCAG 2)."""
    parts = [int(word) / 255 for word in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def test_the_reference_is_searched_and_fits_a_telephone(site: Path, page: Any) -> None:
    """From the index to a function, and back."""
    pytest.importorskip("pdoc", reason="pdoc is not installed (the extra docs)")
    from theory.harness.site.docs import write_docs
    from theory.harness.site.reference import documented

    write_docs(documented(["theory.core"]), [], site)
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Tutorials and reference").click()
    page.get_by_label("Search").fill("random_regression")
    assert page.locator("#count").inner_text().startswith("1 of ")
    page.get_by_role("link", name="random_regression").click()
    assert page.url.endswith("api/theory/core/regression.html#random_regression")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.locator("#random_regression summary").click()
    assert "def random_regression" in page.locator("#random_regression details").inner_text()
    page.get_by_role("link", name="All claims").click()
    assert page.locator("#setting").count() == 1
