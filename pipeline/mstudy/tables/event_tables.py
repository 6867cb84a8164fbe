"""The tables of the stage `estimate` on moments, interventions and power."""

from __future__ import annotations

from mstudy.tables.table import CELL, SETTING, flag, real, table, text, whole

_VERDICTS = "supported, mostly, contradicted, inconclusive, untestable; without seeds agrees, disagrees, unclear"


ALIGNMENT = table(
    "alignment",
    stage="estimate",
    row="one test of coincidence",
    key=("scope", "statistic"),
    own={
        "scope": text("which pairs the test is about"),
        "statistic": text("which test"),
        "decides": flag("whether C4 rests on it; false: a naive test, shown so that a reader sees why it is not used"),
        "estimate": real("the test's statistic"),
        "estimate_low": real("lower end of its interval"),
        "estimate_high": real("upper end of its interval"),
        "p_value": real("of the test; null: not to be had from these data"),
        "n_pairs": whole("pairs with both events"),
        "n_moments": whole("openings of these pairs that have a rise of their kind"),
        "n_cells": whole("blocks: one batch size and η_ef"),
        "n_parted": whole("pairs that part, whether or not SGD sharpens"),
        "n_parted_seen": whole("of them, those whose SGD run was long enough to be seen sharpening"),
        "lag_median": real("log(opening / sharpening), median over these openings"),
        "lag_mean": real("log(opening / sharpening), mean over blocks"),
        "lag_low": real("lower end of its interval"),
        "lag_high": real("upper end of its interval"),
        "lag_steps_median": real("opening − sharpening in steps: the median over blocks of their medians"),
        "lag_steps_median_low": real("lower end of its interval, an order statistic of the blocks"),
        "lag_steps_median_high": real("upper end of its interval"),
        "lag_steps_median_level": real("level of that interval; below 0.95 where blocks are too few"),
        "lag_steps_mean": real("the mean log lag at the typical step of sharpening, in steps"),
        "lag_steps_low": real("lower end of its interval"),
        "lag_steps_high": real("upper end of its interval"),
        "reliability_parting": real("share of the seeds' variance of the parting that is not error of estimate"),
        "reliability_sharpening": real("likewise of the sharpening"),
        "null": text("the null hypothesis in words"),
        "why_refused": text("why the test does not decide; null for one that decides"),
    },
)


LAGS = table(
    "lags",
    stage="estimate",
    row="one opening of a pair with its own sharpening, or with that of another seed of its block",
    key=(*CELL, "seed", "kind", "sharpening_seed", "place"),
    own={
        "seed": whole("seed of the pair"),
        "kind": text("own, or exchanged: the sharpening is another seed's"),
        "sharpening_seed": whole("seed whose sharpening it is"),
        "place": whole("0: the opening that stays and the rise that stayed; k: the k-th that closed and fell back"),
        "step": real("step of the opening"),
        "sharpening_step": real("step of the sharpening"),
        "ratio": real("opening / sharpening"),
    },
)


