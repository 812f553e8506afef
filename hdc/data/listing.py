"""Which videos a data set lists, where their files lie, and which part each is in."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from hdc.runtime.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_NAMED = 10  # how many missing videos a message names


@dataclass(frozen=True)
class Listing:
    """The videos of a data set and its splits.

    `videos` has the columns video, label, group and path (empty for a missing file), and more for
    videos with known factors. `splits` has one table `video, part` a split. `recordings` has video,
    path and spans of the files of which videos are pieces, in the order of `videos`; spans are
    lists of start and end in seconds. None: each video is a file.
    """

    videos: pd.DataFrame
    splits: list[pd.DataFrame]
    hint: str = ""  # what to do about missing files
    recordings: pd.DataFrame | None = None

    @property
    def files(self) -> pd.DataFrame:
        """What is decoded: video, path and, of recordings, spans."""
        return self.videos if self.recordings is None else self.recordings

    def with_pieces(self, pieces: Mapping[str, Sequence[str]]) -> "Listing":
        """The same with the pieces, by name, in the place of each video that was cut."""
        videos, *splits = (_spread(table, pieces) for table in (self.videos, *self.splits))
        return replace(self, videos=videos, splits=splits)

    @property
    def missing(self) -> list[str]:
        """The videos that are listed and not there."""
        return self.videos.video[self.videos.path == ""].tolist()

    def require_found(self, folder: str | Path, *, allow_missing: bool) -> None:
        """Raise InputError that counts and names missing videos, unless they are allowed."""
        missing, listed = self.missing, len(self.videos)
        if not missing or (allow_missing and len(missing) < listed):
            return
        names = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        remedy = self.hint or "put them there"
        if len(missing) < listed:
            remedy += ", or go on without them by allow_missing: true"
        raise InputError(
            f"{folder}: expected {listed:,} listed videos, found {len(missing):,} of them missing: "
            f"{names}; {remedy}"
        )


def _spread(table: pd.DataFrame, pieces: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """A row for each piece of a video, in the place of that of the video."""
    if not pieces:
        return table
    names = [pieces.get(video, [video]) for video in table.video]
    return table.assign(video=names).explode("video", ignore_index=True)


def require_folder(folder: str | Path | None) -> Path:
    """Raise InputError unless `folder` is one."""
    if not folder or not Path(folder).is_dir():
        raise InputError(
            f"folder: expected an existing folder of videos, got {folder or 'nothing'}"
        )
    return Path(folder)


def is_image(name: str) -> bool:
    """Whether a file may be a frame of a video that is a folder of images, by its name."""
    return not name.startswith(".") and name.casefold().endswith(IMAGE_SUFFIXES)


def files_below(folder: Path, *, images: bool = False) -> list[Path]:
    """Every file in a folder and the folders below it, links followed once, sorted.

    `images`: videos are folders of images; such folders stand instead of the images in them.
    """
    seen, files = set(), []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        real = Path(place).stat()
        if (real.st_dev, real.st_ino) in seen:  # a link back to a folder above it
            folders.clear()
            continue
        seen.add((real.st_dev, real.st_ino))
        if images and any(map(is_image, names)):
            files.append(Path(place))
            names = [name for name in names if not is_image(name)]
        files += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(files)


def require_plain_name(path: Path) -> None:
    """Raise InputError for a name that lists cannot hold: control characters or no UTF-8."""
    name = str(path)
    # Surrogates stand for bytes that are not UTF-8.
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name):
        raise InputError(f"{name!a}: expected a name without control characters; rename the file")


def _refuse_folder(error: OSError) -> None:
    raise InputError(f"expected a folder that can be read, got: {error}") from error
