"""Truth: matrices whose spectrum is known, and a dense Hessian."""

import pytest
import torch
from mstudy.curvature import search_space
from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.flat_rows import chance_rows
from mstudy.curvature.matmul import multiply
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.network import CURVATURE, Batch
from mstudy.curvature.objectives import OBJECTIVES

NOTHING = torch.zeros(1, 1, dtype=torch.float64)


def diagonal_operator(*spectra):
    spectrum = torch.tensor(spectra, dtype=torch.float64)
    return lambda v: spectrum * v


def test_largest_eigenvalue_of_diagonal_matrices():
    product = diagonal_operator([5.0, 1.0, 0.5, -1.0], [2.0, 7.0, 3.0, 0.0])

    found = top_eigenpair(product, torch.ones(2, 4, dtype=torch.float64), NOTHING, relative_residual=1e-9)

    assert found.value.tolist() == pytest.approx([5.0, 7.0])
    assert found.vector.abs().argmax(dim=1).tolist() == [0, 1]
    assert found.residual.max() < 1e-8


def test_largest_is_not_largest_absolute():
    found = top_eigenpair(diagonal_operator([-100.0, 3.0, 1.0]), torch.ones(1, 3, dtype=torch.float64), NOTHING)

    assert found.value.item() == pytest.approx(3.0)


def test_residual_is_the_distance_from_an_eigenpair():
    product = diagonal_operator([5.0, 4.9, 4.0, 3.0, 1.0, 0.0])

    found = top_eigenpair(product, torch.ones(1, 6, dtype=torch.float64), NOTHING, max_products=3)

    expected = (product(found.vector) - found.value[:, None] * found.vector).norm()
    assert found.residual.item() == pytest.approx(expected.item(), rel=1e-6)
    assert found.residual.item() > 1e-3


def test_start_in_an_eigenvector_ends_at_once_without_nan():
    start = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)

    found = top_eigenpair(diagonal_operator([1.0, 4.0, 2.0]), start, NOTHING)

    assert found.value.item() == pytest.approx(4.0)
    assert torch.isfinite(found.vector).all()


