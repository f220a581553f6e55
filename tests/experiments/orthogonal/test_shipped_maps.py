"""Our OFT and BOFT are the ones that the peft library ships, where it can be imported; their parts, where not."""

import numpy as np
import pytest
import torch

from experiments.orthogonal.shipped_maps import block_diagonal, butterfly, exact_option, series, skew
from theory.orthogonal.neumann import cayley

ENTRIES = torch.tensor(np.random.default_rng(0).standard_normal((3, 6)), dtype=torch.float64) / 4


def upper(entries: torch.Tensor, b: int) -> torch.Tensor:
    """Skew matrices (*runs, b, b) of their entries above the diagonal, row by row."""
    P = entries.new_zeros(*entries.shape[:-1], b, b)
    i, j = torch.triu_indices(b, b, 1)
    P[..., i, j] = entries
    return skew(P)


@pytest.mark.parametrize("terms", [3, 4, 5, 6, 8])
def test_peft_computes_the_series(terms: int) -> None:
    layer = pytest.importorskip("peft.tuners.oft.layer", reason="peft is not installed, or not what it needs")
    module = layer.OFTRotationModule(3, 6, 4, 12)
    theirs = module._cayley_batch(ENTRIES, 4, True, terms)
    assert torch.allclose(theirs, series(upper(ENTRIES, 4), terms), rtol=0, atol=1e-14)


def test_the_exact_option_of_peft_is_the_transpose() -> None:
    layer = pytest.importorskip("peft.tuners.oft.layer", reason="peft is not installed, or not what it needs")
    theirs = layer.OFTRotationModule(3, 6, 4, 12)._cayley_batch(ENTRIES, 4, False)
    Q = upper(ENTRIES, 4)
    assert torch.allclose(theirs, exact_option(Q), rtol=0, atol=1e-6)  # its identity is in single precision
    assert theirs.mT.numpy() == pytest.approx(cayley(Q.numpy()), abs=1e-6)


def test_the_default_of_peft_has_five_terms() -> None:
    config = pytest.importorskip("peft.tuners.oft.config", reason="peft is not installed, or not what it needs")
    assert config.OFTConfig().use_cayley_neumann and config.OFTConfig().num_cayley_neumann_terms == 5


def test_the_exact_option_is_cayleys_transposed() -> None:
    Q = upper(ENTRIES, 4)
    assert exact_option(Q).mT.numpy() == pytest.approx(cayley(Q.numpy()), abs=1e-14)


def test_blocks_stand_on_the_diagonal() -> None:
    blocks = torch.arange(8.0).reshape(2, 2, 2)
    assert torch.equal(block_diagonal(blocks), torch.block_diag(*blocks))
    assert torch.equal(block_diagonal(torch.stack([blocks, -blocks]))[1], torch.block_diag(*-blocks))


def test_butterflies_of_two_by_two_are_those_of_the_fast_fourier_transform() -> None:
    """Factor i mixes the coordinates whose numbers differ in digit i: by a Hadamard factor, all signs of Hadamard's."""
    half_turns = torch.tensor([[1.0, 1.0], [1.0, -1.0]]).expand(3, 4, 2, 2)
    digits = np.array([[bin(i & j).count("1") for j in range(8)] for i in range(8)])
    assert torch.equal(butterfly(half_turns), torch.tensor((-1.0) ** digits))


def test_a_factor_mixes_halves_of_blocks() -> None:
    factors = exact_option(upper(torch.ones(2, 4, 6), 4) / 3)
    one, both = butterfly(factors[:1]), butterfly(factors)
    assert torch.allclose(one, torch.block_diag(*factors[0]))
    second = both @ one.mT
    mixed = {(int(i) // 2 ^ int(j) // 2) for i, j in torch.nonzero(second.abs() > 1e-6)}
    assert mixed == {0, 2}
