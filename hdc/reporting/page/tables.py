"""A table as the page shows it: the run first, a block a group of rows, cells that open a card."""

from dataclasses import dataclass

from hdc.reporting.page.cards import Card
from hdc.reporting.tables.literature import OURS
from hdc.reporting.tables.table import Origin, Table

SENTENCES = ("question", "source", "rejected", "missing", "device")  # columns that wrap
PHRASES = ("answer", "against", "in")  # and some that do so in less room
SHORT = 11  # letters of a heading that stays on one line
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
    blocks: list[list[list[Cell]]]
    notes: list[str]

    @property
    def classes(self) -> list[str]:
        """How each column is laid out."""
        return [_class(name) for name in self.columns]


def shown(table: Table, cards: dict[Origin, Card]) -> Shown:
    """A table of the study for the page; its first column stays in view when one scrolls."""
    first = ("question", "answer") if "answer" in table.text else ("run",)
    columns = [name for name in first if name in table.text]
    columns += [name for name in table.text if name not in first]
    records = table.text[columns].to_dict("records")
    blocks: list[list[list[Cell]]] = []
    previous = None
    for number, record in enumerate(records):
        cells = [_cell(table, cards, number, column, record) for column in columns]
        published = record.get("source", OURS) != OURS
        group = "published" if published else [record.get(name) for name in GROUPS]
        if not blocks or group != previous:
            blocks.append([])
        blocks[-1].append(cells)
        previous = group
    return Shown(table.name, table.title, table.caption, columns, blocks, table.notes)


def plain(name: str, columns: list[str], rows: list[list[str]]) -> Shown:
    """A table of mere texts, without title or caption."""
    return Shown(name, "", "", columns, [[[Cell(text) for text in row] for row in rows]], [])


def _class(column: str) -> str:
    """How a column is laid out, in words of the style sheet."""
    if column in SENTENCES:
        return f"words {column}"
    if column in PHRASES:
        return "phrase"
    return "long" if len(column) > SHORT else ""


def _cell(
    table: Table, cards: dict[Origin, Card], row: int, column: str, record: dict[str, str]
) -> Cell:
    text, bold = record[column], (row, column) in table.bold
    origin = table.origins.get((row, column))
    if origin is None or not text:
        return Cell(text, bold)
    return Cell(text, bold, cards[origin].id, f"{origin.ablation}, {column}: {text}; how measured")
