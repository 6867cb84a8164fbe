"""Inference on whole synthetic experiments with known answers: size, power, coverage, verdicts of every claim.

python -m benchmarks.error_rates.inference [--experiments 200] [--write]: Markdown to stdout, or to
inference_advantage.md (C1, C2, C3, C6, C7) and inference_events.md (C4, C5), the pages of the two modules of those
names. Those on times alone are cheap, five times as many; those in which events are first found in logs are expensive,
half as many.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.error_rates import inference_advantage, inference_events


def main() -> None:
    """Print or write both pages."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--experiments", type=int, default=200)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    n = options.experiments
    pages = {
        "inference_advantage.md": inference_advantage.report(n, n),
        "inference_events.md": inference_events.page(5 * n, n, max(1, n // 2)),
    }
    for name, text in pages.items():
        if options.write:
            (Path(__file__).parents[1] / name).write_text(text, encoding="utf-8")
        else:
            print(text)


if __name__ == "__main__":
    main()
