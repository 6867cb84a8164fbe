import numpy as np
import pytest
from mstudy.report.page.downsample import spike_rows


@pytest.mark.parametrize("at", [0, 1, 499, 777, 998, 999])
@pytest.mark.parametrize("spike", [100.0, -100.0])
def test_a_spike_one_point_wide_is_kept_wherever_it_is(at, spike):
    values = np.ones(1000)
    values[at] = spike

    assert at in spike_rows(values, 40)


def test_points_stay_in_order_few_and_both_ends_are_among_them():
    rows = spike_rows(np.array([float((7 * k) % 101) for k in range(1000)]), 40)

    assert len(rows) <= 40
    assert (np.diff(rows) > 0).all()
    assert (rows[0], rows[-1]) == (0, 999)


@pytest.mark.parametrize("n", [0, 1, 40])
def test_a_series_short_enough_is_drawn_whole(n):
    assert spike_rows(np.ones(n), 40).tolist() == list(range(n))
