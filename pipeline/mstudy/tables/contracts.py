"""The tables of an analysis: path, what a row is, key, columns. The only place that says so."""

from __future__ import annotations

import polars as pl

from mstudy.tables.table import _INT, _KEY_TYPES, _REAL, _TEXT, CELL, LINE, SETTING, _table

RUNS = _table(
    "runs",
    "one run",
    ("run_id",),
    {
        "run_id": _TEXT,
        "path": _TEXT,  # relative to the runs folder
        **_KEY_TYPES,
        "n_train": _INT,
        "learning_rate": _REAL,
        "seed": _INT,
        "eta_ef_per_sample": _REAL,
        "n_points": _INT,
        "last_step": _INT,
        "status": _TEXT,
        "diverged_step": _INT,
        "final_loss": _REAL,  # geometric mean over the last tenth of the steps; null where diverged
        "twin_of": _TEXT,  # run_id of the run that this one repeats but for rounding; null: no twin
        "branch_of": _TEXT,  # run_id of the run that this one leaves at the intervention; null: no branch
        "intervention": _TEXT,  # what was done to a branch
        "intervention_step": _INT,
        "intervention_momentum": _REAL,  # where that was to go on with this momentum; null: something else
    },
)

SHARPENINGS = _table(
    "sharpenings",
    "one run",
    ("run_id",),
    {
        "run_id": _TEXT,
        "status": _TEXT,  # detected, none, too_short, no_curvature
        "step": _REAL,  # of the first event: the middle of its rise
        "step_low": _REAL,
        "step_high": _REAL,
        "onset": _REAL,
        "end": _REAL,
        "jump": _REAL,  # curvature after / before
        "p_value": _REAL,  # of the first event, else of the largest rise; null: too short, or none reaches the factor
        "n_events": _INT,
        "followup_step": _REAL,  # the last step at which a jump could have been seen
        "n_points": _INT,  # logged points with a usable curvature
        "stability_status": _TEXT,  # reached, none, too_short, no_curvature, no_line (of a branch)
        "stability_step": _REAL,  # first step from which the curvature stays near its stability line
        "stability_agrees": pl.Boolean(),  # with the first event; null where either is missing
    },
)

SHARPENING_EVENTS = _table(
    "sharpening_events",
    "one abrupt sharpening of a run",
    ("run_id", "index"),
    {
        "run_id": _TEXT,
        "index": _INT,  # 0 = the first of its run
        "step": _REAL,
        "step_low": _REAL,
        "step_high": _REAL,
        "onset": _REAL,
        "end": _REAL,
        "jump": _REAL,
        "p_value": _REAL,
    },
)

PARTINGS = _table(
    "partings",
    "one pair of runs",
    (*CELL, "seed"),
    {
        "seed": _INT,
        "sgd_run_id": _TEXT,
        "sgdm_run_id": _TEXT,
        "status": _TEXT,  # parted, none, transient, sgd_diverged, sgdm_diverged, both_diverged, insufficient
        "ahead": _TEXT,  # after the parting: sgdm or sgd; null without one
        "step": _REAL,
        "step_low": _REAL,
        "step_high": _REAL,
        "gap": _REAL,  # final log L_SGD / L_SGDM, capped where one diverged, null where both did
        "cell_p_value": _REAL,  # that the cell's late gap is within the margin
    },
)

CELL_PARTINGS = _table(
    "cell_partings",
    "one cell: its typical pair",
    CELL,
    {
        "status": _TEXT,  # as of a pair; where runs diverged, that
        "ahead": _TEXT,  # null where the pairs differ
        "step": _REAL,  # of the typical pair: the median over seeds
        "step_low": _REAL,  # 95 % over seeds; null with one
        "step_high": _REAL,
        "late_gap": _REAL,  # mean over seeds of log L_SGD / L_SGDM, last fifth of the steps, lag taken out
        "p_value": _REAL,  # that the late gap is within the margin
        "transient_p_value": _REAL,  # that the gap is within the margin all along
        "margin": _REAL,  # that of the parameters, or the gap between twins where that is larger
        "n_pairs": _INT,
        "n_parted": _INT,
        "n_diverged_sgd": _INT,
        "n_diverged_sgdm": _INT,
        "n_twins": _INT,  # pairs of runs that differ by rounding alone (`twin_of` in a log); 0: none were trained
        "twin_gap": _REAL,  # root mean square late gap between twins; null without any
    },
)

ADVANTAGE = _table(
    "advantage",
    "one cell",
    CELL,
    {
        "eta_ef_per_sample": _REAL,
        "log_ratio": _REAL,  # mean over seeds of log L_SGD / L_SGDM
        "ci_low": _REAL,
        "ci_high": _REAL,
        "log_ratio_sd": _REAL,
        "equivalence_p": _REAL,
        "superiority_p": _REAL,
        "inferiority_p": _REAL,
        "n_seeds": _INT,
        "n_diverged_sgd": _INT,
        "n_diverged_sgdm": _INT,
        "n_diverged_both": _INT,
    },
)