def test_against_dense_hessian_of_a_network():
    network = Mlp((4, 5, 3), "tanh", OBJECTIVES["cross_entropy"], torch.float64)
    w = torch.stack([network.initial_weights(seed) for seed in (0, 1)])
    x, y = torch.randn(9, 4, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[torch.randint(3, (9,))]
    product = network.evaluate(w, Batch(x, y, shared=True), CURVATURE).hessian_operator()
    basis = torch.eye(network.row_length, dtype=torch.float64)[: network.n_parameters]
    dense = torch.stack([product(e.expand_as(w)) for e in basis], dim=1)[:, :, : network.n_parameters]

    found = top_eigenpair(product, w, NOTHING, relative_residual=1e-8)

    torch.testing.assert_close(found.value, torch.linalg.eigvalsh(dense)[:, -1], rtol=1e-7, atol=1e-9)


def test_a_search_from_nowhere_finds_nothing():
    start = torch.zeros(2, 3, dtype=torch.float64)
    start[1, 0] = 1.0

    found = top_eigenpair(diagonal_operator([2.0, 1.0, 0.0], [2.0, 1.0, 0.0]), start, NOTHING)

    assert torch.isnan(found.value[0])
    assert found.value[1].item() == pytest.approx(2.0)


def test_five_products_at_least_so_that_an_overtaken_start_is_not_believed():
    products = []

    def counted(v):
        products.append(1)
        return diagonal_operator([3.0, 2.0, 1.0, 0.5, 0.1, 0.0])(v)

    top_eigenpair(counted, torch.eye(6, dtype=torch.float64)[1:2], 0.01 * torch.ones(1, 6, dtype=torch.float64))

    assert len(products) >= 5


def test_an_exhausted_space_is_not_searched_on():
    # Three directions, then nothing but rounding; taken for directions, it gave a sharpness of 1,023 now and then.
    eigenvalues = torch.zeros(16, dtype=torch.float64)
    eigenvalues[:3] = torch.tensor([5.0, 2.0, 0.5])
    starts = torch.zeros(400, 16, dtype=torch.float64)
    starts[:, :3] = torch.randn(400, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    top = top_eigenpair(lambda v: v * eigenvalues, torch.zeros_like(starts), starts)

    assert top.value.tolist() == pytest.approx([5.0] * 400, rel=1e-9)
    assert (top.residual < 1e-12).all()


def test_what_a_member_gets_does_not_depend_on_how_long_the_others_search(monkeypatch):
    # A product whose rounding follows from its number of terms, as that of matrix libraries does on some processors.
    def product_by_terms(left, right, out):
        return multiply(left, right, out).mul_(1 + 1e-6 * left.shape[-1])

    monkeypatch.setattr(search_space, "multiply", product_by_terms)
    easy, hard = [9.0, *[0.01 * k for k in range(19)]], [1.0 - 0.001 * k**2 for k in range(20)]
    start = torch.randn(1, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).expand(5, 20)
    zeros = torch.zeros_like(start)

    alone = top_eigenpair(diagonal_operator(easy), start[:1], zeros[:1], relative_residual=1e-6)
    together = top_eigenpair(diagonal_operator(hard, easy, easy, hard, easy), start, zeros, relative_residual=1e-6)

    for place in (1, 2, 4):
        assert together.vector[place].tolist() == alone.vector[0].tolist()
        assert (together.value[place], together.residual[place]) == (alone.value[0], alone.residual[0])
    assert together.vector[0].tolist() == together.vector[3].tolist() != alone.vector[0].tolist()


def test_a_member_that_has_blown_up_has_no_eigenvalue_and_spoils_no_other():
    spectrum = torch.tensor([[torch.inf, torch.inf, torch.inf], [1.0, 4.0, 2.0]], dtype=torch.float64)

    found = top_eigenpair(lambda v: spectrum * v, torch.ones(2, 3, dtype=torch.float64), NOTHING, max_products=3)

    assert found.value.tolist() == pytest.approx([0.0, 4.0])
    assert torch.isfinite(found.residual).tolist() == [False, True]


def test_memory_that_was_never_written_is_never_read():
    """torch fills fresh memory with NaN in this mode."""
    mode = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        found = top_eigenpair(diagonal_operator([5.0, 4.9, 4.0, 3.0]), torch.ones(1, 4, dtype=torch.float64), NOTHING)
    finally:
        torch.use_deterministic_algorithms(mode)

    assert found.value.item() == pytest.approx(5.0)
    assert torch.isfinite(found.vector).all()


def test_a_search_that_begins_in_an_invariant_subspace_leaves_it_by_chance():
    # As of an odd network: the last vector and the gradient are in one subspace, the largest eigenvalue in the other.
    spectrum = torch.cat([torch.tensor([12.2, 10.0]), torch.linspace(0, 4, 299)]).double()
    start, gradient = torch.zeros(2, 1, 301, dtype=torch.float64)
    start[0, 1], gradient[0, 1::2] = 1.0, spectrum[1::2]

    found = [
        top_eigenpair(lambda v: spectrum * v, start, gradient, chance).value.item()
        for chance in (None, chance_rows(301, start))
    ]

    assert found == [pytest.approx(10.0, rel=1e-6), pytest.approx(12.2, rel=0.01)]


def test_both_vectors_are_where_the_next_search_starts():
    product = diagonal_operator([10.0, 9.0, *[0.1 * k for k in range(20)]])

    found = top_eigenpair(product, torch.ones(1, 22).double(), NOTHING)

    assert [each.abs().argmax().item() for each in (found.vector[0], found.second[0])] == [0, 1]
    assert found.second.norm().item() == pytest.approx(1)


def test_two_that_have_traded_places_and_are_near_are_told_apart():
    # A search from the sum of both took the pair for one: its residual is small beside the gap to the third.
    spectrum = torch.cat([torch.tensor([16.5, 16.15, 14.6, 12.5]), torch.linspace(0, 11, 200)]).double()
    noise = 0.01 * torch.randn(2, 204, generator=torch.Generator().manual_seed(0)).double()
    before, second = torch.eye(204).double()[[1, 0]] + noise

    found = top_eigenpair(lambda v: spectrum * v, before[None], spectrum[None], None, second[None])

    assert found.value.item() == pytest.approx(16.5, rel=1e-3)


def test_what_the_largest_does_not_need_goes_to_the_second():
    # The one that leads at first is near enough at once; the largest is nearly missing at the start.
    spectrum = torch.cat([torch.tensor([12.0, 10.0]), torch.linspace(0, 4, 299)]).double()
    each = torch.eye(301).double()
    start, beside = each[1] + 0.01 * each[100], each[2] + 0.05 * each[0]
    made = []

    def counted(v):
        made.append(1)
        return spectrum * v

    found = top_eigenpair(counted, start[None], beside[None])

    assert found.value.item() == pytest.approx(12.0, rel=1e-3)
    assert len(made) <= 8


def test_a_chance_is_the_same_for_every_member_and_zero_in_the_padding():
    rows = chance_rows(20, torch.zeros(3, 32))

    assert torch.equal(rows[0], rows[2]) and not rows[:, 20:].any()
    assert rows.norm(dim=1).tolist() == pytest.approx([1.0] * 3)
