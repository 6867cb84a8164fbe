"""Which sections there are, and what stands in them."""

import polars as pl
import pytest
from mstudy.core.params import Analysis, Detect
from mstudy.report.charts.theme import colours
from mstudy.report.page.runs_table import runs_table
from mstudy.report.reading_order import build_sections
from mstudy.report.sections.base import make_report_data, setting_name
from mstudy.tables.contracts import EVENT_VERDICTS, TWINS

from tests.report.conftest import SETTING

PALETTE = colours([("sgd", 0.0), ("heavy_ball", 0.5), ("heavy_ball", 0.9)])


def _sections(results):
    return {section.anchor: section for section in build_sections(make_report_data(results, PALETTE), Analysis())}


def _plates(results):
    return {plate.name: plate for section in _sections(results).values() for plate in section.plates}


def test_the_questions_come_in_order(results):
    assert list(_sections(results)) == ["when", "why", "alignment", "deferral"]


def test_what_lies_beyond_the_paper_appears_with_its_table(results, more):
    assert list(_sections(results.having(**more))) == [
        "when",
        "why",
        "alignment",
        "deferral",
        "interventions",
        "best",
        "law",
        "power",
    ]
    assert "horizon" in _plates(results.having(**more))


@pytest.mark.parametrize(
    ("table", "plate"),
    [("horizons", "horizon"), ("best", "best"), ("stability_limits", "limits"), ("law", "law"), ("power", "power")],
)
def test_an_empty_table_has_no_section(results, more, table, plate):
    assert plate in _plates(results.having(**more))
    assert plate not in _plates(results.having(**more | {table: more[table].clear()}))


def test_the_law_s_line_is_spoken_of_only_where_it_is_drawn(results, more):
    def note(limits):
        return _plates(results.having(**more | {"stability_limits": limits}))["threshold"].note

    assert "Dashed" in note(more["stability_limits"])
    assert "Dashed" not in note(more["stability_limits"].clear())
    assert "Dashed" not in note(more["stability_limits"].with_columns(predicted=pl.lit(None, dtype=pl.Float64)))


def test_branches_are_shown_where_there_are_any(results, branches):
    (figure,) = _plates(results.having(interventions=branches))["interventions"].figures

    # By hand: of three branches one sharpened all the same; the others end at 0.02 and 0.04, their parents at 0.3, 0.5.
    assert figure.title == "lower rate"
    assert figure.caption == ("2 of 3 branches lost the sharpening (2 seeds): their mean gap is 0.03, left alone 0.4.")
    section = _sections(results.having(interventions=branches))["interventions"]
    assert section.answer == (
        "Of 3 branches, 2 lost the abrupt sharpening of the run they left; of these, 2 end within 0.05 in log loss of "
        "SGDM."
    )
    stubborn = results.having(interventions=branches.tail(1))
    assert _plates(stubborn)["interventions"].figures[0].caption.startswith("1 branch, none of which lost")


def test_effects_of_treatments_are_shown_beside_what_they_do_anyway(results, branches, treatments):
    (figure,) = _plates(results.having(interventions=branches, treatments=treatments))["treatments"].figures

    assert figure.caption == (
        "lower rate: 0.3 [0.2, 0.4] more than at the control time (n = 3 seeds; 2 of 3 branches without the "
        "sharpening); raised rate of SGDM: 3 of 3 branches diverged."
    )
    points = [rows for rows in figure.chart.to_dict()["datasets"].values() if "event" in rows[0]]
    assert {(row["name"], row["event"], row["effect"]) for rows in points for row in rows} == {
        ("lower rate", "before the sharpening", 0.4),
        ("lower rate", "control time", 0.1),
    }
    assert "treatments" not in _plates(results.having(interventions=branches))


def test_effects_are_drawn_against_none(results, branches, treatments):
    (figure,) = _plates(results.having(interventions=branches, treatments=treatments))["treatments"].figures

    assert [{"effect": 0.0}] in figure.chart.to_dict()["datasets"].values()


def test_the_table_of_effects_tells_each_number_with_its_interval(results, branches, treatments):
    (figure,) = _plates(results.having(interventions=branches, treatments=treatments))["effects"].figures

    lower, raised = figure.numbers.rows()
    assert lower == ("lower rate", "0.4 [0.3, 0.5]", "0.1 [0, 0.2]", "0.3 [0.2, 0.4]", 0.01, "3 seeds", 3, 2, 0)
    assert raised == ("raised rate of SGDM", "–", "–", "–", None, "0 seeds", 3, 0, 3)
    assert "effects" not in _plates(results.having(interventions=branches))


