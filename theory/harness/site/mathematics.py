"""A statement's LaTeX as MathML, which browsers set without fonts or scripts of ours."""

from functools import cache

from latex2mathml.converter import convert
from markupsafe import Markup


@cache
def mathml(latex: str) -> Markup:
    """The formula, displayed; a reader of screens is given its LaTeX where it cannot read MathML."""
    return Markup(convert(latex, display="block"))
