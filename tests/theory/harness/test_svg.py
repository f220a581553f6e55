"""Text in SVG: it is there to be found, in fonts that are in the file and have its glyphs, where outlines would be."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from fontTools.ttLib import TTFont
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.textpath import TextPath

from theory.harness import subset
from theory.harness.subset import Subset, embeddable, meant
from theory.harness.svg import lay_out

SVG = "{http://www.w3.org/2000/svg}"
FORMULA = r"at $\frac{1}{2}\sqrt{\sigma_1}\|W^\top\| \leq \sum_i \hat w_i$ — é"
PLAIN = "  ".join(("a fine office,", "AVATAR & <co>"))


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with rc_context({"mathtext.fontset": "cm", "svg.hashsalt": "toy"}):
        yield


def drawn() -> str:
    figure = Figure()
    figure.suptitle(f"{PLAIN}\nin bold", weight="bold")
    figure.text(0.1, 0.5, FORMULA, rotation=90, color="red", alpha=0.5, fontsize=20)
    figure.text(0.5, 0.5, PLAIN, style="italic")
    return saved(figure)


def saved(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", backend="module://theory.harness.svg", metadata={"Date": None})
    return buffer.getvalue().decode()


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in fromstring(svg.encode()).iter(f"{SVG}text")]


def faces(svg: str) -> dict[str, TTFont]:
    """The fonts in the file, by the words that name them where they are used."""
    found = re.findall(r"family: ('.+?'); font-style: (\w+); font-weight: (\d+).*?base64,([\w+/=]+)\)", svg)
    return {
        " ".join([word for word in (style, weight) if word not in ("normal", "400")] + [family]): TTFont(
            io.BytesIO(base64.b64decode(content))
        )
        for family, style, weight, content in found
    }


def spans(svg: str) -> Iterator[tuple[str, float, Element]]:
    """Each part of a text with its font and size."""
    for span in fromstring(svg.encode()).iter(f"{SVG}tspan"):
        words = re.fullmatch(r"font: (.*?)([\d.]+)px (.*)", span.get("style", ""))
        assert words
        yield words[1] + words[3], float(words[2]), span


def test_text_is_found() -> None:
    found = texts(drawn())
    assert PLAIN in found and "in bold" in found and found.count(PLAIN) == 2
    assert "at 12√σ1‖W⊤‖≤∑iˆwi — é" in found


def test_every_font_is_there_with_every_glyph_and_no_other() -> None:
    svg = drawn()
    embedded = faces(svg)
    used: dict[str, set[int]] = {name: set() for name in embedded}
    for name, _, span in spans(svg):
        used[name] |= set(map(ord, span.text or ""))
    assert {name: set(font.getBestCmap()) for name, font in embedded.items()} == used
    assert {"'DejaVu Sans'", "700 'DejaVu Sans'", "oblique 'DejaVu Sans'", "'cmmi10'", "'cmex10'"} <= set(embedded)


def test_glyphs_are_those_of_the_font() -> None:
    whole = TTFont(findfont("DejaVu Sans:bold"))
    part = faces(drawn())["700 'DejaVu Sans'"]
    for code, name in part.getBestCmap().items():
        original = whole.getBestCmap()[code]
        assert part["hmtx"][name] == whole["hmtx"][original]
        ours, theirs = (font["glyf"][glyph] for font, glyph in ((part, name), (whole, original)))
        assert ours.getCoordinates(part["glyf"])[0] == theirs.getCoordinates(whole["glyf"])[0]
    assert "fpgm" not in part and "GSUB" not in part


@pytest.mark.parametrize("text", ["AVATAR, To", r"$\frac{a}{b} + \sqrt{x}$"])
def test_glyphs_stand_where_outlines_would(text: str) -> None:
    figure = Figure()
    figure.text(0.25, 0.5, text, fontsize=10)
    svg = saved(figure)
    outline = TextPath((0, 0), text, size=10).vertices
    embedded, right, top = faces(svg), 0.0, 0.0
    for name, size, span in spans(svg):
        font = embedded[name]
        scale = size / font["head"].unitsPerEm
        for x, character in zip(map(float, span.get("x", "").split()), span.text or ""):
            glyph = font["glyf"][font.getBestCmap()[ord(character)]]
            right = max(right, x + scale * getattr(glyph, "xMax", 0))
            top = max(top, -float(span.get("y", "")) + scale * getattr(glyph, "yMax", 0))
    bars = fromstring(svg.encode()).findall(f".//{SVG}g/{SVG}rect")
    top = max([top, *(-float(bar.get("y", "")) for bar in bars)])
    right = max([right, *(float(bar.get("x", "")) + float(bar.get("width", "")) for bar in bars)])
    assert (right, top) == pytest.approx(outline.max(0), abs=0.03)


def test_two_versions_of_a_font_are_two_fonts(tmp_path: Path) -> None:
    """Of one name: the other's characters may be of another shape, or not be there."""
    other = tmp_path / "copy.ttf"
    other.write_bytes(Path(findfont("DejaVu Sans")).read_bytes())
    figure = Figure()
    figure.text(0.1, 0.1, "one")
    figure.text(0.1, 0.5, "another", font=other)
    embedded = faces(saved(figure))
    assert [len(font.getBestCmap()) for font in embedded.values()] == [3, 7]
    assert list(embedded) == ["'DejaVu Sans'", "'DejaVu Sans 2'"]


def test_equal_pictures_have_equal_bytes() -> None:
    first = drawn()
    subset._built.cache_clear()
    assert drawn() == first


def test_a_layout_is_that_of_matplotlib() -> None:
    pictures = []
    for first in (lay_out, lambda _: None):
        figure = Figure(layout="constrained")
        figure.suptitle("heading")
        figure.subplots(2, 1)[0].set_ylabel(r"label $\alpha^2$")
        first(figure)
        pictures.append(saved(figure))
        first(figure)
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("text", "options"),
    [("שלום", {}), ("漢字", {}), ("e\u0301", {}), ("\U0001d538", {}), ("link", {"url": "https://x.org"})],
)
def test_what_remains_an_outline(text: str, options: dict[str, str]) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, text, **options)
    with pytest.warns(UserWarning) if text == "漢字" else rc_context():
        svg = saved(figure)
    assert texts(svg) == [] and "<use" in svg and faces(svg) == {}


def test_clipped_text_remains_an_outline() -> None:
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.text(0.5, 0.5, "clipped", clip_on=True)
    assert texts(saved(figure)) == []


@pytest.mark.parametrize(
    ("glyph", "character"),
    [("alpha", "α"), ("Delta", "Δ"), ("mu", "μ"), ("summationdisplay", "∑"), ("radicalBigg", "√"), ("minus", "−")]
    + [(nameless, "") for nameless in ("negationslash", ".notdef", "glyph00012", "u1D524", "f_i", "gravecomb")],
)
def test_what_a_glyph_means(glyph: str, character: str) -> None:
    assert meant(glyph) == character


def test_two_glyphs_of_one_character_are_two_characters() -> None:
    file = findfont("cmex10")
    part = Subset(file)
    font = get_font(file)
    names = [font.get_glyph_name(index) for index in range(font.num_glyphs)]
    shown = [part.character(names.index(f"radical{size}")) for size in ("big", "Big", "big", "bigg")]
    assert shown == ["√", "\ue000", "√", "\ue001"]
    assert TTFont(io.BytesIO(part.woff())).getBestCmap().keys() == set(map(ord, shown))


def test_what_is_no_font_to_embed(tmp_path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"nothing")
    assert not embeddable(str(tmp_path / "no.ttf")) and embeddable(findfont("cmr10"))
