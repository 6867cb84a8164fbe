import numpy as np
from mstudy.data.dataset import Dataset

IMAGES = Dataset("a", np.arange(24.0).reshape(3, 2, 2, 2), np.array([0, 1, 4]), 5)


def test_shapes_are_those_of_the_arrays():
    assert (IMAGES.n_samples, IMAGES.input_shape) == (3, (2, 2, 2))


def test_first_keeps_order_and_outputs():
    first = IMAGES.first(2)  # the class 4 is gone; the network still has five outputs

    assert (first.n_samples, first.n_outputs, first.name) == (2, 5, "a")
    assert np.array_equal(first.inputs, IMAGES.inputs[:2])
    assert first.targets.tolist() == [0, 1]


def test_kind_follows_from_types():
    text = Dataset("t", np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64), 4)
    regression = Dataset("r", np.zeros((2, 3), np.float32), np.zeros((2, 1)), 1)

    assert [(d.is_text, d.classification) for d in (IMAGES, text, regression)] == [
        (False, True),
        (True, True),
        (False, False),
    ]
