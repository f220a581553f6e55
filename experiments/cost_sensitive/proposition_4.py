"""Proposition 4: the hybrid loss is calibrated, whatever diagonal its gains are divided by."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.cost_sensitive.cells import COUNTED, Table, Tables, draw_tables, hybrid, trained_logits
from experiments.methods.cost_sensitive import HybridLoss
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Measured,
    Study,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.cost_sensitive import hybrid as theory
from theory.cost_sensitive.gains import bayes_rule, scores


@dataclass(frozen=True)
class Training(Tables):
    """Of the tables, and of descent on them."""

    steps: int = varies("of descent, each of 1 over the largest curvature", 500, smoke=300, low=100, high=10**5)
    spread: float = varies("D_j lie between 1 / spread and spread", 5.0, low=1.5, high=50)


@claim(
    "narasimhan2021.proposition_4",
    source="Narasimhan & Menon 2021 (arXiv 2107.04641), Proposition 4, as Rangwani et al. 2022 restate it",
    source_kind=AS_PRINTED,
    statement=r"\ell(y, s) = -\sum_j M_{yj} \log \frac{e^{s_j} / D_{jj}}{\sum_k e^{s_k} / D_{kk}},\quad G = M D:\quad"
    r" \mathrm{argmin}_s \sum_i \eta_i\, \ell(i, s) = \log(G^\top \eta) + c\,\mathbf 1",
    hypotheses=(
        "eta_i = P(y = i | x); G_ij >= 0 is what predicting j earns where i is true, and every label earns something",
        "D any diagonal matrix with positive entries",
        "logits of each input are free: a model that can have any",
    ),
    theory_side="closed form",
    controls=(
        "the shift left out",
        "the shift with the wrong sign: its minimiser",
        "the wrong sign: labels that earn less",
        "double counting: labels that earn less",
        "cross-entropy: labels that earn less",
        "argmax of s - log D: labels that earn less",
        "a gradient without the row sum",
    ),
    parameters=Training,
)
def the_hybrid_loss_is_calibrated(study: Study, sizes: Training) -> Iterator[Check | Curves]:
    tables = draw_tables(study, sizes)
    rng = study.rng("diagonals")
    ratio = sizes.spread
    for case in ("D = diag G", "D = 1, weights alone", "D at random"):
        drawn = [np.exp(rng.uniform(-np.log(ratio), np.log(ratio), sizes.labels)) for _ in tables]
        chosen = {"D = diag G": [np.diag(t.G) for t in tables], "D at random": drawn}
        diagonals = chosen.get(case, [np.ones(sizes.labels)] * len(tables))
        found = _minimisers(study, sizes, tables, diagonals, case)
        predicted = _predicted(tables, diagonals)
        yield found.equals(predicted if any(np.ptp(D) for D in diagonals) else predicted(1.0))
        yield _worse(tables, found.value, case=case).equals(0)
    yield found.control("the shift left out").equals(predicted(0.0))
    yield found.control("the shift with the wrong sign: its minimiser").equals(predicted(-1.0))
    yield from _wrong_losses(study, sizes, tables)
    unshifted = found.value - np.log(diagonals)[:, None]
    yield _worse(tables, unshifted).control("argmax of s - log D: labels that earn less").equals(0)
    yield from _gradients(study, tables, diagonals)
    yield curves("simplex", **_simplex(study, sizes))


def _minimisers(study: Study, sizes: Training, tables: list[Table], diagonals: list[Array], case: str) -> Measured:
    trained = [trained_logits(study, hybrid(study, t.G, D), t.eta, sizes.steps) for t, D in zip(tables, diagonals)]
    within = trained[0][1]
    largest = np.stack([tolerance.value for _, tolerance in trained])
    tolerance = type(within)(largest, within.reason)
    logits = np.stack([s for s, _ in trained])
    return measured("logits at the minimum", logits, within=tolerance, case=case, axes=("matrix", "cell", "label"))


def _predicted(tables: list[Table], diagonals: list[Array]):
    """Minimisers (matrices, cells, K) of the losses whose shift log D is k times as large."""

    def logits(k: float) -> Array:
        return np.stack(
            [theory.minimiser(theory.split(t.G, D), k * np.log(D), t.eta) for t, D in zip(tables, diagonals)]
        )

    return logits


def _worse(tables: list[Table], logits: Array, case: str = "") -> Measured:
    """Cells whose predicted label earns less than the best by more than a millionth."""
    count = sum(int(_lost(t, s).sum()) for t, s in zip(tables, logits))
    return measured("cells whose label earns less than the best", count, within=COUNTED, case=case)


def _lost(table: Table, logits: Array) -> Array:
    earned = scores(table.G, table.eta)
    chosen = np.take_along_axis(earned, logits.argmax(-1)[:, None], -1)[:, 0]
    return np.asarray(chosen < earned.max(-1) * (1 - 1e-6))


def _wrong_losses(study: Study, sizes: Training, tables: list[Table]) -> Iterator[Check]:
    """The same descent on losses that are nearly right."""

    def trained(make) -> Array:
        return np.stack([trained_logits(study, make(t.G), t.eta, sizes.steps)[0] for t in tables])

    def wrong_sign(G: Array) -> HybridLoss:
        loss = hybrid(study, G)
        loss.log_D = -loss.log_D
        return loss

    def twice(G: Array) -> HybridLoss:
        loss = hybrid(study, G)
        loss.M = torch.tensor(G, device=study.device)
        return loss

    for name, make in (
        ("the wrong sign", wrong_sign),
        ("double counting", twice),
        ("cross-entropy", lambda G: hybrid(study, np.eye(len(G)))),
    ):
        yield _worse(tables, trained(make)).control(f"{name}: labels that earn less").equals(0)


def _gradients(study: Study, tables: list[Table], diagonals: list[Array]) -> Iterator[Check]:
    """Of torch against the formula, one label a cell, at random logits."""
    rng = study.rng("gradients")
    found, predicted, unweighted = [], [], []
    for table, D in zip(tables, diagonals):
        y = rng.integers(0, len(D), len(table.eta))
        s = rng.standard_normal(table.eta.shape)
        leaf = torch.tensor(s, device=study.device, requires_grad=True)
        loss = hybrid(study, table.G, D)
        loss(leaf, torch.tensor(y, device=study.device)).sum().backward()
        found.append(leaf.grad.cpu().numpy())
        M, labels = theory.split(table.G, D), np.eye(len(D))[y]
        predicted.append(theory.gradient(M, np.log(D), labels, s))
        unweighted.append(predicted[-1] / M[y].sum(-1, keepdims=True))
    within = rounding(64 * len(D), np.abs(predicted).max(), of="a softmax and a sum over labels")
    gradient = measured("gradient in the logits", np.stack(found), within=within, axes=("matrix", "cell", "label"))
    yield gradient.equals(np.stack(predicted))
    yield gradient.control("a gradient without the row sum").equals(np.stack(unweighted))


def _simplex(study: Study, sizes: Training) -> dict[str, Array]:
    """Labels of three classes all over the simplex: predicted, trained with the hybrid loss, and cross-entropy."""
    G = np.array([[1.0, 0.3, 0.1], [0.2, 2.0, 0.5], [0.4, 0.1, 3.0]])
    points = 22 if study.profile == "smoke" else 45
    grid = [(i, j, points - i - j) for i in range(1, points) for j in range(1, points - i)]
    eta = np.array([each for each in grid if min(each) > 0]) / points
    s = trained_logits(study, hybrid(study, G), eta, min(sizes.steps, 400))[0]
    return {"eta": eta, "trained": s.argmax(-1), "bayes": bayes_rule(G, eta), "plain": eta.argmax(-1), "G": G}
