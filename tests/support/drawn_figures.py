"""The figures of a planted study, read back."""

from collections.abc import Iterator, Mapping

from matplotlib.figure import Figure

from hdc.analysis.results import read_results
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.contents import FIGURES
from hdc.reporting.figures.ablation import ablation_figure
from hdc.reporting.figures.all import MAKERS
from hdc.reporting.figures.style import Picture, drawn_alike


class Drawn(Mapping[str, Picture]):
    """The figures of a study by name, each drawn when it is first asked for."""

    def __init__(self, study):
        self._results = read_results(study)
        self._pictures: dict[str, Picture] = {}

    def __getitem__(self, name: str) -> Picture:
        if name not in self._pictures:
            with drawn_alike():
                self._pictures[name] = self._draw(name)
        return self._pictures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FIGURES)

    def __len__(self) -> int:
        return len(FIGURES)

    def _draw(self, name: str) -> Picture:
        if name == "ablation":
            return ablation_figure(Outcomes(self._results))
        [maker] = [maker for maker in MAKERS if maker.__name__ == name]
        return maker(self._results)


def drawn(study) -> Drawn:
    return Drawn(study)


def lines(panel) -> dict[str, tuple[list, list]]:
    """The named lines of a panel: across and up."""
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in panel.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def titled(picture, title):
    [panel] = [panel for panel in picture.figure.axes if panel.get_title() == title]
    return panel


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
