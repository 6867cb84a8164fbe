"""The tables that the stage `compare` writes."""

from __future__ import annotations

from mstudy.tables.table import CELL, LINE, MATCHED, RATIO_TESTS, mean_ratio, real, table, text, whole

ADVANTAGE = table(
    "advantage",
    stage="compare",
    row="one cell: the pairs of one batch size, effective learning rate and momentum",
    key=CELL,
    own={
        "eta_ef_per_sample": real("η_ef / b"),
        **mean_ratio("the 95 % bootstrap interval over seeds"),
        "matched": MATCHED,
        "log_ratio_sd": real("standard deviation over seeds"),
        **RATIO_TESTS,
        "n_seeds": whole("seeds that the row rests on"),
        "n_diverged_sgd": whole("pairs in which SGD diverged"),
        "n_diverged_sgdm": whole("pairs in which SGDM diverged"),
        "n_diverged_both": whole("pairs in which both diverged"),
    },
)


FINAL_LOSSES = table(
    "final_losses",
    stage="compare",
    row="one optimizer at one batch size and learning rate, over its seeds",
    key=(*LINE, "eta_ef"),
    own={
        "loss": real(
            "geometric mean of the final loss over the seeds that finished, or by compare.scale difference the mean; "
            "null: all diverged"
        ),
        "loss_low": real("the smallest of them"),
        "loss_high": real("the largest of them"),
        "n_finished": whole("seeds that finished"),
        "n_diverged": whole("seeds that diverged"),
        "loss_unit": real(
            "by compare.scale difference the loss that counts as 1 in a comparison: the median first loss of the "
            "setting less its lowest final loss; null by log, and where all its runs diverged"
        ),
    },
)


PARTINGS = table(
    "partings",
    stage="compare",
    row="one pair of runs",
    key=(*CELL, "seed"),
    own={
        "seed": whole("seed of initial weights and mini-batches"),
        "sgd_run_id": text("run_id of the SGD run"),
        "sgdm_run_id": text("run_id of the SGDM run"),
        "status": text("parted, none, transient, sgd_diverged, sgdm_diverged, both_diverged, no_lag or insufficient"),
        "ahead": text("who has the lower loss afterwards: sgdm or sgd; null without a parting"),
        "step": real("step of the parting; null: none"),
        "step_low": real("lower end of its 95 % interval"),
        "step_high": real("upper end of its 95 % interval"),
        "gap": real("final log_ratio of the pair, as in advantage, capped where one diverged; null where both did"),
        "cell_p_value": real("that the cell's late gap is within the margin"),
    },
)


OPENINGS = table(
    "openings",
    stage="compare",
    row="one opening of a pair's gap: one that closes again, or the one that stays",
    key=(*CELL, "seed", "index"),
    own={
        "seed": whole("seed of initial weights and mini-batches"),
        "index": whole("place of the opening in its pair; 0 is the first"),
        "sgd_run_id": text("run_id of the SGD run"),
        "sgdm_run_id": text("run_id of the SGDM run"),
        "status": text("transient: it closes again; parted, sgd_diverged or sgdm_diverged: it stays"),
        "ahead": text("who has the lower loss in it: sgdm or sgd"),
        "step": real("step at which the gap begins to open"),
        "step_low": real("lower end of its interval: of 95 % where it stays, else the rows about it"),
        "step_high": real("upper end of its interval"),
        "close_step": real("first logged step at which it has closed; null: it stays"),
    },
)


CELL_PARTINGS = table(
    "cell_partings",
    stage="compare",
    row="one cell: its typical pair",
    key=CELL,
    own={
        "status": text("as of a pair; where runs diverged, that"),
        "ahead": text("sgdm or sgd; null where the pairs differ"),
        "step": real("of the typical pair: the median over seeds"),
        "step_low": real("lower end of its 95 % interval over seeds; null with one seed"),
        "step_high": real("upper end of its 95 % interval over seeds; null with one seed"),
        "late_gap": real("mean over seeds of log_ratio, last fifth of the steps, lag of momentum removed"),
        "p_value": real("that the late gap is within the margin"),
        "transient_p_value": real("that the gap is within the margin all along"),
        "margin": real("the margin of log_ratio: that of the parameters, or `twin_gap` where that is larger"),
        "n_pairs": whole("pairs in the cell"),
        "n_parted": whole("pairs that part while neither run diverges"),
        "n_diverged_sgd": whole("pairs in which SGD diverged"),
        "n_diverged_sgdm": whole("pairs in which SGDM diverged"),
        "n_twins": whole("twins whose logs state no kind, which differ only by rounding; 0: none"),
        "twin_gap": real("root mean square late gap between these twins; null without any"),
    },
)


HORIZON_LOSSES = table(
    "horizon_losses",
    stage="compare",
    row="one run, had training stopped at a share of its steps",
    key=("run_id", "horizon"),
    own={
        "run_id": text("the run's identifier"),
        "horizon": real("share of the steps at which training is taken to end"),
        "horizon_step": whole("that share, as a step"),
        "diverged_step": whole("step of divergence; null where it diverged later, or not"),
        "final_loss": real(
            "geometric mean of the loss over the last tenth of the steps up to there, or by compare.scale difference "
            "the mean"
        ),
    },
)


TWINS = table(
    "twins",
    stage="compare",
    row="one twin, beside the run that it repeats but for rounding or the order of mini-batches",
    key=(*CELL, "seed", "twin_run_id"),
    own={
        "seed": whole("seed of initial weights and mini-batches"),
        "twin_run_id": text("run_id of the twin"),
        "run_id": text("run_id of the run that it repeats"),
        "kind": text("in what alone they differ: rounding or order (of the mini-batches)"),
        "status": text("parted, none, diverged (one of the two, or both) or insufficient"),
        "step": real("step of the parting, or of the first divergence; null: none"),
        "step_low": real("lower end of its 95 % interval"),
        "step_high": real("upper end of its 95 % interval"),
        "first_gap": real("log_ratio of the two, as in advantage, at the first step that both logged; null: none"),
        "late_gap": real("mean log_ratio over the last fifth of the steps; null: one diverged"),
    },
)


BRANCH_GAPS = table(
    "branch_gaps",
    stage="compare",
    row="one branch whose treatment ends, beside the other run of its parent's pair",
    key=(*CELL, "seed", "branch_run_id"),
    own={
        "seed": whole("seed of initial weights and mini-batches"),
        "branch_run_id": text("run_id of the branch"),
        "sgd_run_id": text("run_id of the SGD run of the pair"),
        "sgdm_run_id": text("run_id of its SGDM run"),
        "gap_parent": real(
            "log_ratio, as in advantage, over the last quarter of the window, lag removed; null: one diverged"
        ),
        "gap_branch": real("likewise with the branch in place of its parent"),
    },
)
