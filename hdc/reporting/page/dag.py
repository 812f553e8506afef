"""A picture of the workflow: its stages, and how much of the study is done."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from hdc.analysis.results import Results, record_path
from hdc.study.runs import part_of

# Narrow enough that its letters can be read on a phone; sizes in pixels there.
WIDTH, HEIGHT = 340, 404
BOX_WIDTH, BOX_HEIGHT, STEP = 156, 56, 84
LEFT, MIDDLE, RIGHT = 4, 92, 180


@dataclass(frozen=True)
class Box:
    """One stage; `share` of its records is there, None if it writes none."""

    name: str
    count: str
    x: int
    y: int
    share: float | None = None


def dag(results: Results) -> dict:
    """Boxes and arrows between them, as the template draws them."""
    boxes = {box.name: box for box in _boxes(results)}
    pairs = (
        ("prepare", "pretrain"),
        ("pretrain", "fine-tune"),
        ("pretrain", "embed"),
        ("embed", "evaluate"),
        ("fine-tune", "report"),
        ("evaluate", "report"),
    )
    arrows = [_arrow(boxes[start], boxes[end]) for start, end in pairs]
    size = {"width": WIDTH, "height": HEIGHT, "box_width": BOX_WIDTH, "box_height": BOX_HEIGHT}
    return {"boxes": list(boxes.values()), "arrows": arrows, **size}


def _boxes(results: Results) -> list[Box]:
    """The stages from above to below, with what the study plans of each."""
    rows = results.evaluations
    prepared = {*rows["data"], *(part_of(name)[0] for name in rows["pretrained_on"])}
    embedded = {PurePosixPath(folder).parent for folder in rows["folder"]}
    sets = "1 data set" if len(prepared) == 1 else f"{len(prepared):,} data sets"
    jobs = "1 job" if len(embedded) == 1 else f"{len(embedded):,} jobs"
    return [
        Box("prepare", sets, MIDDLE, 4),
        _counted(results, "pretrain", "pretrain", MIDDLE, 4 + STEP),
        _counted(results, "finetune", "fine-tune", LEFT, 4 + 2 * STEP),
        Box("embed", jobs, RIGHT, 4 + 2 * STEP),
        _counted(results, "evaluate", "evaluate", RIGHT, 4 + 3 * STEP),
        Box("report", "this page", MIDDLE, 4 + 4 * STEP),
    ]


def _counted(results: Results, stage: str, name: str, x: int, y: int) -> Box:
    """A stage that writes a record a job."""
    rows = results.evaluations.itertuples(index=False)
    planned = {record_path(row, stage) for row in rows}
    there = len(planned & set(results.records))
    return Box(name, f"{there:,} of {len(planned):,}", x, y, there / max(1, len(planned)))


def _arrow(start: Box, end: Box) -> tuple[int, int, int, int]:
    """From the foot of a box to the head of another: x and y of both ends.

    It leaves and arrives off the middle where the other box lies aside.
    """
    lean = (end.x > start.x) - (end.x < start.x)
    shift = lean * BOX_WIDTH // 4
    foot, head = start.x + BOX_WIDTH // 2 + shift, end.x + BOX_WIDTH // 2 - shift
    return foot, start.y + BOX_HEIGHT, head, end.y
