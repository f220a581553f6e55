"""Attacks on caps stay there, find what can be known, and refuse what has no cap."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.methods.cap_attack import CapAttack
from theory.core.validation import InvalidArgument

INPUTS = torch.tensor([[0.6, 0.0, 0.8], [0.0, -1.0, 0.0]], dtype=torch.float64)


@given(st.integers(0, 10**6), st.floats(0.01, 3), st.integers(1, 8), st.integers(0, 1), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_points_stay_in_their_caps(seed: int, radius: float, steps: int, kept: int, free: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 4, free + kept, generator=generator, dtype=torch.float64)
    w = torch.randn(free + kept, generator=generator, dtype=torch.float64)
    attack = CapAttack(radius, steps=steps, restarts=2, kept=kept)
    found = attack(lambda z: (z @ w).sin(), x, generator)
    assert torch.allclose(found.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(found[..., free:], x[..., free:])
    assert ((found - x).norm(dim=-1) <= radius * (1 + 1e-9)).all()
    assert ((found @ w).sin() >= (x @ w).sin()).all()


def test_a_linear_loss_is_raised_to_its_largest_value() -> None:
    """Along the great circle towards w: cos(theta - phi), the angle of the chord rho phi."""
    w = torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)
    found = CapAttack(0.3)(lambda z: z @ w, INPUTS)
    theta, phi = torch.arccos(INPUTS @ w), 2 * np.arcsin(0.15)
    assert torch.allclose(found @ w, torch.cos(theta - phi), rtol=0, atol=1e-14)


def test_restarts_leave_a_start_without_slope() -> None:
    def loss(z: torch.Tensor) -> torch.Tensor:
        return -(z * INPUTS).sum(-1)

    generator = torch.Generator().manual_seed(0)
    assert torch.equal(CapAttack(0.5)(loss, INPUTS), INPUTS)
    moved = CapAttack(0.5, restarts=2)(loss, INPUTS, generator)
    assert torch.allclose((moved - INPUTS).norm(dim=-1), torch.full((2,), 0.5, dtype=torch.float64))


def test_all_of_the_sphere_is_a_cap() -> None:
    found = CapAttack(100.0, steps=50)(lambda z: -z[..., 1], INPUTS + 1e-3)
    assert torch.allclose(found[..., 1], -(INPUTS + 1e-3).norm(dim=-1))


def test_networks_are_left_as_they_are() -> None:
    network = torch.nn.Linear(3, 1).double()
    before = [p.clone() for p in network.parameters()]
    with torch.no_grad():
        CapAttack(0.1)(lambda z: network(z).squeeze(-1), INPUTS)
    assert all(torch.equal(p, b) and p.grad is None for p, b in zip(network.parameters(), before))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CapAttack(0.0), "radius = 0.0: expected a finite number above 0"),
        (lambda: CapAttack(0.1, steps=0), "steps = 0: expected a whole number of at least 1"),
        (lambda: CapAttack(0.1, restarts=0), "restarts = 0: expected a whole number"),
        (lambda: CapAttack(0.1, kept=-1), "kept = -1: expected a number in"),
        (
            lambda: CapAttack(0.1, kept=2)(lambda z: z.sum(-1), INPUTS),
            "inputs = .*: expected floating point, 4 columns",
        ),
        (lambda: CapAttack(0.1)(lambda z: z.sum(-1), 0 * INPUTS), r"\|inputs\| = 0.0: expected inputs whose free"),
        (lambda: CapAttack(0.1)(lambda z: z.sum(), INPUTS), r"losses.shape = \(\): expected \(2,\), a loss a point"),
        (
            lambda: CapAttack(0.1)(lambda z: z[..., 0], INPUTS.int()),
            "inputs = torch.int32, .*: expected floating point",
        ),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
