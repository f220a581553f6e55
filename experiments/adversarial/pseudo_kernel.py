"""The kernel of the pseudo-network, its series, and the polynomials that networks without biases cannot have."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from experiments.adversarial.networks import Robustly, random_networks, unmoved
from experiments.training import Trainee
from theory.adversarial import kernel
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, measured, rounding, varies
from theory.claims.estimates import SIGNIFICANCE
from theory.core.arrays import Array

TERMS = 400  # of series, at |s| up to REACH: what is left is below REACH^TERMS
REACH = 0.9


@dataclass(frozen=True)
class Sizes:
    """Of what is drawn and trained."""

    inputs: int = varies("of the network, d", 4, low=2, high=30)
    points: int = varies("whose kernel is counted", 6, low=2, high=30)
    neurons: int = varies("that are counted", 1_000_000, smoke=100_000, low=10**4, high=10**8)
    width: int = varies("m of the networks that are trained on cos 3 theta", 256, smoke=128, low=64, high=4096)
    steps: int = varies("of their training", 400, smoke=150, low=100, high=10_000)


@claim(
    "adversarial.pseudo_kernel",
    source="ours; of the pseudo-network of Zhang et al. 2020 (arXiv 2002.06668)",
    source_kind=OURS,
    statement=r"\mathbb{E} \langle \nabla g(x), \nabla g(x') \rangle = m^{1/3} \kappa(t),\ t = x^\top x',\quad"
    r" \kappa(t) = \frac{t}{2\pi} \Big(\pi - \arccos \big(\frac{t + \beta}{1 + \beta}\big)\Big) = \sum_j b_j t^j,\quad"
    r" \beta = 1:\ b_0 = 0,\ b_1 = \tfrac13,\ b_j > 0;\quad \beta = 0\ (\text{no biases}):\ b_1 = \tfrac14,\ b_{2k+2}"
    r" = \frac{(2k)!}{2\pi\, 4^k (k!)^2 (2k + 1)},\ b_3 = b_5 = \dots = 0;\quad"
    r" t = \tfrac34 s + \tfrac14:\ \text{all coefficients of } s^j \text{ are above } 0",
    hypotheses=(
        "w_r(0) ~ N(0, I / m), b_r ~ N(0, beta / m), |x| = 1",
        "a polynomial sum_j q_j t^j is in the space if sum_j q_j^2 / b_j converges; s: t of the free ones, scaled",
        "without biases f(x) - f(-x) is linear in x, at any weights",
    ),
    theory_side="closed form",
    controls=(
        "a kernel without biases",
        "odd degrees are missing, with biases",
        "10 % more",
        "networks without biases learn degree 3",
        "networks with biases do not learn degree 3",
    ),
    parameters=Sizes,
)
def which_functions_are_in_the_space(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _counted(study, sizes)
    s = np.linspace(-REACH, REACH, 19)
    for name, bias, slope, offset in (
        ("biases", 1.0, 1.0, 0.0),
        ("none", 0.0, 1.0, 0.0),
        ("lifted", 0.0, 0.75, 0.25),
        ("lifted, biases", 1.0, 0.75, 0.25),
    ):
        yield _series(kernel.coefficients(TERMS, bias, slope, offset), s, name).equals(
            kernel.kappa(slope * s + offset, bias)
        )
    k = np.arange(6)
    odd = kernel.coefficients(14, 0.0)[3::2]
    even = kernel.coefficients(14, 0.0)[2::2]
    binomial = np.array([1, 2, 6, 20, 70, 252]) / 4.0**k / (2 * k + 1) / (2 * np.pi)
    exact = rounding(100, of="a recurrence of at most 14 terms")
    yield measured("b_j of even degrees, without biases", even[:6], within=exact, axes=("k",)).equals(binomial)
    yield measured("b_j of odd degrees, without biases", odd, within=exact).equals(0.0, against=float(even[1]))
    without = np.where(np.arange(TERMS) % 2 * (np.arange(TERMS) > 1), 0.0, kernel.coefficients(TERMS))
    yield _series(without, s).control("odd degrees are missing, with biases").equals(kernel.kappa(s))
    yield from _cubic(study, sizes)


def _series(b: Array, s: Array, case: str = "") -> Measured:
    within = rounding(TERMS, of="as many terms, none above 1") + Tolerance(REACH**TERMS, "the terms left out")
    return measured("series of kappa", np.polynomial.polynomial.polyval(s, b), within=within, case=case, axes=("s",))


def _counted(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Inner products of torch's gradients by the weights of one network, over m^(1/3)."""
    rng = study.rng("points")
    x = rng.standard_normal((sizes.points, sizes.inputs))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    total, chunk = np.zeros((sizes.points, sizes.points)), 50_000
    for part in range(max(sizes.neurons // chunk, 1)):
        networks = random_networks(study, chunk, 1, sizes.inputs, study.rng("neurons", part))
        W = networks.W.clone().requires_grad_()
        outputs = networks.f(W, W.new_tensor(x))[0]
        gradients = [torch.autograd.grad(u, W, retain_graph=True)[0].flatten() for u in outputs]
        seen = torch.stack(gradients)
        total += (seen @ seen.T).cpu().numpy() / chunk ** (1 / 3)
    counted = total / max(sizes.neurons // chunk, 1)
    law, p = kernel.gram(x, x), kernel.seen_by_both(x, x)
    # A binomial number of neurons sees both; half of the probability goes to its excess over the normal tail.
    quantile = stats.norm.isf(SIGNIFICANCE / (2 * sizes.points * (sizes.points + 1)))
    neurons = max(sizes.neurons // chunk, 1) * chunk
    slack = quantile * np.abs(x @ x.T) * np.sqrt(p * (1 - p) / neurons) + 1e-12
    within = Tolerance(slack, f"{neurons} neurons counted, significance {SIGNIFICANCE:g} for all pairs", SIGNIFICANCE)
    found = measured("kernel of torch's gradients", counted, within=within, axes=("i", "j"))
    yield found.equals(law)
    yield found.control("10 % more").equals(1.1 * law)
    yield found.control("a kernel without biases").equals(kernel.gram(x, x, 0.0))


def _cubic(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Trained on cos 3 theta at 12 evenly spaced points of a circle, without a constant coordinate."""
    theta = 2 * np.pi * np.arange(12) / 12
    x, y = np.stack([np.cos(theta), np.sin(theta)], -1), np.cos(3 * theta)
    found = {}
    for name, bias in (("without", 0.0), ("with", 1.0)):
        networks = random_networks(study, sizes.width, 4, 2, study.rng("cubic", name), bias=bias)
        rule = Robustly(networks.f, torch.tensor(y, device=study.device), unmoved(x, study), lambda r: r.square() / 2)
        points = torch.tensor(x, device=study.device)
        training = Trainee(
            study, rule, {"W": networks.W}, observe=lambda state, n=networks, p=points: {"u": n.f(state["W"], p)}
        )
        run = training.train(learning_rate=4 * sizes.width ** (-1 / 3), steps=sizes.steps, record=[sizes.steps])
        found[name] = run["u"][-1] @ y / 6
    rest = rounding(100 * sizes.width, float(np.abs(y).max()), of="sums of m terms")
    none = measured("degree 3 that is learnt without biases", found["without"], within=rest, axes=("run",))
    yield none.equals(0.0, against=float(found["with"].min()))
    yield none.control("networks without biases learn degree 3").at_least(float(found["with"].min()) / 2)
    some = measured("degree 3 that is learnt with biases", found["with"], within=rest, axes=("run",))
    yield some.control("networks with biases do not learn degree 3").equals(0.0)
