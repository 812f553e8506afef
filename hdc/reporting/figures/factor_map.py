"""The figure of what linear probes read from each level, by run."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hdc.analysis.measure import ROWS
from hdc.analysis.measures import probes
from hdc.analysis.results import Results, controls_of, levels_of
from hdc.reporting.figures.heat_map import color_bar, heat_map
from hdc.reporting.figures.style import (
    Picture,
    panel_title,
    shortened,
    small_multiples,
    text_width,
    title_width,
)
from hdc.reporting.tables.build import with_levels

MOST_MAPS = 12  # panels
POINTS = 7.0  # font size
CELL = (0.33, 0.2)  # inches


@dataclass(frozen=True)
class Map:
    """What is read from the features of one run: a row a level, a column a factor."""

    title: str
    run: str
    shares: pd.DataFrame  # of the way from chance to perfect
    texts: pd.DataFrame  # scores as the cells show them

    @property
    def factors(self) -> list[str]:
        """The factors that are read, as words."""
        return [name.replace("_", " ") for name in self.shares.columns]


def factor_map(results: Results) -> Picture:
    """What linear probes read: one panel a run, a row a level, a column a factor."""
    maps = read_maps(results)
    shown, left = maps[:MOST_MAPS], maps[MOST_MAPS:]
    figure, panels = small_multiples(len(shown), **_size(shown))
    for run_map, panel in zip(shown, panels, strict=False):
        image = heat_map(
            panel,
            run_map.shares.to_numpy(),
            list(run_map.shares.index),
            run_map.factors,
            points=POINTS,
            texts=run_map.texts.to_numpy().tolist(),
        )
        panel.set_title(run_map.title)
    if shown:
        _name_once(figure, panels[: len(shown)], shown)
        color_bar(figure, image, panels, "share of the way from chance to perfect")
    caption = (
        "Linear probes by level and factor, mean over seeds. Numbers: accuracy in percent, or R² "
        "with a decimal point. Color: the share of the way from chance to perfect, which for R² is "
        "R² itself; nothing below chance. Still: one frame repeated; shuffled: frames in random "
        "order."
    )
    names = ", ".join(dict.fromkeys(run_map.run for run_map in left))
    note = f" For want of room only in tables/factors.csv: more of {names}." if left else ""
    return Picture("factor_map", "What each run knows, level by level", caption + note, figure)


def read_maps(results: Results) -> list[Map]:
    """The map of each backbone, data set and run that has one, run by run."""
    shares, texts = _scores(results)
    maps = []
    for (backbone, data, run), table in texts.groupby(level=ROWS, observed=True):
        levels = levels_of(results, backbone, data) + controls_of(results, backbone, data)
        table = table.droplevel(ROWS).reindex(levels).dropna(how="all").dropna(axis=1, how="all")
        if len(table):
            run_shares = shares.loc[(backbone, data, run)].reindex_like(table)
            title = panel_title(results, backbone, shortened(run), data)
            maps.append(Map(title, run, run_shares, table.fillna("-")))
    runs = list(results.evaluations["ablation"].cat.categories)
    return sorted(maps, key=lambda run_map: runs.index(run_map.run))


def _scores(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Per run and level (rows) and factor: the share of the way from chance to 1, the score."""
    rows = with_levels(results, controls=True)
    by, shares, texts = [*ROWS, "level"], {}, {}
    for measure in probes(results):
        score, chance, show = measure.summary(results, by, rows)["mean"], 0.0, measure.show
        if measure.path[-1] == "accuracy":
            path = (*measure.path[:-1], "chance")
            chance = replace(measure, path=path).summary(results, by, rows)["mean"]
            show = whole_percent
        shares[measure.name] = ((score - chance) / (1 - chance)).clip(0, 1)
        texts[measure.name] = score.map(show, na_action="ignore").astype(object)
    return pd.DataFrame(shares), pd.DataFrame(texts)


def whole_percent(share: float) -> str:
    """A share in percent, without digits."""
    return f"{100 * share:.0f}"


def _size(maps: list[Map]) -> dict[str, float]:
    """The size of a panel that the largest of some maps fits in, with the names of its factors."""
    rows, columns = np.array([run_map.shares.shape for run_map in maps] or [(1, 1)]).max(axis=0)
    aside = max((text_width(list(run_map.shares.index), POINTS) for run_map in maps), default=0)
    below = 0 if _alike(maps) else _names_height(maps)
    across = max(CELL[0] * columns + 0.3, title_width([run_map.title for run_map in maps]))
    return {"width": across + aside, "height": CELL[1] * rows + below + 0.4}


def _name_once(figure: Figure, panels: list[Axes], maps: list[Map]) -> None:
    """Name the factors below the lowest panels only, if all panels have the same."""
    if _alike(maps):
        columns = panels[0].get_gridspec().ncols
        for panel in panels[:-columns]:
            panel.tick_params(labelbottom=False)
        above = len(panels) > columns and len(panels) % columns > 0  # of the spare panels
        figure.set_figheight(figure.get_figheight() + (1 + above) * _names_height(maps))


def _alike(maps: list[Map]) -> bool:
    """Whether all maps have the same factors."""
    return len({tuple(run_map.factors) for run_map in maps}) < 2


def _names_height(maps: list[Map]) -> float:
    """Inches that the names of factors take below a panel."""
    return max((text_width(run_map.factors, POINTS) for run_map in maps), default=0)
