"""Truth: torch's own encoder layers under a causal mask, with the same weights."""

import torch
from mstudy.models.build import build

LENGTH, N_SYMBOLS, WIDTH, HEADS, LAYERS = 7, 11, 8, 2, 2


def network_and_symbols():
    torch.manual_seed(0)
    network = build(f"transformer-{LAYERS}-{WIDTH}-{HEADS}", (LENGTH,), N_SYMBOLS, is_text=True).double()
    return network, torch.randint(N_SYMBOLS, (3, LENGTH))


def reference_layer(block):
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, 0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    attention = block.attention
    pairs = [
        (layer.norm1, block.attention_norm),
        (layer.norm2, block.mlp_norm),
        (layer.linear1, block.mlp[0]),
        (layer.linear2, block.mlp[2]),
        (layer.self_attn.out_proj, attention.output),
    ]
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(attention.query_key_value.weight)
        layer.self_attn.in_proj_bias.copy_(attention.query_key_value.bias)
    return layer


def test_outputs_against_torchs_layers():
    network, symbols = network_and_symbols()
    with torch.no_grad():  # away from 1 and 0, where normalisations could be mistaken for one another
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    mask = torch.full((LENGTH, LENGTH), -torch.inf, dtype=torch.float64).triu(1)

    h = network.symbols.weight[symbols] + network.positions.weight
    for block in network.blocks:
        h = reference_layer(block)(h, src_mask=mask)
    expected = network.output(network.norm(h))

    torch.testing.assert_close(network(symbols), expected, rtol=1e-10, atol=1e-10)


def test_a_later_symbol_leaves_earlier_outputs_unchanged():
    network, symbols = network_and_symbols()
    changed = symbols.clone()
    changed[:, 4] = (changed[:, 4] + 1) % N_SYMBOLS

    before, after = network(symbols), network(changed)

    assert torch.equal(before[:, :4], after[:, :4])
    assert ((before[:, 4:] - after[:, 4:]).abs().amax(dim=2) > 1e-6).all()
