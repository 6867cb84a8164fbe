"""Truth: the shipped file, and each mistake by hand."""

import json
import os
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import (
    FULL,
    Analysis,
    Branches,
    Cadence,
    Compare,
    Detect,
    Engine,
    Estimate,
    Grid,
    Margins,
    Params,
    Report,
    Study,
)
from mstudy.core.params_file import load
from mstudy.data.dataset import Dataset
from mstudy.train.configs import plan_runs

SHIPPED = Path(__file__).parents[2] / "params.yaml"


def test_shipped_file_is_the_default_key_by_key():
    import yaml

    raw = yaml.safe_load(SHIPPED.read_text())

    assert load(SHIPPED) == Params()
    assert set(raw) == set(asdict(Params()))
    assert set(raw["studies"]["digits"]) == set(asdict(Study()))
    assert set(raw["studies"]["digits"]["eta_ef"]) == set(asdict(Grid()))
    assert set(raw["studies"]["digits"]["log"]) == set(asdict(Cadence()))
    assert {name for name, n in Cadence().every.items() if n} <= set(raw["studies"]["digits"]["log"]["every"])
    assert set(raw["branches"]["digits-edge"]) == set(asdict(Branches()))
    sections = {"detect": Detect, "margins": Margins, "compare": Compare, "estimate": Estimate, "report": Report}
    sections |= {"engine": Engine}
    for key, kind in sections.items():
        assert set(raw[key]) == set(asdict(kind()))


def test_the_shipped_file_names_each_default_that_its_first_study_departs_from():
    import yaml

    text = SHIPPED.read_text()
    raw, lines = yaml.safe_load(text)["studies"]["digits"], text[text.index("  digits:") : text.index("  digits-edge:")]
    default = yaml.safe_load(json.dumps(asdict(Study())))  # tuples are lists there

    def told(shipped, default):
        for key, value in shipped.items():
            if isinstance(value, dict):
                yield from told(value, default[key])
            else:
                (line,) = re.findall(rf"^ *{key}: .*$", lines, re.M)
                yield ("default" in line.split("#")[-1], value != default[key])

    assert all(named == departs for named, departs in told(raw, default))


def test_the_reference_study_can_be_trained_again():
    params = load(SHIPPED.parent / "reports/reference/params.yaml")

    study, edge = params.study("fashion-mnist"), params.study("fashion-mnist-edge")
    assert (study.n_train, study.seeds, len(study.eta_ef.values())) == (5000, 8, 13)
    assert (edge.batch_sizes, edge.branch_steps) == (("full",), (15,))
    assert params.analysis == Analysis()


def test_default_grid():
    assert Grid().values() == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56]
    assert Grid(0.3, 0.3, 1).values() == [0.3]


