"""Bytes of the videos of one file until it is known whether the file is sound."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MEMORY = 2**25  # bytes of one file that are held; more lie in a file without a name


class Spool:
    """Pieces that grow in turns: in memory up to a limit, beyond it in `folder`, unseen there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pieces: dict[int, list[bytes | tuple[int, int]]] = defaultdict(list)
        self.held = 0
        self.file: BinaryIO | None = None

    def add(self, piece: int, content: bytes) -> None:
        """Append to a piece."""
        if content:
            self.pieces[piece].append(content)
            self.held += len(content)
        if self.held > MEMORY:
            self._put_away()

    def parts(self, piece: int) -> Iterator[bytes]:
        """The bytes of a piece, from its start."""
        for part in self.pieces[piece]:
            if isinstance(part, bytes):
                yield part
            else:
                place, length = part
                self.file.seek(place)
                yield self.file.read(length)

    def close(self) -> None:
        """Forget everything."""
        self.pieces.clear()
        self.held = 0
        if self.file is not None:
            self.file.close()
            self.file = None

    def _put_away(self) -> None:
        """Bring what is in memory to the disk."""
        if self.file is None:
            self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115
        self.file.seek(0, 2)
        for parts in self.pieces.values():
            for number, part in enumerate(parts):
                if isinstance(part, bytes):
                    place = self.file.tell()
                    self.file.write(part)
                    parts[number] = (place, len(part))
        self.file.flush()
        self.held = 0
