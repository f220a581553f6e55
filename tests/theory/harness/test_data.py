"""Which claims can be judged on the user's own data, and the line that refuses the others."""

from pathlib import Path

import numpy as np
import pytest

from theory.catalogue import READERS
from theory.core.validation import InvalidArgument
from theory.harness.data import Data, accepting, left_out, refuse_data
from theory.harness.discovery import Stated
from theory.harness.provenance import digest

TABLES, IMAGES = READERS
CLAIMS = [Stated(f"a.{kind or 'none'}", "", "", Path(), kind) for kind in ("", *TABLES.kinds, "images")]


def mine(path: Path, y: list) -> Data:
    np.savez(path / "mine.npz", X=np.eye(4)[:, :2], y=np.array(y))
    return Data(TABLES, str(path / "mine.npz"))


@pytest.mark.parametrize(
    ("y", "kinds"),
    [
        ([0, 0, 1, 1], {"regression", "multiclass", "labelled", "inseparable"}),
        (["a", "b", "c", "c"], {"multiclass"}),
        ([0.5, 1.5, 2.0, 2.0], {"regression"}),
    ],
)
def test_the_file_decides_which_claims_it_suits(tmp_path: Path, y: list, kinds: set[str]) -> None:
    assert {claim.accepts_data for claim in accepting(CLAIMS, mine(tmp_path, y))} == kinds
    assert accepting(CLAIMS, None) == CLAIMS


def test_a_claim_is_refused_by_what_the_data_lack(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidArgument, match=r"labels = 3 classes \(a, b, c\): expected two classes.*\(for a.labelled"
    ):
        refuse_data(mine(tmp_path, ["a", "b", "c", "c"]), CLAIMS[3:4], CLAIMS)
    with pytest.raises(InvalidArgument, match=r"for regression \(a.regression\), not a.none, a.images"):
        refuse_data(mine(tmp_path, [0.5, 1.5, 2.0, 2.0]), [CLAIMS[0], CLAIMS[-1]], CLAIMS)
    with pytest.raises(
        InvalidArgument, match=r"for regression or multiclass \(a.regression, a.multiclass\), not a.none"
    ):
        refuse_data(mine(tmp_path, [0, 1, 2, 2]), CLAIMS[:1], CLAIMS)


def test_what_is_left_out_is_said_kind_by_kind(tmp_path: Path) -> None:
    lines = list(left_out([*CLAIMS, CLAIMS[3]], mine(tmp_path, ["a", "b", "c", "c"])))
    assert len(lines) == 4 and "numbers to fit (left out: a.regression)" in lines[0]
    assert lines[1].endswith(
        "labels = 3 classes (a, b, c): expected two classes: keep the rows of two (left out: a.labelled, a.labelled)"
    )
    assert not list(left_out(CLAIMS, None)) and not list(left_out(CLAIMS[:1], mine(tmp_path, [0, 1, 2, 2])))


def test_data_are_read_only_where_a_claim_may_accept_them(tmp_path: Path) -> None:
    none = Data(IMAGES, str(tmp_path / "none"))
    assert not none.suit(CLAIMS[0]) and not none.suit(CLAIMS[1])
    with pytest.raises(InvalidArgument, match="a folder with the files"):
        none.suit(CLAIMS[-1])


def test_the_digest_of_a_pair_is_of_both(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.ones(3))
    np.save(tmp_path / "Y.npy", np.ones(3))
    before = digest(tmp_path / "X.npy,Y.npy")
    np.save(tmp_path / "Y.npy", np.zeros(3))
    assert digest(tmp_path / "X.npy,Y.npy") != before
