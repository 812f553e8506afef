import os
import shutil
import stat
import tarfile
from pathlib import Path

import pytest
from archive_makers import LINK, MAKERS, contents, make_rar, make_tar, make_zip, refused

from hdc.data.official.archives import unpack
from hdc.runtime.errors import InputError

TOOLS = ("bsdtar", "unrar", "7z", "unar")
GOOD = {"UCF-101/Archery/v a [1].avi": b"one", "UCF-101/list.txt": b"two", "ü.txt": b""}
# Each leads out of the folder on some system.
BAD_NAMES = ("../x", "a/../../x", "/x", "..\\x", "a\\x", "C:x", "C:/x", "//server/share/x")


@pytest.fixture
def only(tmp_path_factory, monkeypatch):
    """Leave one program on PATH, of those that read .rar files."""

    def leave(*tools):
        folder = tmp_path_factory.mktemp("bin")
        for tool in tools:
            found = shutil.which(tool)
            if not found:
                pytest.skip(f"{tool} is not installed")
            (folder / tool).symlink_to(found)
            if tool == "unar":
                (folder / "lsar").symlink_to(shutil.which("lsar"))
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return leave


def script(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", MAKERS)
def test_unpacks(tmp_path, name):
    archive = MAKERS[name](tmp_path / name, GOOD)
    unpack(archive, tmp_path / "new" / "data")
    assert contents(tmp_path / "new") == {f"data/{name}": text for name, text in GOOD.items()}
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "new"]
    unpack(archive, tmp_path / "new" / "data")  # the same content is no conflict


def test_unpacks_folders_without_files(tmp_path):
    archive = make_tar(tmp_path / "a.tar", {"a": b"", "a/b": b""}, kind=tarfile.DIRTYPE)
    unpack(archive, tmp_path / "data")
    assert (tmp_path / "data/a/b").is_dir()


def test_goes_on_after_an_interrupted_move(tmp_path):
    archive = make_zip(tmp_path / "a.zip", GOOD)
    unpack(archive, tmp_path / "data")
    (tmp_path / "data/UCF-101/list.txt").unlink()
    unpack(archive, tmp_path / "data")
    assert contents(tmp_path / "data") == GOOD


@pytest.mark.parametrize("bad", BAD_NAMES)
@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_refuses_names_that_lead_out(tmp_path, name, bad):
    archive = MAKERS[name](tmp_path / name, {"good": b"", bad: b"x"})
    refused(archive, tmp_path / "data", "expected names inside its folder, found '")


def test_refuses_links_and_devices_in_a_zip(tmp_path):
    for mode in (LINK, stat.S_IFCHR, stat.S_IFIFO):
        archive = make_zip(tmp_path / "a.zip", {"x": b"/etc/passwd"}, mode=mode)
        refused(archive, tmp_path / "data", "found 'x' as a link or a device")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_refuses_links_and_devices_in_a_tar(tmp_path, kind):
    archive = make_tar(tmp_path / "a.tar", {"x": b""}, kind=kind, link="/etc/passwd")
    refused(archive, tmp_path / "data", "found 'x' as a link or a device")


@pytest.mark.parametrize("name", MAKERS)
def test_refuses_damage(tmp_path, name):
    archive = MAKERS[name](tmp_path / name, {"a": os.urandom(50_000), "b": os.urandom(50_000)})
    archive.write_bytes(archive.read_bytes()[:70_000])
    refused(archive, tmp_path / "data", r"expected a sound archive, found a damaged one \(.+\)")
    archive.write_text("<html>not found</html>")
    refused(archive, tmp_path / "data", "expected a sound archive, found a damaged one")


