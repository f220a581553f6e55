"""Proposition 1: of all classifiers, random ones too, that which predicts argmax_j (G^T eta)_j earns most."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.cost_sensitive.cells import COUNTED, Table, Tables, draw_tables
from experiments.training import State, Trainee
from theory.claims import AS_PRINTED, Check, Study, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.cost_sensitive.gains import bayes_rule, gains_of_costs, scores

STEP = 2.0  # over the probability of an input: its gradient is so many times smaller


@dataclass(frozen=True)
class Training(Tables):
    """Of the tables, and of descent on them."""

    steps: int = varies("of gradient ascent on what is earned", 1500, smoke=400, low=50, high=10**5)


@claim(
    "narasimhan2021.proposition_1",
    source="Narasimhan & Menon 2021 (arXiv 2107.04641), Proposition 1, as Rangwani et al. 2022 restate it",
    source_kind=AS_PRINTED,
    statement=r"\max_F \sum_{ij} G_{ij} C_{ij}[F],\ C_{ij}[F] = P(y = i, F(x) = j):\quad"
    r" F^*(x) \in \mathrm{argmax}_j \sum_i G_{ij}\, \eta_i(x)",
    hypotheses=(
        "eta_i(x) = P(y = i | x), G any matrix",
        "F may predict at random: labels with chances softmax(s(x))",
        "no two labels earn the same, within a thousandth, at an input that is judged by its label",
    ),
    theory_side="closed form",
    controls=(
        "rows and columns of G exchanged",
        "the most probable label",
        "gains of a label, not of a truth, raised",
        "5 % less",
    ),
    parameters=Training,
)
def the_label_of_most_gain_is_best(study: Study, sizes: Training) -> Iterator[Check]:
    tables = draw_tables(study, sizes)
    p = _weights(study, sizes)
    run = _trained(study, tables, p, sizes.steps)
    best = np.array([(p * scores(t.G, t.eta).max(-1)).sum() for t in tables])
    within = rounding(16 * sizes.cells * sizes.labels, best.max(), of="sums over inputs and labels")
    earned = measured("earned by classifiers on their way", run["earned"], within=within, axes=("look", "matrix"))
    yield earned.at_most(best)
    yield earned.control("5 % less").at_most(0.95 * best)
    chosen = run["s"][-1].argmax(-1)
    reached = [(p * np.take_along_axis(scores(t.G, t.eta), c[:, None], -1)[:, 0]).sum() for t, c in zip(tables, chosen)]
    final = measured("earned by the labels of the largest chance", np.array(reached), within=within, axes=("matrix",))
    yield final.equals(best)
    yield from _labels(study, tables, chosen, p, sizes)


def _labels(study: Study, tables: list[Table], chosen: Array, p: Array, sizes: Training) -> Iterator[Check]:
    """Labels that are not the predicted ones, and those that other gains lead to."""
    rng = study.rng("shifts")

    def differing(labels: list[Array], name: str = "labels other than the best") -> int:
        return sum(int(((c != label) & _clear(t)).sum()) for t, c, label in zip(tables, chosen, labels))

    def judged(count: int, name: str):
        return measured(name, count, within=COUNTED)

    yield judged(differing([bayes_rule(t.G, t.eta) for t in tables]), "labels other than the best").equals(0)
    exchanged = [bayes_rule(t.G.T.copy(), t.eta) for t in tables]
    wrong = judged(differing(exchanged), "not the best")
    yield wrong.control("rows and columns of G exchanged").equals(0)
    yield (
        judged(differing([t.eta.argmax(-1) for t in tables]), "not the best")
        .control("the most probable label")
        .equals(0)
    )
    # Costs: the same labels, whatever is added to a row; what is added to a column is not.
    rows = [Table(gains_of_costs(-t.G) + rng.uniform(-1, 1, (sizes.labels, 1)), t.eta) for t in tables]
    again = _trained(study, rows, p, sizes.steps)["s"][-1].argmax(-1)
    yield judged(differing(list(again)), "labels that change with a number added to each row").equals(0)
    columns = [bayes_rule(t.G + rng.uniform(-1, 1, sizes.labels), t.eta) for t in tables]
    yield judged(differing(columns), "not the best").control("gains of a label, not of a truth, raised").equals(0)


def _clear(table: Table) -> Array:
    """Inputs at which the best label earns more than the second by a thousandth."""
    earned = np.sort(scores(table.G, table.eta), -1)
    return np.asarray(earned[:, -1] > earned[:, -2] * 1.001)


def _weights(study: Study, sizes: Training) -> Array:
    """p(x) (cells,)."""
    p = study.rng("inputs").uniform(0.5, 1.5, sizes.cells)
    return p / p.sum()


def _trained(study: Study, tables: list[Table], p: Array, steps: int) -> Trajectory:
    """Logits s (matrices, cells, K), by ascent on sum_ij G_ij C_ij of the classifier that predicts at random."""
    G, eta, weights = (
        torch.tensor(each, device=study.device)
        for each in (np.stack([t.G for t in tables]), np.stack([t.eta for t in tables]), p)
    )

    def earned(state: State) -> Tensor:
        C = torch.einsum("x,rxi,rxj->rij", weights, eta, torch.softmax(state["s"], -1))
        return (G * C).sum((1, 2))

    trainee = Trainee(
        study,
        lambda state: -earned(state),
        {"s": np.zeros(eta.shape)},
        observe=lambda state: {"earned": earned(state), "s": state["s"]},
    )
    return trainee.train(learning_rate=STEP / p.max(), steps=steps, record=[0, steps // 10, steps])
