"""Parameters at the edges of their ranges: what fits no law is refused in a line, and the rest holds."""

import re
from typing import Any

import pytest

from experiments.adversarial import coupling
from experiments.deep_linear import saddle_to_saddle
from experiments.generalisation import log_loss
from experiments.homogeneous import weight_normalisation
from experiments.kernel import gram_deviation, theorem_4_1
from experiments.shallow import rescaling
from experiments.tensor import coupons
from experiments.weight_sampling import variances
from theory.claims import Claim, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (coupling.Draws, {"widths": (40, 40)}, "widths = (40, 40): expected different ones"),
        (gram_deviation.Draws, {"widths": (4, 4)}, "widths = (4, 4): expected different ones"),
        (gram_deviation.Draws, {"slope_widths": (7,)}, "slope_widths = (7,): expected different ones, two at least"),
        (log_loss.Training, {"angles": (1.2, 1.2)}, "angles = (1.2, 1.2): expected two different ones or more"),
        (coupons.Sizes, {"orders": (3, 3)}, "orders = (3, 3): expected different ones"),
        (theorem_4_1.Runs, {"widths": (4, 4)}, "widths = (4, 4): expected different ones"),
        (variances.Sampling, {"curvatures": (0.6, 0.6)}, "curvatures = (0.6, 0.6): expected different ones"),
        (variances.Sampling, {"periods": (1, 1)}, "periods = (1, 1): expected different ones"),
        (variances.Sampling, {"momentum": (0.5, 0.5)}, "momentum = (0.5, 0.5): expected different ones"),
        (rescaling.Rescaled, {"shares": (1.0, 1.1, 1.2)}, "shares = (1.0, 1.1, 1.2): expected the largest a quarter"),
        (saddle_to_saddle.Saddles, {"start": 1e-12}, "start = 1e-12: expected at most a millionth of the least of the"),
    ],
)
def test_what_does_not_fit_is_named(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "quick", given)


@pytest.mark.parametrize(
    ("claim", "seed", "given"),
    [
        # A path that is unstable for a while parts from a rounding by a hundred thousand times as much.
        (weight_normalisation.weight_normalisation_descends_on_spheres, 5, {"steps": 200}),
        (weight_normalisation.weight_normalisation_descends_on_spheres, 3, {"examples": 100}),
        # What rounding of the modes that are learned leaves of a later one's start.
        (saddle_to_saddle.modes_are_learned_from_saddle_to_saddle, 3, {"start": 1e-16}),
    ],
)
def test_it_holds_there(claim: Claim, seed: int, given: dict[str, Any]) -> None:
    evidence = judge(claim, Study(claim.id, "smoke", seed=seed, given=given))
    assert [check.label for check in evidence.checks if not check] == []
