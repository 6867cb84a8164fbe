import re

import pytest
from mstudy.core.errors import DataError
from mstudy.data.catalogue import ENTRIES, entry_of
from mstudy.data.load import load_dataset


def test_an_unknown_name_lists_the_known():
    with pytest.raises(DataError, match=r"must be one of digits, mnist, .*, quadratic, found 'imagenet'\.$"):
        entry_of("imagenet")


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_files_come_over_https_with_a_digest_and_are_enough(entry):
    lengths = {"md5": 32, "sha256": 64}
    assert all(re.fullmatch(rf"https://\S+/{re.escape(r.name)}", r.url) for r in entry.remotes)
    assert all(re.fullmatch(rf"[0-9a-f]{{{lengths[r.algorithm]}}}", r.digest) for r in entry.remotes)
    assert bool(entry.origin) != (tuple(r.name for r in entry.remotes) in entry.layouts)


@pytest.mark.parametrize("name", ["digits", "quadratic"])
def test_samples_and_shape_are_those_loaded(name):
    data = load_dataset(name)

    assert (data.n_samples, data.input_shape) == (ENTRIES[name].samples, ENTRIES[name].shape)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "tiny-shakespeare"])
def test_samples_and_shape_are_those_of_the_real_files(real, name):
    data = real(name)

    assert data.input_shape == ENTRIES[name].shape
    assert data.n_samples == ENTRIES[name].samples or name == "cifar10"  # a Parquet file may hold fewer
