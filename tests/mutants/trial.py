"""Try one mutant: `python tests/mutants/trial.py "unit tests" imbalance`, on a tree in which one formula is changed.

What is likeliest to catch it comes first, and the first that does ends the trial: of the unit tests those of the
mutated module, of the claims the quickest; claims that do not import the module cannot tell, and are left out.
"""

import json
import resource
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from theory.catalogue import CATALOGUE
from theory.harness.discovery import stated_claims
from theory.harness.fingerprint import dependencies

UNIT, CLAIMS = "unit tests", "claims"
SECONDS = {UNIT: 300, CLAIMS: 300}  # of one core, after which a mutant counts as caught: it made a loop endless
SMOKE = Path("figures/rendered/smoke.json")


def main(suite: str, setting: str) -> int:
    """Exit status of pytest: 0 if nothing caught the mutant."""
    changed = subprocess.run(["git", "diff", "--name-only", "theory"], check=True, capture_output=True, text=True)
    modules = [file.removesuffix(".py").replace("/", ".") for file in changed.stdout.split()]
    tests = unit_tests(setting, modules) if suite == UNIT else claims(setting, modules)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS[suite],) * 2)  # a process's own, whatever else the machine does
    return subprocess.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]).returncode


def unit_tests(setting: str, modules: list[str]) -> list[str]:
    """Files of the setting's unit tests, those of the mutated modules first."""
    folders = [Path("tests") / place / setting for place in ("theory", "experiments", "experiments/methods")]
    files = sorted(file for folder in folders for file in folder.rglob("test_*.py"))
    names = [module.rpartition(".")[2] for module in modules]
    files.sort(key=lambda file: not any(name in file.stem for name in names))
    return [str(file) for file in files]


def claims(setting: str, modules: list[str]) -> list[str]:
    """The setting's claims that import a mutated module (all, if there is none), the quickest first."""
    seconds = {claim["id"]: claim["seconds"] for claim in json.loads(SMOKE.read_text(encoding="utf-8"))["claims"]}
    stated = [c for c in stated_claims(CATALOGUE.packages).values() if fnmatch(str(c.file), f"*/{setting}/*")]
    own = [c.id for c in stated if not modules or set(modules) & set(dependencies(c.module))]
    own.sort(key=lambda name: seconds.get(name, 0.0))
    return [f"tests/test_claims.py::test_the_claim_holds[{name}]" for name in own]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
