"""The figure of how far apart embeddings lie during pretraining, and in how many directions."""

import pandas as pd

from hdc.analysis.results import Results
from hdc.reporting.captions import LEAST_SPREAD
from hdc.reporting.figures.style import Picture, finish, line_looks, panel_title, small_multiples
from hdc.reporting.figures.training import by_value, logged_terms, mean_curve, term_labels


def embedding_spread(results: Results) -> Picture:
    """Spread, and of the last level effective rank, against step: a panel a term, a line a run."""
    logs, labels = logged_terms(results), term_labels(results)
    panels_of = {
        (backbone, kind, term): rows
        for backbone, rows in by_value(logs, "backbone")
        for kind in ("spread", "rank")
        for term in _measured(rows, kind, labels)
    }
    figure, panels = small_multiples(len(panels_of))
    looks = line_looks(results)
    for ((backbone, kind, term), rows), panel in zip(panels_of.items(), panels, strict=False):
        column = f"{kind}_{term}"
        for run, lines in by_value(rows.dropna(subset=column), "ablation"):
            curve = mean_curve(lines, column)
            every = max(1, len(curve) // 5)
            panel.plot(curve.index, curve, label=run, markevery=every, **looks[run])
        if kind == "spread":
            panel.axhline(LEAST_SPREAD, color="0.5", linewidth=0.8, linestyle=":")
        panel.set_ylim(bottom=0)
        panel.set_title(panel_title(results, backbone, f"{kind} {labels[term]}"))
    finish(figure, panels[: len(panels_of)], "step", "spread, or rank")
    caption = (
        "How far apart the embeddings of a batch lie (spread: the standard deviation of unit "
        "embeddings times the root of their width; 1 if they point everywhere, 0 if all are alike) "
        "and in how many directions (effective rank, of each subtask's last level): mean over "
        "seeds and training parts. A run that ends under the dotted line is called collapsed."
    )
    title = "Spread of embeddings"
    return Picture("embedding_spread", title, caption, figure, drawn=bool(panels_of))


def _measured(logs: pd.DataFrame, kind: str, labels: dict[str, str]) -> list[str]:
    """The terms that have a column of a kind; of ranks the last level's, which is the deepest."""
    terms = sorted(term for term in labels if f"{kind}_{term}" in logs)
    terms = [term for term in terms if logs[f"{kind}_{term}"].notna().any()]
    if kind == "spread":
        return terms
    last = {labels[term].partition(" ")[0]: term for term in terms}
    return list(last.values())
