"""Images from IDX files, and every way in which such files can be wrong."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments.data.idx import FILES, SQUARED_NORM, load_digits, load_images
from theory.core.validation import InvalidArgument

RNG = np.random.default_rng(0)
IMAGES = {name: RNG.integers(0, 256, (count, 4, 3), dtype=np.uint8) for name, count in zip(FILES[::2], (7, 5))}
LABELS = {name: np.resize([0, 9, 4], count).astype(np.uint8) for name, count in zip(FILES[1::2], (7, 5))}
TRAIN, TRAIN_LABELS, TEST, TEST_LABELS = FILES


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, array in (IMAGES | LABELS).items():
        (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def test_plain_and_compressed_files_are_the_same_images(folder: Path) -> None:
    plain = load_images(folder)
    assert plain.pixels.shape == (12, 12) and plain.shape == (4, 3) and plain.kept_for_testing == 5
    assert (np.array(plain.classes)[plain.labels] == np.concatenate(list(LABELS.values()))).all()
    ratio = plain.pixels / np.concatenate(list(IMAGES.values())).reshape(12, 12).clip(1)
    assert ratio.max() == pytest.approx(np.median(ratio), rel=1e-5)
    for name in FILES[1:]:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    again = load_images(folder)
    assert (again.pixels == plain.pixels).all() and (again.labels == plain.labels).all()


@pytest.mark.parametrize("classes", [(1, 26), (3, 61), (200, 255), tuple(range(1, 8))])
def test_classes_of_any_number_are_counted_from_0(folder: Path, classes: tuple[int, ...]) -> None:
    written = np.resize(classes, 7)
    (folder / TRAIN_LABELS).write_bytes(idx(written.astype(np.uint8)))
    (folder / TEST_LABELS).write_bytes(idx(written[:5].astype(np.uint8)))
    images = load_images(folder)
    assert images.classes == classes and set(images.labels) == set(range(len(classes)))
    assert (np.array(classes)[images.labels[:7]] == written).all()


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("t10k", "test"),
        lambda name: f"emnist-letters-{name.replace('t10k', 'test')}.gz",
    ],
)
def test_names_of_relatives(folder: Path, renamed: Callable[[str], str]) -> None:
    before = load_images(folder)
    for name in FILES:
        content, new = (folder / name).read_bytes(), renamed(name)
        (folder / name).unlink()
        (folder / new).write_bytes(gzip.compress(content) if new.endswith(".gz") else content)
    after = load_images(folder)
    assert (after.pixels == before.pixels).all() and (after.labels == before.labels).all()


def test_two_files_of_one_kind_are_not_chosen_from(folder: Path) -> None:
    for name in FILES:
        (folder / f"emnist-{name}").write_bytes((folder / name).read_bytes())
    with pytest.raises(InvalidArgument, match=f"one file {TRAIN}, not 2 .emnist-{TRAIN}, {TRAIN}.: choose by a folder"):
        load_images(folder)


def test_images_have_the_same_size_on_average(folder: Path) -> None:
    for images in (load_images(folder), load_digits()):
        assert np.square(images.pixels).sum(1).mean() == pytest.approx(SQUARED_NORM, rel=1e-4)
    assert images.classes == tuple(range(10)) and images.kept_for_testing == 0


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (TRAIN, None, "this file, plain or with the ending .gz"),
        (TEST_LABELS, b"", "begins with 00 00 08 01, not nothing"),
        (TRAIN, idx(LABELS[TRAIN_LABELS]), "begins with 00 00 08 03, not 00 00 08 01"),
        (TRAIN_LABELS, b"\x1f\x8b\x08\x00 still compressed", "begins with 00 00 08 01, not 1f 8b 08 00"),
        (TRAIN, idx(IMAGES[TRAIN])[:10], "a header of 16 bytes, not 10"),
        (TRAIN, idx(IMAGES[TRAIN])[:-1], "100 for 7 x 4 x 3 bytes, not 99"),
        (TEST, idx(IMAGES[TEST]) + b"x", "76 for 5 x 4 x 3 bytes, not 77"),
        (TEST, idx(IMAGES[TEST][:0]), "sizes above 0, not 0 x 4 x 3"),
        (TRAIN_LABELS, idx(LABELS[TRAIN_LABELS][:6]), "7 labels, one an image, not 6"),
        (TEST_LABELS, idx(np.array([0, 9, 4, 9, 26], np.uint8)), "labels that occur in training, not 26"),
        (TRAIN_LABELS, idx(np.full(7, 3, np.uint8)), "labels of two classes or more, not 3 alone"),
        (TRAIN, idx(0 * IMAGES[TRAIN]), "images that are not all black"),
        (TEST, idx(IMAGES[TEST][:, :, :2]), "images of 4 x 3 pixels, as for training, not 4 x 2"),
    ],
)
def test_a_wrong_file_is_named(folder: Path, name: str, content: bytes | None, expected: str) -> None:
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(InvalidArgument) as refusal:
        load_images(folder)
    assert str(folder / name) in str(refusal.value) and expected in str(refusal.value)


def test_a_compressed_file_that_was_cut_short(folder: Path) -> None:
    whole = gzip.compress((folder / TEST).read_bytes())
    (folder / TEST).unlink()
    for content in (whole[: len(whole) // 2], b"not gzip at all"):
        (folder / f"{TEST}.gz").write_bytes(content)
        with pytest.raises(InvalidArgument, match=rf"{TEST}.gz: expected a whole gzip file"):
            load_images(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="a folder with the files train-images-idx3-ubyte, "):
        load_images(tmp_path / "none")
