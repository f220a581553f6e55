"""What is said of the user's data: every violation once, and nothing of what is not so."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.data import budget
from experiments.data.hypotheses import of_columns, of_examples, of_regression, of_support
from experiments.data.labelled import Labelled
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.separable import Separable

RNG = np.random.default_rng(0)
GENERIC = RNG.standard_normal((9, 3))


def examples(X: Array, labels: list[int]) -> Labelled:
    return Labelled(np.asarray(X, float), np.array(labels), ("no", "yes"))


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (GENERIC, []),
        (GENERIC * [1, 1, 0], ["zeros in all of column 2"]),
        (np.hstack([GENERIC, np.ones((9, 1))]), ["constant: column 3"]),
        (GENERIC[:, [0, 1, 0]], ["proportional columns: 0 and 2"]),
        (GENERIC[:, [0, 1, 1]] * [1, 1, -3], ["proportional columns: 1 and 2"]),
        (GENERIC * [1, 1, 1e4], ["unscaled: the columns' norms are "]),
        (np.hstack([GENERIC, np.zeros((9, 7))]), ["zeros in all of columns 3, 4, 5, 6, 7 and 2 more"]),
        (np.ones((1, 3)), []),
    ],
)
def test_columns(X: Array, said: list[str]) -> None:
    found = list(of_columns(X))
    assert len(found) == len(said) and all(line.startswith(start) for line, start in zip(found, said))


def test_regressions() -> None:
    Q = np.linalg.qr(GENERIC)[0]
    assert list(of_regression(Regression(Q, Q @ np.ones((3, 1))))) == []
    assert list(of_regression(Regression(GENERIC, GENERIC @ np.ones((3, 1))))) == [
        f"not white: the condition number of X is {np.linalg.cond(GENERIC):.3g}"
    ]
    lines = list(of_regression(Regression(GENERIC @ np.diag([1, 1, 0]), RNG.standard_normal((9, 2)))))
    assert lines[:2] == ["zeros in all of column 2", "rank-deficient: 9 x 3 inputs of rank 2"]
    assert lines[2].startswith("no weights interpolate (n = 9 examples, rank 2): L* > 0, 0.")
    assert "fewer examples than inputs (3 < 9): 6 directions no example sees" in of_regression(
        Regression(GENERIC.T, np.ones((3, 1)))
    )


def test_labelled_examples() -> None:
    biased = np.hstack([GENERIC, np.ones((9, 1))])
    assert list(of_examples(examples(biased, [0, 1] * 4 + [0]))) == ["constant: column 3"]
    assert list(of_examples(examples(GENERIC, [0] * 8 + [1]))) == [
        "no constant column: the classifier has no bias",
        "classes of unequal size: 8 no, 1 yes",
    ]
    twice = list(of_examples(examples(biased[[0, 0, 1, 2, 3, 4, 4]], [0, 1, 1, 0, 1, 0, 0])))
    assert twice[1:] == [
        "equal inputs with different labels: row 0 and others; no classifier separates them",
        "2 rows repeat others",
    ]


def test_support_vectors() -> None:
    problem = Separable(np.array([[1.0, 1.0], [1.0, -1.0], [3.0, 0.0]]))
    assert list(of_support(problem)) == [
        "separable, the longest example 3 times the margin; 2 support vectors of 3 examples",
        "condition number 1 of the support vectors' Gram matrix",
    ]
    touching = Separable(np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert list(of_support(touching))[-1] == "on the margin beside the support: example 1 (duals not unique, or 0)"
    dependent = list(of_support(Separable(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]))))
    assert dependent[-1].startswith("on the margin beside the support: example ")


@given(seed=st.integers(0, 10**6), n=st.integers(2, 8), d=st.integers(1, 8))
def test_generic_data_have_no_degenerate_columns(seed: int, n: int, d: int) -> None:
    X = np.random.default_rng(seed).standard_normal((n, d))
    assert not [line for line in of_columns(X) if not line.startswith("unscaled")]
    j = seed % d
    assert f"proportional columns: {j} and {d}" in of_columns(np.hstack([X, -2 * X[:, [j]]]))


def test_what_takes_longer_than_a_minute_is_said_before(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    study = Study("a.b", "quick", data=tmp_path / "mine.csv")
    budget.say_before(study, 59)
    assert capsys.readouterr().err == ""
    budget.say_before(study, 9000)
    assert capsys.readouterr().err == "a.b on mine.csv: about 2.5 hours\n"
    assert budget.allowed(study) == 300 and budget.longer_profile(301) == "; --profile paper takes the time"
    assert budget.longer_profile(1e5) == "" and budget.in_words(7e7) == "2.22 years"
