"""What can be varied in the claims of this setting: what is refused, in a line, and a few that are judged elsewhere."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY, Evidence, Study, judge
from theory.claims.parameters import at, declared
from theory.claims.study import PROFILES
from theory.core.validation import InvalidArgument
from theory.harness.discovery import stated_claims
from theory.harness.settings import registered

MODULES = {
    "min2021": "",
    "min2022": "min2022.",
    "min2023": "min2023.",
    "imbalance": "",
}


def judged(id: str, given: Mapping[str, Any]) -> Evidence:
    paper, name = id.split(".")
    import_module(f"experiments.imbalance.{MODULES[paper]}{name}")
    at(REGISTRY[id].parameters, "smoke", given)  # type: ignore[arg-type]
    return judge(REGISTRY[id], Study(id, "smoke", given=given))


@pytest.mark.parametrize(
    ("id", "given", "said"),
    [
        ("min2021.theorem1", {"scales": (0.1,)}, r"scales = 1 numbers: expected a pair for each of at most 6 starts"),
        (
            "min2021.theorem1",
            {"learning_rate": 0.1},
            r"learning_rate = 0.1: expected at most 0\.0\d+, a sixth of where",
        ),
        (
            "min2021.theorem1",
            {"learning_rate": 1e-7},
            r"learning_rate = 1e-07: expected at most .* steps at these sizes",
        ),
        ("min2021.theorem1", {"scales": (1e-5, 1e-5)}, r"learning_rate = 0.0001: expected larger scales, or"),
        ("min2021.theorem2", {"widths": (1000,)}, r"widths = 1000: expected above h0 = .*, where the theorem applies"),
        ("min2021.theorem2", {"draws": 20, "delta": 0.3, "exponents": (0.5, 0.5)}, r"exponents = .* different ones"),
        ("min2021.theorem2", {"inputs": 5}, r"examples = 10: expected at most half of the inputs 5"),
        ("min2021.lemma1", {"inputs": 9}, r"inputs = 9: expected at least outputs \+ 8 = 10"),
        ("min2021.lemma1", {"draws": 20_000}, r"draws = 20000: expected at most \d+ of width 500"),
        ("min2021.theorem2", {"outputs": (2, 2)}, r"outputs = \(2, 2\): expected at most six different ones"),
        ("min2021.parameters_converge", {"targets": (0.1, 0.1)}, r"targets = .*: expected at most twelve different"),
        ("min2021.parameters_converge", {"targets": (0.5,)}, r"targets = 0.5: expected a number in \[0.001, 0.3\]"),
        ("imbalance.largest_weights", {"products": (0.5, 2.0)}, r"products = .*: expected different ones, and 1 among"),
        ("min2021.conservation", {"learning_rate": 0.1}, r"learning_rate = 0.1: expected at most 0\.00\d+ at these"),
        ("min2021.proposition1", {"steps": 100}, r"steps = 100: expected at least \d+ of 0.02, for the residual"),
        ("min2021.proposition1", {"width": 12}, r"width = 12: expected above examples \+ outputs = 12"),
        (
            "min2021.ntk_rescaling",
            {"learning_rate": 0.9},
            r"learning_rate = 0.9: expected at most 0\.\d+ at this width",
        ),
        ("imbalance.compression", {"learning_rate": 1.0}, r"learning_rate = 1.0: expected at most 0\.\d+, up to where"),
        ("imbalance.riccati_solution", {"eigenvalues": (0.01,)}, r"eigenvalues = .*one of them of size 0.1 at least"),
        ("imbalance.scalar_solution", {"widths": (2, 2)}, r"widths = \(2, 2\): expected at most six different ones"),
        ("imbalance.wide_limit", {"widths": (1000, 2000, 3000)}, r"widths = .*the largest at least a hundred times"),
        ("imbalance.width_law", {"widths": (10,)}, r"widths = \(10,\): expected above the examples 10"),
        ("min2022.theorem3", {"scales": (1.0,)}, r"scales = \(1.0,\): expected two numbers, of U and of V"),
        ("min2022.equation22", {"width": 2}, r"learning_rate = 0.008: expected at most .* near the target"),
        ("min2023.theorem2", {"widths": (2, 2, 3, 1)}, r"widths = .*hidden layers of at least n \+ m = 3"),
        ("min2023.theorem3", {"depths": (2, 2)}, r"depths = \(2, 2\): expected different ones"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(id: str, given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refusal:
        judged(id, given)
    assert "\n" not in str(refusal.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("id", "given"),
    [
        ("min2021.theorem1", {"width": 7}),
        ("min2021.theorem1", {"width": 20_000, "scales": (0.01, 0.003), "learning_rate": 1e-3}),
        ("min2021.theorem1", {"scales": (1.0, 1.0, 5.0, 0.1), "time": 1.0}),
        ("min2021.lemma1", {"exponents": (0.3,), "delta": 0.3, "outputs": 1}),
        ("min2021.lemma1", {"inputs": 40, "outputs": 1, "delta": 1e-6, "draws": 20}),
        ("min2021.theorem2", {"exponents": (0.45,), "outputs": (1, 60), "unseen": 3000, "targets": 0.9}),
        ("min2021.parameters_converge", {"rank": 1, "outputs": 1, "targets": (0.2,), "singular_value": 0.3}),
        ("min2021.parameters_converge", {"rank": 6, "outputs": 4, "runs": 1, "end": 30.0}),
        ("imbalance.largest_weights", {"products": (1.0, 8.0), "length": 3.0, "singular_value": 4.0, "runs": 2}),
        ("min2022.corollary4", {"scales": (1e-3, 1e3)}),
        ("min2022.lemma8", {"above": 100.0}),
        ("min2022.proposition14", {"above": 0.01, "below": 0.01}),
        ("min2022.equation22", {"time": 5.0}),
        ("min2023.conservation", {"widths": (3, 12, 12, 1), "step": 0.3}),
        ("min2023.theorem3", {"gap": 100.0, "depths": (4,)}),
    ],
)
def test_elsewhere_it_holds(id: str, given: Mapping[str, Any]) -> None:
    evidence = judged(id, given)
    assert evidence.verdict.startswith("holds"), [check for check in evidence.checks if not check]
    assert evidence.given == tuple(given)


def test_large_networks_are_trained_compressed_and_say_so() -> None:
    explicit = judged("min2021.theorem1", {"width": 200})
    compressed = judged("min2021.theorem1", {"width": 20_000, "learning_rate": 2e-5})
    route = "start: |grad L|^2 on X and Y as they are"
    assert route not in {check.label for check in explicit.checks}
    assert route in {check.label for check in compressed.checks}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_within_its_own_ranges(profile: str) -> None:
    for claim in stated_claims(("experiments.imbalance",)).values():
        kind = registered(claim).parameters
        assert kind is not None, claim.id
        own = {name: parameter.values[profile] for name, parameter in declared(kind).items()}
        at(kind, profile, own)