DEFERRAL = table(
    "deferral",
    stage="estimate",
    row="one stratum: a batch size, or all together",
    key=("stratum", "optimizer", "momentum"),
    own={
        "stratum": text("all, or one batch size"),
        "n_sgd": whole("SGD runs"),
        "n_sgdm": whole("SGDM runs"),
        "events_sgd": whole("SGD runs that sharpen abruptly"),
        "events_sgdm": whole("SGDM runs that sharpen abruptly"),
        "events_sgdm_alone": whole("of them, those whose SGD run had diverged without an event: it could not have one"),
        "diverged_sgd": whole("SGD runs that diverged before any event"),
        "diverged_sgdm": whole("SGDM runs that diverged before any event"),
        "hazard_ratio": real("SGDM against SGD, stratified by block; below 1: later under momentum; null: no event"),
        "ci_low": real("lower end of its 95 % interval"),
        "ci_high": real("upper end of its 95 % interval"),
        "hazard_by": text("cox, or firth (with a penalty) where one side alone has events; null: not estimated"),
        "p_value": real("of the paired swap test"),
        "p_adjusted": real("Holm's, over the optimizers and momenta that can be tested; null: too few pairs differ"),
        "score": real("log-rank score; positive: SGD has more events than if the two were alike"),
        "n_informative": whole("pairs whose swap changes the score"),
        "restricted_mean_sgd": real("mean number of steps without an event up to `horizon`, SGD"),
        "restricted_mean_sgdm": real("mean number of steps without an event up to `horizon`, SGDM"),
        "horizon": real("the step up to which the means are taken"),
        "restricted_ratio": real("SGDM's / SGD's restricted mean, geometric mean over cells with an event"),
        "restricted_ratio_low": real("lower end of its interval"),
        "restricted_ratio_high": real("upper end of its interval"),
        "only_sgd": whole("pairs in which only SGD sharpens within the time that both were followed"),
        "only_sgdm": whole("pairs in which only SGDM sharpens within that time"),
        "p_prevention": real("McNemar's exact test of these two"),
        "n_both": whole("pairs in which both sharpen"),
        "time_ratio": real("of those: SGDM's / SGD's step, geometric mean over cells"),
        "time_ratio_low": real("lower end of its interval"),
        "time_ratio_high": real("upper end of its interval"),
    },
)


SURVIVAL = table(
    "survival",
    stage="estimate",
    row="one step at which a run sharpens, diverges or leaves, of one setting, stratum and method",
    key=(*SETTING, "stratum", "optimizer", "momentum", "step"),
    own={
        "stratum": text("all, or one batch size"),
        "step": real("step at which something happens"),
        "n_risk": whole("runs that have not yet sharpened, diverged or ended, just before the step"),
        "n_events": whole("runs that sharpen at the step"),
        "n_diverged": whole("runs that diverge at the step"),
        "n_censored": whole("runs that end at the step without having diverged"),
        "survival": real("share without an event (Kaplan–Meier), divergence counted as censoring"),
        "ci_low": real("lower end of its pointwise 95 % interval"),
        "ci_high": real("upper end of its pointwise 95 % interval"),
        "incidence_sharpening": real("share that has sharpened (Aalen–Johansen), divergence a competing risk"),
        "incidence_divergence": real("share that has diverged before sharpening (Aalen–Johansen)"),
    },
)


EVENT_VERDICTS = table(
    "event_verdicts",
    stage="estimate",
    row="one of C4 and C5, judged by one definition of sharpening",
    key=("claim", "definition"),
    own={
        "claim": text("identifier of the claim, C4 or C5"),
        "definition": text("what counts as a run's sharpening: sharpening (its abrupt rise) or crossing (of its line)"),
        "decides": flag("whether claims.json holds this verdict: `detect.decides`"),
        "agrees": flag("whether both definitions have the same verdict"),
        "verdict": text(
            "supported, mostly, contradicted, inconclusive, untestable; agrees, disagrees or unclear without seeds"
        ),
        "estimate": real("the claim's estimate, in `unit`"),
        "ci_low": real("lower end of its interval"),
        "ci_high": real("upper end of its interval"),
        "unit": text("unit of the estimate"),
        "p_value": real("of the claim's test; null: not to be had from these data"),
        "n": whole("how many `n_unit` the verdict rests on"),
        "n_unit": text("what `n` counts"),
        "reason": text("the verdict in words"),
    },
)


