"""A picture of what retrieval finds: some query videos, each beside its nearest of the gallery."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image, ImageColor

from hdc.data.store import ClipStore
from hdc.reporting.figures.style import drawn_alike

QUERIES = 6  # rows, if there are as many videos
DPI = 100
CELL, GAP, CAPTION = (1.2, 0.9), 0.16, 0.41  # inches: a frame's room, between, below
MARGIN, HEAD = 0.1, 0.55  # inches: around, above
CAPTIONS, HEADINGS = {"size": 7.5}, {"size": 8}  # fonts, in points
TITLE = {"size": 9, "weight": "bold"}
MOST_BYTES = 150_000  # as far as the fewest colors reach that; a report holds many pictures
COLORS = (252, 124, 60, 28)  # of the palette, beside those of the outlines
# Told apart by word, sign and line, so in black and white, too.
RIGHT = {"word": "✓ right", "color": "#009E73", "linestyle": "-", "linewidth": 2.6}
WRONG = {"word": "✗ wrong", "color": "#D55E00", "linestyle": (0, (2, 1.5)), "linewidth": 2.0}
QUERY = {"color": "#000000", "linestyle": "-", "linewidth": 0.8}


def evenly_spaced(rows: Sequence[int], count: int = QUERIES) -> list[int]:
    """`count` of `rows` from the first to the last, or all, evenly spaced: nobody picks them."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(rows[place]) for place in places]


def neighbor_picture(
    store: ClipStore,
    names: Sequence[str],
    labels: Sequence[str],
    *,
    queries: Sequence[int],
    neighbors: Int[np.ndarray, "query rank"],
    similarity: Float[np.ndarray, "query rank"],
    title: str,
) -> bytes:
    """A PNG: a row a query, its neighbors beside it, the nearest first; the same bytes each time.

    Every video shows its middle frame and label; a query its name, too, a neighbor whether it has
    the query's label and its cosine `similarity`. `names` and `labels` are those of the index,
    `queries` and `neighbors` rows of it.
    """
    with drawn_alike():
        figure, panels = _grid(len(queries), neighbors.shape[1], title)
        for across, query, nearest, cosines in zip(
            panels, queries, neighbors.tolist(), similarity.tolist(), strict=True
        ):
            _show(across[0], store, query, (labels[query], names[query]), QUERY)
            for panel, row, cosine in zip(across[1:], nearest, cosines, strict=True):
                look = dict(RIGHT if labels[row] == labels[query] else WRONG)
                caption = labels[row], f"{look.pop('word')}  {cosine:.2f}"
                _show(panel, store, row, caption, look)
        return _png(figure)


def middle_frame(store: ClipStore, row: int) -> UInt8[np.ndarray, "height width 3"]:
    """The frame at half of a video's length."""
    return store.clip(row, np.array([store.shape(row)[0] // 2]))[0]


def fitted(figure: Figure, text: str, inches: float, font: dict) -> str:
    """`text` in one line, its middle left out as far as it is too wide in that font."""
    text = " ".join(text.split())
    renderer, font = FigureCanvasAgg(figure).get_renderer(), FontProperties(**font)
    shown, kept = text, len(text)
    while kept and renderer.get_text_width_height_descent(shown, font, False)[0] > inches * DPI:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def _grid(rows: int, ranks: int, title: str) -> tuple[Figure, list[list[Axes]]]:
    """A figure with a panel for each query and neighbor, a wider gap after the queries."""
    step = np.add(CELL, (GAP, CAPTION))
    lefts = MARGIN + step[0] * np.arange(ranks + 1) + GAP * (np.arange(ranks + 1) > 0)
    size = lefts[-1] + CELL[0] + MARGIN, HEAD + rows * step[1] + MARGIN
    figure = Figure(figsize=tuple(size), dpi=DPI)
    bottoms = size[1] - HEAD - CELL[1] - step[1] * np.arange(rows)
    panels = [
        [
            figure.add_axes((left / size[0], bottom / size[1], *np.divide(CELL, size)))
            for left in lefts
        ]
        for bottom in bottoms
    ]
    style = {"parse_math": False, "va": "top"}
    title = fitted(figure, title, size[0] - 2 * MARGIN, TITLE)
    figure.text(MARGIN / size[0], 1 - 0.08 / size[1], title, **TITLE, **style)
    for left, heading in zip(lefts, ["query", "nearest", *range(2, ranks + 1)], strict=False):
        place = (left + CELL[0] / 2) / size[0], 1 - (HEAD - 0.22) / size[1]
        figure.text(*place, str(heading), ha="center", **HEADINGS, **style)
    return figure, panels


def _show(panel: Axes, store: ClipStore, row: int, caption: Sequence[str], look: dict) -> None:
    """Draw a video's frame in an outline of that look, and two lines below it."""
    panel.imshow(middle_frame(store, row))
    panel.set_anchor("S")  # captions of a row are level, whatever the frames' shapes
    panel.set(xticks=[], yticks=[])
    panel.grid(False)
    for spine in panel.spines.values():
        spine.set(visible=True, **look)
    lines = [fitted(panel.figure, line, CELL[0] + GAP / 2, CAPTIONS) for line in caption]
    panel.set_xlabel("\n".join(lines), labelpad=4, parse_math=False, **CAPTIONS)


def _png(figure: Figure) -> bytes:
    """The figure with as many colors as its size allows, and no word of when it was made."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    for colors in COLORS:
        content = _with_palette(image, colors)
        if len(content) <= MOST_BYTES:
            break
    return content


def _with_palette(image: Image.Image, colors: int) -> bytes:
    """The picture as PNG in that many colors of its own and those of the outlines.

    A single outline is too small to win a color in the palette, so those are given.
    """
    shades = np.reshape(image.quantize(colors, kmeans=3).getpalette()[: 3 * colors], (-1, 3))
    shades[shades.min(axis=1) > 245] = 255  # the paper is white, not nearly so
    outlines = [ImageColor.getrgb(look["color"]) for look in (RIGHT, WRONG, QUERY)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.vstack([shades, outlines]).ravel().tolist())
    file = io.BytesIO()
    reduced = image.quantize(palette=palette, dither=Image.Dither.NONE)
    reduced.save(file, format="png", optimize=True)
    return file.getvalue()