def test_controls_and_branches_of_sgdm_are_no_points_of_the_claim(results, branches):
    time = pl.when(pl.col("seed") == 0).then(pl.lit("control")).alias("intervention_at")
    found = branches.with_columns(time, (pl.col("seed") == 2).alias("of_sgdm"))

    answer = _sections(results.having(interventions=found))["interventions"].answer

    assert answer.startswith("Of 1 branch, 1 lost")


@pytest.mark.parametrize("name", ["advantage", "loss"])
def test_panels_of_a_plate_share_their_axes(results, name):
    layers = [
        layer
        for figure in _plates(results)[name].figures
        for layer in figure.chart.to_dict()["layer"]
        if layer["mark"]["type"] == "line"
    ]

    assert len(layers) == 2
    assert len({str([layer["encoding"][axis]["scale"] for axis in "xy"]) for layer in layers}) == 1


def test_several_settings_are_named_and_kept_apart(results):
    other = results["runs"].with_columns(model=pl.lit("cnn"), run_id=pl.lit("x") + pl.col("run_id"))
    advantage = results["advantage"].with_columns(model=pl.lit("cnn"))
    both = results.having(
        runs=pl.concat([results["runs"], other]),
        sharpenings=pl.concat(
            [results["sharpenings"], results["sharpenings"].with_columns(run_id=pl.lit("x") + pl.col("run_id"))]
        ),
        advantage=pl.concat([results["advantage"], advantage]),
    )

    figures = _plates(both)["advantage"].figures

    assert [(f.setting, f.batch_size) for f in figures] == [(0, 16), (0, 64), (1, 16), (1, 64)]
    assert figures[0].title == "cnn, dots, squared_error: b = 16"
    settings = make_report_data(results, PALETTE).settings
    assert setting_name(settings, 0) == "mlp, dots, squared_error"
    twice = pl.concat([settings, settings.with_columns(study=pl.lit("again"))])
    assert setting_name(twice, 1) == "again"
    mixed = pl.concat([twice, settings.with_columns(model=pl.lit("cnn"))])
    assert setting_name(mixed, 1) == "again, mlp, dots, squared_error"


def test_where_the_definitions_disagree_is_listed(results):
    often, where = _plates(results)["definitions"].figures

    assert often.numbers.select("jump", "at_stability_line", "agree", "apart", "jump_alone").rows() == [(3, 2, 1, 1, 1)]
    assert where.numbers.select("seed", "stability_step").rows() == [(1, 170.0), (2, None)]


def test_a_run_without_a_line_is_no_disagreement(results):
    without = results["sharpenings"].with_columns(
        pl.when(pl.col("stability_status") == "none")
        .then(pl.lit("no_line"))
        .otherwise("stability_status")
        .alias("stability_status")
    )

    often, where = _plates(results.having(sharpenings=without))["definitions"].figures

    assert often.numbers.select("jump", "agree", "apart", "jump_alone").rows() == [(2, 1, 1, 0)]
    assert often.caption.endswith("1 settle at their stability line at the same moment, 1 at another, and 0 never do.")
    assert where.numbers["seed"].to_list() == [1]


def test_strata_without_an_event_are_named_not_drawn(results):
    figures = _plates(results)["survival"].figures

    assert [figure.title for figure in figures] == ["all runs", "b = 64"]
    assert figures[0].caption.endswith("No run sharpens abruptly at b = 16.")


def test_the_list_of_runs_has_both_definitions_and_no_column_that_is_always_the_same(results):
    table = runs_table(results)
    rows = table["rows"]
    found = {rows["run_id"][k]: rows["definitions"][k] for k in range(len(rows["run_id"]))}

    assert [found[f"b64-r0.2-m0.0-s{seed}"] for seed in range(3)] == ["agree", "disagree", "disagree"]
    assert found["b16-r0.2-m0.0-s0"] is None
    assert "model" not in rows and len(rows["run_id"]) == 54
    assert [name for name, _, _ in table["headings"]] == list(rows)


def _both_ways(claim, decides, verdicts):
    """Rows of a claim judged both ways. verdicts: by sharpening, by crossing."""
    rows = zip(("sharpening", "crossing"), verdicts, strict=True)
    same = len(set(verdicts)) == 1
    return [{"claim": claim, "definition": d, "decides": d == decides, "agrees": same, "verdict": v} for d, v in rows]


