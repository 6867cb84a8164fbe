"""tables.RUNS from a function of what a run is."""

from mstudy.tables.contracts import RUNS

SETTING = {"study": "s", "model": "m", "dataset": "d", "objective": "o"}


def runs_of(loss_of, rates, n_seeds=5, batch_sizes=(8,), momenta=(0.9,), n_train=64):
    """loss_of(b, eta_ef, mu, seed): final loss, or None where the run diverged (at step 5)."""
    rows = []
    for b in batch_sizes:
        for rate in rates:
            for mu in (0.0, *momenta):
                for seed in range(n_seeds):
                    loss = loss_of(b, rate, mu, seed)
                    row = SETTING | {"batch_size": b, "eta_ef": rate, "momentum": mu, "seed": seed, "n_train": n_train}
                    row |= {"run_id": f"{b}-{rate}-{mu}-{seed}", "optimizer": "sgd" if mu == 0 else "heavy_ball"}
                    row |= {"eta_ef_per_sample": rate / b, "last_step": 100, "final_loss": loss}
                    row |= {"status": "completed" if loss is not None else "diverged"}
                    rows.append(row | {"diverged_step": 5 if loss is None else None})
    return RUNS.frame(rows)