THRESHOLDS = _table(
    "thresholds",
    "one line of cells: one batch size and momentum",
    LINE,
    {
        "status": _TEXT,  # estimated, below_grid, above_grid, insufficient
        "eta_ef_star": _REAL,
        "ci_low": _REAL,
        "ci_high": _REAL,
        "eta_ef_per_sample_star": _REAL,
        "eta_ef_per_sample_low": _REAL,
        "eta_ef_per_sample_high": _REAL,
        "n_cells": _INT,
        "n_seeds": _INT,
        "margin": _REAL,
    },
)

PLACEMENTS = _table(
    "placements",
    "one cell on one side of its line's threshold, each seed placed by the threshold of the others",
    (*CELL, "side"),
    {
        "side": _TEXT,  # below, above
        "n_seeds": _INT,  # for which the cell is placed so; the rest of the row is about them
        "log_ratio": _REAL,
        "ci_low": _REAL,  # Student's, over seeds
        "ci_high": _REAL,
        "equivalence_p": _REAL,
        "superiority_p": _REAL,
        "inferiority_p": _REAL,
    },
)

HORIZON_LOSSES = _table(
    "horizon_losses",
    "one run, had training stopped at a share of its steps",
    ("run_id", "horizon"),
    {
        "run_id": _TEXT,
        "horizon": _REAL,  # share of the steps
        "horizon_step": _INT,
        "diverged_step": _INT,  # null where it diverged later, or not
        "final_loss": _REAL,
    },
)

HORIZONS = _table(
    "horizons",
    "one line of cells at one horizon",
    (*LINE, "horizon"),
    {
        "horizon": _REAL,
        "horizon_step": _INT,
        **{name: kind for name, kind in THRESHOLDS.schema.items() if name not in LINE},
    },
)

TRENDS = _table(
    "trends",
    "one quantity against log2 b, for one setting and momentum",
    (*SETTING, "optimizer", "momentum", "quantity"),
    {
        "quantity": _TEXT,
        "decides": pl.Boolean(),  # C3 rests on it
        "matched": _TEXT,  # at which eta_ef, or shares of SGD's stability limit
        "slope": _REAL,  # per doubling of b; null with too few batch sizes
        "ci_low": _REAL,
        "ci_high": _REAL,
        "p_value": _REAL,  # two-sided, t with n_batch_sizes - 2 degrees of freedom
        "n_batch_sizes": _INT,
    },
)

BEST = _table(
    "best",
    "one line of cells: the best SGD against the best SGDM",
    LINE,
    {
        "status": _TEXT,  # compared, at_edge, insufficient
        "sgd_eta_ef": _REAL,  # the choice most often made
        "sgdm_eta_ef": _REAL,
        "log_ratio": _REAL,  # mean over left-out seeds of log L_SGD / L_SGDM, each at the best of the other seeds
        "ci_low": _REAL,
        "ci_high": _REAL,
        "equivalence_p": _REAL,
        "superiority_p": _REAL,
        "inferiority_p": _REAL,
        "n_seeds": _INT,
        "at_edge": _TEXT,  # whose best is the first or last of the grid: sgd, sgdm, both; null for neither
    },
)

STABILITY_LIMITS = _table(
    "stability_limits",
    "one batch size and optimiser, plain SGD included",
    LINE,
    {
        "status": _TEXT,  # estimated, above_grid, below_grid, insufficient
        "eta_ef_stable": _REAL,  # largest eta_ef up to which every seed trains
        "eta_ef_unstable": _REAL,  # smallest eta_ef by which every seed has diverged
        "eta_ef_max": _REAL,
        "ci_low": _REAL,
        "ci_high": _REAL,
        "predicted": _REAL,  # by the mean-square stability law fitted to the setting
        "predicted_low": _REAL,
        "predicted_high": _REAL,
        "misfit": _REAL,  # log eta_ef_max / predicted
        "n_seeds": _INT,
    },
)

LAW = _table(
    "law",
    "the mean-square stability law fitted to one setting",
    SETTING,
    {
        "status": _TEXT,  # fitted, insufficient
        "n_limits": _INT,
        "level": _REAL,  # 2/a: SGD's limit without noise
        "level_low": _REAL,
        "level_high": _REAL,
        "noise": _REAL,  # rho at the geometric mean of the batch sizes
        "noise_low": _REAL,
        "noise_high": _REAL,
        "exponent": _REAL,  # of rho ~ b^-exponent, fitted beside: the law says 1
        "exponent_low": _REAL,
        "exponent_high": _REAL,
        "exponent_equivalence_low": _REAL,  # at level 1 - 2 alpha, for equivalence
        "exponent_equivalence_high": _REAL,
        "movement_p": _REAL,  # null: no dependence on b
        "misfit_p": _REAL,  # null: the law holds; against free limits
    },
)

