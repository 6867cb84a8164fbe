"""A decoder-only transformer on symbols, small and without dropout.

Pre-normalised blocks, a GELU perceptron of four times the width, learned positions, a last normalisation and an output
layer of its own, as GPT-2 (Radford et al. 2019) save for the untied output. Attention is written out as two matrix
products, a mask and a softmax: fused kernels have no second derivative.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MLP_FACTOR = 4


class Transformer(nn.Module):
    """int64 symbols (n_samples, at most length) -> logits (n_samples, as many, n_symbols), each of the next symbol."""

    def __init__(self, n_layers: int, width: int, n_heads: int, length: int, n_symbols: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(n_symbols, width)
        self.positions = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, n_heads) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, n_symbols)

    def forward(self, symbols: Tensor) -> Tensor:
        h = self.symbols(symbols) + self.positions.weight[: symbols.shape[1]]
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.output(self.norm(h))
        return logits


class Block(nn.Module):
    """Attention, then a perceptron on each token, each beside an identity and behind its normalisation."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = CausalAttention(width, n_heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, MLP_FACTOR * width), nn.GELU(), nn.Linear(MLP_FACTOR * width, width))

    def forward(self, h: Tensor) -> Tensor:
        """Return (n_samples, length, width) -> the same shape."""
        h = h + self.attention(self.attention_norm(h))
        mixed: Tensor = h + self.mlp(self.mlp_norm(h))
        return mixed


class CausalAttention(nn.Module):
    """Scaled dot-product attention (Vaswani et al. 2017, arXiv 1706.03762) of each token to itself and earlier ones."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """Return (n_samples, length, width) -> the same shape."""
        n_samples, length, width = h.shape
        parts = self.query_key_value(h).view(n_samples, length, 3, self.n_heads, width // self.n_heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (n_samples, n_heads, length, width / n_heads)
        scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
        later = torch.ones(length, length, dtype=torch.bool, device=h.device).triu(1)
        share = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
        mixed: Tensor = self.output((share @ v).transpose(1, 2).reshape(h.shape))
        return mixed
