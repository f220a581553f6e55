"""Each theorem on runs where it holds, to what share, and on runs where it cannot."""

import re

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, soft_margin_loss
from torch.nn.utils.parametrizations import orthogonal, weight_norm
from torch.optim import SGD, Adam

from experiments.methods.orthogonal import orthogonalise
from experiments.watch import Watch
from theory.claims import Check
from watched_runs import Loss, data, found, in_words, mlp, train, watched

FINE = 1e-6  # what double precision resolves of these laws, at least


def half_squares(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 0.5 * (f - y).square().sum()


def checks(watch: Watch, id: str) -> tuple[Check, ...]:
    evidence = found(watch, id).evidence
    assert evidence is not None, found(watch, id).finding.unmet
    return evidence.checks


def hold(watch: Watch, id: str, to: float = FINE) -> bool:
    own = checks(watch, id)
    return all(check.passed and check.resolution <= to for check in own)


RULES = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.4, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch", [None, 5])
def test_balance_of_every_rule_and_batch(rule: dict[str, float], batch: int | None) -> None:
    network = mlp(4, 6, 5, 2, bias=True)
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05, **rule), 30, batch=batch)
    assert hold(watch, "balance")


def test_balance_of_linear_layers_is_one_of_matrices() -> None:
    network = mlp(4, 6, 5, 2, between=None)
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 30)
    assert hold(watch, "balance")
    assert {check.case for check in checks(watch, "balance")} == {
        f"layer {l} and layer {l + 1}, {law}" for l in (1, 2) for law in ("units", "matrix")
    }


def test_balance_of_layers_with_rates_of_their_own() -> None:
    network = mlp(4, 6, 2, bias=True)
    groups = [{"params": network[0].parameters(), "lr": 0.1}, {"params": network[2].parameters(), "lr": 0.01}]
    assert hold(watched(network, mse_loss, data(20, 4, 2), SGD(groups, lr=0.1), 30), "balance")


@pytest.mark.parametrize("factor", [1.001, 0.99, 1.05])
def test_a_gradient_that_is_one_layers_alone_is_off(factor: float) -> None:
    network = mlp(4, 6, 2)
    network[2].weight.register_hook(lambda g: factor * g)
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 30)
    assert in_words(watch, "balance") == "fails"
    assert "the law of a step is broken at layer 1 and layer 2" in watch.verdict()


def test_why_there_is_no_balance() -> None:
    network = mlp(4, 6, 2)
    watch = watched(network, mse_loss, data(20, 4, 2), Adam(network.parameters(), lr=0.05), 5)
    assert in_words(watch, "balance") == "Adam does not conserve it"
    network = mlp(4, 6, 2, between=nn.Tanh)
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 5)
    assert in_words(watch, "balance") == "layer 1 is followed by tanh"


@pytest.mark.parametrize("loss", [mse_loss, half_squares])
@pytest.mark.parametrize("widths", [(4, 9, 2), (4, 9, 8, 2)])
def test_rates_of_linear_layers(loss: Loss, widths: tuple[int, ...]) -> None:
    """Whatever the loss is multiplied by: a mean of 40 numbers, or half of a sum."""
    network = mlp(*widths, between=None)
    with torch.no_grad():
        network[0].weight.mul_(2)
    rate = 0.05 if loss is mse_loss else 0.001
    watch = watched(network, loss, data(20, 4, 2), SGD(network.parameters(), lr=rate), 100)
    closed, *bounds = checks(watch, "imbalance_rate")
    assert closed.passed and closed.resolution <= FINE
    assert bounds and all(check.passed and check.kind == "at_least" for check in bounds)
    assert hold(watch, "descent", to=0.05)
    assert in_words(watch, "balance").startswith("holds")


def test_a_rate_is_not_for_deeper_ones_or_other_losses() -> None:
    network = mlp(4, 5, 5, 5, 2, between=None)
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 3)
    assert in_words(watch, "imbalance_rate") == "it has 4 layers, not 2 or 3"
    network = mlp(4, 5, 2, between=None)
    watch = watched(network, nn.functional.l1_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 3)
    assert in_words(watch, "imbalance_rate") == "the loss is another, not squared"
    network = mlp(4, 5, 2, between=None)
    watch = watched(network, mse_loss, data(200, 4, 2), SGD(network.parameters(), lr=0.05), 3, batch=5)
    assert in_words(watch, "imbalance_rate").startswith(
        "looks take 128 of 200 examples: steps are not along the gradient"
    )


