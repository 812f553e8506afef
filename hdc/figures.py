"""The figures of a study, made from its records; the one that answers its question first."""

from hdc.ablation_figure import ablation_figure
from hdc.class_figures import class_accuracy, confusion
from hdc.cost_figure import accuracy_and_cost
from hdc.drawing import Picture, drawn_alike
from hdc.factor_map import factor_map
from hdc.factors_figure import factors
from hdc.map_figure import feature_map
from hdc.outcomes import Outcomes
from hdc.results import Results
from hdc.retrieval_figure import retrieval_curve
from hdc.training_figures import level_weights, training_curves

MAKERS = (
    retrieval_curve, accuracy_and_cost, factors, factor_map, feature_map, class_accuracy, confusion,
    training_curves, level_weights,
)  # fmt: skip


def all_figures(results: Results) -> list[Picture]:
    """The figures of a study."""
    with drawn_alike():
        return [ablation_figure(Outcomes(results)), *(maker(results) for maker in MAKERS)]
