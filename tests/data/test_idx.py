import gzip

import numpy as np
import pytest
from mstudy.core.errors import DataError
from mstudy.data.load import load_dataset

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def test_images_and_labels_of_a_hand_made_file(save, make_idx):
    pixels = [0, 255, 0, 255, 255, 255, 0, 0, 0, 255, 255, 0]  # mean 127.5, deviation 127.5
    save("mnist", IMAGES, make_idx((2, 2, 3), pixels))
    save("mnist", LABELS, make_idx((2,), [7, 0]))

    data = load_dataset("mnist")

    signs = [[-1, 1, -1], [1, 1, 1]], [[-1, -1, -1], [1, 1, -1]]
    assert data.inputs.tolist() == [[image] for image in signs]
    assert (data.inputs.dtype, data.targets.tolist()) == (np.float32, [7, 0])
    assert (data.name, data.n_outputs) == ("mnist", 10)


def test_moments_are_those_numpy_finds(save, make_idx, rng):
    pixels = rng.integers(0, 256, (5, 4, 4))
    save("fashion-mnist", IMAGES, make_idx((5, 4, 4), pixels.reshape(-1).tolist()))
    save("fashion-mnist", LABELS, make_idx((5,), [1] * 5))

    data = load_dataset("fashion-mnist")

    assert np.allclose(data.inputs[:, 0], (pixels - pixels.mean()) / pixels.std(), atol=1e-6)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            gzip.compress(b"\0\0\x08\x01" + bytes(12), mtime=0),
            r"must start with the idx header 00000803, found 00000801\.$",
        ),
        (
            gzip.compress(b"\0\0\x0d\x03" + bytes(12), mtime=0),
            r"must start with the idx header 00000803, found 00000d03\.$",
        ),
        (gzip.compress(b"\0\0\x08\x03" + bytes(4), mtime=0), r"must start with the idx header 00000803"),
        (gzip.compress(b"", mtime=0), r"must start with the idx header 00000803, found nothing\.$"),
        (b"<html>", r"images-idx3-ubyte\.gz must be a whole gzip file"),
    ],
)
def test_a_garbled_file_is_one_sentence(save, make_idx, images, message):
    save("mnist", IMAGES, images)
    save("mnist", LABELS, make_idx((1,), [0]))

    with pytest.raises(DataError, match=message):
        load_dataset("mnist")


@pytest.mark.parametrize("n_bytes", [11, 13])
def test_a_wrong_length_is_one_sentence(save, make_idx, n_bytes):
    save("mnist", IMAGES, make_idx((2, 2, 3), range(n_bytes)))
    save("mnist", LABELS, make_idx((2,), [0, 1]))

    with pytest.raises(DataError, match=rf"must hold 2 x 2 x 3 bytes after its header, found {n_bytes}; fetch it ag"):
        load_dataset("mnist")


@pytest.mark.parametrize(
    ("labels", "message"),
    [([1], "found 1 labels for 2 images"), ([1, 10], "Labels must be 0 to 9, found 10 in .*labels-idx1-ubyte.gz")],
)
def test_labels_are_checked(save, make_idx, labels, message):
    save("mnist", IMAGES, make_idx((2, 1, 2), [0, 1, 2, 3]))
    save("mnist", LABELS, make_idx((len(labels),), labels))

    with pytest.raises(DataError, match=message):
        load_dataset("mnist")


def test_images_of_one_shade_cannot_be_standardised(save, make_idx):
    save("mnist", IMAGES, make_idx((1, 2, 2), [5] * 4))
    save("mnist", LABELS, make_idx((1,), [0]))

    with pytest.raises(DataError, match=r"must hold more than one shade, found 5 alone\.$"):
        load_dataset("mnist")


def test_real_fashion_mnist_has_the_published_moments(real):
    # 0.2860 and 0.3530 in units of 255: the constants every tutorial normalises with.
    data = real("fashion-mnist")

    assert data.inputs.min() == pytest.approx(-0.2860 / 0.3530, abs=1e-3)
    assert data.inputs.max() == pytest.approx((1 - 0.2860) / 0.3530, abs=1e-3)
    assert np.bincount(data.targets).tolist() == [6000] * 10
