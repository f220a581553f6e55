"""OFT as the peft library ships it: by how much its default map is not orthogonal, trained and as drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.parametrisations import energies
from experiments.orthogonal.layers import energy_rounding
from experiments.orthogonal.shipped_maps import block_diagonal, butterfly, exact_option, series, skew
from experiments.training import State, Trainee
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.orthogonal import energy, neumann
from theory.orthogonal.rotations import plane_rotation, random_rotation

TERMS = (3, 4, 5, 6)
DEFAULT, EXCESS = 5, 4  # terms of the default, and the fewer that are nearer to orthogonal
COUNTED = Tolerance(0.25, "counted")
NORMS = (0.1, 0.5, 0.9, 1.1, 1.7)  # |Q| as drawn, beyond the 1 at which the series diverges among them


@dataclass(frozen=True)
class Sizes:
    """Of the rotations that are taught, and of their training."""

    angles: tuple[float, ...] = varies(
        "phi of the planes that are taught, different", (0.4, 0.8, 1.2), low=0.1, high=1.3
    )
    neurons: int = varies("more of them than inputs", 5, low=0, high=40)
    block: int = varies("b, coordinates of a block of BOFT, even", 2, low=2, high=4)
    factors: int = varies("m, butterflies of BOFT", 3, smoke=2, low=1, high=4)
    steps: int = varies("of gradient descent", 400, smoke=250, low=200, high=5000)
    runs: int = varies("random layers and planes", 20, smoke=2, low=1, high=200)

    def __post_init__(self) -> None:
        if len(set(self.angles)) < len(self.angles):
            reject("angles", self.angles, "different numbers")
        if self.block % 2:
            reject("block", self.block, "an even number: halves of blocks are mixed")


@claim(
    "orthogonal.neumann_map",
    source="OFT (Qiu et al. 2023) and BOFT (Liu et al. 2024) as the peft library 0.21 computes them; the law is ours",
    source_kind=RECONSTRUCTED,
    statement=r"R = I + 2 Q + \dots + 2 Q^{j-1} + Q^j = C(Q)(I - Q^j),\ C(Q) = (I + Q)(I - Q)^{-1}:\quad"
    r" R R^\top = (I - Q^j)(I - Q^j)^\top,\quad |R R^\top - I|_2 = \theta^6,\ 2\theta^4 - \theta^8,\ \theta^{10}"
    r" \text{ for } j = 3, 4, 5;\quad |R - C(Q)|_2 = \theta^j",
    hypotheses=(
        "Q skew, theta = |Q|_2 < 1; j = 3 for three terms and for four, 4 for the default of five, 5 for six",
        "the exact option is C(Q)^T, not C(Q); BOFT multiplies m factors of exact blocks of b coordinates",
        "trained: Q from 0, the neurons a tight frame, the teacher turns planes by phi",
    ),
    theory_side="closed form",
    controls=(
        "the default map is orthogonal",
        "five terms are nearer to orthogonal than four",
        "five terms leave theta^8",
        "j is the number of terms",
        "the default keeps the energy",
        "weights trained by the series serve the exact option",
        "training cut short",
    ),
    parameters=Sizes,
)
def the_default_is_orthogonal_to_the_fourth_order_alone(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _as_drawn(study, sizes)
    W, target = _layers(study, sizes)
    runs = {terms: _train(study, sizes, W, target, terms) for terms in TERMS}
    for terms, run in runs.items():
        yield from _along(sizes, terms, run)
        yield from _at_the_end(sizes, terms, run)
    yield from _of_the_default(sizes, W, target, runs)
    yield from _exact_adapters(study, sizes, runs[DEFAULT])
    theta = np.geomspace(0.03, 1.2, 60)
    yield curves(theta=theta, **{f"defect_{terms}": neumann.defect(theta, terms) for terms in TERMS})
    for terms, run in runs.items():
        yield curves(f"terms_{terms}", theta=_largest(run["Q"])[:, 0], defect=_defect(run["R"])[:, 0])


def _largest(Q: Array) -> Array:
    """theta of the plane that turns most."""
    return np.linalg.norm(Q, ord=2, axis=(-2, -1))


def _defect(R: Array) -> Array:
    return np.linalg.norm(R @ R.mT - np.eye(R.shape[-1]), ord=2, axis=(-2, -1))


def _as_drawn(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Random Q of either side of |Q| = 1: the series, term by term, against its closed form."""
    d, rng = 2 * len(sizes.angles), study.rng("drawn")
    half = rng.standard_normal((len(NORMS), sizes.runs, d, d))
    Q = half - half.mT
    Q *= np.array(NORMS)[:, None, None, None] / _largest(Q)[..., None, None]
    theta = np.broadcast_to(np.array(NORMS)[:, None], Q.shape[:2])
    for terms in TERMS:
        case, R = f"{terms} terms, Q as drawn", series(torch.tensor(Q, device=study.device), terms).cpu().numpy()
        within = rounding(16 * d * terms, (1 + theta) ** terms, of="terms of the series")
        apart = measured("|R - C(Q)|", _spectral(R - neumann.cayley(Q)), within=within, case=case, axes=("norm", "run"))
        yield apart.equals(lambda k, terms=terms: k * theta ** neumann.powers(terms))
    exact = exact_option(torch.tensor(Q, device=study.device)).cpu().numpy()
    other = measured("exact option, transposed", exact.mT, within=rounding(64 * d, of="entries"), axes=("norm", "run"))
    yield other.supporting().equals(neumann.cayley(Q))


