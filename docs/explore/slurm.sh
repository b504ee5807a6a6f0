#!/bin/sh
#SBATCH --job-name=hil-explore
#SBATCH --cpus-per-task=2
#SBATCH --mem=512M
#SBATCH --time=01:00:00
# Explores one shard of many, from the folder in which `hil` was built:
#
#   sbatch --array=1-64 docs/explore/slurm.sh scenarios/cases/setup/first-setup.yaml 10000000
#   target/release/hil merge explored/*.json          # when all are done
set -eu
story=$1
seeds=$2
shard=$SLURM_ARRAY_TASK_ID
shards=$SLURM_ARRAY_TASK_COUNT
# Exit code 1 says that something was found; it is in the result.
target/release/hil explore "$story" --seeds "$seeds" --shard "$shard/$shards" --jobs "${SLURM_CPUS_PER_TASK:-2}" \
    --json "explored/$shard.json" --out explored/found || test "$?" = 1
