"""A table: every digit as CSV, readable as Markdown and as LaTeX."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from hdc.reporting.captions import latex
from hdc.runtime.atomic_files import write_text

WRAPPED = ("question", "source")  # columns of sentences
# Without graphicx a table stays as wide as it is.
LATEX = r"""\begin{{table}}[htbp]
\centering\footnotesize\setlength{{\tabcolsep}}{{3pt}}
\providecommand{{\resizebox}}[3]{{#3}}
\caption{{{caption}}}
\label{{tab:{name}}}
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
{body}
}}
{notes}\end{{table}}
"""


@dataclass(frozen=True)
class Origin:
    """What a cell of a table is about: the records of one stage, run and data set."""

    stage: str
    backbone: str
    data: str
    ablation: str


Cell = tuple[int, str]  # row and column of a table's text


@dataclass(frozen=True)
class Table:
    """One table: all digits, the readable form, what holds for all of it, notes on single cells."""

    name: str
    title: str
    caption: str
    numbers: pd.DataFrame
    text: pd.DataFrame
    notes: list[str]
    origins: dict[Cell, Origin] = field(default_factory=dict)
    bold: frozenset[Cell] = frozenset()

    def markdown(self) -> str:
        """Title, table, caption and notes."""
        plain = self.text.map(lambda value: value.replace("|", "\\|"))
        body = self._marked(plain, "**{}**").to_markdown(index=False, disable_numparse=True)
        notes = [f"[{number}] {note}" for number, note in enumerate(self.notes, start=1)]
        return "\n\n".join([f"# {self.title}", body, self.caption, *notes]) + "\n"

    def latex(self) -> str:
        """A floating table for a document that loads booktabs; graphicx makes a wide one fit."""
        marked = self._marked(self.text.map(latex), r"\textbf{{{}}}")
        body = marked.rename(columns=latex).style.hide(axis="index")
        notes = [f"[{number}] {latex(note)}" for number, note in enumerate(self.notes, start=1)]
        return LATEX.format(
            name=self.name,
            caption=latex(f"{self.title}. {self.caption}"),
            body=body.to_latex(hrules=True, column_format=self._column_format()).strip(),
            notes="".join(rf"\par {note}" + "\n" for note in notes),
        )

    def _column_format(self) -> str:
        return "".join("p{4.5cm}" if column in WRAPPED else "l" for column in self.text)

    def _marked(self, text: pd.DataFrame, form: str) -> pd.DataFrame:
        """The text with its bold cells in a form such as `**{}**`."""
        text = text.copy()
        for row, column in self.bold:
            place = row, self.text.columns.get_loc(column)
            text.iloc[place] = form.format(text.iloc[place])
        return text

    def write(self, folder: Path) -> None:
        """Write the three files of the table."""
        csv = self.numbers.to_csv(index=False, lineterminator="\n")
        write_text(folder / f"{self.name}.csv", csv)
        write_text(folder / f"{self.name}.md", self.markdown())
        write_text(folder / f"{self.name}.tex", self.latex())