def test_both_verdicts_stand_where_the_claim_is_answered(results):
    rows = _both_ways("C4", "sharpening", ("supported", "inconclusive"))
    rows += _both_ways("C5", "sharpening", ("supported", "supported"))

    plates = _plates(results.having(event_verdicts=EVENT_VERDICTS.frame(rows)))

    c4, c5 = (plates[name].figures[-1] for name in ("alignment-tests", "deferral-tests"))
    assert c4.caption == (
        "By abrupt sharpening, which decides, C4 is supported; by crossing of the stability line it is inconclusive: "
        "the two definitions do not agree."
    )
    assert c5.caption.endswith("it is supported: the two definitions agree.")
    assert c5.numbers.select("definition", "decides", "verdict").rows() == [
        ("crossing", False, "supported"),
        ("sharpening", True, "supported"),
    ]


def test_a_study_judged_by_crossings_is_told_in_their_words(results):
    crossed = results["sharpenings"].with_columns(
        pl.when(pl.col("status") == "detected")
        .then(pl.lit("crossed"))
        .otherwise(pl.lit("none"))
        .alias("crossing_status"),
        (pl.col("step") / 2).alias("crossing_step"),
        (pl.col("step") / 2 - 1).alias("crossing_step_low"),
        (pl.col("step") / 2 + 1).alias("crossing_step_high"),
        pl.lit(190.0).alias("crossing_followup_step"),
    )
    verdicts = EVENT_VERDICTS.frame(_both_ways("C5", "crossing", ("supported", "untestable")))
    data = make_report_data(results.having(sharpenings=crossed, event_verdicts=verdicts), PALETTE)

    sections = {s.anchor: s for s in build_sections(data, Analysis(detect=Detect(decides="crossing")))}

    points = sections["alignment"].plates[0].figures[0].numbers
    assert points.filter(pl.col("seed") == 0)["sharpening_step"].to_list() == [50.0, 50.0]
    assert "against crossing of the stability line of SGD" in sections["alignment"].plates[0].note
    assert "0 of 18 runs cross their stability line, against 3 of 18 of SGD" in sections["deferral"].answer
    assert sections["deferral"].plates[0].title == "Time to crossing of the stability line"
    assert sections["deferral"].plates[-1].figures[-1].caption == (
        "By crossing of the stability line, which decides, C5 is untestable; by abrupt sharpening it is supported: "
        "the two definitions do not agree."
    )


def test_the_crossings_are_counted_beside_the_jumps(results):
    crossed = results["sharpenings"].with_columns((pl.col("step") + 1).alias("crossing_step"))

    often, where = _plates(results.having(sharpenings=crossed))["definitions"].figures

    assert often.numbers["crosses_it"].to_list() == [3]
    assert where.numbers["crossing_step"].to_list() == [111.0, 121.0]


def test_twins_are_told_beside_the_lag(results):
    keys = SETTING | {"batch_size": 64, "eta_ef": 0.2, "optimizer": "sgd", "momentum": 0.0}
    rows = [("rounding", "none", None, 0.01), ("order", "parted", 150.0, -0.2), ("order", "none", None, 0.0)]
    twins = TWINS.frame(
        [
            keys
            | {"seed": seed, "twin_run_id": f"t{seed}", "kind": kind, "status": status, "step": at, "late_gap": gap}
            for seed, (kind, status, at, gap) in enumerate(rows)
        ]
    )

    figure = _plates(results.having(twins=twins))["alignment-tests"].figures[0]

    # By hand: the six pairs of the block part; their gaps were not measured.
    assert figure.caption == (
        "Of twins, runs that differ by chance alone, 0 of 1 by rounding part (median size of the late gap 0.01); 1 of "
        "2 by the order of batches part (median size of the late gap 0.1); 6 of 6 pairs of SGD and SGDM in the same "
        "blocks part."
    )
    drawn = [row for rows in figure.chart.to_dict()["datasets"].values() for row in rows if "step" in row]
    assert sorted((row["row"], row["step"]) for row in drawn if row["label"] == "SGD") == [
        ("twins by the order of batches", 150.0)
    ]
    assert len(drawn) == 7
    assert "alignment-tests" in _plates(results)
    assert [f.title for f in _plates(results)["alignment-tests"].figures] == ["The tests"]


def test_twins_of_which_none_parts_are_a_table_alone(results):
    keys = SETTING | {"batch_size": 16, "eta_ef": 0.1, "optimizer": "sgd", "momentum": 0.0, "seed": 0}
    twins = TWINS.frame([keys | {"twin_run_id": "t", "kind": "rounding", "status": "diverged", "step": 3.0}])

    figure = _plates(results.having(twins=twins))["alignment-tests"].figures[0]

    assert figure.chart is None and len(figure.numbers) == 1
    assert figure.caption.startswith(
        "Of twins, runs that differ by chance alone, 0 of 1 by rounding part; 0 of 6 pairs"
    )
