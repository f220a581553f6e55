"""Training against a flow with kinks: errors of first order are removed, and a wrong flow is not forgiven."""

import numpy as np

from experiments.shallow.kinks import missed, tends_to_kinked

T, RUNS = 9, 40


def trained(flow: np.ndarray) -> list[np.ndarray]:
    """The flow with an error of first order, and one of second order whose size no two learning rates share."""
    rng = np.random.default_rng(0)
    slope = rng.standard_normal(flow.shape)
    return [flow + eta * slope + eta**2 * rng.uniform(0, 1, flow.shape) for eta in (0.1, 0.05, 0.025)]


def test_what_tends_to_the_flow_passes() -> None:
    flow = np.random.default_rng(1).standard_normal((T, RUNS, 3))
    checks = list(tends_to_kinked("weights", trained(flow), flow, case="both"))
    assert [check.label for check in checks] == [
        "both: weights, order in the learning rate",
        "both: weights, learning rate 0",
    ]
    assert all(check.passed for check in checks)


def test_what_tends_to_another_does_not() -> None:
    flow = np.random.default_rng(1).standard_normal((T, RUNS, 3))
    values = trained(flow)
    assert not any(check.passed for check in tends_to_kinked("weights", values, flow + 0.02))
    assert missed("weights", values, flow + 0.02).control("off by 0.02").equals(0).passed
