"""What is put into the page comes out of it again."""

import json

import numpy as np
import polars as pl
import pytest
from mstudy.report.page.encode import as_json, columns, pack, pack_steps, spec_with_columns, unpack, unpack_steps

ATTACK = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>\u2028\u2029'


def test_json_for_a_script_cannot_end_it_and_means_the_same():
    text = as_json({"a": ATTACK, ATTACK: 1})

    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": ATTACK, ATTACK: 1}


def test_json_knows_no_nan_at_any_depth():
    found = json.loads(as_json({"a": [float("nan"), {"b": float("inf")}, -float("inf"), 1.5]}))

    assert found == {"a": [None, {"b": None}, None, 1.5]}


def test_a_packed_curve_is_within_a_65535th_of_its_range(rng):
    loss = np.exp(rng.normal(size=500) * 4)
    gap = rng.normal(size=500)

    assert np.abs(np.log(unpack(pack(loss, log=True), log=True) / loss)).max() <= np.ptp(np.log(loss)) / 65535
    assert np.abs(unpack(pack(gap, log=False), log=False) - gap).max() <= np.ptp(gap) / 65535


@pytest.mark.parametrize("values", [[], [0.25], [0.25, 0.25]])
def test_a_curve_of_one_value_or_none_survives(values):
    assert unpack(pack(np.array(values), log=True), log=True).tolist() == pytest.approx(values, rel=1e-6)


@pytest.mark.parametrize("steps", [[], [7], [0, 1, 65536], [3, 10, 11, 500_000]])
def test_steps_come_back_exactly_however_far_apart(steps):
    assert unpack_steps(pack_steps(np.array(steps, dtype=np.int64))).tolist() == steps


def test_rows_of_a_specification_become_columns_with_every_name_and_no_value_lost():
    spec = {"layer": [], "datasets": {"one": [{"a": 1, "b": 0.123456789}, {"a": 2, "c": None}]}}

    assert spec_with_columns(spec)["datasets"] == {"one": {"a": [1, 2], "b": [0.123457, None], "c": [None, None]}}


def test_a_frame_as_columns_keeps_whole_numbers_and_six_digits():
    frame = pl.DataFrame({"n": [12345678901], "x": [1 / 3]})

    assert columns(frame) == {"n": [12345678901], "x": [0.333333]}
