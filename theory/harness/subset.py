"""Fonts for the text of one picture: of a font's file only the glyphs that are used, each under its character."""

import io
import logging
import unicodedata
from collections.abc import Mapping
from functools import cache

from fontTools.agl import toUnicode
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import TTFont, TTLibError
from fontTools.ttLib.tables._g_l_y_f import Glyph

PRIVATE = range(0xE000, 0xF900)  # for glyphs that are no character of their own, such as the larger of two brackets
# Characters by the names that TeX's fonts have for them, where Adobe's list has none or another character.
OF_TEX = {
    "Delta": "Δ",
    "angbracketleft": "⟨",
    "angbracketright": "⟩",
    "bardbl": "‖",
    "epsilon1": "ϵ",
    "greatermuch": "≫",
    "latticetop": "⊤",
    "lessmuch": "≪",
    "lscript": "ℓ",
    "mapsto": "↦",
    "minusplus": "∓",
    "mu": "μ",
    "perpendicular": "⊥",
    "prime": "′",
    "similarequal": "≃",
    "star": "⋆",
}
EPOCH = 2_082_844_800  # 1970 in seconds since 1904, which fonts count from
SIZES = ("display", "text", "bigg", "Bigg", "big", "Big")  # endings of the names of TeX's larger glyphs
logging.getLogger("fontTools.ttLib.tables._h_e_a_d").setLevel(logging.ERROR)  # it warns of how old TeX's fonts are


class Subset:
    """The glyphs that a picture uses of the font in a file that is `embeddable`."""

    def __init__(self, file: str) -> None:
        self.font = _opened(file)
        self.characters: dict[str, str] = {}  # of each the name of its glyph

    def has(self, text: str) -> bool:
        """Whether the font has a glyph for every character."""
        return all(ord(character) in _names(self.font) for character in text)

    def add(self, text: str) -> None:
        """Take in the glyphs of a text, all of which the font has."""
        self.characters |= {character: _names(self.font)[ord(character)] for character in text}

    def character(self, index: int) -> str:
        """Take in the glyph at an index of the font; returns the character that it stands for from now on."""
        name = self.font.getGlyphName(index)
        free = (each for each in (meant(name), *map(chr, PRIVATE)) if each and self.characters.get(each, name) == name)
        character = next(free)
        self.characters[character] = name
        return character

    def woff(self) -> bytes:
        """The font of these glyphs, without hints, ligatures or kerning: equal glyphs give equal bytes."""
        return _built(self.font, tuple(sorted(self.characters.items())))


@cache
def embeddable(file: str) -> bool:
    """Whether it is one font with TrueType outlines."""
    try:
        return "glyf" in TTFont(file, lazy=True)
    except TTLibError:
        return False


def meant(glyph: str) -> str:
    """The character that a glyph of this name shows, "" if the name does not tell or the character is none alone."""
    stem = next((glyph.removesuffix(size) for size in SIZES if glyph.endswith(size)), glyph)
    character = OF_TEX.get(stem) or unicodedata.normalize("NFC", toUnicode(glyph) or toUnicode(stem))
    return character if len(character) == 1 and character <= "\uffff" and not unicodedata.combining(character) else ""


@cache
def _opened(file: str) -> TTFont:
    return TTFont(file, lazy=True)


@cache
def _names(font: TTFont) -> Mapping[int, str]:
    return font.getBestCmap()


@cache
def _glyph(font: TTFont, name: str) -> Glyph:
    glyph = font["glyf"][name]
    if glyph.isComposite():  # such as a letter with its accent, which refers to its parts by their number
        glyph.expand(font["glyf"])
    glyph.trim(remove_hinting=True)
    return glyph


def _parts(font: TTFont, name: str) -> set[str]:
    """The glyph and those it is put together of."""
    return {name}.union(*(_parts(font, part) for part in _glyph(font, name).getComponentNames(font["glyf"])))


@cache
def _built(font: TTFont, characters: tuple[tuple[str, str], ...]) -> bytes:
    used = set().union(*(_parts(font, name) for _, name in characters)) - {".notdef"}
    names = [".notdef", *sorted(used)]
    builder = FontBuilder(unitsPerEm=font["head"].unitsPerEm)
    builder.setupHead(
        unitsPerEm=font["head"].unitsPerEm, created=EPOCH, modified=EPOCH
    )  # of one date, whenever it is built
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(character): name for character, name in characters})
    builder.setupGlyf({name: _glyph(font, name) for name in names}, calcGlyphBounds=False)
    builder.setupHorizontalMetrics({name: font["hmtx"][name] for name in names})
    builder.setupHorizontalHeader(ascent=font["hhea"].ascent, descent=font["hhea"].descent)
    builder.setupNameTable({"familyName": font["name"].getDebugName(1), "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost(keepGlyphNames=False)
    builder.font.recalcBBoxes = False
    builder.font.flavor = "woff"
    buffer = io.BytesIO()
    builder.font.save(buffer)
    return buffer.getvalue()
