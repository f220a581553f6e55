"""Claims on sums of powers at other sizes: they hold, or say so."""

from typing import Any

import pytest

from experiments.tensor import (
    coupons,
    lazy_limit,
    lazy_training,
    low_rank_targets,
    power_method,
    stuck,
    stuck_points,
    tangent_space,
)
from theory.claims import VERDICTS, Study, judge


@pytest.mark.parametrize(
    ("claim", "given"),
    [
        (coupons.components_find_terms_like_coupons, {"orders": (5,), "inputs": (6,), "terms": 2, "components": 4}),
        (lazy_limit.scaled_models_tend_to_the_tangent_space, {"order": 4, "inputs": 4, "components": 3}),
        (lazy_training.lazy_training_fits_a_share, {"orders": (5,), "inputs": (3,), "shares": (0.5,)}),
        (low_rank_targets.low_rank_does_not_help, {"orders": (5,), "inputs": (3,), "terms": 2}),
        (power_method.tiny_components_run_power_methods, {"orders": (5,), "inputs": 3, "terms": 1}),
        (stuck.as_many_components_as_terms_get_stuck, {"orders": (4,), "inputs": (8,), "terms": 2}),
        (stuck_points.stuck_points_are_no_minima, {"inputs": 9}),
        (tangent_space.dimension_of_the_tangent_space, {"orders": (6,), "inputs": (3,)}),
    ],
    ids=lambda each: each.id if hasattr(each, "id") else "",
)
def test_other_sizes(claim: Any, given: dict[str, Any]) -> None:
    evidence = judge(claim, Study(claim.id, "smoke", given=given))
    assert VERDICTS[evidence.verdict] == 0, [check.label for check in evidence.checks if not check]
