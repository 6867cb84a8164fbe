import subprocess
import sys

import pytest
from mstudy.core.errors import DataError
from mstudy.data.catalogue import ENTRIES
from mstudy.data.load import is_known, load_dataset


@pytest.mark.parametrize("name", ENTRIES)
def test_every_name_has_a_loader(data, name):
    assert is_known(name)
    try:
        assert load_dataset(name).name == name
    except DataError as error:
        assert f"{name} must have its files" in str(error)


def test_an_unknown_name_lists_the_known():
    assert not is_known("mnists")
    with pytest.raises(
        DataError, match=r"^dataset must be one of digits, .*, or a path ending in \.npz, found 'mnists'"
    ):
        load_dataset("mnists")


def test_neither_torch_nor_scikit_learn_nor_pillow_is_needed_to_import():
    code = (
        "import sys; import mstudy.data.load as r; r.load_dataset('quadratic');"
        "print([m for m in ('torch', 'sklearn', 'PIL', 'scipy', 'typer') if m in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
