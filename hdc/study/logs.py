"""What the log of a job ends with: how it failed or was stopped, in one line."""

import os
import re
from pathlib import Path

TAIL_BYTES = 2**16  # of a log: its last words
INPUT_ERROR = "error: "  # how a stage says that its input is bad, before it exits with status 1

_ERROR = re.compile(
    rf"{INPUT_ERROR}|\S*python[\d.]*: |[A-Za-z_][\w.]*(Error|Exception|Interrupt)\b"
)
_TRACEBACK = "Traceback (most recent call last):"


def last_words(log: Path) -> tuple[str, str]:
    """`failed` or `stopped` with the line that says so, or nothing with the last line of a log."""
    lines = [line.rstrip() for line in tail(log).splitlines() if line.strip()]
    if not lines:
        return "", ""
    raised = len(lines) - lines[::-1].index(_TRACEBACK) if _TRACEBACK in lines else 0
    for line in reversed(lines[raised:]):
        if line.startswith("stopped: "):
            return "stopped", line
        if _ERROR.match(line):
            return "failed", line
    if raised:  # an error by another name
        return "failed", next((line for line in lines[raised:] if line[0] != " "), lines[-1])
    return "", lines[-1]


def tail(path: Path) -> str:
    """The end of a text; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
