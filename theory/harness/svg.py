"""A backend of matplotlib that writes SVG whose text is text: it can be selected and searched.

    figure.savefig("picture.svg", backend="module://theory.harness.svg")

The picture brings the glyphs it needs as fonts, and every character stands where matplotlib has put it, so that it
looks the same on any machine. In a formula a glyph goes by the character it means, whatever its code in TeX's fonts.

Outlines remain where a character is not one glyph (text set by TeX, with combining accents, or from right to left),
where no font that can be put into the picture has it, and where text is clipped or a link.
"""

import base64
import codecs
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from inspect import signature
from itertools import count, groupby
from operator import attrgetter
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from matplotlib import cbook, rcParams
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font, ttfFontProperty
from matplotlib.mathtext import MathTextParser
from matplotlib.textpath import TextToPath

from theory.harness.subset import Subset, embeddable

SCALE, DPI = TextToPath.FONT_SCALE, TextToPath.DPI  # points at which text is laid out
# Newer versions of matplotlib join letters such as f and i, which are two characters here.
APART = {"features": ("-liga",)} if "features" in signature(TextToPath.get_glyphs_with_font).parameters else {}
SPACE = {"{http://www.w3.org/XML/1998/namespace}space": "preserve"}
FONTS = [name for name in rcParams if name.startswith(("font.", "mathtext."))]


class Place(NamedTuple):
    """A glyph as a character of a font's file: its size and place in points, from where its text begins, y upwards."""

    file: str
    size: float
    y: float
    x: float
    character: str


class Bar(NamedTuple):
    """A filled rectangle by its lower left corner, in points, from where its text begins, y upwards."""

    x: float
    y: float
    width: float
    height: float


class Face(NamedTuple):
    """A font as style sheets call it."""

    family: str
    style: str
    weight: str
    stretch: str

    def used(self, size: float) -> str:
        """The declaration for text of that size, in points."""
        words = [word for word in (self.style, self.weight, self.stretch) if word not in ("normal", "400")]
        return " ".join(["font:", *words, f"{_short(size)}px '{self.family}'"])

    def rule(self, content: bytes) -> str:
        """The rule that gives the font."""
        kind = f"font-style: {self.style}; font-weight: {self.weight}; font-stretch: {self.stretch}"
        source = f"url(data:font/woff;base64,{base64.b64encode(content).decode()})"
        return f"@font-face {{font-family: '{self.family}'; {kind}; src: {source}}}"


class Formulas(MathTextParser):
    """Parses a formula once."""

    def __init__(self) -> None:
        super().__init__("path")
        self._once = lru_cache(10_000)(super().parse)

    def parse(self, s: str, dpi: float = 72, prop: FontProperties | None = None, **_: Any) -> Any:
        """The glyphs and bars of a line with formulas."""
        return self._once(s, dpi, prop and prop.copy())


class Layout(TextToPath):
    """Lays text out once; matplotlib would do it again in every picture, and each time that it looks at the text."""

    def __init__(self) -> None:
        super().__init__()
        self.mathtext_parser = Formulas()
        self._once = lru_cache(10_000)(super().get_text_width_height_descent)

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: bool | str) -> tuple[float, ...]:
        """Of one line of text, in points."""
        return self._once(s, prop.copy(), ismath)


@cache
def _layout(fonts: tuple[str, ...]) -> Layout:
    """For all pictures of a process with these settings of fonts."""
    return Layout()


