"""How many images each claim takes, and how long it trains: for images from files other numbers than for digits.

Learning rates, c and B were chosen so that Minnorm's runs are certified, and how many seeds from what the intervals
are to resolve, on draws that are not judged; then they were frozen.
"""

from collections.abc import Mapping
from typing import NamedTuple

from experiments.images.methods import Budget, Trainer
from experiments.images.tasks import Images, draw, images_of
from theory.claims import Study

PILOTS = 3  # seeds that choose the strength of penalties
LOOKED_AT = 8  # seeds that show at once whether a user's images leave anything to judge


class Setting(NamedTuple):
    """How many images to train and to choose on, how many seeds, and the budget of each training."""

    train: int
    validation: int
    seeds: int
    budget: Budget


Settings = Mapping[str, Mapping[str, Setting]]

_LONG = Budget((32,), 1000, 150, 0.02, augmentation=0.1, dual_learning_rate=0.005)
_FEW = Setting(100, 100, 36, Budget((32,), 330, 100, 0.045, augmentation=0.1, dual_learning_rate=0.012, looks=4))
_FITTED = Setting(150, 150, 32, Budget((32,), 300, 150, 0.04, augmentation=0.1, dual_learning_rate=0.008, looks=4))
_FILES = Setting(1000, 1000, 24, Budget((64,), 4000, 1000, 0.01))
_SMALLEST = Setting(40, 40, 5, Budget((32,), 700, 40, 0.03, augmentation=0.1, dual_learning_rate=0.01))
_SOLVED = Budget((32,), 2000, 100, 0.02, augmentation=0.1, dual_learning_rate=0.005)

# By what the images are, the digits that come along or files, and by profile.
DIFFICULT = {
    "digits": {
        "smoke": _FEW,
        "quick": Setting(150, 150, 48, _LONG),
        "paper": Setting(150, 150, 192, _LONG),
    },
    "files": {"smoke": _FEW, "quick": Setting(150, 150, 48, _LONG), "paper": _FILES},
}
# Flipped labels are fitted later, and what they cost is four deviations of a draw from 150 images on, two from 100.
FLIPPED = {
    "digits": DIFFICULT["digits"] | {"smoke": _FITTED},
    "files": DIFFICULT["files"] | {"smoke": _FITTED},
}
# Two trainings are to end at the same weights: they have to converge.
SMALLEST_WEIGHTS = {
    "digits": {
        "smoke": _SMALLEST,
        "quick": Setting(100, 100, 8, _SOLVED),
        "paper": Setting(400, 400, 10, Budget((64,), 4000, 400, 0.02, augmentation=0.05, dual_learning_rate=0.005)),
    },
    "files": {
        "smoke": _SMALLEST,
        "quick": Setting(100, 100, 8, _SOLVED),
        "paper": Setting(1000, 1000, 5, Budget((64,), 8000, 1000, 0.01, augmentation=0.05, dual_learning_rate=0.005)),
    },
}


def prepared(study: Study, settings: Settings, *, flipped: float) -> tuple[Images, Trainer]:
    """The images of a study, and what trains on them; `flipped` is the share of the training labels to replace."""
    images, setting = images_of(study), _setting(study, settings)
    return images, _trainer(study, images, setting, setting.seeds, flipped, "task")


def pilot(study: Study, images: Images, settings: Settings, *, flipped: float) -> Trainer:
    """What trains on a few draws that are not judged, to choose settings."""
    return _trainer(study, images, _setting(study, settings), PILOTS, flipped, "pilot")


def first_look(study: Study, images: Images, settings: Settings) -> Trainer:
    """What trains on a few draws that are not judged, to see whether there is anything to find."""
    return _trainer(study, images, _setting(study, settings), LOOKED_AT, 0.0, "look")


def _setting(study: Study, settings: Settings) -> Setting:
    return study.pick(**settings["digits" if study.data is None else "files"])


def _trainer(study: Study, images: Images, setting: Setting, seeds: int, flipped: float, name: str) -> Trainer:
    sizes = {"train": setting.train, "validation": setting.validation, "seeds": seeds}
    return Trainer(study, draw(images, study.rng(name), flipped=flipped, **sizes), setting.budget)