def test_an_interval_that_is_left_out_has_its_default(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("studies: {s: {log: {every: {batch_sharpness: 5}}}}")

    cadence = load(path).study("s").log

    assert cadence.every == Cadence().every | {"batch_sharpness": 5}
    assert (cadence.every["directional_curvature"], cadence.every["sharpness"], cadence.every["edge_ratio"]) == (
        1,
        17,
        0,
    )
    assert cadence.measuring(sharpness=0).every == cadence.every | {"sharpness": 0}
    assert hash(cadence) == hash(cadence.measuring(sharpness=0))  # the mapping counts for equality alone
    assert cadence != cadence.measuring(sharpness=0)


def test_the_analysis_part_is_the_same_object():
    params = Params()

    assert params.analysis == Analysis(params.detect, params.margins, params.compare, params.estimate, params.report)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "studies: {digits: {momenta: [0.0, 1.0]}}",
            r"studies\.digits\.momenta must be at least 0 and below 1, found 1.0",
        ),
        ("studies: {digits: {eta_ef: {points: 0}}}", r"studies\.digits\.eta_ef\.points must be at least 1 \(.*empty"),
        ("studies: {digits: {eta_ef: {low: 0}}}", r"eta_ef\.low must be above 0, found 0.0"),
        ("studies: {digits: {eta_ef: {low: 2, high: 1}}}", r"eta_ef\.high must be at least low = 2.0, found 1.0"),
        ("studies: {digits: {eta_ef: {points: 1}}}", r"points must be at least 2 unless low equals high, found 1"),
        ("studies: {digits: {eta_ef: {low: 1e-3}}}", r"low must be a number, found '1e-3' .*1\.0e-3"),
        ("studies: {digits: {eta_ef: {high: .inf}}}", r"high must be finite"),
        ("studies: {digits: {batch_sizes: []}}", r"batch_sizes must be a list of at least one batch size, found \[\]"),
        ("studies: {digits: {batch_sizes: [0]}}", r"batch_sizes must be at least 1, or 'full', found 0"),
        ("studies: {digits: {batch_sizes: [all]}}", r"batch_sizes must be at least 1, or 'full', found 'all'"),
        ("studies: {digits: {batch_sizes: [1.5]}}", r"batch_sizes must be a whole number or text, found 1.5"),
        ("studies: {digits: {batch_sizes: [8, 8]}}", r"batch_sizes must be free of repetitions"),
        ("studies: {digits: {momenta: []}}", r"momenta must be a list of at least one momentum"),
        ("studies: {digits: {seeds: true}}", r"studies\.digits\.seeds must be a whole number, found True"),
        ("studies: {digits: {branch_steps: [0]}}", r"branch_steps must be at least 1 and below steps = 800, found 0"),
        (
            "studies: {digits: {branch_steps: [800]}}",
            r"branch_steps must be at least 1 and below steps = 800, found 800",
        ),
        ("studies: {digits: {branch_steps: [5, 5]}}", r"branch_steps must be free of repetitions, found \[5, 5\]"),
        (
            "studies: {digits: {branch_steps: [5], momenta: [0.0]}}",
            r"momenta must be 0 and at least one above it where there are branch_steps \(.*\), found \[0.0\]",
        ),
        ("studies: {digits: {seeds: 0}}", r"seeds must be at least 1, found 0"),
        ("studies: {digits: {first_seed: -1}}", r"first_seed must be 0 to 1000000000, found -1"),
        ("studies: {digits: {first_seed: 4000000000}}", r"first_seed must be 0 to 1000000000, found 4000000000"),
        ("studies: {digits: {steps: 0}}", r"steps must be at least 1, found 0"),
        ("studies: {digits: {n_train: 0}}", r"n_train must be at least 1, or null for all, found 0"),
        ("studies: {digits: {weight_decay: -1.0}}", r"weight_decay must be at least 0, found -1\.0"),
        ("studies: {digits: {warmup_steps: -1}}", r"warmup_steps must be at least 0, found -1"),
        ("studies: {digits: {width: 0}}", r"width must be at least 1, or null to measure, found 0"),
        ("studies: {digits: {chunk: 0}}", r"chunk must be at least 1, or null for the model's own, found 0"),
        (
            "studies: {digits: {log: {every: {directional_curvature: -1}}}}",
            r"log\.every\.directional_curvature must be odd, or 0 for never .*, found -1",
        ),
        (
            "studies: {digits: {log: {every: {loss: 3}}}}",
            r"log\.every\.loss is not a quantity that training measures .* \(value 3\); known here: directional_curva",
        ),
        (
            "studies: {digits: {log: {every: {edge_ratio: true}}}}",
            r"every\.edge_ratio must be a whole number, found True",
        ),
        ("studies: {digits: {log: {every: 3}}}", r"log\.every must be a mapping of names to values, found 3"),
        (
            "studies: {digits: {log: {curvature_every: 3}}}",
            r"log\.curvature_every must be written as studies\.digits\.log\.every\.directional_curvature .*value 3",
        ),
        ("studies: {digits: {log: {sharpness_every: 3}}}", r"written as studies\.digits\.log\.every\.sharpness \("),
        ("studies: {digits: {log: {batch_sharpness_every: 3}}}", r"as studies\.digits\.log\.every\.batch_sharpness \("),
        ("studies: {digits: {log: {edge_ratio: true}}}", r"log\.every\.edge_ratio \(every so many .*the value True"),
        ("studies: {digits: {log: {batch_sharpness_batches: 1}}}", r"batch_sharpness_batches must be at least 2 .*1"),
        (
            "studies: {digits: {log: {adaptive_factor: 1.0}}}",
            r"adaptive_factor must be above 1, or null for never, found 1\.0",
        ),
        (
            "studies: {digits: {seeds: 1000000000}}",
            r"seeds must be such that .* 100000 runs, found 12000",
        ),
        (
            "studies: {digits: {eta_ef: {points: 1000000000}}}",
            r"eta_ef\.points must be at most 10000, found 1000",
        ),
        ("studies: {digits: {eta_ef: {points: 2000}}}", r"give at most 100000 runs, found 150000"),
        ("studies: {digits: {width: 1000000000}}", r"digits\.width must be at most 10000, found 1000000000"),
        (
            "studies: {digits: {log: {batch_sharpness_batches: 1000000000}}}",
            r"_batches must be at most 10000, found 1",
        ),
        (
            "studies: {s: {eta_ef: {low: 0.1, high: 0.1, points: 3}}}",
            r"points must be 1 where low equals high, found 3",
        ),
        ("studies: {s: {eta_ef: {low: 1.0e-320, high: 1.0}}}", r"eta_ef\.low must be above 1e-300, found 1e-320"),
        ("studies: {s: {eta_ef: {low: 1.0, high: 1.0e+308}}}", r"eta_ef\.high must be below 1e\+300, found 1e\+308"),
        (
            "studies: {s: {eta_ef: {low: 1.0e-200, high: 1.0e+200}}}",
            r"high must be below 1e\+300 times low = 1e-200",
        ),
        (
            "studies: {s: {eta_ef: {low: 2.0e-300, high: 2.0e-290}}}",
            r"eta_ef must be such that learning rates lie between 1e-300 and 1e\+300 at momentum 0.5, found 1e-300",
        ),
        (
            "studies: {s: {eta_ef: {low: 1.0, high: 1.000001, points: 8}}}",
            r"eta_ef\.points must be so few that the 8 effective learning rates differ in their first six digits",
        ),
        ("studies: {s: {momenta: [0.0, 0.9999999999]}}", r"momenta must be at most 1 - 1e-9, found 0.9999999999"),
        ("detect: {resamples: 1000000000}", r"detect\.resamples must be at most 1000000, found 1000000000"),
        ("compare: {resamples: 1000000000}", r"compare\.resamples must be at most 1000000, found 1000000000"),
        ("estimate: {resamples: 1000000000}", r"estimate\.resamples must be at most 1000000, found 1000000000"),
        ("report: {points_per_curve: 1000000000}", r"points_per_curve must be at most 100000, found"),
        ("studies: &s {a: *s}", r"must be valid YAML, found in .*: its aliases must repeat at most 1000000 values"),
        ("studies: {digits: {momenta: 64}}", r"momenta must be a list, found 64"),
        (
            "studies: {digits: {init: {weights: he}}}",
            r"init\.weights must be one of default, xavier_uniform, .*, found 'he'",
        ),
        ("studies: {digits: {init: {weights: xavier_normal, gain: 0}}}", r"init\.gain must be above 0, found 0"),
        ("studies: {digits: {init: {scale: -1.0}}}", r"init\.scale must be above 0, found -1"),
        (
            "studies: {digits: {init: {gain: 2.0}}}",
            r"init\.gain must be 1 where weights is default \(write scale\), found 2",
        ),
        ("studies: {digits: {objective: hinge}}", r"objective must be squared_error or cross_entropy, found 'hinge'"),
        ("studies: {digits: {divergence_factor: 1}}", r"divergence_factor must be above 1, found 1.0"),
        ("studies: {digits: {log: {growth: 0}}}", r"log\.growth must be above 0 and at most 1"),
        ("studies: {digits: {log: {dense_steps: -1}}}", r"log\.dense_steps must be at least 0"),
        ("studies: {digits: {log: {every: {sharpness: 16}}}}", r"log\.every\.sharpness must be odd, or 0 for never"),
        ("studies: {digits: {step: 3}}", r"studies\.digits\.step is not a parameter \(value 3\); known here: .*steps"),
        ("studies: {}", r"studies must be a mapping with at least one study"),
        ("studies: {../x: {}}", r"studies must be named in letters, .*found '../x'"),
        ("studies: [digits]", r"studies must be a mapping of names to values"),
        ("studies: {digits: 3}", r"studies\.digits must be a mapping of keys to values, found 3"),
        (
            "studies: {s: {optimizer: adam}}",
            r"studies\.s\.optimizer must be null or heavy_ball or nesterov.*, found 'adam'",
        ),
        (
            "studies: {s: {optimizer: sgd}}",
            r"studies\.s\.optimizer must be null or heavy_ball or nesterov.*, found 'sgd'",
        ),
        (
            "studies: {s: {optimizer: heavy_ball, nesterov: true}}",
            r"studies\.s\.nesterov must be false where optimizer is given, found True",
        ),
        ("detect: {jmp: 2}", r"detect\.jmp is not a parameter"),
        ("detect: {jump_factor: 1}", r"detect\.jump_factor must be above 1, found 1.0"),
        ("detect: {resamples: 10}", r"detect\.resamples must be at least 1/alpha - 1 = 19 .*found 10"),
        ("detect: {alpha: 2}", r"detect\.alpha must be between 0 and 1"),
        ("detect: {lasting_share: 0}", r"detect\.lasting_share must be above 0"),
        ("detect: {recurring_gap: 0.6}", r"detect\.recurring_gap must be above 0 and at most 0.5"),
        ("detect: {transient_points: 1}", r"detect\.transient_points must be at least 2"),
        ("detect: {decides: parting}", r"detect\.decides must be sharpening or crossing, found 'parting'"),
        ("detect: {crossing_tolerance: 1}", r"detect\.crossing_tolerance must be at least 0 and below 1"),
        ("detect: {crossing_points: 0}", r"detect\.crossing_points must be at least 1"),
        ("detect: {progressive_share: 0}", r"detect\.progressive_share must be above 0"),
        ("detect: {min_points: 3}", r"detect\.min_points must be at least 16"),
        ("margins: {advantage: 0}", r"margins\.advantage must be above 0"),
        ("margins: {diverged: 0.01}", r"margins\.diverged must be above advantage = 0.05, found 0.01"),
        ("compare: {margin: 0.1}", r"compare\.margin is not a parameter"),
        ("compare: {horizons: []}", r"compare\.horizons must be a list of at least one share of the steps, found \[\]"),
        ("compare: {horizons: [1.5]}", r"compare\.horizons must be above 0 and at most 1 .*, found 1.5"),
        ("compare: {horizons: [1.0, 1.0]}", r"compare\.horizons must be free of repetitions"),
        ("compare: {parting_margin: 0}", r"compare\.parting_margin must be above 0"),
        ("compare: {recurring_gap: 0}", r"compare\.recurring_gap must be above 0 and at most 0\.5"),
        ("compare: {alpha: 0.7}", r"compare\.alpha must be between 0 and 0.5"),
        ("compare: {resamples: 3}", r"compare\.resamples must be at least 100"),
        ("estimate: {lag_tolerance: 1}", r"estimate\.lag_tolerance must be between 0 and 1"),
        ("estimate: {min_seeds: 1}", r"estimate\.min_seeds must be at least 2"),
        ("estimate: {min_cells: 1}", r"estimate\.min_cells must be at least 2"),
        ("estimate: {min_limits: 3}", r"estimate\.min_limits must be at least 4"),
        ("estimate: {law_tolerance: 1.0}", r"estimate\.law_tolerance must be between 0 and 1"),
        ("estimate: {trend_margin: 0.0}", r"estimate\.trend_margin must be above 0"),
        ("estimate: {mostly_share: 0.5}", r"estimate\.mostly_share must be above 0.5 and below 1 .*, found 0.5"),
        ("estimate: {mostly_share: 1.0}", r"estimate\.mostly_share must be above 0.5 and below 1 .*, found 1.0"),
        ("estimate: {min_batch_sizes: 2}", r"estimate\.min_batch_sizes must be at least 3"),
        ("estimate: {alpha: 0.7}", r"estimate\.alpha must be between 0 and 0.5"),
        ("estimate: {resamples: 3}", r"estimate\.resamples must be at least 100"),
        ("detect: {resamples: 9007199254740992}", r"detect\.resamples must be below 2\^53, found 9007199254740992"),
        ("studies: {digits: {n_train: 9007199254740992}}", r"studies\.digits\.n_train must be below 2\^53"),
        ('report: {title: "\\ud800"}', r"report\.title must be text that UTF-8 can hold, found"),
        ("detect: 2020-99-99", r"must be valid YAML, found in "),
        ("report: {points_per_curve: 3}", r"report\.points_per_curve must be at least 20"),
        ("report: {title: 3}", r"report\.title must be text, found 3"),
        ("[1, 2]", r"The parameter file must be a mapping of keys to values"),
        ("a: [", r"The parameter file must be valid YAML, found in .*params\.yaml"),
    ],
)
def test_a_mistake_is_one_sentence_with_key_and_value(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message) as caught:
        load(path)

    assert "\n" not in str(caught.value)


