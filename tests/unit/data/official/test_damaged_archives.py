"""Archives with a byte or a header gone wrong, or a name that stands twice."""

import gzip
import io
import shutil
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest
from archive_makers import contents, make_rar, make_tar, make_zip, refused

from hdc.data.official.archives import unpack
from hdc.data.official.rar import FILE, RAR_TOOLS, DamageError, Entry, ToolError, run
from hdc.runtime.errors import InputError

FILES = {"a/one.txt": b"the first text, of some length", "two.txt": b"the second"}
DAMAGED = r"expected a sound archive, found a damaged one \(.+\); delete it and get it again"


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar.gz", make_tar)])
def test_no_flipped_byte_changes_a_file(tmp_path, name, make):
    """Most are refused; some stand in what nobody needs, such as the time in a header of gzip."""
    content, refusals = make(tmp_path / name, FILES).read_bytes(), 0
    for place in range(len(content)):
        (tmp_path / name).write_bytes(flipped(content, place))
        folder = tmp_path / f"{place}"
        try:
            unpack(tmp_path / name, folder)
        except InputError as error:
            assert "\n" not in str(error) and "room to write" not in str(error), place
            assert not folder.exists(), place
            refusals += 1
        else:
            assert contents(folder) == FILES, place
    assert refusals > len(content) / 2


@pytest.mark.parametrize("place", [-8, -1], ids=["checksum", "size"])
def test_the_end_of_a_gzip_is_compared(tmp_path, place):
    archive = make_tar(tmp_path / "a.tar.gz", FILES)
    content = archive.read_bytes()
    archive.write_bytes(flipped(content, len(content) + place))
    refused(archive, tmp_path / "data", DAMAGED)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_damaged_header_is_not_the_end(tmp_path, suffix):
    """Of the second entry: without it the first alone would be unpacked, and nobody told."""
    content = make_tar(tmp_path / "a.tar", FILES, mode="w").read_bytes()
    damaged = flipped(content, 2 * tarfile.BLOCKSIZE + 3)
    archive = tmp_path / f"a{suffix}"
    archive.write_bytes(gzip.compress(damaged) if suffix == ".tar.gz" else damaged)
    refused(archive, tmp_path / "data", DAMAGED)


@pytest.mark.parametrize("blocks", [2, 4], ids=["after an entry", "before its end"])
def test_a_tar_cut_between_entries(tmp_path, blocks):
    archive = make_tar(tmp_path / "a.tar", FILES, mode="w")
    archive.write_bytes(archive.read_bytes()[: blocks * tarfile.BLOCKSIZE])
    refused(archive, tmp_path / "data", DAMAGED)


def zip_of(path, names):
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that stands twice
        for number, name in enumerate(names):
            file.writestr(name, b"" if name.endswith("/") else b"%d" % number)
    return path


def tar_of(path, names):
    with tarfile.open(path, "w:gz") as file:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size = info.isfile()
            file.addfile(info, io.BytesIO(b"%d" % number))
    return path


@pytest.mark.parametrize(("name", "make"), [("a.zip", zip_of), ("a.tar.gz", tar_of)])
@pytest.mark.parametrize(
    "names", [["x", "y", "x"], ["x", "./x"], ["a/x", "a//x"], ["x", "x/y"], ["x/", "x"]]
)
def test_a_name_that_stands_twice(tmp_path, name, make, names):
    archive = make(tmp_path / name, names)
    refused(archive, tmp_path / "data", r"expected every name once, found '(a/)?x' twice; unpack")


@pytest.mark.parametrize(("name", "make"), [("a.zip", zip_of), ("a.tar.gz", tar_of)])
def test_a_folder_may_stand_twice(tmp_path, name, make):
    unpack(make(tmp_path / name, ["a/", "a/x", "a/", "a/y"]), tmp_path / "data")
    assert contents(tmp_path / "data") == {"a/x": b"1", "a/y": b"3"}


