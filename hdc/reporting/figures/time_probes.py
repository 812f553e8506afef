"""The figure of the probes of time: what each level knows of direction, speed and order."""

from hdc.analysis.measure import ROWS
from hdc.analysis.measures import probes_of_time, time_probe
from hdc.analysis.results import Results, levels_of
from hdc.reporting.figures.style import (
    CHANCE,
    Picture,
    finish,
    line_looks,
    panel_title,
    small_multiples,
    title_width,
)
from hdc.reporting.tables.build import with_levels
from hdc.reporting.tables.time_probes import FLOOR, NONE, chance


def time_probes(results: Results) -> Picture:
    """Accuracy by level: a panel a probe, backbone and data set, a line a run, the floor shaded."""
    rows, by = with_levels(results), [*ROWS, "level"]
    drawn = [
        (backbone, data, probe, values)
        for probe in probes_of_time(results)
        for (backbone, data), values in time_probe(probe)
        .summary(results, by, rows)["mean"]
        .dropna()
        .groupby(level=["backbone", "data"], observed=True)
    ]
    titles = [
        panel_title(results, backbone, probe, data).replace(" · ", "\n")
        for backbone, data, probe, _ in drawn
    ]
    lines = [line for title in titles for line in title.split("\n")]
    figure, panels = small_multiples(len(drawn), width=max(2.8, title_width(lines)))
    looks = line_looks(results)
    for (backbone, data, probe, values), title, panel in zip(drawn, titles, panels, strict=False):
        levels = levels_of(results, backbone, data)
        guessed = chance(probe).summary(results, by, rows)["mean"]
        guessed = guessed.xs((backbone, data), level=["backbone", "data"]).dropna().iloc[0]
        for run, curve in values.groupby(level="ablation", observed=True):
            heights = 100 * curve.droplevel(ROWS).reindex(levels)
            panel.plot(range(len(levels)), heights, label=run, **looks[run])
            if run == FLOOR:
                panel.fill_between(range(len(levels)), heights, color="0.92", zorder=0)
        panel.axhline(100 * guessed, label="chance", **CHANCE)
        panel.set_xticks(range(len(levels)), levels)
        panel.margins(x=0.12)
        panel.set_ylim(0, 100)
        panel.set_title(title)
    finish(figure, panels[: len(drawn)], "", "accuracy (%)")
    caption = (
        "Linear probes of how a clip was played, by level, mean over seeds: from start to end or "
        "backward, with which stride, in order or with its second half first. Dotted: chance. "
        f"Shaded: up to {FLOOR}, which cues of codecs and repeated frames serve as well."
    )
    title = "What each level knows of time"
    return Picture("time_probes", title, caption if drawn else NONE, figure, drawn=bool(drawn))
