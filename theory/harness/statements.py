"""A statement's LaTeX as plain text, for a terminal."""

import re
from functools import cache

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
    text = re.sub(r"\(([\w.′]+)\)(?=/)|(?<=/)\(([\w.′]+)\)", r"\1\2", text)  # no parentheses around a word
    return " ".join(text.split()).replace("^ᵀ", "ᵀ").replace("^⁺", "⁺").replace("( ", "(").replace(" )", ")")


@cache
def _converter() -> LatexNodes2Text:
    context = get_default_latex_context_db()
    symbols = [MacroTextSpec(name, discard=False, simplify_repl=text) for name, text in SYMBOLS.items()]
    macros = [*symbols, MacroTextSpec("frac", simplify_repl="(%s)/(%s)")]
    context.add_context_category("statements", prepend=True, macros=macros)
    return LatexNodes2Text(context, math_mode="text", keep_braced_groups=True, strict_latex_spaces=False)
