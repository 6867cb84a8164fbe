#!/bin/bash
# A sweep as one array of SLURM jobs, without the package submitit: each job trains its share into the shared store.
# An example that was not run on a cluster; `bash -n` finds no fault in it.
#   sbatch examples/clusters/slurm_train.sh
#   mstudy train digits --store /shared/store        (when all have ended: copies the runs to runs/digits)
#SBATCH --job-name=mstudy
#SBATCH --array=1-16
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail
export OMP_NUM_THREADS=1
cd "${SLURM_SUBMIT_DIR:-.}"
srun mstudy train digits --store /shared/store --workers "${SLURM_CPUS_PER_TASK:-4}" --device cpu \
  --shard "${SLURM_ARRAY_TASK_ID:-1}/${SLURM_ARRAY_TASK_MAX:-16}"
