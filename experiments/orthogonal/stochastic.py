"""Stochastic OPT: random blocks keep the energy, see a known share of the gradient, and reach every rotation."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import nn

from experiments.methods.orthogonal.parametrisations import Rotation, energies
from experiments.methods.orthogonal.stochastic import BlockRotation, embed, orthogonalise_stochastically
from experiments.orthogonal.layers import energy_rounding, sgd
from experiments.orthogonal.maps import exact_map
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Study,
    by_chance,
    claim,
    curves,
    measured,
    rate,
    rounding,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.orthogonal import energy, stochastic


@dataclass(frozen=True)
class Sizes:
    """Of the layers and their blocks."""

    inputs: int = varies("d of a layer", 24, low=20, high=64)
    block: int = varies("p of its coordinates that a round turns", 6, low=3, high=32)
    neurons: int = varies("N of a layer", 12, low=7, high=64)
    runs: int = varies("layers whose energy is looked at", 100, smoke=20, paper=500, low=1, high=1000)
    draws: int = varies("blocks for the share of the gradient", 12_000, smoke=6000, paper=20_000, low=6000, high=10**5)
    sequences: int = varies(
        "of blocks, until all pairs are seen", 20_000, smoke=6000, paper=50_000, low=6000, high=10**5
    )
    rounds: int = varies("of the training, ten steps each", 120, smoke=60, paper=300, low=60, high=1000)

    def __post_init__(self) -> None:
        if not self.inputs / 4 <= self.block <= min(self.inputs, self.neurons) - 1:
            expected = f"a quarter of the {self.inputs} inputs, and fewer than inputs and neurons ({self.neurons})"
            reject("block", self.block, f"at least {expected}")


@claim(
    "liu2021.stochastic",
    source="Liu et al. 2021, stochastic OPT on random blocks of the coordinates",
    source_kind=RECONSTRUCTED,
    statement=r"\mathbb{E}\,\|A_{SS}\|^2 / \|A\|^2 = q = \frac{p(p-1)}{d(d-1)},\quad E_s(R W) = E_s(W),\quad"
    r" \mathbb{E}\,T = n \sum_{k \le n} \tfrac1k\ (p = 2),\quad"
    r" \mathbb{E}\,T \le \sum_{t \ge 0} \min(1, n (1 - q)^t),\ n = \tfrac{d(d-1)}{2}",
    hypotheses=(
        "a block S of p of the d coordinates, drawn uniformly each round; R turns these of the neurons W",
        "A skew, T the first round after which every pair of coordinates was in a block",
    ),
    theory_side="law",
    controls=(
        "the block mixes neurons instead of coordinates",
        "share (p / d)^2",
        "pairs seen after n rounds",
        "union bound 5 % sharper",
        "one block, never drawn again",
    ),
    parameters=Sizes,
)
def random_blocks_do_what_whole_rotations_do(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _energy(study, sizes)
    yield from _share(study, sizes)
    yield from _rounds(study, sizes.sequences)
    yield from _reach(study, sizes.rounds)


def _energy(study: Study, sizes: Sizes) -> Iterator[Check]:
    d, p, N, runs = sizes.inputs, sizes.block, sizes.neurons, sizes.runs
    rng = study.rng("energy")
    W, P = (torch.from_numpy(rng.standard_normal(size)).to(study.device) for size in ((runs, N, d), (runs, p, p)))
    block = exact_map("gram_schmidt", p, W)(P)
    rows = torch.from_numpy(rng.permutation(d)[:p]).to(study.device)
    columns = W.cpu().numpy().mT
    start, within = energy.energy(columns, 1), energy_rounding(columns, 1)
    turned = energies(W @ embed(block, rows, d).mT, 1).cpu()
    yield measured("energy after a block of the coordinates", turned, within=within, axes=("run",)).equals(start)
    mixed = energies(embed(block, rows % N, N) @ W, 1).cpu()
    wrong = measured("energy after a block of the neurons", mixed, within=within, axes=("run",))
    yield wrong.control("the block mixes neurons instead of coordinates").equals(start)


def _share(study: Study, sizes: Sizes) -> Iterator[Check]:
    rng = study.rng("share")
    d, p = 6, 3
    A = _skew(rng, d)
    shares = [np.square(A[np.ix_(S, S)]).sum() for S in combinations(range(d), p)] / np.square(A).sum()
    within = rounding(d**2, of="a mean over all blocks")
    every = measured("share of the gradient, all blocks", shares.mean(), within=within)
    yield every.equals(stochastic.captured_share(d, p))
    d, p, draws = sizes.inputs, sizes.block, sizes.draws
    A = _skew(rng, d)
    generator = torch.Generator().manual_seed(int(rng.integers(2**32)))
    blocks = np.array([BlockRotation(Rotation(p, "free"), d, generator).rows.numpy() for _ in range(draws)])
    squares = np.square(A[blocks[:, :, None], blocks[:, None, :]]).sum((-2, -1))
    exact = stochastic.captured_share(d, p)
    drawn = rate("share of the gradient, blocks as drawn", mean(squares / np.square(A).sum()))
    yield drawn.equals(exact, excludes=(0.95 * exact, 1.05 * exact))
    yield drawn.control("share (p / d)^2").equals((p / d) ** 2)


def _skew(rng: np.random.Generator, d: int) -> Array:
    half = rng.standard_normal((d, d))
    return half - half.T


def _rounds(study: Study, draws: int) -> Iterator[Check]:
    exact = stochastic.rounds_to_see_all_pairs(5)
    two = rate("rounds until all pairs were seen, p = 2", mean(_first_rounds(study, draws, 5, 2, 300)))
    yield two.equals(exact, excludes=(0.9 * exact, 1.1 * exact))
    yield two.control("pairs seen after n rounds").equals(10)
    # Blocks of 11 of 12 have seen all pairs once three coordinates were left out: 3.29 rounds on average, bound 3.37.
    drawn, bound = mean(_first_rounds(study, 10_000, 12, 11, 40)), stochastic.most_rounds_to_see_all_pairs(12, 11)
    nearly = measured("rounds until all pairs were seen, p = 11", drawn.value, within=by_chance(drawn))
    yield nearly.at_most(bound)
    yield nearly.control("union bound 5 % sharper").at_most(bound / 1.05)
    drawn = mean(_first_rounds(study, draws, 8, 4, 150))
    four = measured("rounds until all pairs were seen, p = 4", drawn.value, within=by_chance(drawn))
    loose = four.within_factor(1.2, because="the union is over 28 pairs that are seen together")
    yield loose.at_most(stochastic.most_rounds_to_see_all_pairs(8, 4))


def _first_rounds(study: Study, draws: int, d: int, p: int, longest: int) -> Array:
    """First round (draws,) after which every pair of coordinates was in a block; `longest` is beyond all of them."""
    rng = study.rng("rounds", d, p)
    first = np.zeros(draws)
    pairs = np.triu_indices(d, 1)
    for some in np.array_split(np.arange(draws), max(draws // 1000, 1)):
        chosen = rng.random((len(some), longest, d), dtype=np.float32).argsort(-1) < p
        seen = chosen[:, :, pairs[0]] & chosen[:, :, pairs[1]]
        first[some] = 1 + seen.argmax(1).max(-1)
    return first


def _reach(study: Study, rounds: int) -> Iterator[Check | Curves]:
    """A target that one rotation reaches, taught by random blocks: they hold every pair, no local minimum is there."""
    falling, stuck = (_teach(study, rounds, redraw) for redraw in (1, rounds))
    within = rounding(1e3, of="the loss: of the order of their square, where descent has arrived")
    blocks = measured("loss by random blocks, of its start", falling[-1] / falling[0], within=within)
    fixed = float(stuck[-1] / stuck[0])
    yield blocks.equals(0, against=fixed)
    yield (
        measured("loss by one block, of its start", fixed, within=within)
        .control("one block, never drawn again")
        .equals(0)
    )
    yield curves(loss_by_random_blocks=falling, loss_by_one_block=stuck)


def _teach(study: Study, rounds: int, redraw: int) -> Array:
    """Loss before each round of ten steps, a new block every `redraw` rounds."""
    d, p, N = 6, 3, 8
    rng = study.rng("teach")
    layer = nn.Linear(d, N, bias=False, dtype=torch.float64, device=study.device)
    W = torch.from_numpy(np.linalg.qr(rng.standard_normal((N, d)))[0]).to(study.device)
    target = W @ torch.matrix_exp(torch.from_numpy(_skew(rng, d)).to(W) / 3).mT
    with torch.no_grad():
        layer.weight.copy_(W)
    generator = torch.Generator().manual_seed(int(rng.integers(2**32)))
    block = orthogonalise_stochastically(layer, p, "cayley", generator)
    loss = lambda: 0.5 * (layer.weight - target).square().sum()  # noqa: E731
    losses = []
    for k in range(1, rounds + 1):
        losses.append(sgd(study, block.rotation.parameter, loss, learning_rate=0.5, steps=10))
        if k % redraw == 0:
            block.next_round(layer)
    return np.array(losses)
