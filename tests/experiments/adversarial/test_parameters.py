"""Claims on adversarial training at other sizes: they hold, or say so."""

import pytest

from experiments.adversarial import (
    coupling,
    floor,
    pseudo_kernel,
    regret,
    sampling_error,
    separation,
    step_degree,
    step_function,
    theorem_4_1,
)
from theory.claims import VERDICTS, Study, judge

CASES = [
    (separation.what_lies_between_two_caps, {"dimensions": (3, 200), "pairs": 5}),
    (coupling.how_far_networks_are_from_linear, {"reach": 3.0, "inputs": 12, "widths": (50, 2000)}),
    (pseudo_kernel.which_functions_are_in_the_space, {"inputs": 2, "points": 3, "width": 64}),
    (sampling_error.random_neurons_add_noise_by_a_law, {"widths": (20,), "slack": 0.5, "examples": 5}),
    (step_degree.how_many_degrees_a_step_takes, {"delta": 1.2, "rho": 0.2}),
    (floor.what_loss_is_left_where_caps_touch, {"rho": 0.4, "width": 64, "runs": 1, "steps": 300}),
    (regret.no_adversary_makes_much_regret, {"rho": 0.1, "examples": 2, "steps": 40, "width": 64}),
    (
        theorem_4_1.adversarial_training_reaches_a_low_robust_loss,
        {"rho": 0.3, "examples": 2, "widths": (8,), "runs": 2},
    ),
    (step_function.networks_near_their_start_are_steps, {"examples": 2, "rho": 0.3, "slack": 0.3}),
]


@pytest.mark.parametrize(("claim", "sizes"), CASES, ids=lambda case: getattr(case, "id", ""))
def test_other_sizes(claim, sizes) -> None:
    evidence = judge(claim, Study(claim.id, "smoke", given=sizes))
    assert VERDICTS[evidence.verdict] == 0, [check.label for check in evidence.checks if not check]
