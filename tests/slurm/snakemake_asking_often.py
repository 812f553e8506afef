"""Snakemake whose plugin asks Slurm every second for its jobs, instead of ever more seldom."""

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)

main()
