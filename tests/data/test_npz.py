import hashlib
import zipfile

import numpy as np
import pytest
from mstudy.core.errors import DataError
from mstudy.data.load import load_dataset

X = np.arange(6.0).reshape(3, 2)


@pytest.fixture
def save_npz(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "mine.npz", **arrays)
        return tmp_path / "mine.npz"

    return write


def test_classes_and_the_file_s_hash(save_npz):
    path = save_npz(x=X, y=np.array([2, 0, 1], np.uint8))

    data = load_dataset(str(path))

    assert data.name == f"mine@{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}"
    assert np.array_equal(data.inputs, X)
    assert (data.targets.tolist(), data.targets.dtype, data.n_outputs) == ([2, 0, 1], np.int64, 3)
    assert data.classification


@pytest.mark.parametrize(("y", "n_outputs"), [(np.ones(3, np.float32), 1), (np.ones((3, 2)), 2)])
def test_floats_are_regression(save_npz, y, n_outputs):
    data = load_dataset(str(save_npz(x=X, y=y)))

    assert (data.targets.shape, data.targets.dtype, data.n_outputs) == ((3, n_outputs), np.float64, n_outputs)
    assert not data.classification


@pytest.mark.parametrize(
    ("kind", "kept"), [(np.float32, np.float32), (np.float64, np.float64), (np.uint8, np.float64), (">f4", np.float64)]
)
def test_inputs_are_used_as_they_are(save_npz, kind, kept):
    images = np.arange(24).reshape(3, 2, 2, 2).astype(kind)

    data = load_dataset(str(save_npz(x=images, y=np.zeros(3, int))))

    assert np.array_equal(data.inputs, images)
    assert (data.inputs.dtype, data.inputs.dtype.isnative) == (kept, True)
    assert not data.is_text


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, r"mine\.npz must hold the arrays x and y, found \['x'\]\.$"),
        ({"x": X[0], "y": [0, 1]}, r"x must have the shape \(n, n_features\) or .*, found \(2,\) in .*mine\.npz\.$"),
        ({"x": X.reshape(3, 1, 2), "y": [0, 1, 2]}, r"x must have the shape .*found \(3, 1, 2\)"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, r"x must have the shape .*found \(0, 2\)"),
        ({"x": X.astype(complex), "y": [0, 1, 2]}, "x must be numbers, found complex128 in"),
        ({"x": X > 1, "y": [0, 1, 2]}, "x must be numbers, found bool in"),
        ({"x": np.array([[np.nan, np.inf], [0, 1]]), "y": [0, 1]}, "x must be finite, found 2 entries that are not"),
        ({"x": X, "y": [0, 1]}, r"y must have an entry for each of the 3 samples of x, found \(2,\)"),
        ({"x": X, "y": 1}, r"y must have an entry for each of the 3 samples of x, found \(\)"),
        ({"x": X, "y": [[0], [1], [2]]}, r"y of whole numbers must have the shape \(n,\), found \(3, 1\)"),
        ({"x": X, "y": [0, -1, 1]}, r"must be classes, 0 to at most 65535, found -1 in .*; count classes from 0, or"),
        ({"x": X, "y": np.array([0, 1, 2**63], np.uint64)}, "must be classes, .*, found 9223372036854775808 in"),
        ({"x": X, "y": [0, 1, 65536]}, "must be classes, .*, found 65536 in"),
        ({"x": X, "y": [0.0, np.nan, 1.0]}, "y must be finite, found 1 entries that are not"),
        ({"x": X, "y": np.ones((3, 1, 1))}, r"y of floats must have the shape \(n,\) or .*, found \(3, 1, 1\)"),
        ({"x": X, "y": np.ones((3, 0))}, r"y of floats must have the shape \(n,\) or .*, found \(3, 0\)"),
        ({"x": X, "y": ["a", "b", "c"]}, "y must be numbers, found <U1 in"),
        ({"x": X, "y": np.array([0, None, 1])}, "must be an .npz file of plain arrays, found: Object arrays cannot"),
    ],
)
def test_unusable_arrays_are_one_sentence(save_npz, arrays, message):
    path = save_npz(**{name: np.asarray(values) for name, values in arrays.items()})

    with pytest.raises(DataError, match=message) as raised:
        load_dataset(str(path))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"The data file must exist, found nothing at .*/mine\.npz\.$"):
        load_dataset(str(tmp_path / "mine.npz"))


def test_a_folder_is_one_sentence(tmp_path):
    (tmp_path / "mine.npz").mkdir()

    with pytest.raises(DataError, match=r"mine\.npz must be readable, found: Is a directory\.$"):
        load_dataset(str(tmp_path / "mine.npz"))


def test_a_file_of_another_kind_is_one_sentence(tmp_path):
    with (tmp_path / "mine.npz").open("wb") as file:
        np.save(file, X)

    with pytest.raises(DataError, match=r"must be an \.npz file, found no zip archive; write it with numpy\.savez\.$"):
        load_dataset(str(tmp_path / "mine.npz"))


def test_a_member_that_is_no_array_is_one_sentence(tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("x", b"text")
        archive.writestr("y", b"text")

    with pytest.raises(DataError, match=r"x must be an array, found bytes in .*mine\.npz\.$"):
        load_dataset(str(tmp_path / "mine.npz"))


def test_a_damaged_member_is_one_sentence(save_npz):
    path = save_npz(x=X, y=X[:, 0])
    content = path.read_bytes()
    path.write_bytes(content.replace(X.tobytes(), bytes(X.nbytes)))

    with pytest.raises(DataError, match=r"must be an \.npz file of plain arrays, found: Bad CRC-32"):
        load_dataset(str(path))
