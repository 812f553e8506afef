"""What a report holds, by name and in the order of its page; the workflow waits for these files."""

TABLES = (
    "ablation",
    "preregistered",
    "transfer",
    "finetune",
    "retrieval",
    "probes",
    "factors",
    "time_probes",
    "shortcuts",
    "cost",
)
FIGURES = (
    "ablation",
    "few_labels",
    "retrieval_curve",
    "accuracy_and_cost",
    "factors",
    "factor_map",
    "time_probes",
    "feature_map",
    "class_accuracy",
    "confusion",
    "training_curves",
    "level_weights",
    "embedding_spread",
)