def test_aliases_that_spell_a_billion_values_are_one_sentence_at_once(tmp_path):
    lines = ["a0: &a0 {x: 1}"] + [f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}" for k in range(1, 11)]
    (tmp_path / "params.yaml").write_text("\n".join(lines))

    with pytest.raises(ConfigError, match="aliases must repeat at most 1000000 values in all, found more"):
        load(tmp_path / "params.yaml")


def test_a_few_aliases_are_what_yaml_says(tmp_path):
    (tmp_path / "params.yaml").write_text("studies: {a: &a {seeds: 2}, b: {<<: *a, steps: 9}, c: *a}")

    studies = load(tmp_path / "params.yaml").studies

    assert (studies["b"].seeds, studies["b"].steps, studies["c"].seeds) == (2, 9, 2)


def test_a_file_too_large_and_a_pipe_are_told_before_they_are_read(tmp_path):
    with (tmp_path / "sparse.yaml").open("wb") as file:
        file.truncate(200 * 10**9)
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="must have at most 1000000 bytes, found 200000000000 at .*sparse.yaml"):
        load(tmp_path / "sparse.yaml")
    with pytest.raises(ConfigError, match="The parameter file must be a file, found something else at .*pipe"):
        load(tmp_path / "pipe")


def test_runs_are_counted_as_they_are_listed():
    study = Study(
        batch_sizes=(4, FULL), eta_ef=Grid(0.1, 0.4, 3), momenta=(0.0, 0.5, 0.9), branch_steps=(3, 5), seeds=2
    )
    data = Dataset("toy", np.zeros((8, 2)), np.zeros(8, dtype=np.int64), 2)

    assert study.n_runs == len(plan_runs("s", study, data)) == 2 * 3 * 2 * (3 + 4)


