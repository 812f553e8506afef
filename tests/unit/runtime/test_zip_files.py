import subprocess
import sys
from zipfile import ZipFile

import pytest

from hdc.runtime.errors import InputError
from hdc.runtime.zip_files import open_zip, write_zip

CONTENTS = {f"runs/{name}/record.json": f'{{"{name}": 1}}\n'.encode() * 20 for name in "abc"}


@pytest.fixture
def path(tmp_path):
    write_zip(tmp_path / "some.zip", CONTENTS)
    return tmp_path / "some.zip"


def test_what_is_written_is_read(path):
    with open_zip(path) as file:
        assert {name: file.read(name) for name in file.namelist()} == CONTENTS


def test_equal_contents_make_equal_bytes(path, tmp_path):
    write_zip(tmp_path / "other.zip", dict(reversed(CONTENTS.items())))
    assert (tmp_path / "other.zip").read_bytes() == path.read_bytes()
    with ZipFile(path) as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_other_programs_can_unpack_it(path):
    subprocess.run([sys.executable, "-m", "zipfile", "-e", path, path.parent], check=True)
    for name, content in CONTENTS.items():
        assert (path.parent / name).read_bytes() == content


def test_what_is_cut_short_is_refused(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"some\.zip: expected a whole zip, found .*make it"):
            open_zip(path)


def test_no_damaged_byte_changes_what_is_read(path):
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        for damage in (1, 255):
            changed = bytearray(whole)
            changed[place] ^= damage
            path.write_bytes(changed)
            try:
                with open_zip(path) as file:
                    assert {name: file.read(name) for name in file.namelist()} == CONTENTS, place
            except InputError as error:
                assert "\n" not in str(error)
                refused += 1
    assert refused > len(whole)