class Renderer(RendererSVG):
    """Draws text as text, and writes the fonts for it at the end."""

    def __init__(self, width: float, height: float, file: Any, **options: Any) -> None:
        super().__init__(width, height, file, **options)
        self.file = file
        self.subsets: dict[str, Subset] = {}  # by file
        self.faces: dict[str, Face] = {}  # of the files that were used
        self.outlines: dict[str, Any] = {}  # of the glyphs laid out before
        self._text2path = _layout(tuple(str(rcParams[name]) for name in FONTS))

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: bool | str = False,
        mtext: Any = None,
    ) -> None:
        """Draw one line of text that begins at (x, y); see `RendererBase.draw_text`."""
        special = ismath == "TeX" or gc.get_clip_rectangle() or gc.get_clip_path()[0] or gc.get_url()
        places, bars = ([], []) if special else self._formula(s, prop) if ismath else (self._text(s, prop), [])
        if not places:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        placed = {"transform": f"translate({_short(x)} {_short(y)})" + (f" rotate({_short(-angle)})" if angle else "")}
        self.writer.comment(s)
        self._write(self._element(places, placed | _look(gc)))
        for x, y, width, height in bars:
            sides = {"x": x, "y": -y - height, "width": width, "height": height}
            self._write(Element("rect", placed | _look(gc) | {name: _short(side) for name, side in sides.items()}))

    def finalize(self) -> None:
        """Write the fonts, and end the file."""
        faces = "\n".join(face.rule(self.subsets[file].woff()) for file, face in self.faces.items())
        self.writer.element("style", f"text {{text-rendering: geometricPrecision}}\n{faces}")
        super().finalize()

    def _write(self, element: Element) -> None:
        self.file.write(f"{tostring(element, encoding='unicode')}\n")

    def _element(self, places: Sequence[Place], attributes: dict[str, str]) -> Element:
        """The text, with a part for each change of font, size or line."""
        whole = Element("text", SPACE | attributes)
        for (file, size, y), part in groupby(places, attrgetter("file", "size", "y")):
            characters = list(part)
            span = SubElement(whole, "tspan", style=self._face(file).used(size), y=_short(-y))
            span.set("x", " ".join(_short(each.x) for each in characters))
            span.text = "".join(each.character for each in characters)
        return whole

    def _face(self, file: str) -> Face:
        """How the font is called in this picture; of two versions of one font, which are two files, not the same."""
        if file not in self.faces:
            taken, entry = set(self.faces.values()), ttfFontProperty(get_font(file))
            name = entry.name.replace("'", " ")
            families = (f"{name} {number}".removesuffix(" 1") for number in count(1))
            faces = (Face(family, entry.style, str(entry.weight), entry.stretch) for family in families)
            self.faces[file] = next(face for face in faces if face not in taken)
        return self.faces[file]

    def _subset(self, file: str) -> Subset:
        return self.subsets.setdefault(file, Subset(file))

    def _text(self, text: str, prop: FontProperties) -> list[Place]:
        """The characters of plain text; none if some have no glyph of their own."""
        file, scale = findfont(prop), prop.get_size_in_points() / SCALE
        if not (embeddable(file) and all(map(_stands_alone, text)) and self._subset(file).has(text)):
            return []
        font = get_font(file)
        font.set_size(SCALE, DPI)
        glyphs, *_ = self._text2path.get_glyphs_with_font(font, text, glyph_map=self.outlines, **APART)
        if len(glyphs) != len(text):
            return []
        self._subset(file).add(text)
        placed = zip(text, glyphs)
        return [Place(file, SCALE * scale, y * scale, x * scale, character) for character, (_, x, y, _) in placed]

    def _formula(self, text: str, prop: FontProperties) -> tuple[list[Place], list[Bar]]:
        """The characters of a line with formulas, and bars of fractions and roots; none if a font is of other kind."""
        scale = prop.get_size_in_points() / SCALE
        prop = prop.copy()
        prop.set_size(SCALE)  # as text is measured: matplotlib rounds the heights of formulas to points
        parsed = self._text2path.mathtext_parser.parse(text, DPI, prop)
        if not all(embeddable(font.fname) for font, *_ in parsed.glyphs):
            return [], []
        places = []
        for font, size, code, *index, x, y in parsed.glyphs:  # older versions of matplotlib give no index
            character = self._subset(font.fname).character(*index or [font.get_char_index(code)])
            places.append(Place(font.fname, size * scale, y * scale, x * scale, character))
        return places, [Bar(*(side * scale for side in bar)) for bar in parsed.rects]


class FigureCanvas(FigureCanvasSVG):
    """What matplotlib asks a backend for."""

    def print_svg(self, filename: Any, *, bbox_inches_restore: Any = None, metadata: Any = None, **_: Any) -> None:
        """Write the figure; see `FigureCanvasSVG.print_svg`. Other options are for other formats."""
        with cbook.open_file_cm(filename, "w", encoding="utf-8") as file:
            if not cbook.file_requires_unicode(file):
                file = codecs.getwriter("utf-8")(file)
            dpi, self.figure.dpi = self.figure.dpi, 72
            width, height = self.figure.get_size_inches()
            inner = Renderer(width * 72, height * 72, file, image_dpi=dpi, metadata=metadata)
            restore = {"bbox_inches_restore": bbox_inches_restore}
            renderer = MixedModeRenderer(self.figure, width, height, dpi, inner, **restore)
            self.figure.draw(renderer)
            renderer.finalize()


def lay_out(figure: Figure) -> None:
    """Find a figure's layout, for text as it is in SVG; `savefig` draws the whole figure once more to find it."""
    engine, canvas, dpi = figure.get_layout_engine(), figure.canvas, figure.dpi
    if engine is None:
        return
    FigureCanvas(figure)  # what text is measured by from now on
    figure.dpi = 72
    engine.execute(figure)
    figure.set_canvas(canvas)
    figure.dpi = dpi
    figure.set_layout_engine(None)


def _look(gc: Any) -> dict[str, str]:
    color, alpha = gc.get_rgb()[:3], gc.get_alpha() if gc.get_forced_alpha() else gc.get_rgb()[3]
    return ({"fill": to_hex(color)} if any(color) else {}) | ({"opacity": _short(alpha)} if alpha != 1 else {})


def _stands_alone(character: str) -> bool:
    """Whether a character is one glyph to the right of the last, and not the second half of a pair."""
    return (
        character <= "\uffff"
        and not unicodedata.combining(character)
        and unicodedata.bidirectional(character) not in ("R", "AL")
    )


def _short(x: float) -> str:
    return f"{round(x, 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # no -0
