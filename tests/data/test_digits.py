import sys

import numpy as np
import pytest
from mstudy.core.errors import DataError
from mstudy.data.digits import load_digits
from sklearn import datasets


def test_digits_are_scikit_learn_s_standardised_as_a_whole():
    pixels, labels = datasets.load_digits(return_X_y=True)
    data = load_digits()

    assert data.inputs.shape == (1797, 1, 8, 8)
    flat = data.inputs.reshape(1797, 64)
    assert flat.dtype == np.float64
    assert flat.tobytes() == ((pixels - pixels.mean()) / pixels.std()).tobytes()  # bit for bit
    assert np.array_equal(data.targets, labels)
    assert (data.name, data.n_outputs, data.targets.dtype) == ("digits", 10, np.int64)


def test_without_scikit_learn_digits_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)

    with pytest.raises(DataError, match=r"digits needs scikit-learn, found none .*; install the extra `train`\.$"):
        load_digits()