INTERVENTIONS = table(
    "interventions",
    stage="estimate",
    row="one branch, beside the other run of its parent's pair",
    key=(*CELL, "seed", "branch_run_id"),
    own={
        "seed": whole("seed of initial weights and mini-batches"),
        "branch_run_id": text("run_id of the branch"),
        "sgd_run_id": text("run_id of the SGD run of the pair"),
        "sgdm_run_id": text("run_id of its SGDM run"),
        "intervention": text("what was done"),
        "intervention_step": whole("step from which it was done"),
        "intervention_end": whole("step from which it was done no more; null: it was done to the end"),
        "intervention_at": text("sharpening: just before that of the SGD run; control: well before; null: not said"),
        "by_momentum": flag("whether the branch goes on with momentum"),
        "of_sgdm": flag("whether the branch leaves the SGDM run of the pair; else its SGD run"),
        "gap_parent": real(
            "log_ratio, as in advantage, of the pair left alone: at the end of the treatment, else of the runs"
        ),
        "gap_branch": real("the same with the branch in place of its parent"),
        "sharpened_parent": flag("whether the parent sharpens abruptly from the intervention on, and before its end"),
        "sharpened_branch": flag("whether the branch does"),
    },
)


TREATMENTS = table(
    "treatments",
    stage="estimate",
    row="one kind of intervention with a control time: what it does at the sharpening, and what it does anyway",
    key=(*SETTING, "intervention"),
    own={
        "intervention": text("what was done"),
        "by_momentum": flag("whether the branches go on with momentum"),
        "of_sgdm": flag("whether the branches leave the SGDM runs of the pairs; else their SGD runs"),
        "unit": text("what n counts: blocks, or seeds where there are few blocks"),
        "n": whole("how many units the row rests on"),
        "n_branches": whole("branches before a sharpening that have a control"),
        "n_diverged": whole("of these, branches that diverged in their window, or whose control did: in no mean"),
        "n_removed": whole("of the others, branches without the sharpening that their parent had"),
        "gap_parent": real("mean log L_SGD / L_SGDM at the end of the window, left alone"),
        "gap_branch": real("the same of the branches"),
        "effect_sharpening": real("mean of `gap_parent` less `gap_branch` before the sharpening"),
        "effect_sharpening_low": real("lower end of its 95 % interval over the units"),
        "effect_sharpening_high": real("upper end"),
        "effect_control": real("the same at the control time"),
        "effect_control_low": real("lower end of its 95 % interval over the units"),
        "effect_control_high": real("upper end"),
        "contrast": real("`effect_sharpening` less `effect_control`, paired over seeds"),
        "contrast_low": real("lower end of its 95 % interval over the units"),
        "contrast_high": real("upper end"),
        "p_value": real("null hypothesis: the contrast is at most 0; null: fewer than two units"),
    },
)


CLAIM_UNITS = table(
    "claim_units",
    stage="estimate",
    row="one unit of a claim over units (C1, C2: a cell; C6: a line; C8: a block): what it says on its own",
    key=("claim", *CELL, "intervention"),
    own={
        "claim": text("identifier of the claim"),
        "intervention": text("what was done, for C8; else null"),
        "p_holds": real("null hypothesis: the claim does not hold in this unit; 1 where it could not be tested"),
        "p_contradicts": real("null hypothesis: its contrary does not hold in this unit; two-sided for C1 and C6"),
        "doubtful": whole(
            "at most so many of this unit and of the surer ones do not hold, where sums over units tell it; else null"
        ),
    },
)


POWER = table(
    "power",
    stage="estimate",
    row="one claim: what this design could have seen, and what would settle it",
    key=("claim",),
    own={
        "claim": text("identifier of the claim, C1 to C8"),
        "verdict": text(
            "supported, mostly, contradicted, inconclusive, untestable; agrees, disagrees or unclear without seeds"
        ),
        "n_seeds": whole("seeds of each unit"),
        "n_units": whole("units that the claim was judged on"),
        "replicate": text("what n_units counts: cells, blocks, batch sizes"),
        "effect_80": real("the effect that this design finds four times in five; null: none, or not estimable"),
        "unit": text("unit of effect_80 and observed"),
        "observed": real("the effect that was seen"),
        "seeds_needed": whole("for 80 % at the observed effect with as many units; null: not estimable, or over 50"),
        "units_needed": whole("likewise with as many seeds"),
        "seeds_mostly": whole("seeds with which a claim over units would mostly hold; null: not estimable, or over 50"),
        "note": text("what else has to be known"),
    },
)
