"""One judged number: something measured, with its tolerance and the reason for it, held against a prediction.

    rate = measured("rate", value, within=rounding(terms, size, of="E = Y - X U V^T"))
    yield rate.at_least(bound)
    yield rate.control("c 5 % larger").at_least(1.05 * bound)

A *control* is a negative control: a hypothesis is broken or the statement is changed, and the check has to fail. So
has what a source says and is not so: a *misprint* is a statement as printed that has a counterexample, a *proof step*
a line of the printed proof that is wrong while the theorem holds, an *overstatement* a sentence of an abstract, a
*condition* a sentence that is true with a condition it does not name.

A check is the theorem's *own*, or it is `.supporting()` one: of the solver, of rounding, of an order in the step. What
a prediction is a function of decides how finely the theorem was tested, so a curve is handed over as a function of the
factor by which the theorem's constant is multiplied:

    yield loss.equals(lambda k: closed_form(t, rate=k * rate))
"""

from dataclasses import dataclass

from theory.claims.verdicts import LIMIT

CONTROL, MISPRINT, PROOF_STEP = "control", "misprint", "proof step"
OVERSTATEMENT, CONDITION = "overstatement", "condition"
HAVE_TO_FAIL = (CONTROL, MISPRINT, PROOF_STEP, OVERSTATEMENT, CONDITION)
INTERVALS = ("order", "slope", "rate")
BOUNDS = ("at_most", "at_least", "probability")


@dataclass(frozen=True)
class Check:
    """One judged number.

    Attributes:
        name: what is measured; together with `case` no other check of the claim has it.
        kind: equal, at_most, at_least, order, slope, rate, probability, law, identity, or one of `HAVE_TO_FAIL`.
        predicted, measured: the two numbers at the worst point of what was compared.
        tolerance: what they may differ by, in their own units; `reason` says where it comes from.
        headroom: how far the check was from the other verdict, as a ratio above 1 if passed (1 is on the edge). For a
            control, how far the broken hypothesis took the claim beyond its tolerance.
        part: of the theorem, e.g. an equation or a corollary.
        case: sizes, start, or whatever else tells this check from others of the same name.
        where: the worst point, e.g. "t 3, run 5"; indices count from 0.
        own: whether it is the theorem's own, or one that supports it.
        resolution: the smallest change of the theorem's constant that the numbers measured would have refused, as a
            share of it; 0 if it is exact, inf if none. For a bound, the share by which it can be sharpened until it is
            violated. None for a check that failed, or has to.
        resolves: the share it has to resolve; an own check that does not is undecided.
        significance: the probability with which it may fail by chance; 0 if nothing is random.
        data: name of the user's own data that it was made on; "" if it was made on the claim's own problem.
        varied: whether parameters of the claim were the user's, not the profile's own.
    """

    name: str
    kind: str
    predicted: float
    measured: float
    tolerance: float
    reason: str
    passed: bool
    headroom: float
    part: str = ""
    case: str = ""
    where: str = ""
    own: bool = True
    resolution: float | None = 0.0
    resolves: float = LIMIT
    significance: float = 0.0
    data: str = ""
    varied: bool = False

    def __bool__(self) -> bool:
        """Whether it passed and is decided, so that `assert check` says what it seems to say."""
        return self.passed and not self.is_undecided

    @property
    def is_undecided(self) -> bool:
        """Whether it passed and resolves less than it has to, or did not for lack of knowledge.

        So does an interval that holds the prediction and what it has to exclude; and, on a user's problem, a control
        that does not refuse what is wrong.
        """
        if not self.passed:
            holds_both = self.kind in INTERVALS and abs(self.measured - self.predicted) <= self.tolerance
            return holds_both or (self.kind == CONTROL and (self.data != "" or self.varied))
        return self.own and self.resolution is not None and self.resolution > self.resolves

    @property
    def room(self) -> float:
        """The smaller of how far it is from failing and, of the theorem's own, how far from being undecided."""
        if not self.own or not self.resolution:
            return self.headroom
        return min(self.headroom, self.resolves / self.resolution)

    @property
    def is_bound(self) -> bool:
        """Whether it can lie so many times above what it bounds; one at 0 resolves a share of what it is against."""
        return self.kind in BOUNDS and self.predicted != 0

    @property
    def label(self) -> str:
        """Case and name."""
        return f"{self.case}: {self.name}" if self.case else self.name

    @property
    def is_control(self) -> bool:
        """Whether this is a check that had to fail: a negative control, or what a source says and is not so."""
        return self.kind in HAVE_TO_FAIL
