"""What a network is trained, chosen and tested on: one split of the images a seed, some training labels flipped."""

from dataclasses import dataclass

import numpy as np

from experiments.data.idx import Images, load_digits, load_images
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.validation import inside, positive_integer, reject

TESTED = 1000  # images that a seed is tested on, drawn anew for each


@dataclass(frozen=True)
class Split:
    """Images x (seeds, n, d) and labels y (seeds, n)."""

    x: Array
    y: Array

    @property
    def size(self) -> int:
        return self.y.shape[1]

    def examples(self, seeds: Array, rows: Array) -> "Split":
        """The examples `rows` (runs, n) of the seeds (runs,)."""
        return Split(self.x[seeds[:, None], rows], self.y[seeds[:, None], rows])


@dataclass(frozen=True)
class Task:
    """Splits to train, to choose and to test on, without a common image.

    Attributes:
        true: (seeds, n) the training labels before some were flipped.
    """

    train: Split
    validation: Split
    test: Split
    true: Array
    classes: int

    @property
    def flipped(self) -> Array:
        """Which training labels (seeds, n) were replaced by another class."""
        return self.train.y != self.true

    @property
    def seeds(self) -> int:
        return len(self.train.y)

    @property
    def pixels(self) -> int:
        return self.train.x.shape[-1]


def images_of(study: Study) -> Images:
    """The user's images where there are any, else scikit-learn's digits."""
    return load_digits() if study.data is None else load_images(study.data)


def draw(images: Images, rng: np.random.Generator, *, train: int, validation: int, seeds: int, flipped: float) -> Task:
    """Split the images at random, once a seed; the test images are some kept for it, or of all that are left.

    Args:
        train, validation: how many images to train and to choose on.
        flipped: the share of training labels to replace, each by another class drawn uniformly.

    Raises:
        InvalidArgument: more images than there are, fewer than two a class to train on, or a share outside [0, 1).
    """
    total = len(images.labels) - images.kept_for_testing
    needed = positive_integer("train", train) + positive_integer("validation", validation)
    if needed > total - (images.kept_for_testing == 0):
        reject("train + validation", needed, f"fewer than the {total} images of {images.name}")
    classes = len(images.classes)
    if train < 2 * classes:
        longer = "take fewer classes, or a longer profile, which trains on more images"
        reject(
            "classes",
            classes,
            f"at most {train // 2} of {images.name}, two of the {train} training images each: {longer}",
        )
    inside("flipped", flipped, 0, 1, "[)")
    orders = np.stack([rng.permutation(total) for _ in range(positive_integer("seeds", seeds))])
    kept = np.stack([total + rng.permutation(images.kept_for_testing) for _ in range(seeds)])
    tests = (kept if images.kept_for_testing else orders[:, needed:])[:, :TESTED]
    clean = images.labels[orders[:, :train]]
    wrong = np.stack([rng.permutation(train) < round(flipped * train) for _ in range(seeds)])
    labels = np.where(wrong, (clean + rng.integers(1, classes, wrong.shape)) % classes, clean)
    chosen = orders[:, train:needed]
    return Task(
        Split(images.pixels[orders[:, :train]], labels),
        Split(images.pixels[chosen], images.labels[chosen]),
        Split(images.pixels[tests], images.labels[tests]),
        clean,
        classes,
    )
