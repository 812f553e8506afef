"""The files that a job reads, and digests of their content, to tell what a result was made of."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from hdc.runtime.input_names import tracks_of


def prepared_files(
    prepared: str | Path, split: str | int | None = None, *, inputs: Iterable[str] = ()
) -> list[str]:
    """The lists of a prepared data set that a stage reads; those of `split` too, if there is one.

    `inputs`: names of what networks see, which may lie beside the frames. The store's frames are
    not among the files: `store.json` changes whenever they do.
    """
    names = ["index.csv", "store.json", "listed.csv"]
    names += [f"split{split}.csv"] if split else []
    names += [f"{track}/store.json" for track in tracks_of(inputs)]
    return [f"{prepared}/{name}" for name in names]


def made_from(*paths: str | Path) -> dict[str, str]:
    """For a record: the path of each file that a job reads -> a digest of its content.

    Files that are not there are left out: who reads them says so.
    """
    return {str(path): file_digest(path) for path in paths if Path(path).is_file()}


def file_digest(path: str | Path) -> str:
    """As `hdc.runtime.digest` of the content of a file, which may be larger than memory."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
