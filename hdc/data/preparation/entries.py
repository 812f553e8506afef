"""What a part of a data set notes of each of its files, and its packed frames on the disk.

An entry holds video (the file's name), source (its bytes, time and checksum) and either rejected
(why) or offset, bytes and crc32 of what is stored of it. A file that is one video has shape and
facts besides, one that is cut has pieces: each with a video's name and either rejected or, within
the file's bytes, offset, bytes, crc32, shape and facts.
"""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hdc.data.index import MISSING
from hdc.data.preparation.container import EXPECTED_KIND, RejectedVideo, is_allowed
from hdc.data.preparation.images import CONTAINER
from hdc.data.preparation.packing import Cut
from hdc.data.preparation.pieces import piece_name
from hdc.data.preparation.sandbox import PackedFile, PackedPiece
from hdc.settings.data import Decoding

_CHUNK = 2**24  # bytes of stored frames in memory at once


class Appender:
    """Writes to the end of a file of frames, and knows where that is."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.offset = file, file.tell()
        self.checksum = 0  # of what was written since it was last set to 0

    def append(self, parts: Iterable[bytes]) -> dict[str, int]:
        """Write what is not empty; its offset, bytes and crc32."""
        start, checksum = self.offset, 0
        for part in filter(None, parts):
            self.file.write(part)
            self.offset += len(part)
            checksum = zlib.crc32(part, checksum)
            self.checksum = zlib.crc32(part, self.checksum)
        self.file.flush()
        return {"offset": start, "bytes": self.offset - start, "crc32": checksum}


def copy_entry(entry: dict[str, Any], frames: Path, to: Appender) -> dict[str, Any]:
    """An older entry whose packed frames, which lie in `frames`, are stored once more."""
    return dict(entry) if "rejected" in entry else entry | to.append(_stored(frames, entry))


def _stored(path: Path, entry: dict[str, Any]) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(entry["offset"])
        left = entry["bytes"]
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk


def new_entry(
    video: str,
    source: dict[str, Any],
    cut: Cut,
    packed: PackedFile | RejectedVideo,
    to: Appender,
) -> dict[str, Any]:
    """What is noted of a file that was just decoded; its packed frames are stored."""
    entry = {"video": video, "source": source}
    names = [piece_name(video, *span) for span in cut.spans or ()]
    if isinstance(packed, RejectedVideo):
        refused = [_rejected(name, packed) for name in names or [video]]
        if not names:
            return entry | refused[0]
        return entry | {"rejected": str(packed), "pieces": refused}
    if cut.whole:
        [piece] = packed.pieces
        return entry | _usable(piece, packed, source, to)
    start, to.checksum = to.offset, 0
    usable = {}
    for piece in packed.pieces:
        end = piece.start + piece.facts["seconds"]
        name = names[piece.number] if names else piece_name(video, piece.start, end)
        usable[piece.number] = {"video": name} | _usable(piece, packed, source, to)
        usable[piece.number]["offset"] -= start
    if names:
        why = packed.fault or RejectedVideo("no frame: the recording has none in this span")
        pieces = [usable.get(n) or _rejected(name, why) for n, name in enumerate(names)]
    else:
        pieces = list(usable.values())
    whole = {"offset": start, "bytes": to.offset - start, "crc32": to.checksum}
    return entry | whole | {"pieces": pieces}


def _usable(
    piece: PackedPiece, packed: PackedFile, source: dict[str, Any], to: Appender
) -> dict[str, Any]:
    where = to.append(packed.parts(piece))
    return where | {"shape": piece.shape, "facts": piece.facts | {"sha256": source["sha256"]}}


def _rejected(video: str, reason: RejectedVideo) -> dict[str, Any]:
    if str(reason) != MISSING:  # they are counted in the end
        print(f"rejected {video}: {reason}", flush=True)
    return {"video": video, "rejected": str(reason)}


def holds(entry: dict[str, Any], cut: Cut, decoding: Decoding) -> bool:
    """Whether an entry is what would be noted today, of a file with the same content."""
    if cut.spans is not None:
        names = [piece_name(entry["video"], *span) for span in cut.spans]
        if [piece["video"] for piece in entry.get("pieces", ())] != names:
            return False
    if "rejected" in entry:  # other kinds may be allowed by now
        return not EXPECTED_KIND.match(entry["rejected"])
    known = [piece["facts"] for piece in entry.get("pieces", [entry]) if "facts" in piece]
    # An older preparation took mirrored videos for turned.
    return all(
        "mirrored" in facts
        and (
            facts["container"] == CONTAINER
            or is_allowed(facts["container"], facts["codec"], decoding)
        )
        for facts in known
    )


def videos_of(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The videos of a file, usable ones with their place in the file of frames."""
    if "pieces" not in entry:
        return [entry]
    start = entry.get("offset", 0)
    return [
        piece if "rejected" in piece else piece | {"offset": start + piece["offset"]}
        for piece in entry["pieces"]
    ]
