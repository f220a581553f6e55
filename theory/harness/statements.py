"""A statement's LaTeX as plain text, for a terminal."""

import re
from functools import cache
from typing import Any

from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db

# What pylatexenc leaves out, or shows so that the formula would read as another one.
SYMBOLS = {
    "|": "‖",
    "iff": " ⇔ ",
    ",": " ",
    ";": " ",
    " ": " ",
    "quad": "   ",
    "qquad": "   ",
    "!": "",
    "top": "ᵀ",
    "dagger": "⁺",
    "langle": "⟨",
    "rangle": "⟩",
    "prime": "′",
    "left": "",
    "right": "",
    "Rightarrow": " ⇒ ",
    "to": " → ",
    "le": " ≤ ",
    "ge": " ≥ ",
    "sim": " ∼ ",
    "log": " log ",
    "sin": " sin ",
    "cos": " cos ",
    "tan": " tan ",
    "sinh": " sinh ",
    "coth": " coth ",
}


def readable(latex: str) -> str:
    """The formula in Unicode: Greek letters and relations as such, fractions with a slash, exponents in braces."""
    plain = re.sub(r"\\[td]frac", r"\\frac", latex.replace(r"\textstyle", ""))
    text = _converter().latex_to_text(f"${plain}$")
    return " ".join(text.split()).replace("^ᵀ", "ᵀ").replace("^⁺", "⁺").replace("( ", "(").replace(" )", ")")


@cache
def _converter() -> LatexNodes2Text:
    context = get_default_latex_context_db()
    symbols = [MacroTextSpec(name, discard=False, simplify_repl=text) for name, text in SYMBOLS.items()]
    macros = [*symbols, MacroTextSpec("frac", simplify_repl=_fraction)]
    context.add_context_category("statements", prepend=True, macros=macros)
    return LatexNodes2Text(context, math_mode="text", keep_braced_groups=True, strict_latex_spaces=False)


def _fraction(node: Any, l2tobj: LatexNodes2Text) -> str:
    """a/b, with parentheses around what is longer than a word."""
    return "/".join(_grouped(l2tobj.nodelist_to_text([part]).strip()) for part in node.nodeargd.argnlist)


def _grouped(text: str) -> str:
    text = text.removeprefix("{").removesuffix("}") if text.startswith("{") and text.endswith("}") else text
    return text if all(character.isalnum() or character in "_^.′" for character in text) else f"({text})"
