"""How many images each claim takes, and how long it trains: of thousands from files more than of the digits.

Learning rates, c and B were chosen so that Minnorm's runs become stationary in few steps, and how many draws from the
power at the significance that is asked for, on draws that are not judged; then they were frozen.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

from experiments.classifiers.tasks import Images, draw, images_of
from experiments.images.methods import Budget, Trainer
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.validation import reject

PILOTS = 6  # seeds that choose the strength of a penalty
CHOSEN_ON = 500  # images of each of them, or half of those that are not trained on
LOOKED_AT = 8  # seeds that show at once whether a user's images leave anything to judge

IMAGES = partial(varies, "to train on, all in a batch", low=40, high=600, from_data=True)
DRAWS = partial(varies, "independent ones of the images", low=30, high=300, from_data=True)
WIDTH = partial(varies, "of the hidden layer", low=16, high=256, from_data=True)
STEPS = partial(varies, "of a training", low=200, high=8000, from_data=True)
LEARNING_RATE = partial(varies, "at the first step, of every method", low=0.005, high=0.1, from_data=True)
AUGMENTATION = partial(varies, "c of Minnorm", low=0.01, high=1, from_data=True)
DUAL_LEARNING_RATE = partial(varies, "B of Minnorm", low=0.001, high=0.05, from_data=True)


class Setting(NamedTuple):
    """How many images to train on, how many seeds, and the budget of each training."""

    train: int
    seeds: int
    budget: Budget


@dataclass(frozen=True)
class Sizes:
    """Of the draws of scikit-learn's digits, and of every training.

    Files have images enough for the setting `many`, and the paper profile takes it.
    """

    images: int = IMAGES(150, smoke=50)
    draws: int = DRAWS(120, smoke=128, paper=192)
    width: int = WIDTH(32)
    steps: int = STEPS(520, smoke=220, paper=1500)
    learning_rate: float = LEARNING_RATE(0.03, smoke=0.04, paper=0.01)
    augmentation: float = AUGMENTATION(0.045, smoke=0.03, paper=0.1)
    dual_learning_rate: float = DUAL_LEARNING_RATE(0.0054, smoke=0.0036, paper=0.003)

    many: ClassVar[Setting] = Setting(1000, 64, Budget((64,), 4000, 1000, 0.01))

    @property
    def setting(self) -> Setting:
        """All of it, for digits."""
        rates = {"augmentation": self.augmentation, "dual_learning_rate": self.dual_learning_rate}
        budget = Budget((self.width,), self.steps, self.images, self.learning_rate, **rates)
        return Setting(self.images, self.draws, budget)


def prepared(study: Study, sizes: Sizes, *, flipped: float) -> tuple[Images, Trainer]:
    """The images of a study, and what trains on them; `flipped` is the share of the training labels to replace."""
    images = images_of(study)
    return images, another(study, images, sizes, 0, flipped=flipped)


def another(study: Study, images: Images, sizes: Sizes, count: int, *, flipped: float) -> Trainer:
    """What trains on a round of draws, by its number."""
    setting = _setting(study, sizes)
    return _trainer(study, images, setting, setting.seeds, flipped, "task", count)


def pilot(study: Study, images: Images, sizes: Sizes, *, flipped: float) -> Trainer:
    """What trains on a few draws that are not judged, to choose settings."""
    return _trainer(study, images, _setting(study, sizes), PILOTS, flipped, "pilot", validation=CHOSEN_ON)


def first_look(study: Study, images: Images, sizes: Sizes) -> Trainer:
    """A few draws that are not judged, to see whether there is anything to find."""
    return _trainer(study, images, _setting(study, sizes), LOOKED_AT, 0.0, "look")


def require_long_enough(study: Study, sizes: Sizes, arrived: Array, where: str) -> None:
    """Refuse a user's parameters or images with which trainings did not all arrive where the claim needs them."""
    if (study.given or study.data is not None) and not arrived.all():
        missing = f"this many {where} in {int(arrived.sum())} of {arrived.size} trainings"
        reject("steps", _setting(study, sizes).budget.steps, f"more, or other learning rates: {missing}")


def _setting(study: Study, sizes: Sizes) -> Setting:
    return sizes.many if study.data is not None and study.profile == "paper" else sizes.setting


def _trainer(
    study: Study, images: Images, setting: Setting, seeds: int, flipped: float, *name: Any, validation: int = 1
) -> Trainer:
    left = len(images.labels) - images.kept_for_testing - setting.train
    sizes = {"train": setting.train, "validation": max(min(validation, left // 2), 1), "seeds": seeds}
    return Trainer(study, draw(images, study.rng(*name), flipped=flipped, **sizes), setting.budget, *name)
