"""Mutation testing of one setting's mathematics: `make mutants SETTING=imbalance`.

cosmic-ray changes an operator or a number of `theory/<setting>`, one at a time; each such mutant is tried on the
setting's unit tests and, separately, on its claims in the smoke profile, until one fails (see `trial`). A seeded
sample of them is drawn, in proportion to the lines of each module; mutants of annotations change nothing and are not
drawn. The work is done on a copy of the last commit under results/mutants, resumes where it was, and its scores go to
tests/mutants/scores.
"""

import argparse
import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, WorkerOutcome, WorkItem, WorkResult
from equivalent import EQUIVALENT
from trial import CLAIMS, UNIT

ROOT = Path(__file__).resolve().parents[2]
SCORES = ROOT / "tests" / "mutants" / "scores"
LINES_A_MUTANT = 40  # of all settings together: at least three hundred mutants
SECONDS = 3600  # of the clock, for a mutant that waits for ever; those that never stop computing end in `trial`
CONFIG = """[cosmic-ray]
module-path = "theory/{setting}"
timeout = {seconds}
excluded-modules = []
test-command = "{command}"

[cosmic-ray.distributor]
name = "local"
"""


def main() -> int:
    """Judge the sample of one setting; exit status 0 once every mutant of it has been tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting", choices=sorted(path.name for path in (ROOT / "theory").iterdir() if path.is_dir()))
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--lines", type=int, default=LINES_A_MUTANT, help="of code a mutant")
    arguments = parser.parse_args()
    setting, seed = arguments.setting, arguments.seed
    tree = _copy(ROOT / "results" / "mutants" / f"{setting}-{seed}" / "tree")
    outcomes = {}
    for suite in (UNIT, CLAIMS):
        session = _session(tree, setting, suite, seed, arguments.lines)
        _git(tree, "checkout", "--quiet", "theory")  # what a killed run may have left mutated
        subprocess.run(["cosmic-ray", "exec", session.with_suffix(".toml"), session], cwd=tree, check=True)
        outcomes[suite] = dict(_outcomes(session))
    _write(setting, seed, _git(tree, "rev-parse", "--short", "HEAD"), outcomes)
    return 0


def _copy(tree: Path) -> Path:
    """The last commit in a folder of its own, with the environment it needs; as it was if it is there."""
    if not tree.exists():
        subprocess.run(["git", "clone", "--quiet", "--local", ROOT, tree], check=True)
    return tree


def _git(tree: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True, text=True).stdout.strip()


def _session(tree: Path, setting: str, suite: str, seed: int, lines: int) -> Path:
    """The file in which cosmic-ray keeps what is left to do."""
    command = f"{sys.executable} tests/mutants/trial.py '{suite}' {setting}"
    session = tree.parent / f"{suite.replace(' ', '-')}.sqlite"
    if not session.exists():
        subprocess.run(command, shell=True, cwd=tree, check=True)  # what fails unmutated tells nothing
        config = CONFIG.format(setting=setting, seconds=SECONDS, command=command)
        session.with_suffix(".toml").write_text(config)
        fresh = session.with_suffix(".fresh")
        fresh.unlink(missing_ok=True)
        subprocess.run(["cosmic-ray", "init", session.with_suffix(".toml"), fresh], cwd=tree, check=True)
        with use_db(fresh, WorkDB.Mode.open) as work:
            _draw(work, tree, seed, lines)
        fresh.rename(session)
    return session


def _draw(work: WorkDB, tree: Path, seed: int, lines: int) -> None:
    """Leave a sample: of each module so many mutants as it has lines, at random. The rest is marked as skipped."""
    modules: dict[Path, list[WorkItem]] = {}
    for item in work.work_items:
        modules.setdefault(item.mutations[0].module_path, []).append(item)
    rng, drawn = Random(seed), set()
    share = 0.0
    for module in sorted(modules):
        annotations = list(_annotations((tree / module).read_text(encoding="utf-8")))
        items = [item for item in modules[module] if not _within(item.mutations[0], annotations)]
        items.sort(key=lambda item: _place(item.mutations[0]))
        share += len((tree / module).read_text(encoding="utf-8").splitlines()) / lines
        count = min(int(share), len(items))
        share -= count
        drawn |= {item.job_id for item in rng.sample(items, count)}
    skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)
    work.set_multiple_results([item.job_id for item in work.work_items if item.job_id not in drawn], skipped)


def _place(mutation: MutationSpec) -> tuple[Any, ...]:
    return mutation.start_pos, mutation.operator_name, mutation.occurrence


def _annotations(source: str) -> Iterator[ast.expr]:
    for node in ast.walk(ast.parse(source)):
        for found in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(found, ast.expr):
                yield found


def _within(mutation: MutationSpec, regions: list[ast.expr]) -> bool:
    return any(
        (region.lineno, region.col_offset) <= mutation.start_pos
        and mutation.end_pos <= (region.end_lineno or 0, region.end_col_offset or 0)
        for region in regions
    )


def _outcomes(session: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with use_db(session, WorkDB.Mode.open) as work:
        for item, result in work.completed_work_items:
            if result.worker_outcome == WorkerOutcome.SKIPPED:
                continue
            mutation = item.mutations[0]
            name = f"{mutation.module_path}:{mutation.start_pos[0]}:{mutation.start_pos[1]} {mutation.operator_name}"
            changed = [
                line for line in (result.diff or "").splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
            ]
            yield f"{name} {mutation.occurrence}", {"caught": bool(result.is_killed), "change": changed}


def _write(setting: str, seed: int, commit: str, outcomes: dict[str, dict[str, dict[str, Any]]]) -> None:
    """One file a sample, and the table of all of them."""
    unit, claims = outcomes[UNIT], outcomes[CLAIMS]
    mutants = [
        {"mutant": name, UNIT: unit[name]["caught"], CLAIMS: claims[name]["caught"], "change": unit[name]["change"]}
        for name in sorted(unit)
    ]
    SCORES.mkdir(exist_ok=True)
    content = {"setting": setting, "seed": seed, "commit": commit, "mutants": mutants}
    (SCORES / f"{setting}-{seed}.json").write_text(json.dumps(content, indent=1) + "\n")
    scores = [json.loads(file.read_text()) for file in sorted(SCORES.glob("*.json"))]
    table = "\n".join(score_table(scores))
    (SCORES / "README.md").write_text(INTRODUCTION + table + "\n\n" + "\n".join(equivalents(scores)) + "\n")
    print(table)
    for mutant in mutants:
        missing = [suite for suite in (UNIT, CLAIMS) if not mutant[suite]]
        if missing and not EQUIVALENT.get(_change(mutant)):
            print(f"not caught by {' and '.join(missing)}: {mutant['mutant']}", *mutant["change"], sep="\n    ")


INTRODUCTION = "Mutants caught, written by `make mutants`; what each is stands in the file beside.\n\n"
HEADS = ("setting", "sample", "commit", "mutants", "equivalent", UNIT, CLAIMS, "together")


def score_table(scores: list[dict[str, Any]]) -> Iterator[str]:
    """A row a sample and one of all together; shares are of the mutants that are not equivalent."""
    yield f"| {' | '.join(HEADS)} |"
    yield "|---" * len(HEADS) + "|"
    for score in scores:
        yield _row(score["setting"], score["seed"], score["commit"], score["mutants"])
    for seed in sorted({score["seed"] for score in scores}):
        yield _row(
            "all", seed, "", [mutant for score in scores if score["seed"] == seed for mutant in score["mutants"]]
        )


def _row(setting: str, seed: int, commit: str, mutants: list[dict[str, Any]]) -> str:
    real = [mutant for mutant in mutants if _change(mutant) not in EQUIVALENT]
    caught = [(mutant[UNIT], mutant[CLAIMS], mutant[UNIT] or mutant[CLAIMS]) for mutant in real]
    counts = [sum(by) for by in zip(*caught)] or [0, 0, 0]
    shares = " | ".join(f"{count} ({count / max(len(real), 1):.1%})" for count in counts)
    return f"| {setting} | {seed} | {commit} | {len(mutants)} | {len(mutants) - len(real)} | {shares} |"


def equivalents(scores: list[dict[str, Any]]) -> Iterator[str]:
    """The mutants that change nothing, with the argument."""
    seen = {_change(mutant) for score in scores for mutant in score["mutants"]}
    for change, why in EQUIVALENT.items():
        if change in seen:
            yield f"- `{change[0]}` to `{change[1]}`: {why}"


def _change(mutant: dict[str, Any]) -> tuple[str, ...]:
    """The line before and after, by which a mutant is known wherever it stands."""
    return tuple(line[1:].strip() for line in mutant["change"] if line[1:].strip())


if __name__ == "__main__":
    sys.exit(main())
