"""Splits of images: nothing in common, the right share of flipped labels."""

import numpy as np
import pytest

from experiments.classifiers.tasks import draw
from experiments.data.idx import Images, load_digits
from theory.core.validation import InvalidArgument

DIGITS = load_digits()
KEPT = Images("kept", DIGITS.pixels[:300], DIGITS.labels[:300], (8, 8), 50, DIGITS.classes)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_no_image_is_in_two_splits() -> None:
    task = draw(DIGITS, rng(), train=100, validation=60, seeds=3, flipped=0.1)
    assert task.train.x.shape == (3, 100, 64) and task.validation.y.shape == (3, 60) and task.test.y.shape == (3, 1000)
    for seed in range(3):
        images = np.concatenate([split.x[seed] for split in (task.train, task.validation, task.test)])
        assert len(np.unique(images, axis=0)) == len(images)
    assert (task.train.x[0] != task.train.x[1]).any()


def test_a_share_of_the_training_labels_is_flipped() -> None:
    task = draw(DIGITS, rng(), train=100, validation=60, seeds=4, flipped=0.25)
    assert (task.flipped.sum(1) == 25).all() and set(np.unique(task.train.y)) <= set(range(10))
    clean = draw(DIGITS, rng(), train=100, validation=60, seeds=4, flipped=0.0)
    assert not clean.flipped.any() and (clean.true == task.true).all() and (clean.test.y == task.test.y).all()


def test_images_kept_for_testing_are_tested_on() -> None:
    task = draw(KEPT, rng(), train=200, validation=50, seeds=2, flipped=0.0)
    assert task.test.y.shape == (2, 50)
    for images in task.test.x:
        assert (np.sort(images, axis=0) == np.sort(KEPT.pixels[250:], axis=0)).all()


def test_many_images_are_tested_on_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.classifiers.tasks.TESTED", 20)
    task = draw(KEPT, rng(), train=200, validation=50, seeds=2, flipped=0.0)
    assert task.test.y.shape == (2, 20) and (task.test.x[0] != task.test.x[1]).any()
    assert all((KEPT.pixels[250:] == image).all(1).any() for image in task.test.x.reshape(-1, 64))


@pytest.mark.parametrize(
    ("images", "sizes", "expected"),
    [
        (DIGITS, {"train": 1700, "validation": 97}, r"train \+ validation = 1797: expected fewer than the 1797"),
        (KEPT, {"train": 200, "validation": 51}, r"train \+ validation = 251: expected fewer than the 250"),
        (DIGITS, {"train": 0, "validation": 97}, "train = 0"),
        (DIGITS, {"train": 19, "validation": 97}, "classes = 10: expected at most 9 of digits, two of the 19 training"),
        (DIGITS, {"train": 20, "validation": 10, "flipped": 1.0}, r"flipped = 1.0: expected a number in \[0, 1\)"),
        (DIGITS, {"train": 20, "validation": 10, "seeds": 0}, "seeds = 0"),
    ],
)
def test_sizes_that_do_not_fit(images: Images, sizes: dict, expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected):
        draw(images, rng(), **({"seeds": 2, "flipped": 0.0} | sizes))
