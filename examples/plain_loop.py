"""A plain PyTorch loop with the three lines that log it: 1 the log, 2 the probe, 3 a row.

python examples/plain_loop.py RUNS [--steps 300] [--seeds 3], then: mstudy analyze RUNS --out OUT
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from mstudy import CurvatureProbe, RunLogger
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

Batch = tuple[Tensor, Tensor]


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Mean loss of a batch."""
    inputs, labels = batch
    return functional.cross_entropy(model(inputs), labels)


def digits() -> Batch:
    """The training set, 1,797 images of 8 x 8, as one batch."""
    images, labels = load_digits(return_X_y=True)
    inputs = torch.as_tensor(images, dtype=torch.float32)
    return (inputs - inputs.mean()) / inputs.std(), torch.as_tensor(labels)


def train(path: Path, learning_rate: float, momentum: float, seed: int, steps: int, batch_size: int = 256) -> None:
    """One run, logged to `path`."""
    inputs, labels = data = digits()
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum)
    settings = {"learning_rate": learning_rate, "momentum": momentum, "batch_size": batch_size, "seed": seed}
    with RunLogger(path, **settings, model="mlp", dataset="digits", n_train=len(inputs)) as log:  # 1
        probe = CurvatureProbe(model, loss_of, data, optimizer, every=5)  # 2
        order = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            chosen = torch.randperm(len(inputs), generator=order)[:batch_size]
            optimizer.zero_grad()
            loss_of(model, (inputs[chosen], labels[chosen])).backward()
            optimizer.step()
            probe.log_to(log)  # 3
            if log.diverged:
                break


def main() -> None:
    """SGD and SGD with momentum at equal effective learning rates, several seeds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("runs", type=Path)
    arguments.add_argument("--steps", type=int, default=300)
    arguments.add_argument("--seeds", type=int, default=3)
    options = arguments.parse_args()
    for seed in range(options.seeds):
        for eta_ef in (0.05, 0.2, 0.8):
            for momentum in (0.0, 0.9):
                path = options.runs / f"eta{eta_ef}-momentum{momentum}-seed{seed}.parquet"
                train(path, round(eta_ef * (1 - momentum), 9), momentum, seed, options.steps)


if __name__ == "__main__":
    main()
