"""What a claim is: checks with their tolerances, estimates, the study it is judged in, and the judging."""

from theory.claims.check import Check, Estimated, Measured, frequency, measured, order, rate, residual, samples, slope
from theory.claims.judging import FAILS, HOLDS, QUALIFIED, REGISTRY, Claim, Curves, Evidence, claim, curves, judge
from theory.claims.study import Study, Training
from theory.claims.tolerance import Tolerance, exactly, rounding

__all__ = [
    "FAILS",
    "HOLDS",
    "QUALIFIED",
    "REGISTRY",
    "Check",
    "Claim",
    "Curves",
    "Estimated",
    "Evidence",
    "Measured",
    "Study",
    "Tolerance",
    "Training",
    "claim",
    "curves",
    "exactly",
    "frequency",
    "judge",
    "measured",
    "order",
    "rate",
    "residual",
    "rounding",
    "samples",
    "slope",
]
