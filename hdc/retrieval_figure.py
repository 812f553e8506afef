"""The figure of retrieval by nearest neighbors."""

import pandas as pd

from hdc.drawing import CHANCE, Picture, finish, line_looks, small_multiples
from hdc.measures import ROWS
from hdc.quantities import ranks, recall
from hdc.results import Results
from hdc.wording import chances


def retrieval_curve(results: Results) -> Picture:
    """R@k against k, one panel a backbone and data set, one line a run."""
    shown = ranks(results)
    summaries = [recall(rank).summary(results, ROWS)["mean"] for rank in shown]
    values = 100 * pd.concat(summaries, axis=1, keys=shown).dropna(how="all")
    panel_rows = list(values.groupby(level=["backbone", "data"], observed=True))
    figure, panels = small_multiples(len(panel_rows), width=4.6, height=3.4)
    looks = line_looks(results)
    for ((backbone, data), rows), panel in zip(panel_rows, panels, strict=False):
        for (*_, run), curve in rows.iterrows():
            known = curve.dropna()  # runs may have been asked for other k
            panel.plot([shown.index(k) for k in known.index], known, label=run, **looks[run])
        for chance in chances(results, "R@1", data):
            panel.axhline(100 * chance, label="chance of R@1", **CHANCE)
        panel.set_xticks(range(len(shown)), shown)
        panel.set_title(f"{backbone}, {data}")
    finish(figure, panels[: len(panel_rows)], "k nearest videos", "R@k (%)")
    caption = (
        "Share of test videos with a video of their class among the k nearest of the gallery, at "
        "the last level, mean over seeds. The dotted line is the chance of k = 1."
    )
    return Picture("retrieval_curve", "Retrieval", caption, figure)
