"""The tables that the stage `detect` writes."""

from __future__ import annotations

from mstudy.tables.table import KEY_COLUMNS, flag, real, table, text, whole

RUNS = table(
    "runs",
    stage="detect",
    row="one run",
    key=("run_id",),
    own={
        "run_id": text("the run's identifier"),
        "path": text("the log's file, relative to the runs folder"),
        **KEY_COLUMNS,
        "n_train": whole("samples in the training set; null: not stated"),
        "learning_rate": real("η of v ← μv + g, w ← w − ηv"),
        "seed": whole("seed of initial weights and mini-batches"),
        "eta_ef_per_sample": real("η_ef / b"),
        "n_points": whole("logged rows"),
        "last_step": whole("step of the last row"),
        "status": text("completed, diverged or interrupted"),
        "diverged_step": whole("step of divergence; null: it did not diverge"),
        "final_loss": real(
            "geometric mean of the loss over the last tenth of the steps, or by compare.scale difference the mean; "
            "null where it diverged"
        ),
        "twin_of": text("run_id of the run that this one repeats but for chance (`twin_kind`); null: no twin"),
        "twin_kind": text(
            "rounding or order of mini-batches, in which alone a twin differs; null: rounding, or no twin"
        ),
        "branch_of": text("run_id of the run that this one leaves at the intervention; null: no branch"),
        "intervention": text("what was done to a branch; null: no branch"),
        "intervention_step": whole("step from which it was done"),
        "intervention_end": whole("step from which it was done no more; null: it was done to the end"),
        "intervention_parent_end": whole(
            "step of the left run that is as far along as the branch at `intervention_end`"
        ),
        "intervention_at": text("sharpening: just before that of the left run; control: well before; null: not said"),
        "intervention_momentum": real("the momentum that the branch goes on with; null: something else was done"),
    },
)


SHARPENINGS = table(
    "sharpenings",
    stage="detect",
    row="one run",
    key=("run_id",),
    own={
        "run_id": text("the run's identifier"),
        "status": text("detected, none, too_short or no_curvature"),
        "step": real("step of the first event: the middle of its rise; null: no event"),
        "step_low": real("lower end of the 95 % interval of `step`"),
        "step_high": real("upper end of the 95 % interval of `step`"),
        "onset": real("step at which the rise begins"),
        "end": real("step at which the rise has ended"),
        "jump": real("curvature after / before the rise"),
        "kind": text("of the first event: lasting, or recurring where the rise is taken back and comes back"),
        "rise_steps": real("updates that the rise took: end less onset"),
        "rise_share": real("`rise_steps` as a share of the logged steps up to the rise's end"),
        "fall_step": real("step at which half of the rise, in log, has been taken back; null: it stays, or recurs"),
        "p_value": real(
            "of the first lasting event, else of the largest rise; null: too short, or none reaches the factor"
        ),
        "n_events": whole("abrupt sharpenings in this run"),
        "followup_step": real("the last step at which an event could have been seen"),
        "n_points": whole("logged points with a usable curvature"),
        "stability_status": text("reached, none, too_short, no_curvature or no_line"),
        "stability_step": real("first step from which the curvature stays near its stability line; null: never"),
        "stability_agrees": flag("whether the first event is the same moment; null where either is missing"),
        "crossing_status": text("crossed, none, too_short, no_curvature or no_line"),
        "crossing_step": real(
            "first step from which the curvature is above its stability line; null: never, or no line"
        ),
        "crossing_step_low": real("the last measured step before `crossing_step`; null where `crossing_step` is"),
        "crossing_step_high": real(
            "half-way from `crossing_step` to the next measured step; null where `crossing_step` is"
        ),
        "crossing_followup_step": real("the last step at which a crossing could have been seen; null: not measured"),
    },
)


SHARPENING_EVENTS = table(
    "sharpening_events",
    stage="detect",
    row="one event of a run: an abrupt sharpening, or a transient or progressive rise",
    key=("run_id", "index"),
    own={
        "run_id": text("the run's identifier"),
        "index": whole("place of the event in its run; 0 is the first"),
        "step": real("the middle of the rise"),
        "step_low": real("lower end of the 95 % interval of `step`"),
        "step_high": real("upper end of the 95 % interval of `step`"),
        "onset": real("step at which the rise begins"),
        "end": real("step at which the rise has ended"),
        "jump": real("curvature after / before the rise"),
        "kind": text("lasting or recurring: an abrupt sharpening; transient or progressive: none"),
        "rise_steps": real("updates that the rise took: end less onset"),
        "rise_share": real("`rise_steps` as a share of the logged steps up to the rise's end"),
        "fall_step": real("step at which half of the rise, in log, has been taken back; null: it stays, or recurs"),
        "p_value": real("that the run's own trend and noise produce such a rise; null: transient, not tested"),
    },
)
