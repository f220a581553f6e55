"""Claims on two-layer networks at other sizes: they hold, or say so."""

import pytest

from experiments.kernel import longest_step, near_parallel, residual_at_start, theorem_3_1, theorem_3_2
from theory.claims import VERDICTS, Study, judge


@pytest.mark.parametrize("claim", [
    longest_step.steps_may_be_nearly_as_long_as_stability_allows,
    near_parallel.least_eigenvalue_falls_like_the_angle,
    residual_at_start.outputs_before_training,
    theorem_3_1.kernel_at_infinite_width,
    theorem_3_2.loss_falls_at_least_exponentially,
], ids=lambda claim: claim.id)  # fmt: skip
@pytest.mark.parametrize("sizes", [{"examples": 4, "inputs": 12}, {"examples": 12, "inputs": 4}])
def test_other_sizes(claim, sizes) -> None:
    evidence = judge(claim, Study(claim.id, "smoke", given=sizes))
    assert VERDICTS[evidence.verdict] == 0, [check.label for check in evidence.checks if not check]
