"""Distilled labels: a teacher that is right takes noise out of the gradient, and regret out of the predictions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.cost_sensitive.cells import COUNTED, Table, Tables, draw_tables, hybrid, trained_logits
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, exactly, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.cost_sensitive import distillation as theory
from theory.cost_sensitive.gains import bayes_rule, regret
from theory.cost_sensitive.hybrid import split

MOST = 20_000  # samples of all inputs together that are trained on


@dataclass(frozen=True)
class Labels(Tables):
    """Of the tables, of samples of labels, and of descent on them."""

    labels: int = varies("K", 3, low=2, high=5)
    cells: int = varies("inputs of each matrix of gains", 4, smoke=3, low=1, high=100)
    matrices: int = varies("of gains", 3, smoke=2, low=1, high=100)
    samples: int = varies("n, labels of each input", 12, smoke=7, low=1, high=40)
    share: float = varies("of the teacher in a label", 0.6, low=0.05, high=0.95)
    steps: int = varies("of descent, each of 1 over the largest curvature", 800, smoke=400, low=20, high=10**5)

    def __post_init__(self) -> None:
        number = self.cells * self.matrices * len(theory.outcomes(self.samples, self.labels))
        if number > MOST:
            reject("cells x matrices x samples of labels", number, f"at most {MOST} to be trained on")


@claim(
    "narasimhan2021.distillation",
    source="Narasimhan & Menon 2021 (arXiv 2107.04641), abstract; the laws are ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"p = \alpha\, p^t + (1 - \alpha) \tfrac1n \textstyle\sum_k e_{y_k},\ y_k \sim \eta:\quad"
    r" \ell = -\sum_j (M^\top p)_j \log \mathrm{softmax}(s - \log D)_j,\quad p^t = \eta \implies"
    r" \mathrm{Cov}\,\nabla \ell = \frac{(1 - \alpha)^2}{n} B^\top (\mathrm{diag}\,\eta - \eta \eta^\top) B,\ "
    r" \mathbb{E} R(\alpha) < \mathbb{E} R(0);\quad B = M - M \mathbf 1 q^\top,\ q = \mathrm{softmax}(s - \log D),"
    r"\ R = \max_j (G^\top \eta)_j - (G^\top \eta)_{\mathrm{argmax} s}",
    hypotheses=(
        "G = M D, D = diag G; n labels of each input, drawn from eta; its logits are free, and trained to the minimum",
        "the teacher knows eta: p^t = eta",
    ),
    theory_side="closed form",
    controls=(
        "noise falls like 1 - alpha",
        "a share 5 % larger",
        "one label more",
        "regret without distillation",
        "any teacher takes regret out",
    ),
    parameters=Labels,
)
def a_teacher_that_is_right_takes_noise_out(study: Study, sizes: Labels) -> Iterator[Check | Curves]:
    tables = draw_tables(study, sizes)
    counts = theory.outcomes(sizes.samples, sizes.labels)
    yield from _noise(study, sizes, tables, counts)
    cells = [(t.G, eta) for t in tables for eta in t.eta]
    shares = (0.0, sizes.share, 1.0)
    found = np.array([_regrets(study, sizes, tables, counts, share) for share in shares])

    def law(n: int) -> Array:
        return np.array([[theory.mean_regret(G, eta, n, share, eta) for G, eta in cells] for share in shares])

    predicted = law(sizes.samples)
    within = rounding(64 * len(counts), predicted.max(), of="a mean over all samples of labels")
    regrets = measured("mean regret over all samples of labels", found, within=within, axes=("share", "input"))
    yield regrets.equals(predicted)
    yield regrets.control("one label more").equals(law(sizes.samples + 1))
    yield regrets.control("regret without distillation").equals(predicted[:1])
    saved = float(1 - found[1].mean() / found[0].mean())
    gain = measured("share of the regret that distillation saves", saved, within=exactly("of all samples there are"))
    yield gain.at_least(0, against=saved)
    yield from _wrong_teacher(study, sizes, tables, counts, found[0])
    yield curves(shares=shares, found=found.mean(1), predicted=predicted.mean(1))


def _wrong_teacher(study: Study, sizes: Labels, tables: list[Table], counts: Array, one_hot: Array) -> Iterator[Check]:
    """A teacher that is sure of one label, for each input that which does most harm."""

    def harm(G: Array, eta: Array, teacher: Array) -> float:
        return theory.mean_regret(G, eta, sizes.samples, sizes.share, teacher)

    sure = np.eye(sizes.labels)
    teachers = [
        np.array([max(sure, key=lambda one, t=t, eta=eta: harm(t.G, eta, one)) for eta in t.eta]) for t in tables
    ]
    found = _regrets(study, sizes, tables, counts, sizes.share, teachers)
    within = rounding(64 * len(counts), of="a mean over all samples of labels")
    worse = measured("mean regret with a teacher that is wrong", found.mean(), within=within)
    condition = "the teacher has to know eta: of one that does not the minimiser is log(G^T p), p as wrong as its share"
    yield worse.unconditioned("any teacher takes regret out", condition=condition).at_most(one_hot.mean())


def _noise(study: Study, sizes: Labels, tables: list[Table], counts: Array) -> Iterator[Check]:
    """Covariance of torch's gradient at random logits over every sample of labels, each with its chance."""
    rng = study.rng("logits")
    found, predicted, linear, more, same = [], [], [], [], 0
    for table in tables:
        s, loss, M = rng.standard_normal(sizes.labels), hybrid(study, table.G), split(table.G)
        q = np.exp(s - np.log(np.diag(table.G)))
        for eta in table.eta:
            p = theory.mixed_labels(counts, eta, sizes.share)
            leaf = torch.tensor(np.broadcast_to(s, p.shape).copy(), device=study.device, requires_grad=True)
            loss(leaf, torch.tensor(p, device=study.device)).sum().backward()
            weights = theory.chances(counts, eta)
            away = leaf.grad.cpu().numpy() - weights @ leaf.grad.cpu().numpy()
            found.append((away * weights[:, None]).T @ away)
            law = lambda share, eta=eta, M=M, q=q: theory.gradient_covariance(M, q / q.sum(), eta, sizes.samples, share)  # noqa: E731
            predicted.append(law(sizes.share))
            linear.append(law(0.0) * (1 - sizes.share))
            more.append(law(1.05 * sizes.share))
        known = trained_logits(study, loss, table.eta, sizes.steps)[0]
        same += int((known.argmax(-1) != bayes_rule(table.G, table.eta)).sum())
    within = rounding(64 * len(counts), np.abs(predicted).max(), of="a mean of products over all samples of labels")
    noise = measured("covariance of the gradient", np.array(found), within=within, axes=("input", "label", "label"))
    yield noise.equals(np.array(predicted))
    yield noise.control("noise falls like 1 - alpha").equals(np.array(linear))
    yield noise.control("a share 5 % larger").equals(np.array(more))
    yield measured("labels that a teacher alone leads astray", same, within=COUNTED).supporting().equals(0)


def _regrets(
    study: Study,
    sizes: Labels,
    tables: list[Table],
    counts: Array,
    share: float,
    teachers: list[Array] | None = None,
) -> Array:
    """Mean regret (inputs,) after training on every sample of labels of every input at once."""
    found = []
    for i, table in enumerate(tables):
        taught = table.eta if teachers is None else teachers[i]
        p = np.concatenate([theory.mixed_labels(counts, teacher, share) for teacher in taught])
        s = trained_logits(study, hybrid(study, table.G), p, sizes.steps)[0].reshape(len(table.eta), len(counts), -1)
        for eta, logits in zip(table.eta, s):
            lost = regret(table.G, np.broadcast_to(eta, logits.shape), logits.argmax(-1))
            found.append(theory.chances(counts, eta) @ lost)
    return np.array(found)
