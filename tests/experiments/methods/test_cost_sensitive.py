"""Losses for unequal gains: against torch's own, differences, states, wrong uses, and recalls that become equal."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from experiments.methods.cost_sensitive import HybridLoss, LeastCoverage, WorstCaseRecall
from theory.core.validation import InvalidArgument

seeds = st.integers(0, 10**6)


def drawn(seed: int, K: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    gains = torch.rand(K, K, generator=generator, dtype=torch.float64) + 0.05
    logits = torch.randn(6, K, generator=generator, dtype=torch.float64)
    return gains, logits, torch.randint(K, (6,), generator=generator)


@given(seeds)
def test_of_diagonal_gains_it_is_logit_adjustment(seed: int) -> None:
    gains, logits, y = drawn(seed)
    diagonal = torch.diag(torch.diagonal(gains))
    expected = functional.cross_entropy(logits - torch.diagonal(gains).log(), y)
    assert HybridLoss(diagonal)(logits, y).item() == pytest.approx(expected.item())
    weighted = functional.cross_entropy(logits, y, weight=torch.diagonal(gains), reduction="sum")
    one = torch.ones(len(gains), dtype=torch.float64)
    assert HybridLoss(diagonal, one, reduction="sum")(logits, y).item() == pytest.approx(weighted.item())


@given(seeds)
def test_probabilities_that_are_sure_are_labels(seed: int) -> None:
    gains, logits, y = drawn(seed)
    loss = HybridLoss(gains, reduction="none")
    sure = functional.one_hot(y, len(gains)).double()
    assert torch.allclose(loss(logits, y), loss(logits, sure))
    assert loss(logits.reshape(2, 3, -1), y.reshape(2, 3)).shape == (2, 3)


def test_it_is_least_where_labels_earn_most() -> None:
    gains, _, _ = drawn(3)
    eta = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    loss = HybridLoss(gains)
    logits = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(logits, eta)
        value.backward()
        return value

    optimizer.step(closure)
    away = logits.detach() - (eta @ gains).log()
    assert torch.allclose(away, away.mean().expand(4), atol=1e-4)


def test_recalls_become_equal() -> None:
    """Of a recall that grows with its weight the multipliers find equality."""
    priors = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    method = WorstCaseRecall(priors, step=2.0)
    for _ in range(300):
        recalls = method.weights / (method.weights + torch.tensor([0.1, 0.3, 0.5]))
        method.update(recalls)
    assert recalls.max() - recalls.min() < 1e-6 and method.weights.sum().item() == pytest.approx(1)
    assert torch.equal(torch.diagonal(method.gains), method.weights / priors)


def test_multipliers_grow_where_coverage_is_short_and_nowhere_below_zero() -> None:
    method = LeastCoverage(torch.tensor([0.5, 0.5]), 0.4, step=0.5)
    method.update(torch.tensor([0.9, 0.1]))
    assert torch.allclose(method.multipliers, torch.tensor([0.0, 0.15]))
    assert torch.allclose(method.gains, torch.tensor([[1.0, 0.15], [0.0, 1.15]]))


def test_gains_are_part_of_the_state() -> None:
    gains, logits, y = drawn(1)
    one, other = HybridLoss(gains), HybridLoss(torch.eye(4, dtype=torch.float64))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(logits, y), other(logits, y))
    other.set_gains(torch.eye(4, dtype=torch.float64))
    assert other(logits, y).item() == pytest.approx(functional.cross_entropy(logits, y).item())
    single = HybridLoss(gains.float())(logits.float(), y)
    assert single.dtype == torch.float32


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"gains.shape = \(2, 3\): expected \(K, K\)"):
        HybridLoss(torch.ones(2, 3))
    with pytest.raises(InvalidArgument, match="gains = a matrix with a negative or non-finite entry"):
        HybridLoss(-torch.eye(2))
    with pytest.raises(InvalidArgument, match=r"scale = \[0.0, 0.0\]: expected 2 positive numbers"):
        HybridLoss(torch.ones(2, 2) - torch.eye(2))
    with pytest.raises(InvalidArgument, match="reduction = 'average': expected one of mean, sum, none"):
        HybridLoss(torch.eye(2), reduction="average")
    with pytest.raises(InvalidArgument, match="gains = Tensor: expected a tensor of floating-point numbers"):
        HybridLoss(torch.eye(2, dtype=torch.long))
    loss = HybridLoss(torch.eye(2))
    with pytest.raises(InvalidArgument, match=r"logits.shape = \(3, 5\): expected \(..., 2\)"):
        loss(torch.zeros(3, 5), torch.zeros(3, dtype=torch.long))
    with pytest.raises(InvalidArgument, match=r"labels.shape = \(3, 3\): expected \(3, 2\), as the logits"):
        loss(torch.zeros(3, 2), torch.ones(3, 3) / 3)
    with pytest.raises(InvalidArgument, match=r"labels.shape = \(3, 1\): expected \(3,\)"):
        loss(torch.zeros(3, 2), torch.zeros(3, 1, dtype=torch.long))
    with pytest.raises(InvalidArgument, match=r"priors = \[1.0, 0.0\]: expected positive numbers"):
        WorstCaseRecall(torch.tensor([1.0, 0.0]))
    with pytest.raises(InvalidArgument, match=r"priors = \[1, 1\]: expected floating-point numbers: frequencies"):
        WorstCaseRecall(torch.tensor([1, 1]))
    with pytest.raises(InvalidArgument, match=r"priors.shape = \(1,\): expected \(K,\)"):
        WorstCaseRecall(torch.ones(1))
    with pytest.raises(InvalidArgument, match="recalls = "):
        WorstCaseRecall(torch.tensor([0.5, 0.5])).update(torch.tensor([1.5, 0.0]))
    with pytest.raises(InvalidArgument, match=r"least = 0.5: expected a number in \(0, 0.5\)"):
        LeastCoverage(torch.tensor([0.5, 0.5]), 0.5)
