"""How many images each claim takes, and how long it trains: more and longer for images from files."""

from collections.abc import Mapping
from typing import NamedTuple

from experiments.images.methods import Budget, Trainer
from experiments.images.tasks import Images, draw, images_of
from theory.claims import Study


class Setting(NamedTuple):
    """How many images to train and to choose on, how many seeds, and the budget of each training."""

    train: int
    validation: int
    seeds: int
    budget: Budget


Settings = Mapping[str, Mapping[str, Setting]]

_FIVE = Setting(80, 300, 4, Budget((24,), 600, 80, 0.04))
_SMALLEST = Setting(40, 40, 8, Budget((32,), 1200, 40, 0.03))

# By what the images are, the digits that come along or files, and by profile.
COMPARED = {
    "digits": {
        "smoke": _FIVE,
        "quick": Setting(400, 400, 5, Budget((64,), 4000, 200, 0.02)),
        "paper": Setting(800, 300, 10, Budget((64,), 8000, 200, 0.02)),
    },
    "files": {
        "smoke": _FIVE,
        "quick": Setting(1000, 1000, 5, Budget((64,), 4000, 250, 0.01)),
        "paper": Setting(10000, 5000, 5, Budget((64,), 10000, 1000, 0.01, dual_learning_rate=0.003)),
    },
}
# Larger batches where two trainings are to end at the same weights: they have to converge.
SMALLEST_WEIGHTS = {
    "digits": {
        "smoke": _SMALLEST,
        "quick": Setting(400, 400, 5, Budget((64,), 4000, 400, 0.02)),
        "paper": Setting(800, 300, 10, Budget((64,), 8000, 800, 0.02)),
    },
    "files": {
        "smoke": _SMALLEST,
        "quick": Setting(1000, 1000, 5, Budget((64,), 4000, 500, 0.01)),
        "paper": Setting(10000, 5000, 5, Budget((64,), 16000, 1000, 0.01, dual_learning_rate=0.003)),
    },
}


def prepared(study: Study, settings: Settings, *, flipped: float) -> tuple[Images, Trainer]:
    """The images of a study, and what trains on them; `flipped` is the share of the training labels to replace."""
    images = images_of(study)
    setting = study.pick(**settings["digits" if study.data is None else "files"])
    sizes = {"train": setting.train, "validation": setting.validation, "seeds": setting.seeds}
    return images, Trainer(study, draw(images, study.rng("task"), flipped=flipped, **sizes), setting.budget)
