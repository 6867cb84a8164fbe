from pathlib import Path

import numpy as np
import pytest
from mstudy.core.errors import DataError
from mstudy.data.dataset import checked_labels


def test_good_labels_become_int64():
    labels = checked_labels(np.array([0, 9], np.uint8), 2, 10, Path("p"))

    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 9]


@pytest.mark.parametrize(
    ("labels", "n", "message"),
    [
        ([0, 1], 3, "p must hold one label an image, found 2 labels for 3 images"),
        ([], 0, "p must hold one label an image, found 0 labels for 0 images"),
        ([0, 10], 2, "Labels must be 0 to 9, found 10 in p"),
        ([-1, 0], 2, "Labels must be 0 to 9, found -1 in p"),
    ],
)
def test_impossible_labels_are_one_sentence(labels, n, message):
    with pytest.raises(DataError, match=message):
        checked_labels(np.array(labels, np.int64), n, 10, Path("p"))
