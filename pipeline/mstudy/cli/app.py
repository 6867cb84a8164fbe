"""The command line: a thin skin over the library. Results on stdout, all else on stderr; heavy imports inside."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from mstudy.cli import options
from mstudy.cli.branch import attach as attach_branch
from mstudy.cli.data import data_app
from mstudy.cli.diff import attach as attach_diff
from mstudy.cli.imports import import_app
from mstudy.cli.packs import attach as attach_packs
from mstudy.cli.report import attach as attach_report
from mstudy.cli.settle import attach as attach_settle
from mstudy.cli.train import Shares
from mstudy.cli.train import attach as attach_train
from mstudy.cli.watch import attach as attach_watch
from mstudy.core.boundary import DEBUG, exit_interrupted, exit_with_sentence, require_open_files, say
from mstudy.core.errors import printable

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # half the time of --help would be the import of rich
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="When, and why, momentum makes SGD faster. A study of your own: `mstudy train`, then `mstudy analyze`; logs "
    "that you have: `mstudy import`, `mstudy validate`, `mstudy analyze`. docs/tutorial.md goes through both.",
)
app.add_typer(data_app, name="data")
app.add_typer(import_app, name="import")

_Runs = Annotated[
    str,
    typer.Argument(
        help="Folder of run logs, searched at any depth, or of packs; or s3://BUCKET/PREFIX.", metavar="RUNS"
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def main() -> None:
    """Run the command line; a foreseeable fault is one sentence and exit code 1."""
    with exit_with_sentence():
        app(args=_without_debug(sys.argv[1:]))


def _without_debug(arguments: list[str]) -> list[str]:
    """Take --debug out of the arguments, wherever it stands before a "--": it belongs to no command."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" in arguments[:end]:
        os.environ[DEBUG] = "1"
    return [argument for argument in arguments[:end] if argument != "--debug"] + arguments[end:]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"mstudy {version('mstudy')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a foreseeable fault.")] = False,
) -> None:
    require_open_files()


attach_train(app)
attach_watch(app)


@app.command("plan")
def plan_cli(
    study: Annotated[str | None, typer.Argument(help="Name of a study in the parameter file.")] = None,
    claim: Annotated[str | None, typer.Option(help="What would settle this claim, as C4, by an analysis.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of a finished analysis, for --claim.")] = Path("reports"),
    params: options.Params = options.PARAMS,
    store: options.Store = options.STORE,
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: _Json = False,
) -> None:
    """Count the runs of a study, and how long they would train here.

    How many runs train best side by side is measured. With --claim: how many seeds, or cells, would settle a claim.

    Example: mstudy plan digits, or: mstudy plan --claim C4 --results reports
    """
    if (study is None) == (claim is None):
        raise typer.BadParameter("give either a STUDY or --claim")
    if claim is not None:
        _print_outlook(results, claim, as_json)
        return
    from mstudy.core.params_file import load
    from mstudy.plan.training_cost import estimate_study
    from mstudy.train.sweep.processes.devices import torch_device
    from mstudy.train.sweep.settled import FOLDER, read_settled
    from mstudy.train.sweep.store import Store
    from mstudy.workers.surroundings import available_cores

    assert study is not None  # checked above
    wanted = load(params).study(study)
    settled, cores = read_settled(params.parent / FOLDER, study, wanted), workers or available_cores()
    plan = estimate_study(study, wanted, Store(store), cores, torch_device(device), settled)
    if as_json:
        print(json.dumps({"schema": 1, **plan.as_dict()}))
    else:
        print(plan.as_text())


