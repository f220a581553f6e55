"""What judging the user's own data may take, said before it is taken."""

import sys

from theory.claims import Study

SECONDS = {"smoke": 30, "quick": 300, "paper": 3600}  # that the trainings of a claim may take
WORTH_SAYING = 60.0


def allowed(study: Study) -> int:
    """Seconds that this profile has for a claim."""
    return SECONDS[study.profile]


def say_before(study: Study, seconds: float) -> None:
    """On stderr, how long the claim will take, where it is more than a minute."""
    if seconds > WORTH_SAYING and study.data is not None:
        print(f"{study.claim} on {study.data.name}: about {in_words(seconds)}", file=sys.stderr)


def longer_profile(seconds: float) -> str:
    """Which profile has the time, as the end of a message; "" where none has."""
    enough = [profile for profile, most in SECONDS.items() if seconds <= most]
    return f"; --profile {enough[0]} takes the time" if enough else ""


def in_words(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> in_words(30), in_words(9000)
    ('30 seconds', '2.5 hours')
    """
    units = ((86400 * 365, "years"), (86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
    length, unit = next(((length, unit) for length, unit in units if seconds >= 2 * length), units[-1])
    return f"{seconds / length:.3g} {unit}"
