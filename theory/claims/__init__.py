"""What a claim is: checks with their tolerances, estimates, the study it is judged in, and the judging."""

from theory.claims.check import Check
from theory.claims.judging import (
    AS_PRINTED,
    AS_THE_ABSTRACT_SAYS,
    OURS,
    QUALIFIED,
    RECONSTRUCTED,
    REGISTRY,
    SOURCE_KINDS,
    Claim,
    Curves,
    Evidence,
    claim,
    curves,
    judge,
    on_data,
)
from theory.claims.measured import Measured, measured, residual
from theory.claims.parameters import varies
from theory.claims.random_numbers import Estimated, frequency, order, rate, samples, slope
from theory.claims.resolution import Prediction
from theory.claims.study import Study, Training
from theory.claims.tolerance import Tolerance, by_chance, exactly, rounding
from theory.claims.verdicts import FAILS, HOLDS, UNDECIDED, VERDICTS

__all__ = [
    "AS_PRINTED",
    "AS_THE_ABSTRACT_SAYS",
    "FAILS",
    "HOLDS",
    "OURS",
    "QUALIFIED",
    "RECONSTRUCTED",
    "REGISTRY",
    "SOURCE_KINDS",
    "UNDECIDED",
    "VERDICTS",
    "Check",
    "Claim",
    "Curves",
    "Estimated",
    "Evidence",
    "Measured",
    "Prediction",
    "Study",
    "Tolerance",
    "Training",
    "by_chance",
    "claim",
    "curves",
    "exactly",
    "frequency",
    "judge",
    "measured",
    "on_data",
    "order",
    "rate",
    "residual",
    "rounding",
    "samples",
    "slope",
    "varies",
]
