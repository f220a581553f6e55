"""Numbers in prose, written from evidence.

`<!-- number: min2021.lemma_e1 :: tail :: measured :: .3g -->1.24e-15<!-- / -->` holds a number of the check `tail` (its
case before its name, as the tables show it) in that format; `<!-- number: mnist, minnorm.images_clean :: ... -->` takes
it from the evidence file `mnist.json`. Pipes in a label are written as in a table, `\\|`.
"""

import re
from collections.abc import Mapping
from typing import Any

from theory.core.validation import reject

NUMBER = re.compile(r"(?P<begin><!-- number: (?P<words>.*?) -->).*?(?P<end><!-- / -->)", re.DOTALL)
FIELDS = ("predicted", "measured", "tolerance", "headroom", "resolution")
USUAL = "verdicts"

Claims = Mapping[str, Mapping[str, Any]]


def written(page: str, evidence: Mapping[str, Claims]) -> str:
    """`page` with each number made anew.

    Args:
        evidence: claims by id, for each evidence file by its stem.

    Raises:
        InvalidArgument: a marker of another form, or one that names what is not there.
    """
    return NUMBER.sub(lambda match: match["begin"] + _number(match["words"], evidence) + match["end"], page)


def files(page: str) -> set[str]:
    """Stems of the evidence files that numbers of the page are from."""
    return {_file(match["words"])[0] for match in NUMBER.finditer(page)}


def _file(words: str) -> tuple[str, str]:
    claim = words.split(" :: ")[0]
    file, comma, name = claim.partition(", ")
    return (file, name) if comma else (USUAL, claim)


def _number(words: str, evidence: Mapping[str, Claims]) -> str:
    parts = words.split(" :: ")
    if len(parts) != 4 or parts[2] not in FIELDS:
        reject("number", repr(words), f"'claim :: check :: field :: format', field one of {', '.join(FIELDS)}")
    (file, claim), label = _file(words), parts[1].replace(r"\|", "|")
    if claim not in evidence.get(file, {}):
        reject("number", repr(words), f"a claim that {file}.json has")
    found = [check for check in evidence[file][claim]["checks"] if _label(check) == label]
    if not found:
        reject(
            "number", repr(words), f"a check of {claim}, one of {[_label(c) for c in evidence[file][claim]['checks']]}"
        )
    text = format(float(found[0][parts[2]]), parts[3]).replace("%", " %")
    return f"−{text[1:]}" if text.startswith("-") else text


def _label(check: Mapping[str, Any]) -> str:
    return f"{check['case']}: {check['name']}" if check["case"] else str(check["name"])
