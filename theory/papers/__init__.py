"""What is told of each paper, in Markdown: what was found and how we know, sentence by sentence, figure by figure.

A file is a paper. `<!-- claims: min2021 -->` stands where its pages show the claims whose id begins with `min2021.`;
numbers are written from evidence (`theory.harness.prose`). In figures.md stands what is to be seen in each figure.
"""

import re
from importlib.resources import files

PAPERS = (
    "min2021",
    "min2022",
    "min2023",
    "imbalance",
    "minnorm",
    "advani2017",
    "saxe2014",
    "soudry2018",
    "frontier",
    "banburski2019",
    "liu2021",
    "ozay2019",
    "du2019",
    "tripathi2019",
    "wang2020",
    "zhang2020",
    "narasimhan2021",
)


def texts() -> list[str]:
    """The papers' files, in the order of the papers."""
    return [_text(name) for name in PAPERS]


def captions() -> dict[str, str]:
    """What is to be seen in each figure, by its name."""
    return dict(re.findall(r"^## (\w+)\n\n(.*?)\n*(?=^## |\Z)", _text("figures"), re.DOTALL | re.MULTILINE))


def _text(name: str) -> str:
    return files("theory.papers").joinpath(f"{name}.md").read_text(encoding="utf-8")
