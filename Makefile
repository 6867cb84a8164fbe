.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
OUTSIDE ?=

.PHONY: help study test lint bench docs mutants outside effects pictures

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

study: .venv/study  ## Set up and run the study: train, detect, compare, estimate, report
	@git rev-parse --git-dir >/dev/null 2>&1 || $(BIN)/dvc config --local core.no_scm true
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro
	@echo "the report: reports/index.html"

test: .venv/dev  ## Set up and run the tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -q -n auto --dist loadfile

lint: .venv/dev  ## Set up and check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench  ## Set up, measure speed and error rates, write benchmarks/*.md (two hours, on an idle machine)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.error_rates.detection --write
	$(BIN)/python -m benchmarks.plateaus --write
	$(BIN)/python -m benchmarks.speed.analysis --write
	$(BIN)/python -m benchmarks.error_rates.inference --write
	$(BIN)/python -m benchmarks.error_rates.unreplicated --write
	$(BIN)/python -m benchmarks.error_rates.looks --write
	$(BIN)/python -m benchmarks.speed.logging --write
	$(BIN)/python -m benchmarks.speed.report --write
	$(BIN)/python -m benchmarks.speed.drawing --write
	$(BIN)/python -m benchmarks.speed.watch --write
	$(BIN)/python -m benchmarks.speed.width --write

docs: .venv/docs  ## Build the documentation into site/, to be opened without a network
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python docs/write_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q
	@echo "the documentation: site/index.html; with its search: $(BIN)/python -m http.server -d site"

mutants: .venv/mutants  ## Change 200 places of the library and count the changes its tests see (an hour; goes on where it was ended)
	$(BIN)/python -m benchmarks.mutants --write

outside: .venv/study  ## Import and analyse public logs of others, write docs/outside-data.md: make outside OUTSIDE=FOLDER
	@test -n "$(OUTSIDE)" || { echo "OUTSIDE must name the folder of the public logs: make outside OUTSIDE=FOLDER; docs/outside-data.md says where to get them." >&2; exit 2; }
	$(BIN)/python -m benchmarks.outside "$(OUTSIDE)" --write

effects: .venv/study  ## Train, branch and analyse two studies, write docs/effects.md (an hour; goes on where it was ended)
	$(BIN)/python -m benchmarks.effects .mstudy/effects --write

pictures: .venv/study  ## Draw the README's pictures from the finished study
	$(BIN)/mstudy report runs --out reports --params params.yaml --format svg --theme both --figure advantage --figure why --to docs/pictures

.venv/study: EXTRAS := train,pipeline
.venv/dev: EXTRAS := dev
.venv/docs: EXTRAS := train,pipeline,docs
.venv/bench: EXTRAS := train,pipeline,bench
.venv/mutants: EXTRAS := dev,mutants

# pip compiles one file after the other; compileall takes all processors. What it cannot compile are templates of others.
.venv/study .venv/dev .venv/docs .venv/bench .venv/mutants: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --no-compile -e '.[$(EXTRAS)]'
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	@touch $@ .venv/study