@pytest.mark.parametrize("rule", RULES)
def test_what_the_data_do_not_see(rule: dict[str, float]) -> None:
    network = mlp(12, 6, 2, between=None)
    watch = watched(network, mse_loss, data(5, 12, 2), SGD(network.parameters(), lr=0.1, **rule), 200, batch=3)
    assert hold(watch, "minimum_norm")


def test_the_distance_is_the_unseen_part_once_fitted() -> None:
    network = mlp(12, 6, 2, between=None)
    watch = watched(network, half_squares, data(5, 12, 2), SGD(network.parameters(), lr=0.03), 800)
    row = found(watch, "minimum_norm").observer.rows[-1]
    assert row["distance"] == pytest.approx(row["unseen"], rel=1e-6)
    assert row["unseen"] == pytest.approx(row["from start"], rel=1e-9) and row["unseen"] > 0.1


def test_noise_moves_what_the_data_do_not_see() -> None:
    network = mlp(12, 6, 2, between=None)
    network[0].weight.register_hook(lambda g: g + 1e-3 * torch.randn_like(g))
    watch = watched(network, mse_loss, data(5, 12, 2), SGD(network.parameters(), lr=0.1), 30)
    assert in_words(watch, "minimum_norm") == "fails"
    network = mlp(4, 6, 2, between=None)
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.1), 3)
    assert in_words(watch, "minimum_norm").startswith("the examples see all 4 inputs")


@pytest.mark.parametrize("name", ["exponential", "logistic", "cross-entropy"])
def test_margins_grow_below_the_threshold(name: str) -> None:
    X, _ = data(15, 6, 1)
    signs = torch.sign(X[:, :1] + 0.2)
    losses = {
        "exponential": (lambda f, y: torch.exp(-f * y).sum(), signs, 1),
        "logistic": (soft_margin_loss, signs, 1),
        "cross-entropy": (cross_entropy, (X[:, 0] > 0).long() + (X[:, 1] > 0).long(), 3),
    }
    loss, targets, m = losses[name]
    network = mlp(6, 12, 8, m)
    rate = 0.02 if name == "exponential" else 1.0
    watch = watched(network, loss, (X, targets), SGD(network.parameters(), lr=rate), 700)
    growth, least, margin = checks(watch, "margin")
    assert growth.passed and growth.resolution <= FINE
    assert least.passed and margin.passed
    record = found(watch, "margin").finding
    assert "degree 3" in record.predicted and "margin" in record.measured


def test_what_is_not_homogeneous_has_no_margin() -> None:
    X, _ = data(15, 6, 1)
    network = mlp(6, 4, 1, bias=True)
    watch = watched(network, soft_margin_loss, (X, torch.sign(X[:, :1])), SGD(network.parameters(), lr=0.1), 3)
    assert in_words(watch, "margin") == "layer 2 has a bias"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["batch", "weight"])
def test_norms_of_normalised_weights(rule: dict[str, float], kind: str) -> None:
    torch.manual_seed(0)
    first = nn.Linear(4, 6, bias=False)
    layers = [first, nn.BatchNorm1d(6)] if kind == "batch" else [weight_norm(first)]
    network = nn.Sequential(*layers, nn.ReLU(), nn.Linear(6, 2)).double()
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05, **rule), 30, batch=10)
    # eps = 1e-5 of a variance of about 0.3 is what batch normalisation is off by, and more on mini-batches.
    assert hold(watch, "scale_invariance", to=0.02 if kind == "batch" else FINE)


def test_a_norm_on_which_the_loss_depends_changes_by_more() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6, eps=1e-9), nn.ReLU(), nn.Linear(6, 2)
    ).double()
    network[0].weight.register_hook(lambda g: g + 0.1 * network[0].weight.detach())
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 30)
    assert in_words(watch, "scale_invariance") == "fails"


