"""The table of figures, and the claims found by reading the source."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from latex2mathml.converter import convert

import theory
from theory.catalogue import CATALOGUE
from theory.claims import OURS, REGISTRY
from theory.claims.parameters import at
from theory.claims.study import PROFILES
from theory.core.validation import InvalidArgument
from theory.harness.discovery import module_file, stated_claims
from theory.harness.statements import readable

STATED = stated_claims(CATALOGUE.packages)


@pytest.mark.parametrize("name", CATALOGUE.figures)
def test_figures_show_claims_that_are_stated(name: str) -> None:
    entry = CATALOGUE.figures[name]
    assert entry.claims and set(entry.claims) <= set(STATED)
    assert module_file(entry.module) is not None, f"{entry.module} is missing"


def test_every_judged_claim_is_in_a_figure() -> None:
    """Beside the picture of its checks, which any claim has: one that shows its theorem with its like."""
    verdicts = Path(theory.__file__).parents[1] / "figures" / "rendered" / "verdicts.json"
    judged = {claim["id"] for claim in json.loads(verdicts.read_text(encoding="utf-8"))["claims"]}
    assert judged <= {claim for entry in CATALOGUE.figures.values() for claim in entry.claims}


def test_claims_are_listed_as_they_are_registered() -> None:
    """Reading the source finds what importing it registers: ids, sources, modules."""
    known = stated_claims(CATALOGUE.packages)
    for module in {claim.module for claim in known.values()}:
        import_module(module)
    registered = [claim for claim in REGISTRY.values() if claim.module.startswith(CATALOGUE.packages)]
    assert {claim.id for claim in registered} == set(known)
    for claim in registered:
        stated = known[claim.id]
        assert (stated.source, stated.module, stated.accepts_data) == (claim.source, claim.module, claim.accepts_data)


def test_a_claim_is_found_from_its_id() -> None:
    """The stem of its file is part of its name, as whole words."""
    lost = [
        f"{claim.id} in {claim.file}"
        for claim in stated_claims(CATALOGUE.packages).values()
        if f"_{claim.file.stem}_" not in f"_{claim.id.split('.')[1]}_"
    ]
    assert not lost, "\n".join(lost)


STATED = stated_claims(CATALOGUE.packages)


@pytest.mark.parametrize("name", STATED)
def test_what_is_ours_is_named_for_its_setting(name: str) -> None:
    import_module(STATED[name].module)
    settings = [path.name for path in Path(theory.__file__).parent.iterdir() if path.is_dir()]
    assert REGISTRY[name].source_kind != OURS or name.split(".")[0] in settings


@pytest.mark.parametrize("name", STATED)
def test_statements_are_mathematics(name: str) -> None:
    """Each is parsed as LaTeX, with no command left over, and every character is one that can be seen."""
    import_module(STATED[name].module)
    statement = REGISTRY[name].statement
    assert statement.isprintable()
    assert "\\" not in convert(statement)
    assert "\\" not in readable(statement)


@pytest.mark.parametrize("profile", PROFILES)
def test_parameters_of_every_profile_are_allowed(profile: str) -> None:
    for name in STATED:
        import_module(STATED[name].module)
        kind = REGISTRY[name].parameters
        if kind is not None:
            at(kind, profile, {})


def test_claims_of_a_module() -> None:
    known = stated_claims(("toys",))
    assert known["toy.holds"] == ("toy.holds", "Toys, 1", "toys", Path("toys.py"), "regression")
    assert not known["toy.fails"].accepts_data
    with pytest.raises(InvalidArgument, match="package = no_such_setting: expected a module that is installed"):
        stated_claims(("no_such_setting",))


@pytest.mark.parametrize("command", ["verify", "reproduce"])
def test_listing_imports_nothing_heavy(command: str) -> None:
    code = (
        f"import sys; from theory.{command} import main; status = main(['--list']);"
        "heavy = {'numpy', 'scipy', 'sympy', 'torch', 'matplotlib', 'rich', 'joblib'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "min2021.theorem1" in done.stdout
