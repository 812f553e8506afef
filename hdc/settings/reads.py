"""The nodes of a run's settings that each stage reads.

Snakemake reruns a stage when one of these has changed, and only then.
"""

PREPARE_READS = ("data", "decoding", "store")
PRETRAIN_READS = ("backbone", "clip", "objective", "augment", "pretrain", "encoder")
FINETUNE_READS = ("backbone", "clip", "finetune", "inference")
EMBED_READS = ("backbone", "clip", "inference", "time_probes")
EVALUATE_READS = ("evaluate",)
