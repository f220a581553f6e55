"""Bounds and laws that are a little off are refused by the claims that judge them."""

from importlib import import_module

import numpy as np
import pytest

from theory.claims import FAILS, REGISTRY, Study, judge
from theory.imbalance import largest_weights, wide_starts, width
from theory.imbalance.tighter_rate import side

DISTANCE, PRODUCT = largest_weights.distance_from_limit, largest_weights.largest_product
WORST, BOUND, DEGREES = wide_starts.distance_from_extreme_start, width.distance_bound, wide_starts.product_degrees


def below_larger(above: np.ndarray, below: np.ndarray, product: np.ndarray) -> np.ndarray:
    return above + side(above + 1.1 * below, np.zeros_like(above), product) / 2


@pytest.mark.parametrize(
    ("id", "module", "name", "wrong"),
    [
        (
            "min2021.parameters_converge",
            largest_weights,
            "distance_from_limit",
            lambda *a, **k: 0.99 * DISTANCE(*a, **k),
        ),
        ("imbalance.largest_weights", largest_weights, "largest_product", lambda *a: 0.99 * PRODUCT(*a)),
        ("imbalance.largest_weights", largest_weights, "_larger_root", below_larger),
        ("min2021.lemma1", wide_starts, "product_degrees", lambda problem: DEGREES(problem) + problem.r),
        ("min2021.theorem2", width, "distance_bound", lambda *a: 0.99 * BOUND(*a)),
        ("min2021.theorem2", wide_starts, "distance_from_extreme_start", lambda *a: 1.001 * WORST(*a)),
    ],
)
def test_what_is_a_little_off_is_refused(monkeypatch, id, module, name, wrong) -> None:
    import_module(f"experiments.imbalance.{id.split('.')[1]}")
    monkeypatch.setattr(module, name, wrong)
    assert judge(REGISTRY[id], Study(id, "smoke")).verdict == FAILS
