"""`from mstudy.logger import RunLogger`: log a run from your own training loop. Imports neither torch nor polars."""

from mstudy.runlog.logger import RunLogger

__all__ = ["RunLogger"]
