"""Parameters of the claims on sampled weights: what is refused, and that claims hold away from their own."""

import re
from typing import Any

import pytest

from experiments.weight_sampling import any_method, faster, networks, reshuffling, restart, up_moves, variances
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

ALL = {
    "weight_sampling.variances": variances.Sampling,
    "weight_sampling.any_method": any_method.Methods,
    "weight_sampling.restart": restart.Epochs,
    "weight_sampling.up_moves": up_moves.Chains,
    "weight_sampling.reshuffling": reshuffling.Examples,
    "tripathi2019.less_volatile": networks.Regression,
    "tripathi2019.faster": faster.Ends,
}


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (variances.Sampling, {"learning_rate": 0.3}, "learning_rate = 0.3: expected below 2 / 9.1"),
        (variances.Sampling, {"samples": (1,)}, "samples = (1,): expected 2 or more among them"),
        (variances.Sampling, {"learning_rate": 1e-3}, "samples x periods = 384: expected 4000 steps at most"),
        (any_method.Methods, {"smallest": 3.0}, "smallest = 3.0: expected at most the largest 1.9"),
        (any_method.Methods, {"learning_rate": 0.5}, "learning_rate = 0.5: expected at most 1.3 / "),
        (any_method.Methods, {"learning_rate": 0.01}, "4 x averaged = 400: expected 3000 steps at most"),
        (restart.Epochs, {"learning_rate": 0.5}, "learning_rate = 0.5: expected below 1 / 3.1"),
        (restart.Epochs, {"curvatures": (3.0,)}, "curvatures = (3.0,): expected one of at most 1 / "),
        (restart.Epochs, {"epochs": 150}, "epochs = 150: expected at most 100 of 40 steps each"),
        (up_moves.Chains, {"curvature": 20.0}, "expected a number in [0.02, 0.5]: epochs that forget"),
        (up_moves.Chains, {"samples": 20}, "period x samples = 80: expected an epoch that keeps 0.45 to 0.98"),
        (reshuffling.Examples, {"learning_rate": 1.0}, "learning_rate x curvature = 0.8: expected"),
        (reshuffling.Examples, {"examples": 4}, "examples = 4: expected 4 or more"),
        (networks.Regression, {"batch": 7}, "examples = 256: expected a multiple of batch x samples = 56"),
        (networks.Regression, {"batch": 32}, "examples / batch = 8: expected 16 steps an epoch or more"),
        (
            networks.Regression,
            {"runs": 500, "width": 48, "inputs": 24, "examples": 512, "epochs": 100},
            ": expected 2e10 at most",
        ),
    ],
)
def test_what_does_not_fit_is_named(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "quick", given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("weight_sampling.variances", {"curvatures": (15.0, 2.0), "runs": 5000}),
        ("weight_sampling.restart", {"samples": 2, "epochs": 5}),
        ("weight_sampling.restart", {"period": 1}),
        ("weight_sampling.any_method", {"averaged": 30, "momentum": 0.4}),
        ("weight_sampling.reshuffling", {"examples": 10, "epochs": 2}),
    ],
)
def test_claims_hold_away_from_their_own_values(name: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[name], Study(name, "smoke", 5, given=given))
    assert evidence.verdict.startswith("holds")
