"""The tables of the stage `estimate` on learning rates: thresholds, trends, best rates, limits."""

from __future__ import annotations

from mstudy.tables.table import CELL, LINE, MATCHED, RATIO_TESTS, SETTING, flag, mean_ratio, real, table, text, whole

THRESHOLDS = table(
    "thresholds",
    stage="estimate",
    row="one batch size and momentum, a line of cells",
    key=LINE,
    own={
        "status": text("estimated, below_grid, above_grid or insufficient"),
        "evidence": text(
            "replicated, or unreplicated: too few seeds, so the interval is over learning rates, and with fewer than "
            "eight cells the bracket is where SGD ceases to train"
        ),
        "eta_ef_star": real(
            "the effective learning rate at which the advantage crosses the margin; null unless estimated"
        ),
        "ci_low": real("lower end of its 95 % interval"),
        "ci_high": real("upper end of its 95 % interval"),
        "eta_ef_per_sample_star": real("eta_ef_star / b"),
        "eta_ef_per_sample_low": real("lower end of its 95 % interval"),
        "eta_ef_per_sample_high": real("upper end of its 95 % interval"),
        "bracket_low": real("the largest η_ef below bracket_high at which the two are shown to be alike; see evidence"),
        "bracket_high": real("the smallest η_ef at which SGDM is shown to be better; see evidence"),
        "n_cells": whole("cells of the line that were used"),
        "n_seeds": whole("seeds that the row rests on"),
        "margin": real("the log_ratio within which SGD and SGDM count as equal"),
    },
)


PLACEMENTS = table(
    "placements",
    stage="estimate",
    row="one cell on one side of its line's threshold, each seed placed by the threshold of the others",
    key=(*CELL, "side"),
    own={
        "side": text("below or above the threshold"),
        "n_seeds": whole("seeds for which the cell lies on this side; the rest of the row is about them"),
        "matched": MATCHED,
        **mean_ratio("Student's 95 % interval over seeds"),
        "equivalence_p": RATIO_TESTS["equivalence_p"],
        "pooled_equivalence_p": real(
            "the same with the spread that the cells below of the setting lend each other; null above the threshold, "
            "and where runs diverged"
        ),
        **RATIO_TESTS,
        "superiority_p": real(
            "null hypothesis: the mean is at most the margin; of the seeds at which SGD did not diverge, where they "
            "are three or more"
        ),
        "doubtful": whole(
            "at most so many of this cell and of the surer ones below are not equivalent, by sums over cells; null "
            "above, and where lines differ in their seeds or have fewer than five"
        ),
    },
)


UNREPLICATED_CELLS = table(
    "unreplicated_cells",
    stage="estimate",
    row="one cell of a line with too few seeds, held against the noise between neighbouring learning rates",
    key=CELL,
    own={
        "side": text("below or above the threshold of the line; null: within its interval, or no threshold"),
        "n_seeds": whole("seeds of the cell"),
        "matched": MATCHED,
        "freedom": real("degrees of freedom of the noise; a unit is the second difference of neighbouring rates"),
        **mean_ratio("its 95 % interval over learning rates, not over seeds"),
        **RATIO_TESTS,
    },
)


HORIZONS = table(
    "horizons",
    stage="estimate",
    row="one batch size, momentum and horizon: the threshold had training stopped earlier",
    key=(*LINE, "horizon"),
    own={
        "horizon": real("share of the steps at which training is taken to end"),
        "horizon_step": whole("that share, as a step"),
        **{name: column for name, column in THRESHOLDS.columns.items() if name not in LINE},
    },
)


TRENDS = table(
    "trends",
    stage="estimate",
    row="one quantity against log2 b, for one setting and momentum",
    key=(*SETTING, "optimizer", "momentum", "quantity"),
    own={
        "quantity": text("what is held against log2 b"),
        "decides": flag("whether C3 rests on it"),
        "evidence": text("replicated, or unreplicated: of some batch size there are too few seeds"),
        "matched": text("at which η_ef, or shares of SGD's stability limit, cells are compared"),
        "slope": real("change per doubling of b; null with too few batch sizes"),
        "ci_low": real("lower end of its 95 % interval"),
        "ci_high": real("upper end of its 95 % interval"),
        "p_value": real("two-sided t, n_batch_sizes − 2 degrees of freedom; null hypothesis: slope 0"),
        "flat_p": real(
            "two one-sided t tests, likewise; null hypothesis: a slope of trend_margin or more, of either sign"
        ),
        "at_largest": real("the quantity at the largest of them; null with too few"),
        "n_batch_sizes": whole("batch sizes used"),
    },
)


BEST = table(
    "best",
    stage="estimate",
    row="one batch size and momentum: each optimizer at its own best learning rate",
    key=LINE,
    own={
        "status": text("compared, at_edge or insufficient"),
        "sgd_eta_ef": real("SGD's best η_ef: the choice most often made"),
        "sgdm_eta_ef": real("SGDM's best η_ef: the choice most often made"),
        "log_ratio": real("mean over left-out seeds of the final log_ratio, each at the best rate of the other seeds"),
        "ci_low": real("lower end of its 95 % interval"),
        "ci_high": real("upper end of its 95 % interval"),
        **RATIO_TESTS,
        "n_seeds": whole("seeds that the row rests on"),
        "at_edge": text("whose best rate is the first or last of the grid: sgd, sgdm or both; null: neither"),
    },
)


STABILITY_LIMITS = table(
    "stability_limits",
    stage="estimate",
    row="one batch size and optimizer, plain SGD included: the largest learning rate that trains",
    key=LINE,
    own={
        "status": text("estimated, above_grid, below_grid or insufficient"),
        "eta_ef_stable": real("largest η_ef up to which every seed trains"),
        "eta_ef_unstable": real("smallest η_ef from which every seed has diverged"),
        "eta_ef_max": real("the limit: largest η_ef that trains"),
        "ci_low": real("lower end of its 95 % interval"),
        "ci_high": real("upper end of its 95 % interval"),
        "predicted": real("by the mean-square stability law of the setting; null where it has no formula"),
        "predicted_low": real("lower end of its 95 % interval"),
        "predicted_high": real("upper end of its 95 % interval"),
        "misfit": real("log(eta_ef_max / predicted)"),
        "n_seeds": whole("seeds that the row rests on"),
    },
)


LAW = table(
    "law",
    stage="estimate",
    row="one setting: the mean-square stability law fitted to it",
    key=SETTING,
    own={
        "status": text("fitted, insufficient or no_formula"),
        "n_limits": whole("stability limits inside the grid"),
        "level": real("2/a: SGD's limit without noise"),
        "level_low": real("lower end of its 95 % interval"),
        "level_high": real("upper end of its 95 % interval"),
        "noise": real("ρ at the geometric mean of the batch sizes"),
        "noise_low": real("lower end of its 95 % interval"),
        "noise_high": real("upper end of its 95 % interval"),
        "exponent": real("γ of ρ ~ b^−γ, fitted beside the law, which says 1"),
        "exponent_low": real("lower end of its 95 % interval"),
        "exponent_high": real("upper end of its 95 % interval"),
        "exponent_equivalence_low": real("lower end at level 1 − 2α, for equivalence"),
        "exponent_equivalence_high": real("upper end at level 1 − 2α, for equivalence"),
        "exponent_p": real("null hypothesis: the exponent is the law's, 1; one degree of freedom"),
        "movement_p": real("null hypothesis: no dependence on b"),
        "misfit_p": real("null hypothesis: the law holds; against free limits"),
    },
)
