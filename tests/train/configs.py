"""The run, and the small study, that the tests of training vary."""

from mstudy.core.params import Cadence, Grid, Study
from mstudy.train.configs import RunConfig

RUN = RunConfig(
    study="t",
    dataset="toy",
    n_train=40,
    model="mlp-tanh-5",
    objective="squared_error",
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.0,
    weight_decay=0.0,
    warmup_steps=0,
    batch_size=8,
    seed=0,
    steps=12,
    divergence_factor=1000.0,
    probe_samples=40,
    chunk=4096,
    cadence=Cadence(dense_steps=12, growth=0.05, every={"sharpness": 3}),
)

STUDY = Study(
    n_train=64,
    model="mlp-tanh-8",
    batch_sizes=(16,),
    eta_ef=Grid(0.1, 0.1, 1),
    momenta=(0.0, 0.9),
    seeds=2,
    steps=5,
    width=4,
)
