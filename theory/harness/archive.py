"""Evidence on disk: verdicts as JSON, curves as .npz without pickle; both or neither, and never half of one."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from theory.claims import Check, Evidence
from theory.core.arrays import Array
from theory.core.files import write_atomically

NUMBERS = ("predicted", "measured", "tolerance", "headroom", "resolution", "resolves", "significance")


def document(evidence: Sequence[Evidence], provenance: Mapping[str, Any]) -> str:
    """The verdict file: {"provenance": {...}, "claims": [{..., "checks": [...]}]}.

    NaN and infinities are the strings "NaN", "Infinity", "-Infinity". Beside what is listed there, a claim's entry
    has the "fingerprint" of the code that was judged, and "memory", the MiB that its process held at most.
    """
    content = {"provenance": dict(provenance), "claims": [_entry(item) for item in evidence]}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(stem: Path, evidence: Sequence[Evidence], provenance: Mapping[str, Any]) -> None:
    """Write `stem`.npz (curves, named "claim/curve") and then `stem`.json: where that is, the other is whole."""
    arrays = {f"{item.id}/{name}": array for item in evidence for name, array in item.curves.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(stem.with_name(f"{stem.name}.npz"), buffer.getvalue())
    write_atomically(stem.with_name(f"{stem.name}.json"), document(evidence, provenance).encode())


def read(stem: Path) -> dict[str, Evidence]:
    """Evidence by claim id, as `write` was given it. Its provenance is the file's, with what the claim itself took.

    Raises:
        OSError, ValueError, KeyError, zipfile.BadZipFile: the files are missing, damaged, or of another form.
    """
    with np.load(stem.with_name(f"{stem.name}.npz"), allow_pickle=False) as file:
        arrays = dict(file)
    return restore(json.loads(stem.with_name(f"{stem.name}.json").read_text(encoding="utf-8")), arrays)


def restore(content: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Evidence]:
    """Evidence by claim id from a verdict file's content and the curves beside it (empty: none)."""
    found = {}
    for entry in content["claims"]:
        memory = entry.get("memory")
        own = {"seconds": float(entry["seconds"]), "memory": memory, "fingerprint": entry["fingerprint"]}
        prefix = f"{entry['id']}/"
        curves = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        found[entry["id"]] = Evidence(
            entry["id"],
            entry["source"],
            entry["source_kind"],
            entry["statement"],
            tuple(entry["hypotheses"]),
            entry["theory_side"],
            tuple(entry["trained"]),
            tuple(_check(line) for line in entry["checks"]),
            curves,
            content["provenance"] | own,
            {name: tuple(value) if isinstance(value, list) else value for name, value in entry["parameters"].items()},
            tuple(entry["given"]),
            tuple(entry["remarks"]),
        )
    return found


def _entry(evidence: Evidence) -> dict[str, Any]:
    return {
        "id": evidence.id,
        "statement": evidence.statement,
        "source": evidence.source,
        "source_kind": evidence.source_kind,
        "hypotheses": list(evidence.hypotheses),
        "theory_side": evidence.theory_side,
        "parameters": dict(evidence.parameters),
        "given": list(evidence.given),
        "remarks": list(evidence.remarks),
        "trained": list(evidence.trained),
        "verdict": evidence.verdict,
        "in_words": evidence.in_words,
        "resolution": _number(evidence.resolution),
        "seconds": round(evidence.provenance["seconds"], 3),
        "memory": evidence.provenance.get("memory"),
        "fingerprint": evidence.provenance["fingerprint"],
        "checks": [_line(check) for check in evidence.checks],
    }


def _line(check: Check) -> dict[str, Any]:
    line = asdict(check)
    return line | {name: _number(line[name]) for name in NUMBERS}


def _number(value: float | None) -> float | str | None:
    if value is None:
        return None
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _check(line: Mapping[str, Any]) -> Check:
    return Check(**{**line, **{name: None if line[name] is None else float(line[name]) for name in NUMBERS}})
