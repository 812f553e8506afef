"""A folder of videos, labelled and grouped by a regular expression on their paths."""

import re
from pathlib import Path

import pandas as pd

from hdc.data.listing import files_below, require_folder, require_plain_name
from hdc.data.splits import OBJECT
from hdc.runtime.errors import InputError
from hdc.runtime.patterns import compiled, ending

UNLABELLED = "unlabelled"


def list_folder(
    folder: str | Path, pattern: str, *, images: bool = False, labelled: bool = True
) -> pd.DataFrame:
    """Every file below `folder` whose relative path matches `pattern` in full.

    `images`: videos are folders of images, and it is their path that has to match. The pattern's
    named group `label` gives the label; the optional `group` what must stay together in a split,
    else every video is a group of its own; the optional `object` what the label is done to, or
    with. `labelled`: paths have to tell labels, each of two videos or more. Returns columns video
    (the relative path), label, group, object where the pattern has one, and path, sorted by video.
    Raises InputError for a missing folder, a bad pattern, no match, or a label with one video only.
    """
    folder = require_folder(folder)
    expression = _compile(pattern, labelled=labelled)
    files = files_below(folder, images=images)
    files = [path for path in files if not images or path.is_dir()]
    videos = [path.relative_to(folder).as_posix() for path in files]
    with ending(pattern, "data.folder.pattern"):
        matches = [expression.fullmatch(video) for video in videos]
    rows = []
    for path, video, match in zip(files, videos, matches, strict=True):
        if match:
            require_plain_name(path)
            named = match.groupdict()
            label, group = named.get("label", UNLABELLED), named.get("group") or video
            found = {OBJECT: named[OBJECT] or ""} if OBJECT in named else {}
            rows.append({"video": video, "label": label, "group": group, **found})
            rows[-1]["path"] = str(path)
    if not rows:
        kind = "folders of images" if images else "files"
        example = f", such as {files[0].relative_to(folder)}" if files else ""
        raise InputError(
            f"data.folder.pattern: expected to match {kind} below {folder}, matched none of "
            f"{len(files)}{example}; the pattern is {pattern}"
        )
    table = pd.DataFrame(rows)
    if labelled:
        require_two_videos(table)
    return table


def _compile(pattern: str, *, labelled: bool) -> re.Pattern[str]:
    try:
        expression = compiled(pattern)
    except ValueError as error:
        raise InputError(f"data.folder.pattern: {error}; the pattern is {pattern}") from error
    if labelled and "label" not in expression.groupindex:
        raise InputError(f"data.folder.pattern: expected a group (?P<label>...), got {pattern}")
    return expression


def require_two_videos(table: pd.DataFrame) -> None:
    """Refuse a label with one video: it cannot be trained on and tested."""
    counts = table.label.value_counts()
    if counts.min() < 2:
        label = sorted(counts.index[counts < 2])[0]
        raise InputError(
            f"data.folder.pattern: expected at least 2 videos a label, found 1 of {label} "
            f"({table.video[table.label == label].iloc[0]}); add videos or leave the label out"
        )
