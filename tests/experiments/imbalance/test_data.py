"""Claims on a user's own data: what means something there is judged, and the rest refused in a line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from experiments.imbalance import conservation, proposition1, theorem2, wide_limit, width_law
from experiments.imbalance.min2022 import corollary4, corollary6, theorem3
from experiments.imbalance.min2022 import proposition1 as product_rate
from experiments.imbalance.min2023 import conservation as of_layers
from experiments.imbalance.min2023 import theorem1 as two_layers
from experiments.imbalance.min2023 import theorem2 as three_layers
from theory.claims import Check, Curves, Study
from theory.claims.parameters import at
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument

Part = Callable[[Study], Iterator[Check | Curves]]
ON_ANY_DATA: dict[str, Part] = {
    "min2021.conservation": lambda study: conservation._trained(study, at(conservation.Sizes, "smoke", {})),
    "imbalance.wide_limit": lambda study: wide_limit._on_data(study, at(wide_limit.Widths, "smoke", {})),
    "min2022.corollary4": corollary4._on_data,
    "min2022.corollary6": corollary6._on_data,
    "min2022.proposition1": product_rate._on_data,
    "min2022.theorem3": theorem3._on_data,
    "min2023.conservation": of_layers._on_data,
    "min2023.theorem1": two_layers._on_data,
    "min2023.theorem2": three_layers._on_data,
}
PARTLY_SEEN: dict[str, Part] = {
    "imbalance.width_law": width_law._on_data,
    "min2021.proposition1": lambda study: proposition1._from_every_start(study, at(proposition1.Sizes, "smoke", {})),
    "min2021.theorem2": lambda study: theorem2._on_data(study, at(theorem2.Widths, "smoke", {})),
}


def on(path: Path, id: str, X: Array, Y: Array) -> Study:
    np.savez(path / "mine.npz", X=X, Y=Y)
    return Study(id, "smoke", data=path / "mine.npz")


def rows(n: int, D: int, m: int) -> tuple[Array, Array]:
    rng = np.random.default_rng((n, D, m))
    return np.linalg.qr(rng.standard_normal((D, n)))[0].T * 3.0, rng.standard_normal((n, m))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("id", [*ON_ANY_DATA, *PARTLY_SEEN])
def test_it_holds_on_few_examples(tmp_path: Path, id: str) -> None:
    study = on(tmp_path, id, *rows(2, 6, 1))
    checks = [item for item in (ON_ANY_DATA | PARTLY_SEEN)[id](study) if isinstance(item, Check)]
    assert checks and all(check.passed and check.data == "mine.npz" for check in checks)
    assert "fewer examples than inputs (2 < 6): 4 directions no example sees" in study.remarks


@pytest.mark.parametrize("id", PARTLY_SEEN)
def test_where_all_is_seen_there_is_nothing_to_judge(tmp_path: Path, id: str) -> None:
    with pytest.raises(InvalidArgument, match="rank of X = 2, all 2 inputs: expected fewer than that") as refusal:
        list(PARTLY_SEEN[id](on(tmp_path, id, np.eye(2), np.ones((2, 1)))))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("id", ["min2022.theorem3", "min2023.theorem2"])
def test_what_would_take_too_long_is_refused(tmp_path: Path, id: str) -> None:
    with pytest.raises(InvalidArgument, match=r"condition number 1e\+05: expected a slowest direction .* steps"):
        list(ON_ANY_DATA[id](on(tmp_path, id, np.diag([1.0, 1e-5]), np.ones((2, 1)))))
