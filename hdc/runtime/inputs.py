"""The files that a job reads, and digests of their content, to tell what a result was made of."""

import hashlib
from pathlib import Path


def prepared_files(prepared: str | Path, split: str | int | None = None) -> list[str]:
    """The lists of a prepared data set that a stage reads; those of `split` too, if there is one.

    The store's frames are not among them: `store.json` changes whenever they do.
    """
    names = ["index.csv", "store.json", "listed.csv"]
    names += [f"split{split}.csv"] if split else []
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
