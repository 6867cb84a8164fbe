"""Truth: how often what is expensive is done."""

import pytest
import torch
from mstudy.core.errors import TrainingError
from mstudy.curvature import module_network
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.probe.row_measure import RowMeasure
from mstudy.probe.user_batches import in_pieces
from torch import nn


def squares(module, batch):
    return (module(batch[0]) - batch[1]).square().mean()


def test_the_curvature_of_a_plain_module_comes_of_the_tape(monkeypatch):
    """A pass of tangents costs less than a double backward."""
    understood = []

    class Counted(module_network.Tape):
        def understood(self, *arguments):
            understood.append(super().understood(*arguments))
            return understood[-1]

    monkeypatch.setattr(module_network, "Tape", Counted)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 1))
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    batch = torch.randn(8, 4), torch.randn(8, 1)
    CurvatureProbe(module, squares, batch, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        squares(module, batch).backward()
        optimizer.step()

    assert understood and all(understood)


def test_a_refusal_is_not_tried_again_in_single_precision():
    module = nn.Linear(2, 1)
    measure = RowMeasure(module, squares, dict(module.named_parameters()), None, None)
    precisions = []

    def refuse(network):
        precisions.append(network.dtype)
        raise TrainingError("no")

    for _ in range(2):
        with pytest.raises(TrainingError, match="no"):
            measure._in_double(refuse)

    assert precisions == [torch.float64, torch.float64]


def test_what_does_not_run_in_double_precision_is_measured_in_its_own_from_then_on():
    module = nn.Linear(2, 1)
    measure = RowMeasure(module, squares, dict(module.named_parameters()), None, None)
    precisions = []

    def foreign(network):
        precisions.append(network.dtype)
        if network.dtype == torch.float64:
            raise RuntimeError("expected float32")

    for _ in range(2):
        measure._in_double(foreign)

    assert precisions == [torch.float64, torch.float32, torch.float32]


@pytest.mark.parametrize(
    ("size", "sizes"), [(None, [5]), (1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5])]
)
def test_a_batch_is_cut_into_pieces_of_at_most_the_size(size, sizes):
    batch = {"x": torch.arange(10.0).reshape(5, 2), "y": torch.arange(5)}

    pieces = list(in_pieces(batch, size))

    assert [len(piece["y"]) for piece in pieces] == sizes
    for name, values in batch.items():
        assert torch.equal(torch.cat([piece[name] for piece in pieces]), values)
