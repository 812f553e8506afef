"""The figures of a study, made from its records; the one that answers its question first."""

from hdc.analysis.results import Results
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.figures.ablation import ablation_figure
from hdc.reporting.figures.classes import class_accuracy, confusion
from hdc.reporting.figures.cost import accuracy_and_cost
from hdc.reporting.figures.factor_map import factor_map
from hdc.reporting.figures.factors_by_level import factors
from hdc.reporting.figures.feature_map import feature_map
from hdc.reporting.figures.few_labels import few_labels
from hdc.reporting.figures.retrieval import retrieval_curve
from hdc.reporting.figures.spread import embedding_spread
from hdc.reporting.figures.style import Picture, drawn_alike
from hdc.reporting.figures.time_probes import time_probes
from hdc.reporting.figures.training import level_weights, training_curves

MAKERS = (
    few_labels, retrieval_curve, accuracy_and_cost, factors, factor_map, time_probes, feature_map,
    class_accuracy, confusion, training_curves, level_weights, embedding_spread,
)  # fmt: skip


def all_figures(results: Results, outcomes: Outcomes | None = None) -> list[Picture]:
    """The figures of a study; `outcomes` as for `all_tables`."""
    with drawn_alike():
        first = ablation_figure(outcomes or Outcomes(results))
        return [first, *(maker(results) for maker in MAKERS)]