def test_refuses_a_file_whose_checksum_is_wrong(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a": b"some text"})
    archive.write_bytes(archive.read_bytes().replace(b"some text", b"same text"))
    refused(archive, tmp_path / "data", "Bad CRC-32")


def test_refuses_to_overwrite(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a": b"new", "b": b"new"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/b").write_text("old")
    refused(archive, tmp_path / "data", "/data/b or one with the same content, found another")
    assert contents(tmp_path / "data") == {"b": b"old"}


def test_refuses_to_write_through_a_link(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/b": b"new"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").symlink_to(tmp_path)
    refused(archive, tmp_path / "data", "expected no file at")


def test_refuses_a_file_where_a_folder_belongs(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/b": b"new"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_text("old")
    refused(archive, tmp_path / "data", "expected no file at")
    with pytest.raises(InputError, match="expected a folder with room to write"):
        unpack(archive, tmp_path / "data/a/below")


def test_refuses_a_missing_archive_and_another_kind(tmp_path):
    with pytest.raises(InputError, match=r"a.zip: expected an archive, found no such file"):
        unpack(tmp_path / "a.zip", tmp_path / "data")
    with pytest.raises(InputError, match=r"a.7z: expected one of .zip, .tar, .*got another kind"):
        unpack(tmp_path / "a.7z", tmp_path / "data")


def test_stays_on_the_disk_of_a_mount_point(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "a.zip", GOOD)
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path / "data")
    monkeypatch.setattr(os, "access", None)  # not asked
    unpack(archive, tmp_path / "data")
    assert contents(tmp_path / "data") == GOOD


@pytest.mark.parametrize("tool", TOOLS)
class TestRar:
    def test_unpacks(self, tmp_path, only, tool):
        only(tool)
        # The format separates folders by a backslash on every system.
        stored = {"UCF-101\\Archery\\v a [1].avi": b"one", "#!&;(x)+.txt": b"two", "-x": b""}
        unpack(make_rar(tmp_path / "a.rar", stored), tmp_path / "data")
        good = {name.replace("\\", "/"): content for name, content in stored.items()}
        assert contents(tmp_path / "data") == good
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rar", "data"]

    @pytest.mark.parametrize("bad", ["../x", "a/../../x", "/x", "..\\x", "a\\..\\..\\x", "C:\\x"])
    def test_refuses_names_that_lead_out(self, tmp_path, only, tool, bad):
        only(tool)
        archive = make_rar(tmp_path / "a.rar", {"good": b"", bad: b"x"})
        refused(archive, tmp_path / "data", "expected names inside its folder, found '")

    def test_refuses_links(self, tmp_path, only, tool):
        only(tool)
        archive = make_rar(tmp_path / "a.rar", {"x": b"/etc/passwd"}, mode=LINK)
        refused(archive, tmp_path / "data", "expected files and folders, found 'x' as ")

    def test_refuses_damage(self, tmp_path, only, tool):
        only(tool)
        archive = make_rar(tmp_path / "a.rar", {"a": os.urandom(50_000), "b": b"text"})
        archive.write_bytes(archive.read_bytes()[:30_000])
        refused(archive, tmp_path / "data", rf"cannot be read \({tool}: .+\); get it again, or if")
        archive.write_text("<html>not found</html>")
        refused(archive, tmp_path / "data", rf"cannot be read \({tool}: .+\); get it again, or if")


def test_bsdtar_refuses_links_in_a_tar_of_another_name(tmp_path, only):
    only("bsdtar")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        archive = make_tar(tmp_path / "a.rar", {"x": b""}, kind=kind, link="y")
        refused(archive, tmp_path / "data", "expected files and folders, found 'x' as a link")


@pytest.fixture
def fake_unrar(only):
    """An unrar that lists one file, and does what it is told when it unpacks."""
    folder = only()

    def make(action):
        unpacks = f'for target; do :; done; cd "$target"; {action}'
        lists = "lb) echo a.txt ;; lt) echo '        Type: File' ;;"
        script(folder, "unrar", f'case "$1" in {lists} x) {unpacks} ;; esac')
        return folder

    return make


def test_goes_on_to_a_program_that_can_read_the_archive(tmp_path, fake_unrar):
    folder = fake_unrar("echo -n text > a.txt")
    script(folder, "lsar", "echo solid archive >&2; exit 1")
    script(folder, "unar", "")
    unpack(make_rar(tmp_path / "a.rar", {}), tmp_path / "data")
    assert contents(tmp_path / "data") == {"a.txt": b"text"}


def test_says_why_no_program_can_read_the_archive(tmp_path, fake_unrar):
    script(fake_unrar("exit 3"), "bsdtar", "echo not a tar >&2; exit 1")
    archive = make_rar(tmp_path / "a.rar", {})
    match = r"\(unrar: exit status 3; bsdtar: not a tar\); .* apt-get install unar"
    refused(archive, tmp_path / "data", match)


@pytest.mark.parametrize("action", ["/bin/ln -s /etc/passwd a.txt", "/usr/bin/mkfifo a.txt"])
def test_checks_what_a_program_makes(tmp_path, fake_unrar, action):
    fake_unrar(action)
    archive = make_rar(tmp_path / "a.rar", {})
    refused(archive, tmp_path / "data", r"found 'a.txt' as a link or a device")


def test_refuses_hard_links_that_a_program_makes(tmp_path, fake_unrar):
    (tmp_path / "secret").write_text("secret")
    fake_unrar(f"/bin/ln {tmp_path}/secret a.txt")
    archive = make_rar(tmp_path / "a.rar", {})
    refused(archive, tmp_path / "data", r"found 'a.txt' as a link or a device")


def test_refuses_what_is_incomplete(tmp_path, fake_unrar):
    fake_unrar("true")
    archive = make_rar(tmp_path / "a.rar", {})
    refused(archive, tmp_path / "data", "unrar: lists 1 files, unpacks 0")


def test_names_what_to_install(tmp_path, only):
    only()
    with pytest.raises(InputError, match="found none of unar, unrar, 7z, bsdtar; apt-get install"):
        unpack(make_rar(tmp_path / "a.rar", {}), tmp_path / "data")