ALIGNMENT = _table(
    "alignment",
    "one test",
    ("scope", "statistic"),
    {
        "scope": _TEXT,
        "statistic": _TEXT,
        "decides": pl.Boolean(),  # false: a naive test, shown so that a reader sees why it is not used
        "estimate": _REAL,
        "estimate_low": _REAL,
        "estimate_high": _REAL,
        "p_value": _REAL,
        "n_pairs": _INT,
        "n_cells": _INT,  # blocks: one batch size and eta_ef
        "n_parted": _INT,  # pairs that part, whether or not SGD sharpens
        "n_parted_seen": _INT,  # of them, those whose SGD run was long enough to be seen sharpening
        "lag_median": _REAL,  # log(parting / sharpening), over pairs
        "lag_mean": _REAL,  # over blocks, and its interval
        "lag_low": _REAL,
        "lag_high": _REAL,
        "lag_steps_median": _REAL,
        "lag_steps_mean": _REAL,  # the mean log lag at the typical step of sharpening, and its interval
        "lag_steps_low": _REAL,
        "lag_steps_high": _REAL,
        "reliability_parting": _REAL,  # share of the seeds' variance that is not error of estimate
        "reliability_sharpening": _REAL,
        "null": _TEXT,
        "why_refused": _TEXT,  # null for a test that decides
    },
)

DEFERRAL = _table(
    "deferral",
    "one stratum, and all together",
    ("stratum", "optimizer", "momentum"),
    {
        "stratum": _TEXT,
        "n_sgd": _INT,
        "n_sgdm": _INT,
        "events_sgd": _INT,
        "events_sgdm": _INT,
        "diverged_sgd": _INT,  # before any event
        "diverged_sgdm": _INT,
        "hazard_ratio": _REAL,
        "ci_low": _REAL,
        "ci_high": _REAL,
        "p_value": _REAL,  # of the paired swap test
        "score": _REAL,  # log-rank; positive: SGD has more events than if the two were alike
        "n_informative": _INT,  # pairs whose swap changes the score
        "restricted_mean_sgd": _REAL,
        "restricted_mean_sgdm": _REAL,
        "horizon": _REAL,  # the step up to which the means are taken
        "restricted_ratio": _REAL,  # SGDM's / SGD's restricted mean, geometric mean over cells with an event
        "restricted_ratio_low": _REAL,
        "restricted_ratio_high": _REAL,
        "only_sgd": _INT,  # pairs in which SGD alone sharpens within the time that both were followed
        "only_sgdm": _INT,
        "p_prevention": _REAL,  # McNemar, exact
        "n_both": _INT,  # pairs in which both sharpen
        "time_ratio": _REAL,  # of those: SGDM's / SGD's step, geometric mean over cells
        "time_ratio_low": _REAL,
        "time_ratio_high": _REAL,
    },
)

SURVIVAL = _table(
    "survival",
    "one step at which a run sharpens, diverges or leaves, of one setting, stratum and method",
    (*SETTING, "stratum", "optimizer", "momentum", "step"),
    {
        "stratum": _TEXT,
        "step": _REAL,
        "n_risk": _INT,  # runs not yet sharpened, diverged or gone, just before the step
        "n_events": _INT,
        "n_diverged": _INT,
        "n_censored": _INT,  # not those that diverged
        "survival": _REAL,  # Kaplan-Meier, divergence taken for censoring
        "ci_low": _REAL,
        "ci_high": _REAL,
        "incidence_sharpening": _REAL,  # Aalen-Johansen, divergence a competing risk
        "incidence_divergence": _REAL,
    },
)

INTERVENTIONS = _table(
    "interventions",
    "one branch of an SGD run, beside one SGDM run of its parent's pair",
    (*CELL, "seed", "branch_run_id"),
    {
        "seed": _INT,
        "branch_run_id": _TEXT,
        "sgd_run_id": _TEXT,  # the parent
        "sgdm_run_id": _TEXT,
        "intervention": _TEXT,
        "intervention_step": _INT,
        "gap_parent": _REAL,  # final log L_SGD / L_SGDM of the run left alone
        "gap_branch": _REAL,
        "sharpened_parent": pl.Boolean(),  # from the intervention on
        "sharpened_branch": pl.Boolean(),
    },
)

POWER = _table(
    "power",
    "one claim",
    ("claim",),
    {
        "claim": _TEXT,
        "verdict": _TEXT,
        "n_seeds": _INT,
        "n_units": _INT,
        "replicate": _TEXT,  # what n_units counts: cells, blocks, batch sizes
        "effect_80": _REAL,  # the effect that this design would find four times in five; null: none, or not estimable
        "unit": _TEXT,  # of effect_80 and observed
        "observed": _REAL,
        "seeds_needed": _INT,  # for 80 % at the observed effect and as many units; null: not estimable, or over 50
        "units_needed": _INT,  # likewise with as many seeds
        "note": _TEXT,
    },
)

# Those that the report reads; HORIZON_LOSSES is not among them.
TABLES = (
    RUNS,
    SHARPENINGS,
    SHARPENING_EVENTS,
    PARTINGS,
    CELL_PARTINGS,
    ADVANTAGE,
    THRESHOLDS,
    PLACEMENTS,
    HORIZONS,
    TRENDS,
    BEST,
    STABILITY_LIMITS,
    LAW,
    ALIGNMENT,
    DEFERRAL,
    SURVIVAL,
    INTERVENTIONS,
    POWER,
)
