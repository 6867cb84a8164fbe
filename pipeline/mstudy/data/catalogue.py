"""The data sets known by name: what they hold, under which licence, which files they need, where those come from."""

from __future__ import annotations

from dataclasses import dataclass

from mstudy.core.errors import DataError, shown


@dataclass(frozen=True)
class Remote:
    """A file that can be fetched. digest: of its content, after gzip is undone if `gzipped` (repacking changes it)."""

    name: str
    url: str
    algorithm: str
    digest: str
    gzipped: bool = False


@dataclass(frozen=True)
class Entry:
    """A data set known by name.

    samples, shape: of the whole training set and of one input. layouts: lists of files, each list enough by itself,
    the best first. system: folders where a package manager puts them. origin: where the numbers of a data set without
    files come from; module: what must be installed for them.
    """

    name: str
    samples: int
    shape: tuple[int, ...]
    licence: str
    layouts: tuple[tuple[str, ...], ...] = ()
    remotes: tuple[Remote, ...] = ()
    system: tuple[str, ...] = ()
    origin: str = ""
    module: str = ""


IDX = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
ARCHIVE, PARQUET = "cifar-10-binary.tar.gz", "train.parquet"
TEXTS = ("input.txt", "input.txt.gz", "tinyshakespeare.txt.gz")

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
_CIFAR = "https://www.cs.toronto.edu/~kriz"
_SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare"


def _idx_remotes(address: str, images_md5: str, labels_md5: str) -> tuple[Remote, ...]:
    digests = zip(IDX, (images_md5, labels_md5), strict=True)
    return tuple(Remote(name, f"{address}/{name}", "md5", digest, gzipped=True) for name, digest in digests)


_ENTRIES = (
    Entry("digits", 1797, (1, 8, 8), "CC BY 4.0", origin="comes with scikit-learn", module="sklearn"),
    Entry(
        "mnist",
        60000,
        (1, 28, 28),
        "CC BY-SA 3.0",
        layouts=(IDX,),
        remotes=_idx_remotes(_MNIST, "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
    ),
    Entry(
        "fashion-mnist",
        60000,
        (1, 28, 28),
        "MIT",
        layouts=(IDX,),
        remotes=_idx_remotes(_FASHION, "f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9"),
        system=("/usr/share/datasets/fashion-mnist",),  # Debian's package dataset-fashion-mnist
    ),
    Entry(
        "cifar10",
        50000,
        (3, 32, 32),
        "none stated",
        layouts=((ARCHIVE,), (PARQUET,)),
        remotes=(Remote(ARCHIVE, f"{_CIFAR}/{ARCHIVE}", "md5", "c32a1d4ab5d03f1284b67883e8d87530"),),
    ),
    Entry(
        "tiny-shakespeare",
        17428,
        (64,),
        "public domain",
        layouts=tuple((name,) for name in TEXTS),
        remotes=(
            Remote(
                "input.txt",
                f"{_SHAKESPEARE}/input.txt",
                "sha256",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
    ),
    Entry("quadratic", 512, (16,), "none needed", origin="is computed"),
)
ENTRIES = {entry.name: entry for entry in _ENTRIES}


def entry_of(name: str) -> Entry:
    """Return the data set of that name. Raises DataError for a name that is not known."""
    if name not in ENTRIES:
        raise DataError(f"The data set must be one of {', '.join(ENTRIES)}, found {shown(name)}.")
    return ENTRIES[name]
