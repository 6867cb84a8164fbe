"""`mstudy explain`: one run as the detector judged it, as a page or a picture, and in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_never

import numpy as np
import polars as pl
from markupsafe import Markup

from mstudy.core.errors import ConfigError
from mstudy.core.files import write_whole
from mstudy.core.params import Detect
from mstudy.core.quantities import quantity_named
from mstudy.core.statuses import EventKind, Refusal, SharpeningStatus
from mstudy.core.theory import stability_line_of
from mstudy.detect.kinds.events import Event
from mstudy.detect.sharpening import Sharpening
from mstudy.explain.chart import judged_run
from mstudy.explain.explanation import Explanation, explain_sharpening
from mstudy.report.charts.layered import Layered
from mstudy.report.charts.theme import RECOLOURED, config, run_label
from mstudy.report.page.downsample import spike_rows
from mstudy.report.page.encode import spec_with_columns
from mstudy.report.page.render import template
from mstudy.report.page.scripts import bundle
from mstudy.report.page.short_names import short_name
from mstudy.report.pictures.write import FORMATS, save_picture, with_values
from mstudy.report.words import count, interval, number, step
from mstudy.runlog.reading.reader import RunFolder

_REASONS = {
    "": "accepted",
    Refusal.SMALL: "refused: smaller than the factor asked for",
    Refusal.PASSING: "refused: it does not last",
    Refusal.LIKE_NOISE: "refused: this run's own noise rises as much",
    Refusal.REBOUND: "refused: it only takes back a fall",
    Refusal.SLOW: "refused: too slow, or without a place that can be told",
}
_POINTS, _WIDTH = 2000, 860


def picture_of(folder: RunFolder, detect: Detect) -> dict[str, Any]:
    """Return the Vega-Lite specification of the explanation of the one run in `folder`, its data by value."""
    run, explanation = _judge(folder, detect)
    chart = _chart(folder, run, explanation, detect).to_dict()
    return _picture(run, explanation, chart)


def _picture(run: dict[str, Any], explanation: Explanation, chart: dict[str, Any]) -> dict[str, Any]:
    fixed: dict[str, Any] = with_values({key: chart[key] for key in ("layer", "height")}, chart.get("datasets", {}))
    return {"$schema": chart["$schema"], "width": _WIDTH, "title": [_name(run), summary(explanation)]} | fixed


def write_explanation(folder: RunFolder, path: Path, detect: Detect) -> None:
    """Write the explanation of the one run in `folder` as .html, .png or .svg. Raises ConfigError for another."""
    kind = path.suffix.removeprefix(".")
    if kind not in ("html", *FORMATS):
        raise ConfigError(f"--out must end in .html, .png or .svg, found {path}.")
    run, explanation = _judge(folder, detect)
    chart = _chart(folder, run, explanation, detect).to_dict()
    if kind == "html":
        write_whole(path, _page(run, explanation, chart, detect).encode(), "The report")
        return
    save_picture(_picture(run, explanation, chart), path, "light")


def explain_in_words(folder: RunFolder, detect: Detect) -> str:
    """Return the verdict, and a line for each candidate."""
    run, explanation = _judge(folder, detect)
    lines = [f"{_name(run)}: {summary(explanation)}"]
    judged = explanation.candidates.with_columns(_judged(explanation.candidates))
    for k, row in enumerate(judged.iter_rows(named=True), start=1):
        lines.append(
            f"{k}. steps {step(row['start'])} to {step(row['end'])}, factor {number(row['factor'])}, "
            f"{'untested' if row['p_value'] is None else 'p = ' + number(row['p_value'])}: {row['verdict']}"
        )
    return "\n".join(lines)


def _judged(candidates: pl.DataFrame) -> pl.Series:
    """Return the reason for each candidate, in words."""
    rows = [
        "refused: a fall" if factor < 1 else _REASONS[reason]
        for factor, reason in candidates.select("factor", "reason").iter_rows()
    ]
    return pl.Series("verdict", rows, dtype=pl.String)


def summary(explanation: Explanation) -> str:
    """Return the verdict in a sentence."""
    found, n = explanation.found, count(explanation.found.n_points, "usable point")
    match found.status:
        case SharpeningStatus.NO_CURVATURE:
            return "The log has no curvature to judge."
        case SharpeningStatus.TOO_SHORT:
            return f"Too short to judge: {n}, fewer than detect.min_points."
        case SharpeningStatus.NONE:
            largest = _largest_rise(explanation)
            none = f"No abrupt sharpening up to step {step(found.followup_step)} ({n}; {largest})."
            return none + _others(found)
        case SharpeningStatus.DETECTED:
            events = "; at ".join(_event(event) for event in found.events)
            return f"Abrupt sharpening at {events} ({n})." + _others(found)
        case _:
            assert_never(found.status)


def _largest_rise(explanation: Explanation) -> str:
    """Say why there is no p-value, or which: a rise that passes or takes the whole run may reach the factor too."""
    if explanation.found.p_value is not None:
        return f"the largest rise anywhere has p = {number(explanation.found.p_value)}"
    if explanation.found.others:
        return "a rise reaches the factor asked for, but none that is abrupt and lasts"
    return "no rise that lasts reaches the factor asked for"


_KINDS = {
    EventKind.LASTING: "",
    EventKind.RECURRING: ", taken back and coming back",
    EventKind.TRANSIENT: ", transient: it is left again after a few rows",
    EventKind.PROGRESSIVE: ", progressive: it took too much of the steps up to there",
}


def _event(event: Event) -> str:
    between = interval(event.step_low, event.step_high, step)
    place = f"step {step(event.step)} {between}, by a factor {number(event.jump)}"
    took = f" in {number(event.rise_steps)} steps ({event.rise_share:.0%} of those up to its end)"
    return place + took + _KINDS[event.kind] + ("" if event.p_value is None else f", p = {number(event.p_value)}")


def _others(found: Sharpening) -> str:
    """Return a sentence on the rises that are no abrupt sharpening, with a space before it; empty where none is."""
    return f" No abrupt sharpening, but a rise, at {'; at '.join(map(_event, found.others))}." if found.others else ""


def _judge(folder: RunFolder, detect: Detect) -> tuple[dict[str, Any], Explanation]:
    run = folder.runs.row(0, named=True)
    return run, explain_sharpening(*_series(folder, detect), detect, run["run_id"])


def _series(folder: RunFolder, detect: Detect) -> tuple[Any, Any, Any]:
    """Return steps, curvature and loss, (n_rows,) each."""
    log = folder.points
    return (
        log["step"].to_numpy(),
        log[detect.quantity].fill_null(float("nan")).to_numpy(),
        log["loss"].to_numpy(),
    )


def _chart(folder: RunFolder, run: dict[str, Any], explanation: Explanation, detect: Detect) -> Layered:
    steps, curvature, _ = _series(folder, detect)
    usable = np.isfinite(curvature) & (curvature > 0)
    rows = spike_rows(np.log(curvature[usable]), _POINTS)
    points = pl.DataFrame({"step": steps[usable][rows], "y": curvature[usable][rows]})
    events = pl.DataFrame(
        [(e.step, e.step_low, e.step_high) for e in (*explanation.found.events, *explanation.found.others)],
        schema=dict.fromkeys(("step", "step_low", "step_high"), pl.Float64),
        orient="row",
    )
    candidates = explanation.candidates.with_columns(_judged(explanation.candidates).alias("text"))
    line, title = stability_line_of(run, detect.quantity), quantity_named(detect.quantity).title
    return judged_run(points, explanation.blocks, candidates, events, line, title)


def _page(run: dict[str, Any], explanation: Explanation, chart: dict[str, Any], detect: Detect) -> str:
    rows = explanation.candidates.with_columns(
        pl.int_range(1, pl.len() + 1).alias("candidate"),
        _judged(explanation.candidates),
    )
    return template("page.html", "mstudy.explain").render(
        title=_name(run),
        summary=summary(explanation),
        candidates=rows.select("candidate", "start", "end", "factor", "p_value", "verdict"),
        judged=explanation.blocks.height > 0,
        spec=spec_with_columns(chart),
        look={"dark": RECOLOURED, "config": {"light": config(False), "dark": config(True)}},
        detect=detect,
        bundle=Markup(bundle()),
    )


def _name(run: dict[str, Any]) -> str:
    where = f"b = {run['batch_size']:,}, η_ef = {run['eta_ef']:g}, seed {run['seed']}"
    return f"{run_label(run)}, {where} ({short_name(run['run_id'])})"
