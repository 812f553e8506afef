"""A table as the page shows it: the run first, a block a group of rows, cells that open a card."""

from dataclasses import dataclass

from hdc.published import OURS
from hdc.report_cards import Card
from hdc.table import Origin, Table

SENTENCES = ("question", "source", "answer", "rejected", "missing", "device")  # these wrap
GROUPS = ("backbone", "data set")  # a new block where one of them changes


@dataclass(frozen=True)
class Cell:
    """One cell; `card` is the name of the card that it opens, empty if there is none."""

    text: str
    bold: bool = False
    card: str = ""
    label: str = ""  # what a screen reader says


@dataclass(frozen=True)
class Shown:
    """A table of cells, in blocks of rows."""

    name: str
    title: str
    caption: str
    columns: list[str]
    wraps: list[bool]
    blocks: list[list[list[Cell]]]
    notes: list[str]


def shown(table: Table, cards: dict[Origin, Card]) -> Shown:
    """A table of the study for the page."""
    columns = list(table.text)
    if "run" in columns and columns[0] != "question":  # what stays in view when one scrolls
        columns = ["run", *(name for name in columns if name != "run")]
    records = table.text[columns].to_dict("records")
    blocks: list[list[list[Cell]]] = []
    group = None
    for number, record in enumerate(records):
        cells = [_cell(table, cards, number, column, record) for column in columns]
        published = record.get("source", OURS) != OURS
        own = "published" if published else [record.get(name) for name in GROUPS]
        if not blocks or own != group:
            blocks.append([])
        blocks[-1].append(cells)
        group = own
    wraps = [column in SENTENCES for column in columns]
    return Shown(table.name, table.title, table.caption, columns, wraps, blocks, table.notes)


def plain(name: str, columns: list[str], rows: list[list[str]]) -> Shown:
    """A table of mere texts, without title or caption."""
    wraps = [column in SENTENCES for column in columns]
    return Shown(name, "", "", columns, wraps, [[[Cell(text) for text in row] for row in rows]], [])


def _cell(
    table: Table, cards: dict[Origin, Card], row: int, column: str, record: dict[str, str]
) -> Cell:
    text, bold = record[column], (row, column) in table.bold
    origin = table.origins.get((row, column))
    if origin is None or not text:
        return Cell(text, bold)
    return Cell(text, bold, cards[origin].id, f"{origin.ablation}, {column}: {text}; how measured")