def test_a_model_is_not_checked_before_its_study_is_trained(tmp_path):
    (tmp_path / "params.yaml").write_text("studies: {digits: {model: mlp-tanh-0}}")

    assert load(tmp_path / "params.yaml").study("digits").model == "mlp-tanh-0"


def test_branches_are_of_a_study(tmp_path):
    (tmp_path / "params.yaml").write_text("{studies: {s: {}}, branches: {t: {}}}")
    (tmp_path / "none.yaml").write_text("{studies: {s: {}}}")

    with pytest.raises(ConfigError, match=r"branches must be of a study \(s\), found 't'"):
        load(tmp_path / "params.yaml")
    with pytest.raises(ConfigError, match=r"branches must name the study whose runs are to branch, found .*'s'"):
        load(tmp_path / "none.yaml").branches_of("s")


def test_a_missing_file_and_a_missing_study(tmp_path):
    with pytest.raises(ConfigError, match="The parameter file must exist, found nothing at .*nowhere"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="must be readable text"):
        load(tmp_path / "binary")
    with pytest.raises(ConfigError, match=r"found \['digits', 'digits-edge', 'digits-nesterov'\], asked for 'mnist'"):
        Params().study("mnist")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("studies: {a: {steps: 3, steps: 4}}", "must have each key once, found 'steps' in lines 1 and 1"),
        ("studies:\n  a: {}\n  a: {}", "found 'a' in lines 2 and 3"),
        ("studies: {a: {}}\nstudies: {}", "found 'studies' in lines 1 and 2"),
        ("studies: {1: {}, '1': {}}", "found '1' in lines 1 and 1"),
        ("studies: {0x10: {}, '16': {}}", "studies must have each name once, found '16' twice"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path, text, message):
    """YAML would take the last one in silence."""
    path = tmp_path / "params.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message):
        load(path)


def test_a_merged_key_may_be_replaced(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("studies:\n  a: &a {steps: 3}\n  b: &b {<<: *a, steps: 4}\n  c: {<<: *b, steps: 5}")

    assert [study.steps for study in load(path).studies.values()] == [3, 4, 5]
