"""Stochastic OPT: random blocks keep the energy, see a known share of the gradient, and reach every rotation."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch
from torch import nn

from experiments.methods.orthogonal.parametrisations import Rotation, energies
from experiments.methods.orthogonal.stochastic import BlockRotation, embed, orthogonalise_stochastically
from experiments.orthogonal.layers import energy_rounding, sgd
from experiments.orthogonal.maps import exact_map
from theory.claims import Check, Curves, Study, claim, curves, exactly, measured, rate, rounding
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.orthogonal import energy, stochastic


@claim(
    "liu2021.stochastic",
    source="Liu et al. 2021, stochastic OPT on random blocks of the coordinates",
    statement=r"\mathbb{E}\,\|A_{SS}\|^2 / \|A\|^2 = \frac{p(p-1)}{d(d-1)},\quad E_s(R W) = E_s(W)",
    hypotheses=("a block of p coordinates, drawn uniformly", "A skew"),
    theory_side="law",
    controls=(
        "the block mixes neurons instead of coordinates",
        "share (p / d)^2",
        "pairs seen after n rounds",
        "one block, never drawn again",
    ),
)
def random_blocks_do_what_whole_rotations_do(study: Study) -> Iterator[Check | Curves]:
    yield from _energy(study)
    yield from _share(study)
    yield from _rounds(study)
    yield from _reach(study)


def _energy(study: Study) -> Iterator[Check]:
    d, p, N, runs = 24, 6, 12, study.pick(smoke=20, quick=100, paper=500)
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


def _share(study: Study) -> Iterator[Check]:
    rng = study.rng("share")
    d, p = 6, 3
    A = _skew(rng, d)
    shares = [np.square(A[np.ix_(S, S)]).sum() for S in combinations(range(d), p)] / np.square(A).sum()
    within = rounding(d**2, of="a mean over all blocks")
    every = measured("share of the gradient, all blocks", shares.mean(), within=within)
    yield every.equals(stochastic.captured_share(d, p))
    d, p, draws = 24, 6, study.pick(smoke=1500, quick=6000, paper=20_000)
    A = _skew(rng, d)
    generator = torch.Generator().manual_seed(int(rng.integers(2**32)))
    blocks = np.array([BlockRotation(Rotation(p, "free"), d, generator).rows.numpy() for _ in range(draws)])
    squares = np.square(A[blocks[:, :, None], blocks[:, None, :]]).sum((-2, -1))
    exact = stochastic.captured_share(d, p)
    drawn = rate("share of the gradient, blocks as drawn", mean(squares / np.square(A).sum()))
    yield drawn.equals(exact, excludes=(0.9 * exact, 1.1 * exact))
    yield drawn.control("share (p / d)^2").equals((p / d) ** 2, excludes=(0,))


def _skew(rng: np.random.Generator, d: int) -> Array:
    half = rng.standard_normal((d, d))
    return half - half.T


def _rounds(study: Study) -> Iterator[Check]:
    draws = study.pick(smoke=3000, quick=10_000, paper=50_000)
    exact = stochastic.rounds_to_see_all_pairs(5)
    two = rate("rounds until all pairs were seen, p = 2", mean(_first_rounds(study, draws, 5, 2, 300)))
    yield two.equals(exact, excludes=(0.9 * exact, 1.1 * exact))
    yield two.control("pairs seen after n rounds").equals(10, excludes=(0,))
    four, bound = mean(_first_rounds(study, draws, 8, 4, 150)).low, stochastic.most_rounds_to_see_all_pairs(8, 4)
    within = exactly("sum over the rounds of the union bound")
    yield measured("rounds until all pairs were seen, p = 4", four, within=within).at_most(bound)
    summed = np.minimum(1, 28 * (1 - stochastic.captured_share(8, 4)) ** np.arange(1000.0)).sum()
    within = rounding(1000, bound, of="the sum written out")
    yield measured("union bound and its sum", bound, within=within).equals(summed)
    both = measured("p = 2: exact mean and the union bound", exact, within=exactly("the bound holds for any p"))
    yield both.at_most(stochastic.most_rounds_to_see_all_pairs(5, 2))


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


def _reach(study: Study) -> Iterator[Check | Curves]:
    """A target that one rotation reaches, taught by random blocks: the loss falls to a thousandth and less."""
    rounds = study.pick(smoke=60, quick=120, paper=300)
    within = exactly("every pair was in a block, and SO(d) has no local minimum but the global one")
    falling, stuck = (_teach(study, rounds, redraw) for redraw in (1, rounds))
    blocks = measured("loss by random blocks, of its start", falling[-1] / falling[0], within=within)
    yield blocks.at_most(1e-3)
    fixed = measured("loss by one block, of its start", stuck[-1] / stuck[0], within=within)
    yield fixed.control("one block, never drawn again").at_most(1e-3)
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
