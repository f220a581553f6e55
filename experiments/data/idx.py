"""Labelled images: the digits of scikit-learn, or the four IDX files of MNIST and its relatives.

The files go by MNIST's names, with a dot in place of the last hyphen but one as some unpackers leave them, with "test"
in place of "t10k", or with a prefix as EMNIST has them: `emnist-letters-test-images-idx3-ubyte.gz`.
"""

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from theory.core.arrays import Array
from theory.core.validation import reject

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SQUARED_NORM = 64.0  # of an image, on average: then one set of step sizes suits images of any size


@dataclass(frozen=True)
class Images:
    """Grey images with their labels.

    Attributes:
        name: what they are called.
        pixels: (N, d), scaled so that the mean of |x|^2 is 64, float32.
        labels: (N,), 0 ... classes - 1, which classes there are in increasing order.
        classes: what the files call them.
        shape: rows and columns of an image, d of them together.
        kept_for_testing: how many images, the last ones, are for testing only.
    """

    name: str
    pixels: Array
    labels: Array
    shape: tuple[int, int]
    kept_for_testing: int
    classes: tuple[int, ...]


def load_digits() -> Images:
    """The 1797 digits of 8 x 8 pixels that come with scikit-learn; none is kept for testing."""
    from sklearn import datasets

    digits = datasets.load_digits()
    return _images("digits", digits.data, digits.target, (8, 8), 0)


def load_images(folder: Path) -> Images:
    """The images in MNIST's four IDX files, plain or compressed by gzip (with the ending .gz).

    Raises:
        InvalidArgument: a file is missing, cut short, too long, of another kind, or does not fit the others; the
            message names it.
    """
    if not folder.is_dir():
        reject("data", folder, f"a folder with the files {', '.join(FILES)}, plain or .gz")
    files = [_file(folder, name) for name in FILES]
    contents = [_read(file, dimensions=3 if "idx3" in file.name else 1) for file in files]
    train, train_labels, test, test_labels = contents
    for k, (images, labels) in enumerate(((train, train_labels), (test, test_labels))):
        if len(images) != len(labels):
            reject("data", files[2 * k + 1], f"{len(images)} labels, one an image, not {len(labels)}")
        if not images.any():
            reject("data", files[2 * k], "images that are not all black")
    if test.shape[1:] != train.shape[1:]:
        expected = "{} x {} pixels".format(*train.shape[1:])
        reject("data", files[2], f"images of {expected}, as for training, not " + "{} x {}".format(*test.shape[1:]))
    if len(np.unique(train_labels)) < 2:
        reject("data", files[1], f"labels of two classes or more, not {train_labels[0]} alone")
    if not np.isin(test_labels, train_labels).all():
        unknown = test_labels[~np.isin(test_labels, train_labels)][0]
        reject("data", files[3], f"labels that occur in training, not {unknown}")
    pixels = np.concatenate([train, test]).reshape(len(train) + len(test), -1)
    labels = np.concatenate([train_labels, test_labels])
    return _images(folder.name, pixels, labels, train.shape[1:], len(test))


def _images(name: str, pixels: Array, labels: Array, shape: tuple[int, int], kept: int) -> Images:
    pixels = pixels.astype(np.float32)
    pixels *= np.sqrt(SQUARED_NORM / np.square(pixels).sum(1).mean(dtype=np.float64)).astype(np.float32)
    classes, ranks = np.unique(labels, return_inverse=True)
    return Images(name, pixels, ranks.astype(np.int64), shape, kept, tuple(classes.tolist()))


def _file(folder: Path, name: str) -> Path:
    """The file of this name or a relative's; the plain one where it is compressed, too."""
    what = name.replace("t10k", "(t10k|test)").replace("-idx", "[-.]idx")
    files = sorted(file for file in folder.iterdir() if file.is_file())
    found = {
        file.name.removesuffix(".gz"): file for file in files[::-1] if re.fullmatch(f"(.+-)?{what}([.]gz)?", file.name)
    }
    if not found:
        reject("data", folder / name, "this file, plain or with the ending .gz (there is neither)")
    if len(found) > 1:
        reject(
            "data", folder, f"one file {name}, not {len(found)} ({', '.join(sorted(found))}): choose by a folder each"
        )
    return next(iter(found.values()))


def _read(file: Path, dimensions: int) -> Array:
    """The bytes of an IDX file: two zeros, the type 8 (unsigned byte), how many dimensions, their sizes, the data."""
    content = _decompressed(file)
    head = 4 + 4 * dimensions
    magic = bytes((0, 0, 8, dimensions))
    if content[:4] != magic:
        reject("data", file, f"an IDX file that begins with {magic.hex(' ')}, not {content[:4].hex(' ') or 'nothing'}")
    if len(content) < head:
        _wrong_size(file, content, f"a header of {head}")
    sizes = struct.unpack(f">{dimensions}I", content[4:head])
    if 0 in sizes:
        reject("data", file, f"sizes above 0, not {' x '.join(map(str, sizes))}")
    if len(content) != head + math.prod(sizes):
        _wrong_size(file, content, f"{head + math.prod(sizes)} for {' x '.join(map(str, sizes))}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(sizes)


def _decompressed(file: Path) -> bytes:
    content = file.read_bytes()
    if file.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reject("data", file, f"a whole gzip file ({error})")


def _wrong_size(file: Path, content: bytes, expected: str) -> NoReturn:
    reject("data", file, f"{expected} bytes, not {len(content)}")
