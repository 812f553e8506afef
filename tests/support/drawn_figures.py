"""The figures of a planted study, read back."""

from matplotlib.figure import Figure

from hdc.analysis.results import read_results
from hdc.reporting.figures.all import all_figures
from hdc.reporting.figures.style import Picture


def drawn(study) -> dict[str, Picture]:
    return {picture.name: picture for picture in all_figures(read_results(study))}


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