def _spectral(M: Array) -> Array:
    return np.linalg.norm(M, ord=2, axis=(-2, -1))


def _layers(study: Study, sizes: Sizes) -> tuple[Array, Array]:
    """Tight frames W (runs, N, d) and teachers R* (runs, d, d), which turn random planes by the angles."""
    d, rng = 2 * len(sizes.angles), study.rng("layers")
    N = d + sizes.neurons
    W = random_rotation(rng, N, sizes.runs)[..., :d]
    basis, turns = random_rotation(rng, d, sizes.runs), np.eye(d)
    for i, phi in enumerate(sizes.angles):
        turns = turns @ plane_rotation(d, (2 * i, 2 * i + 1), phi)
    return W, basis @ turns @ basis.mT


def _train(study: Study, sizes: Sizes, W: Array, target: Array, terms: int) -> Trajectory:
    """Q from 0 on 1/2 |W R^T - W R*^T|^2, of the effective weights; Q and R at a few records."""
    weights, taught = (torch.tensor(each, device=study.device) for each in (W, W @ target.mT))

    def loss(state: State) -> Tensor:
        return 0.5 * (weights @ series(skew(state["P"]), terms).mT - taught).square().sum((-2, -1))

    def observe(state: State) -> State:
        Q = skew(state["P"])
        return {"Q": Q, "R": series(Q, terms), "loss": loss(state)}

    trainee = Trainee(study, loss, {"P": np.zeros_like(target)}, observe=observe)
    record = [0, *(int(step) for step in np.geomspace(1, sizes.steps // 10, 8)), sizes.steps - 1, sizes.steps]
    return trainee.train(learning_rate=0.1, steps=sizes.steps, record=record)


def _along(sizes: Sizes, terms: int, run: Trajectory) -> Iterator[Check]:
    d, case = 2 * len(sizes.angles), f"{terms} terms, trained"
    Q, R, j = run["Q"], run["R"], neumann.powers(terms)
    within = rounding(32 * d * terms, of="entries of R, sums of as many products")
    map = measured("R", R, within=within, case=case, axes=("t", "run"))
    yield map.equals(lambda k: neumann.cayley(Q) @ (np.eye(d) - k * np.linalg.matrix_power(Q, j)))
    theta = _largest(Q)
    left = measured("|R R^T - I|", _defect(R), within=within, case=case, axes=("t", "run"))
    yield left.equals(lambda k: k * neumann.defect(theta, terms))
    if terms == DEFAULT:
        yield left.control("the default map is orthogonal").equals(0)
        yield left.control("five terms leave theta^8").equals(theta**8)
        other = neumann.cayley(Q) @ (np.eye(d) - np.linalg.matrix_power(Q, terms))
        yield map.control("j is the number of terms").equals(other)


def _turns(Q: Array) -> Array:
    """theta (..., planes) of all planes, increasing."""
    return np.linalg.svd(Q, compute_uv=False)[..., ::-2]  # singular values of a skew matrix come in pairs


def _at_the_end(sizes: Sizes, terms: int, run: Trajectory) -> Iterator[Check]:
    case, phi = f"{terms} terms, trained", np.sort(sizes.angles)
    theta = np.array([neumann.trained_turn(angle, terms) for angle in phi])
    turns = _turns(run["Q"])
    moved = np.abs(turns[-1] - turns[-2]).max()
    because = "a thousand times the last step: descent shrinks what is left by a hundredth a step at least; rounding"
    within = Tolerance(1e3 * moved + 1e-12, because)
    end = measured("theta where training rests", turns[-1], within=within, case=case, axes=("run", "plane"))
    yield end.equals(np.broadcast_to(theta, turns[-1].shape))
    least = neumann.turn_loss(theta, phi, terms).sum()
    lost = measured("loss where training rests", run["loss"][-1], within=rounding(1e4, of="entries"), case=case)
    yield lost.equals(np.full(sizes.runs, least))
    if terms == DEFAULT:
        early = measured("theta after a few steps", turns[3], within=within, axes=("run", "plane"))
        yield early.control("training cut short").equals(np.broadcast_to(theta, turns[3].shape))


def _of_the_default(sizes: Sizes, W: Array, target: Array, runs: dict[int, Trajectory]) -> Iterator[Check]:
    d, run, phi = 2 * len(sizes.angles), runs[DEFAULT], np.sort(sizes.angles)
    within = rounding(64 * d, of="entries")
    more = measured("|R R^T - I| of five terms", _defect(run["R"][-1]), within=within, axes=("run",))
    yield more.control("five terms are nearer to orthogonal than four").at_most(_defect(runs[EXCESS]["R"][-1]))
    theta = np.array([neumann.trained_turn(angle, DEFAULT) for angle in phi])
    served = exact_option(torch.tensor(run["Q"][-1])).numpy()
    loss = 0.5 * np.square(W @ (served - target).mT).sum((-2, -1))
    wrong = measured(
        "loss of the exact option, with weights trained by the series", loss, within=Tolerance(1e-9, "rest")
    )
    yield wrong.equals(lambda k: np.full(sizes.runs, (4 * np.sin(k * np.arctan(theta) + phi / 2) ** 2).sum()))
    least = neumann.turn_loss(theta, phi, DEFAULT).sum()
    yield wrong.control("weights trained by the series serve the exact option").equals(np.full(sizes.runs, least))
    effective = W @ run["R"][-1].mT
    now = energies(torch.tensor(effective), 1).numpy()
    law = energy.energy((W @ neumann.neumann(run["Q"][-1], DEFAULT).mT).mT, 1)
    found = measured("energy of the effective weights", now, within=energy_rounding(effective.mT, 1), axes=("run",))
    yield found.supporting().equals(law)
    yield found.control("the default keeps the energy").equals(energy.energy(W.mT, 1))


def _exact_adapters(study: Study, sizes: Sizes, default: Trajectory) -> Iterator[Check]:
    """Exact blocks, one block shared by all, and butterflies: trained a little on random targets, still orthogonal."""
    b, m = sizes.block, sizes.factors
    d = b * 2 ** max(m - 1, 1)
    kinds: dict[str, tuple[tuple[int, int], Callable[[Tensor], Tensor]]] = {
        "blocks": ((1, d // b), lambda factors: block_diagonal(factors[:, 0])),
        "one block shared": ((1, 1), lambda factors: block_diagonal(factors[:, 0].expand(-1, d // b, -1, -1))),
        "butterflies": ((m, d // b), butterfly),
    }
    W = study.rng("adapted").standard_normal((sizes.runs, d + sizes.neurons, d))
    for name, (shape, build) in kinds.items():
        R = _adapted(study, sizes.runs, d, (*shape, b, b), build)
        within = rounding(32 * b * m, of="entries of products of orthogonal blocks")
        kept = measured("|R R^T - I|", _defect(R), within=within, case=name, axes=("run",))
        yield kept.equals(0, against=float(_defect(default["R"][-1]).min()))
        entries = int((np.abs(R[0]) > 100 * EPS).sum())
        filled = measured("entries of R that are not 0", entries, within=COUNTED, case=name)
        yield filled.equals(neumann.butterfly_entries(d, b, m if name == "butterflies" else 1))
        turned = energies(torch.tensor(W @ R.mT), 1).numpy()
        same = measured("energy", turned, within=energy_rounding(W.mT, 1), case=name, axes=("run",))
        yield same.supporting().equals(energy.energy(W.mT, 1))


def _adapted(study: Study, runs: int, d: int, shape: tuple[int, ...], build: Callable[[Tensor], Tensor]) -> Array:
    """R after a few steps of descent on the factors of such a shape."""
    rng = study.rng("adapter", *shape)
    target = torch.tensor(random_rotation(rng, d, runs), device=study.device)

    def rotation(state: State) -> Tensor:
        return build(exact_option(skew(state["P"])))

    trainee = Trainee(
        study,
        lambda state: 0.5 * (rotation(state) - target).square().sum((-2, -1)),
        {"P": 0.3 * rng.standard_normal((runs, *shape))},
        observe=lambda state: {"R": rotation(state)},
    )
    return trainee.train(learning_rate=0.05, steps=40, record=[40])["R"][-1]
