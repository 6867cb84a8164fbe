"""Truth: by hand, what a command line and a parameter file ask for together."""

from dataclasses import replace

import pytest
from mstudy.core.engines.engine_params import Engine, Ray, chosen, chosen_for_analysis, of_analysis
from mstudy.core.errors import ConfigError
from mstudy.core.params_file import load

ON_RAY = Engine("ray", Ray("auto", 0.5))


def test_the_command_line_is_asked_before_the_parameter_file():
    assert chosen(ON_RAY, None, None) == ON_RAY
    assert chosen(ON_RAY, "local", None) == replace(ON_RAY, kind="local")
    assert chosen(Engine(), "ray", "ray://head:10001") == Engine("ray", Ray("ray://head:10001"))
    assert chosen(ON_RAY, None, "other").ray == Ray("other", 0.5)


def test_slurm_in_the_parameter_file_trains_and_leaves_the_analysis_here():
    assert of_analysis(Engine("slurm")).kind == chosen_for_analysis(Engine("slurm"), None, None, None).kind == "local"
    assert chosen_for_analysis(Engine("slurm"), "ray", None, None).kind == of_analysis(ON_RAY).kind == "ray"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("dask", None, None), "--engine must be one of local, ray, slurm, found 'dask'."),
        (("local", "auto", None), "--address must be given with --engine ray, found the engine local."),
        (("slurm", None, None), "--engine must be local or ray for an analysis, found slurm; as a job array use"),
        (("ray", None, "1/2"), "--shard must be given with --engine local, found the engine ray."),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence(given, sentence):
    with pytest.raises(ConfigError) as raised:
        chosen_for_analysis(Engine(), *given)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{kind: dask}", "engine.kind must be one of local, ray, slurm, found 'dask'."),
        ("{ray: {gpu_share: 0}}", "engine.ray.gpu_share must be above 0 and at most 1, found 0.0."),
        ("{slurm: {minutes: 0}}", "engine.slurm.minutes must be from 1 to 525600, found 0."),
        ("{slurm: {gpus: -1}}", "engine.slurm.gpus must be from 0 to 64, found -1."),
        ("{slurm: {ensembles: 0}}", "engine.slurm.ensembles must be from 1 to 100000, found 0."),
        ("{slurm: {at_a_time: 0}}", "engine.slurm.at_a_time must be from 1 to 100000, found 0."),
        ("{slurm: {sbatch: {nodes: 2}}}", "engine.slurm.sbatch.nodes must be text, found 2."),
    ],
)
def test_what_an_engine_cannot_be_told_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "params.yaml"
    path.write_text(f"studies: {{s: {{}}}}\nbranches: {{}}\nengine: {text}\n")
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value) == sentence
