"""The format of a run's log, schema version 1: columns, metadata, status words. Plain data, no heavy imports.

One Parquet file a run, one row per logged step. `step` counts the updates made before the row's quantities were
measured. The Parquet key-value entry `mstudy` holds one JSON object. See docs/log-format.md.
"""

from __future__ import annotations

from mstudy.core.errors import WHOLE_NUMBERS_END
from mstudy.core.quantities import LOSS, QUANTITIES

SCHEMA_VERSION = 1
MAX_STEP = WHOLE_NUMBERS_END - 1
METADATA_KEY = "mstudy"
JOURNAL_SUFFIX = ".journal.jsonl"  # of a run under way, in place of .parquet
UNDER_WAY = "under_way"  # the folder of a sweep's journals in its store
DIGEST_KEY = "mstudy_sha256"  # a second entry: the digest of the first one and of the columns

REQUIRED_COLUMNS = ("step", *LOSS.columns)
COLUMNS = ("step", *(column for quantity in QUANTITIES for column in quantity.columns))
OPTIONAL_COLUMNS = tuple(column for column in COLUMNS if column not in REQUIRED_COLUMNS)


# A log must say at least this of its run; one of `optimizer` and `momentum` implies the other only for SGD.
REQUIRED_METADATA = ("learning_rate", "batch_size", "seed")
TEXT_METADATA = ("study", "model", "dataset", "objective")
