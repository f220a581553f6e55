"""How many images each claim takes, and how long it trains: more and longer for images from files."""

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


def compared(study: Study) -> Setting:
    """Of the claims that compare five methods."""
    smoke = Setting(80, 300, 4, Budget((24,), 600, 80, 0.04))
    if study.data is None:
        return study.pick(
            smoke=smoke,
            quick=Setting(400, 400, 5, Budget((64,), 4000, 200, 0.02)),
            paper=Setting(800, 300, 10, Budget((64,), 8000, 200, 0.02)),
        )
    return study.pick(
        smoke=smoke,
        quick=Setting(1000, 1000, 5, Budget((64,), 4000, 250, 0.01)),
        paper=Setting(10000, 5000, 5, Budget((64,), 10000, 1000, 0.01, dual_learning_rate=0.003)),
    )


def smallest_weights(study: Study) -> Setting:
    """Of the claim that two trainings end at the same weights: larger batches, since those have to converge."""
    smoke = Setting(40, 40, 8, Budget((32,), 1200, 40, 0.03))
    if study.data is None:
        return study.pick(
            smoke=smoke,
            quick=Setting(400, 400, 5, Budget((64,), 4000, 400, 0.02)),
            paper=Setting(800, 300, 10, Budget((64,), 8000, 800, 0.02)),
        )
    return study.pick(
        smoke=smoke,
        quick=Setting(1000, 1000, 5, Budget((64,), 4000, 500, 0.01)),
        paper=Setting(10000, 5000, 5, Budget((64,), 16000, 1000, 0.01, dual_learning_rate=0.003)),
    )


def prepared(study: Study, setting: Setting, *, flipped: float) -> tuple[Images, Trainer]:
    """The images of a study, and what trains on them; `flipped` is the share of the training labels to replace."""
    images = images_of(study)
    sizes = {"train": setting.train, "validation": setting.validation, "seeds": setting.seeds}
    return images, Trainer(study, draw(images, study.rng("task"), flipped=flipped, **sizes), setting.budget)
