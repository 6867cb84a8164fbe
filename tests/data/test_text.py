import gzip

import numpy as np
import pytest
from mstudy.core.errors import DataError
from mstudy.data.catalogue import TEXTS
from mstudy.data.load import load_dataset
from mstudy.data.text import chunks, encoded

ALPHABET = "".join(map(chr, range(40, 105)))  # 65 symbols
TEXT = (ALPHABET * 17161)[:1_115_394]


def test_symbols_are_the_sorted_characters():
    symbols, n = encoded("cab\u00e9a")

    assert (symbols.tolist(), n) == ([2, 0, 1, 3, 0], 4)


@pytest.mark.parametrize(
    ("n", "inputs"), [(6, [[0, 1], [2, 3]]), (7, [[0, 1], [2, 3], [4, 5]]), (3, [[0, 1]]), (2, [])]
)
def test_targets_are_the_next_symbols(n, inputs):
    found, targets = chunks(np.arange(n), 2)

    assert found.tolist() == inputs
    assert np.array_equal(targets, found + 1)
    assert found.shape == targets.shape == (len(inputs), 2)


@pytest.mark.parametrize("file", TEXTS)
def test_each_file_name_is_read(save, file):
    save("tiny-shakespeare", file, gzip.compress(TEXT.encode(), 1) if file.endswith(".gz") else TEXT.encode())

    data = load_dataset("tiny-shakespeare")

    assert data.inputs.shape == data.targets.shape == (17428, 64)
    assert data.inputs[0].tolist() == list(range(64))
    assert data.targets[0].tolist() == list(range(1, 65))
    assert np.array_equal(data.inputs[1:, 0], data.targets[:-1, -1])
    assert (data.name, data.n_outputs, data.inputs.dtype) == ("tiny-shakespeare", 65, np.int64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            TEXT[:-1].encode(),
            r"must hold 1115394 characters, 65 different ones, found 1115393 and 65; fetch it again\.$",
        ),
        (TEXT.replace("A", "B").encode(), "found 1115394 and 64; fetch"),
        (b"", "found 0 and 0; fetch"),
        (b"caf\xe9", r"input\.txt must be UTF-8 text, found byte 0xe9; fetch it again\.$"),
    ],
)
def test_another_text_is_one_sentence(save, content, message):
    save("tiny-shakespeare", "input.txt", content)

    with pytest.raises(DataError, match=message):
        load_dataset("tiny-shakespeare")


def test_the_real_text_opens_as_the_play_does(real):
    data = real("tiny-shakespeare")

    # Its 65 symbols: newline, space, !$&',-.3:;? and the letters.
    symbols = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    opening = "".join(symbols[k] for k in data.inputs[0])
    assert opening == "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAl"
