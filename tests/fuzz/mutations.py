"""Damage to bytes, and values that a log may hold in the place of the right ones; how many are drawn."""

import json
from datetime import timedelta

import hypothesis
from hypothesis import strategies as st


def fuzzed(examples: int, **strategies):
    """Draw so many inputs; one that takes 5 s has hung."""
    return lambda test: hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=timedelta(seconds=5),
        suppress_health_check=list(hypothesis.HealthCheck),
    )(hypothesis.given(**strategies)(test))


# What breaks parsers: signs, ends of ranges, lengths that lie.
_NASTY = [b"", b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"]
_PLACES = st.floats(0, 1, exclude_max=True)
_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "put", "insert", "delete", "copy", "cut"]),
        _PLACES,
        _PLACES,
        st.sampled_from(_NASTY) | st.binary(max_size=12),
    ),
    min_size=1,
    max_size=5,
)


def damaged(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the contents with a few changes."""
    return st.tuples(st.sampled_from(originals), _CHANGES).map(lambda drawn: _change(*drawn))


def _change(content: bytes, changes: list[tuple[str, float, float, bytes]]) -> bytes:
    for kind, at, other, put in changes:
        here, there = int(at * len(content)), int(other * len(content))
        before, after = content[:here], content[here:]
        if kind == "flip" and after:
            content = before + bytes([after[0] ^ (1 << int(other * 8))]) + after[1:]
        elif kind == "put":
            content = before + put + after[len(put) :]
        elif kind == "insert":
            content = before + put + after
        elif kind == "delete":
            content = before + after[1 + int(other * 16) :]
        elif kind == "copy":
            content = before + content[there : there + 24] + after[24:]
        elif kind == "cut" and other < 0.2:
            content = before
    return content


# Numbers at the ends of their ranges come up often.
NUMBERS = (
    st.sampled_from([0, -1, 1, 0.5, 0.9, 1.0, 2**31, 2**53, 2**63, -(2**63), 10**400, 1e-320, 1e308, float("inf")])
    | st.floats()
    | st.integers(-5, 2000)
)
TEXTS = st.sampled_from(
    ["", "sgd", "nesterov", "\ud800", "a\nb", "<script>", "../x", "nan", "1e5", "0" * 5000]
) | st.text(max_size=8)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def objects_like(right: dict) -> st.SearchStrategy[dict]:
    """The right object with some of its values, or further ones, of any kind."""
    keys = [*right, "status", "diverged_step", "n_train", "run_id", "model", "schema", "curvature_samples", "curvature"]
    changes = st.dictionaries(st.sampled_from(keys), VALUES, max_size=3)
    drops = st.sets(st.sampled_from(list(right)), max_size=1)
    return st.tuples(changes, drops).map(
        lambda drawn: {k: v for k, v in (right | drawn[0]).items() if k not in drawn[1]}
    )


def as_json(value) -> str:
    """JSON, also of what JSON does not have."""
    return json.dumps(value)
