"""The figure of retrieval by nearest neighbors."""

import pandas as pd

from hdc.analysis.measure import ROWS
from hdc.analysis.measures import ranks, recall
from hdc.analysis.results import Results
from hdc.evaluation.chance import chance_of_equal_classes, recorded_chance
from hdc.reporting.figures.style import CHANCE, Picture, finish, line_looks, small_multiples


def retrieval_curve(results: Results) -> Picture:
    """R@k against k, one panel a backbone and data set, one line a run."""
    shown = ranks(results)
    summaries = [recall(rank).summary(results, ROWS)["mean"] for rank in shown]
    values = 100 * pd.concat(summaries, axis=1, keys=shown).dropna(how="all")
    panel_rows = list(values.groupby(level=["backbone", "data"], observed=True))
    figure, panels = small_multiples(len(panel_rows), width=4.6, height=3.4)
    looks, equal_classes = line_looks(results), False
    for ((backbone, data), rows), panel in zip(panel_rows, panels, strict=False):
        for (*_, run), curve in rows.iterrows():
            known = curve.dropna()  # runs may have been asked for other k
            panel.plot([shown.index(k) for k in known.index], known, label=run, **looks[run])
        by_chance, assumed = chance_curve(results, backbone, data, shown)
        equal_classes |= assumed
        places = [shown.index(k) for k in by_chance]
        heights = [100 * chance for chance in by_chance.values()]
        panel.plot(places, heights, label="chance", marker=".", **CHANCE)
        panel.set_xticks(range(len(shown)), shown)
        panel.set_title(f"{backbone}, {data}")
    finish(figure, panels[: len(panel_rows)], "k nearest videos", "R@k (%)")
    caption = (
        "Share of test videos with a video of their class among the k nearest of the gallery, at "
        "the last level, mean over seeds. Dotted: the chance of that, for k videos drawn at random "
        "from the gallery."
    )
    if equal_classes:
        caption += (
            " The records lack the sizes of the classes, so it is drawn as if all were of the mean "
            "size, which is right for equal ones and too high for others."
        )
    return Picture("retrieval_curve", "Retrieval", caption, figure)


def chance_curve(
    results: Results, backbone: str, data: str, shown: list[int]
) -> tuple[dict[int, float], bool]:
    """R@k by chance at each k that it is known for, mean over records, and whether one is assumed.

    Assumed are classes of equal size, where a record tells of R@1 alone.
    """
    curve, assumed = {}, False
    for k in shown:
        known = []
        for record in results.of("evaluate", backbone=backbone, data=data):
            chance = recorded_chance(record, k)
            if chance is None:
                chance = chance_of_equal_classes(record, k)
                assumed |= chance is not None
            known += [] if chance is None else [chance]
        if known:
            curve[k] = sum(known) / len(known)
    return curve, assumed
