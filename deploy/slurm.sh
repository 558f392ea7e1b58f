#!/usr/bin/env bash
# A search over several Slurm nodes with a GPU each. Home directories must be shared.
#
#   sbatch deploy/slurm.sh search_spaces/gru.yaml gru
#
# A job that is preempted or runs out of time is queued again and goes on where it was.
#SBATCH --job-name=textcls-tune
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-task=1
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
set -euo pipefail

space=${1:?usage: sbatch slurm.sh SPACE NAME}
name=${2:?usage: sbatch slurm.sh SPACE NAME}
: "${TEXTCLS_SHARED:=$HOME/textcls}" # a folder that all nodes see

# shellcheck source=/dev/null
source "${VIRTUAL_ENV:-$SLURM_SUBMIT_DIR/.venv}/bin/activate"
cd "$SLURM_SUBMIT_DIR"

# Every process of the cluster needs the token; it lies in the shared home, readable by its owner.
export RAY_AUTH_MODE=token
umask 077
ray get-auth-token --generate >/dev/null
export TEXTCLS_CACHE=$TEXTCLS_SHARED/cache RAY_USAGE_STATS_ENABLED=0

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=$((20000 + SLURM_JOB_ID % 10000)) # several searches may share a node
address=${nodes[0]}:$port

# Two minutes before the time is up, queue the job again. What has not reached a rung is repeated.
again() {
    scontrol requeue "$SLURM_JOB_ID"
}
trap again USR1

# The dashboard stays on 127.0.0.1 of the first node, which is Ray's default.
srun --kill-on-bad-exit=0 ray symmetric-run \
    --address "$address" \
    --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" \
    -- \
    python -m tune.search --space "$space" --resume auto --name "$name" \
    --runs-dir "$TEXTCLS_SHARED/runs" --address "$address" &
wait $!
