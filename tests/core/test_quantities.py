"""Truth: the list of quantities itself; cadences by hand."""

import pytest
from mstudy.core.params import Cadence
from mstudy.core.quantities import ACCURACY, EDGE_RATIO, LOSS, QUANTITIES, SHARPNESS, quantity_named


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_each_quantity_is_found_by_its_name(quantity):
    assert quantity_named(quantity.name) is quantity


def test_a_chosen_quantity_has_its_interval_and_another_is_in_every_row_or_none():
    cadence = Cadence(every={"sharpness": 5, "edge_ratio": 0})

    assert (cadence.interval(SHARPNESS), cadence.interval(EDGE_RATIO)) == (5, 0)
    assert (cadence.interval(LOSS), LOSS.is_chosen, LOSS.is_measured) == (1, False, True)
    unmeasured = [quantity for quantity in QUANTITIES if not quantity.is_measured]
    assert {cadence.interval(quantity) for quantity in unmeasured} <= {0}
    assert not ACCURACY.is_chosen