@app.command("analyze")
def analyze_cli(
    runs: _Runs,
    out: Annotated[Path, typer.Option("--out", help="Folder for tables, claims and report.")],
    params: Annotated[Path | None, typer.Option("--params", help="Parameter file; default: as shipped.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad files out (exit code 3).")] = False,
    workers: options.Workers = None,
    as_json: _Json = False,
    shard: Shares = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="local or ray; default: as the parameter file says.")
    ] = None,
    address: options.Address = None,
) -> None:
    """Detect, compare, estimate and report on a folder of logs.

    What OUT/cache holds from an earlier call is not computed again. With --shard: a share of what is computed, kept in
    OUT/cache for a last call without it. --engine ray: on a Ray cluster whose nodes all have RUNS and OUT.

    Example: mstudy analyze runs/ --out study/
    """
    from mstudy.analyze import analyze, analyze_shard
    from mstudy.core.engines.engine_params import chosen_for_analysis
    from mstudy.core.params import Params
    from mstudy.core.params_file import load
    from mstudy.core.sharding.shard import parse_shard

    given = Params() if params is None else load(params)
    analysis, how = given.analysis, chosen_for_analysis(given.engine, engine, address, shard)
    share = None if shard is None else parse_shard(shard)
    try:
        if share is not None:
            analyze_shard(runs, out, analysis, share, skip_bad=skip_bad, workers=workers)
            print(f"the share {shard} is in {out / 'cache'}; the same command without --shard writes the results")
            return
        done = analyze(runs, out, params, skip_bad=skip_bad, workers=workers, engine=how)
    except KeyboardInterrupt:
        exit_interrupted("interrupted; run the same command again")
    results = done.results
    if as_json:
        summary = {"claims": results.claims, "problems": results.problems, "warnings": results.warnings}
        print(json.dumps({"schema": 1} | summary))
    else:
        _print_claims(results.claims)
        print(f"report: {out / 'index.html'}")
    _summarise(results.warnings)
    for problem in results.problems:
        say(f"left out: {_message_of(problem)}")
    if results.problems:
        raise typer.Exit(3)


def _summarise(warnings: list[dict[str, Any]]) -> None:
    """Print one line a rule on stderr: how often, and the first."""
    counts = Counter(warning["rule"] for warning in warnings)
    first = {warning["rule"]: warning for warning in reversed(warnings)}
    for rule, count in counts.items():
        say(f"warning: {rule} ({count} times): {_message_of(first[rule])}")


def _message_of(problem: dict[str, Any]) -> str:
    return printable(f"{problem['path']}: {problem['reason']}")


@app.command("validate")
def validate_cli(
    runs: _Runs,
    params: Annotated[Path | None, typer.Option("--params", help="Parameter file; default: as shipped.")] = None,
    workers: options.Workers = None,
    as_json: _Json = False,
) -> None:
    """List every problem of a folder of run logs.

    Each has file, column, row, rule and remedy.

    `compare.scale` of the parameters says whether a loss may be 0 or below, `detect.quantity` which curvature is asked
    for.

    Exit code 1 where a problem is an error, which `analyze` refuses; warnings make the evidence weaker.

    Example: mstudy validate runs/
    """
    from mstudy.core.params import Analysis
    from mstudy.core.params_file import load
    from mstudy.runlog.validate import validate
    from mstudy.workers.surroundings import available_cores

    analysis = Analysis() if params is None else load(params).analysis
    problems = validate(runs, workers or available_cores(), analysis.reading)
    print(json.dumps(problems.as_dict()) if as_json else problems.as_text())
    if problems.n_errors:
        raise typer.Exit(1)


def _print_outlook(results: Path, claim: str, as_json: bool) -> None:
    from mstudy.plan.outlook import as_sentences, outlook

    row = outlook(results, claim)
    print(json.dumps({"schema": 1, **row}) if as_json else as_sentences(row))


attach_packs(app)
attach_report(app)
attach_diff(app)
attach_settle(app)
attach_branch(app)


def _print_claims(claims: list[dict[str, Any]]) -> None:
    for claim in claims:
        at_least = f" {claim['at_least']['sentence']}" if claim["at_least"] else ""
        print(f"{claim['id']} {claim['verdict']:<12} {claim['statement']} {claim['reason']}{at_least}")


if __name__ == "__main__":
    main()
