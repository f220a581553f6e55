"""Parameters of the claims between lazy and rich: what is refused, and that they hold elsewhere."""

from collections.abc import Mapping
from typing import Any

import pytest

from experiments.imbalance import kernel_of_product, minimal_model, mixed_regime
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (minimal_model.Starts, {"imbalances": (1.0,)}, r"imbalances = .*, of which one is 2 or more"),
        (minimal_model.Starts, {"shown": (50.0,)}, r"shown = 50.0: expected a number in \[-40, 40\]"),
        (kernel_of_product.Imbalances, {"imbalances": (0.1,)}, r"imbalances = .*one of size 0.3 at least"),
        (mixed_regime.Lengths, {"lengths": (0.5, 2.0)}, r"lengths = .*: expected different ones, from 0.1 at most"),
        (
            mixed_regime.Lengths,
            {"widths": (10**4, 2 * 10**4, 3 * 10**4)},
            r"widths = .*the largest at least a hundred times",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refusal:
        at(kind, "smoke", given)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("id", "given"),
    [
        ("imbalance.minimal_model", {"imbalances": (2.0, -6.0), "inputs": 2, "crossings": 2, "shown": (0.0,)}),
        ("imbalance.kernel_of_product", {"imbalances": (-1.5,), "largest": 24.0}),
        ("imbalance.mixed_regime", {"lengths": (0.1, 1.0), "length": 1.0, "shown": (1000,)}),
    ],
)
def test_claims_hold_away_from_their_own_parameters(id: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[id], Study(id, "smoke", given=given))
    assert evidence.verdict == "holds", [check for check in evidence.checks if not check]