@pytest.fixture
def only(tmp_path_factory, monkeypatch):
    """Leave one program on PATH, of those that read .rar files."""

    def leave(tool):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
        folder = tmp_path_factory.mktemp("bin")
        for program in (tool, "lsar") if tool == "unar" else (tool,):
            (folder / program).symlink_to(shutil.which(program))
        monkeypatch.setenv("PATH", str(folder))

    return leave


def test_a_wrong_checksum_is_believed(tmp_path, monkeypatch):
    """No other program is asked, which might compare nothing; bsdtar does so and comes last."""
    entries, asked = [Entry("a", FILE)], []

    def run(command):
        asked.append(command[0])
        (Path(command[-1]) / "a").touch()
        raise DamageError("a... Failed! (Wrong checksum)")

    tools = {tool: (lambda archive: entries, lambda archive, to: [to]) for tool in ("one", "two")}
    monkeypatch.setattr("hdc.data.official.archives.RAR_TOOLS", tools)
    monkeypatch.setattr("hdc.data.official.archives.require_rar_tool", lambda: list(tools))
    monkeypatch.setattr("hdc.data.official.archives.run", run)
    archive = make_rar(tmp_path / "a.rar", {})
    refused(
        archive, tmp_path / "data", r"cannot be read \(one: a\.\.\. Failed! \(Wrong checksum\)\)"
    )
    assert asked == ["one"] and list(RAR_TOOLS)[-1] == "bsdtar"


@pytest.mark.parametrize("complaint", ["a - checksum error", "ERROR: CRC Failed : a"])
def test_complaints_about_a_checksum_are_known(complaint):
    with pytest.raises(DamageError, match=complaint):
        run(["sh", "-c", f"echo '{complaint}' >&2; exit 3"])
    with pytest.raises(ToolError) as caught:
        run(["sh", "-c", "echo solid archive >&2; exit 1"])
    assert not isinstance(caught.value, DamageError)


@pytest.mark.parametrize("tool", ["unar", "unrar", "7z"])  # bsdtar compares nothing here
def test_a_flipped_byte_in_a_rar(tmp_path, only, tool):
    only(tool)
    archive = make_rar(tmp_path / "a.rar", {"a": b"some text", "b": b"more"})
    archive.write_bytes(archive.read_bytes().replace(b"some text", b"same text"))
    refused(archive, tmp_path / "data", rf"cannot be read \({tool}: .+\); get it again, or if")


def nested(path, inner, monkeypatch):
    """An archive of .rar files, each of which is a .zip in truth, and what reads them."""

    def read(archive, folder):
        zipfile.ZipFile(archive).extractall(folder)
        if b"damaged" in archive.read_bytes():
            raise InputError(f"{archive}: expected a sound archive, found a damaged one")

    monkeypatch.setattr("hdc.data.official.archives._unrar", read)
    made = {}
    for name, files in inner.items():
        target = path.with_name("inner")
        made[name] = make_zip(target, files).read_bytes()
        target.unlink()
    return make_zip(path, made)


def test_nothing_of_a_nested_archive_is_left_if_one_in_it_is_damaged(tmp_path, monkeypatch):
    inner = {"a.rar": {"a/x": b"1"}, "b.rar": {"b/damaged": b"2"}}
    archive = nested(tmp_path / "all.zip", inner, monkeypatch)
    with pytest.raises(InputError, match=r"^/.*all\.zip: b\.rar: expected a sound archive, found"):
        unpack(archive, tmp_path / "data", nested=True)
    assert list(tmp_path.iterdir()) == [archive]


def test_a_name_that_stands_in_two_of_a_nested_archive(tmp_path, monkeypatch):
    inner = {"a.rar": {"a/x": b"1"}, "b.rar": {"a/x": b"2"}}
    archive = nested(tmp_path / "all.zip", inner, monkeypatch)
    with pytest.raises(InputError, match=r"all.zip: expected every name once, found 'a/x' twice"):
        unpack(archive, tmp_path / "data", nested=True)
    inner["b.rar"] = {"a/y": b"2"}
    unpack(nested(archive, inner, monkeypatch), tmp_path / "data", nested=True)
    assert contents(tmp_path / "data") == {"a/x": b"1", "a/y": b"2"}
