import polars as pl
import pytest
from mstudy.report.downsample import keep_spikes


def _log(values):
    return pl.DataFrame({"step": range(len(values)), "kappa": values}, schema={"step": pl.Int64, "kappa": pl.Float64})


@pytest.mark.parametrize("at", [0, 1, 499, 777, 998, 999])
@pytest.mark.parametrize("spike", [100.0, -100.0])
def test_a_spike_one_point_wide_is_kept_wherever_it_is(at, spike):
    values = [1.0] * 1000
    values[at] = spike

    drawn = keep_spikes(_log(values), "kappa", 40)

    assert spike in drawn["kappa"].to_list()


def test_points_stay_in_order_few_and_unaltered_and_both_ends_are_among_them():
    log = _log([float((7 * k) % 101) for k in range(1000)])

    drawn = keep_spikes(log, "kappa", 40)

    assert len(drawn) <= 40
    assert drawn["step"].is_sorted()
    assert drawn["step"][0] == 0 and drawn["step"][-1] == 999
    assert drawn.join(log, on=["step", "kappa"], how="anti").is_empty()


def test_a_log_short_enough_is_drawn_whole_but_for_nulls():
    drawn = keep_spikes(_log([1.0, None, 3.0]), "kappa", 40)

    assert drawn["step"].to_list() == [0, 2]
