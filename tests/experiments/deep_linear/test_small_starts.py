"""Two layers from small starts: what is trained and looked at; which parameters of the two claims fit."""

import re
from typing import Any

import numpy as np
import pytest

from experiments.deep_linear import jump_times, saddle_to_saddle
from experiments.deep_linear.small_starts import normal_layers, trained
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument
from theory.deep_linear.modes import Modes, whitened


def test_strengths_and_losses_are_those_of_the_layers_at_every_learning_rate() -> None:
    rng, study = np.random.default_rng(0), Study("deep_linear.jump_times", "smoke")
    modes = Modes(whitened([2.0, 1.0], x=1.2, d=4, n=3, K=2, rng=rng))
    W = normal_layers(rng, modes, 3, (0.3, 0.5), 5)
    options = {"learning_rate": 0.02, "horizon": 0.1, "every": 0.02}
    coarse, fine = trained(study, modes, W, levels=2, **options)
    assert coarse.t == pytest.approx(0.02 * np.arange(len(coarse.t)))
    assert fine.t == pytest.approx(coarse.t)
    product = W[1] @ W[0]
    assert coarse["strength"][0] == pytest.approx(modes.strengths(product))
    assert fine["strength"][0] == pytest.approx(coarse["strength"][0])
    losses = 0.5 * ((modes.problem.Y - product @ modes.problem.X) ** 2).sum((1, 2))
    assert coarse["loss"][0] == pytest.approx(losses)
    # The first step of descent, by hand.
    error = modes.problem.X @ (modes.problem.Y - product @ modes.problem.X).mT
    after = (W[1] + 0.02 * error.mT @ W[0].mT) @ (W[0] + 0.02 * W[1].mT @ error.mT)
    assert coarse["strength"][1] == pytest.approx(modes.strengths(after))
    (each,) = trained(study, Modes(modes.problem.each(5)), W, **options)
    assert each["strength"] == pytest.approx(coarse["strength"])


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (saddle_to_saddle.Saddles, {"strengths": (3.0, 2.9, 1.0)}, "expected each 1.2 times the next at least"),
        (saddle_to_saddle.Saddles, {"strengths": (3.0, 1.5, 1.0)}, "expected three or more, the second far nearer"),
        (saddle_to_saddle.Saddles, {"width": 4}, "width = 4: expected at least two more than the modes, 5"),
        (saddle_to_saddle.Saddles, {"sizes": (1e-3, 1e-4, 1e-5)}, "expected four or more, each ten times the next"),
        (saddle_to_saddle.Saddles, {"start": 1e-3}, "start = 0.001: expected a number in [1e-16, 1e-11]"),
        (jump_times.Drawn, {"strengths": (3.0, 2.5, 1.0)}, "expected each 1.4 times the next at least"),
        (jump_times.Drawn, {"deviations": (1e-6, 1e-5)}, "expected two, one a layer, neither above 2.5 times"),
        (jump_times.Drawn, {"width": 4}, "width = 4: expected at least two more than the modes, 5"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "smoke", given)


def test_the_claim_holds_away_from_its_own_parameters() -> None:
    given = {"strengths": (1.6, 0.9), "width": 5, "runs": 1000, "deviations": (3e-5, 2e-5)}
    evidence = judge(REGISTRY["deep_linear.jump_times"], Study("deep_linear.jump_times", "smoke", given=given))
    assert evidence.verdict == "holds"