def test_weights_rest_where_decay_and_steps_balance() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2)).double()
    optimizer = SGD(network.parameters(), lr=0.1, weight_decay=0.05)
    watch = watched(network, mse_loss, data(20, 4, 2), optimizer, 300, batch=4)
    assert re.search(r"\|w\| to rest near \d", found(watch, "scale_invariance").finding.predicted)


def test_layers_that_are_orthogonal_by_construction() -> None:
    torch.manual_seed(0)
    double = {"dtype": torch.float64}  # from the start: what is orthogonal in single precision stays that
    first, second, last = orthogonal(nn.Linear(6, 6, **double)), nn.Linear(6, 5, **double), nn.Linear(5, 2, **double)
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
    orthogonalise(network[2], "cayley")
    trained = [p for p in network.parameters() if p.requires_grad]
    watch = watched(network, mse_loss, data(20, 6, 2), Adam(trained, lr=0.05), 30)
    assert hold(watch, "orthogonality")


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_sharpness_is_the_largest_eigenvalue(activation: type[nn.Module]) -> None:
    network, (X, Y) = mlp(3, 4, 2, between=activation), data(20, 3, 2)
    watch = watched(network, mse_loss, (X, Y), SGD(network.parameters(), lr=0.05), 60)
    named = dict(network.named_parameters())

    def loss(*weights: torch.Tensor) -> torch.Tensor:
        return mse_loss(torch.func.functional_call(network, dict(zip(named, weights)), (X,)), Y)

    blocks = torch.autograd.functional.hessian(loss, tuple(p.detach() for p in named.values()))
    sizes = [p.numel() for p in named.values()]
    H = torch.cat([torch.cat([b.reshape(n, m) for b, m in zip(row, sizes)], 1) for row, n in zip(blocks, sizes)])
    watch.verdict()
    row = found(watch, "sharpness").observer.rows[-1]
    exact = float(torch.linalg.eigvalsh(H)[-1])
    assert abs(row["sharpness"] - exact) <= row["residual"] + 1e-9
    assert row["sharpness"] == pytest.approx(exact, rel=0.02)


def test_small_starts_are_not_lazy_and_large_outputs_are() -> None:
    moved = {}
    for scale in (1.0, 100.0):
        network, (X, Y) = mlp(3, 200, 1), data(10, 3, 1)

        def scaled(f: torch.Tensor, y: torch.Tensor, scale: float = scale) -> torch.Tensor:
            return mse_loss(scale * f, y) / scale**2

        watch = watched(network, scaled, (X, Y), SGD(network.parameters(), lr=0.05), 100)
        moved[scale] = found(watch, "lazy")
    assert moved[100.0].observer.rows[-1]["kernel"] < 0.5 * moved[1.0].observer.rows[-1]["kernel"]


def test_the_end_to_end_matrix() -> None:
    network = mlp(4, 6, 2, between=None)
    watch = watched(network, half_squares, data(20, 4, 2), SGD(network.parameters(), lr=0.02), 500)
    one = found(watch, "spectrum")
    assert one.observer.rows[-1]["sigma"] == pytest.approx(one.observer.least_squares, rel=1e-3)


def test_energy_is_that_of_the_theory() -> None:
    from theory.orthogonal import energy

    network = mlp(4, 6, 2, bias=True)
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 5)
    watch.verdict()
    row = found(watch, "energy").observer.rows[-1]
    assert row["energy"][0] == pytest.approx(float(energy.energy(network[0].weight.detach().numpy().T, 1)))


def test_looks_are_where_they_are_said_to_be() -> None:
    network = mlp(4, 6, 2)
    (X, Y), optimizer = data(20, 4, 2), SGD(network.parameters(), lr=0.05)
    watch = Watch(network, loss=mse_loss, inputs=X, targets=Y, optimizer=optimizer)
    starts = [network[0].weight.detach().clone()]
    for _ in train(network, mse_loss, (X, Y), optimizer, 7):
        starts.append(network[0].weight.detach().clone())
        watch()
    assert [row["step"] for row in found(watch, "balance").observer.records[0].rows] == [0, 1, 2, 3, 4, 6, 7]
    rows = found(watch, "balance").observer.records[0].rows
    out = (network[2].weight.square().sum() - network[0].weight.square().sum()).item()
    assert float(rows[-1]["form"].sum()) == pytest.approx(out)
