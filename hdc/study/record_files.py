"""Where the files of a study's runs lie: in its folder, or packed into one file there."""

import zipfile
from pathlib import Path

from hdc.runtime.zip_files import open_zip

PACKED = "records.zip"
RecordFile = Path | zipfile.Path  # both have is_file, open, read_bytes and read_text


def records_folder(study: Path) -> RecordFile:
    """What has the `runs/` of a study: its folder, or the packed file of one without that folder.

    Raises InputError if the packed file is damaged.
    """
    packed = study / PACKED
    if (study / "runs").is_dir() or not packed.is_file():
        return study
    return zipfile.Path(open_zip(packed))
