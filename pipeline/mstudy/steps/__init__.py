"""The steps of an analysis: read tables, call, write tables. `dvc repro` and `mstudy analyze` run the same ones."""
