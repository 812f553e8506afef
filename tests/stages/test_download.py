import hashlib
import io
import logging
import shutil
import socket
import ssl
import sys
import tarfile
from urllib.error import URLError

import pytest
from archive_server import CONTENT, VIDEOS, contents, names, offering, serving

from hdc import download as module
from hdc.data.official.addresses import DATASETS
from hdc.download import download
from hdc.runtime.errors import InputError


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "WAITS", (0, 0, 0, 0))


@pytest.fixture
def offer(server, monkeypatch):
    return offering(server, monkeypatch)


def test_downloads_once(tmp_path, server, offer, capsys):
    folder = tmp_path / "new" / "data"
    download("tiny", folder)
    assert contents(folder) == VIDEOS
    assert names(folder) == [".tiny.zip.unpacked", "UCF-101", "tiny.zip"]
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert (folder / ".tiny.zip.unpacked").read_text() == f"{sha256}\n"
    assert f"tiny.zip: sha256 {sha256}, as expected" in capsys.readouterr().out
    (folder / "tiny.zip").unlink()
    download("tiny", folder)
    assert server.asked == [("/tiny.zip", None)]


def test_another_known_sha256_is_another_archive(tmp_path, server, offer):
    download("tiny", tmp_path)
    (tmp_path / ".tiny.zip.unpacked").write_text("0" * 64)
    (tmp_path / "tiny.zip").unlink()
    download("tiny", tmp_path)
    assert len(server.asked) == 2


def test_takes_what_someone_put_there(tmp_path, server, offer):
    (tmp_path / "tiny.zip").write_bytes(CONTENT)
    download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS and not server.asked


def test_refuses_another_file_that_someone_put_there(tmp_path, offer):
    (tmp_path / "tiny.zip").write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match=r"zip: expected bytes \d+, found \d+; delete it and run"):
        download("tiny", tmp_path)
    assert names(tmp_path) == ["tiny.zip"]


def test_goes_on_where_the_connection_broke_off(tmp_path, server, offer, caplog):
    server.breaks = 1
    download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS
    assert server.asked == [("/tiny.zip", None), ("/tiny.zip", f"bytes={len(CONTENT) // 2}-")]
    assert f"broke off after {len(CONTENT) // 2} of {len(CONTENT)} bytes" in caplog.text


def test_starts_again_where_the_server_knows_no_ranges(tmp_path, server, offer, caplog):
    server.breaks, server.ranges = 2, False
    download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS and len(server.asked) == 3


def test_the_next_run_goes_on(tmp_path, server, offer, caplog):
    server.breaks = 5
    with pytest.raises(InputError, match=r"broke off after .* run it again, it goes on at \d+ by"):
        download("tiny", tmp_path)
    assert names(tmp_path) == ["tiny.zip.part"] and len(server.asked) == 5
    download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS and len(server.asked) == 6


def test_a_part_that_is_whole_is_not_fetched_again(tmp_path, server, offer):
    for size in (len(CONTENT), None):
        offer(size=size)
        (tmp_path / f"{size}").mkdir()
        (tmp_path / f"{size}/tiny.zip.part").write_bytes(CONTENT)
        download("tiny", tmp_path / f"{size}")
        assert contents(tmp_path / f"{size}") == VIDEOS
    assert server.asked == [("/tiny.zip", f"bytes={len(CONTENT)}-")]


def test_a_part_that_is_too_long_is_fetched_again(tmp_path, server, offer, caplog):
    offer(size=None)
    (tmp_path / "tiny.zip.part").write_bytes(CONTENT + b"more")
    download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS and len(server.asked) == 2


def test_refuses_a_wrong_checksum(tmp_path, server, offer):
    offer(sha256="0" * 64)
    with pytest.raises(
        InputError, match=f"tiny.zip.part: expected sha256 {'0' * 64}, found [0-9a-f]"
    ):
        download("tiny", tmp_path)
    assert names(tmp_path) == []  # else it would be taken for the beginning of the right one


def test_refuses_another_size_before_it_is_fetched(tmp_path, server, offer):
    server.files["/tiny.zip"] = b"<html>we have moved</html>"
    with pytest.raises(InputError, match=rf"expected {len(CONTENT)} bytes, got a file of 26"):
        download("tiny", tmp_path)
    assert names(tmp_path) == []


def test_prints_an_unknown_checksum(tmp_path, offer, capsys):
    offer(sha256=None, size=None)
    download("tiny", tmp_path)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert f"sha256 {sha256}, compare it with what others have" in capsys.readouterr().out


def test_a_404_is_final(tmp_path, server, offer):
    del server.files["/tiny.zip"]
    with pytest.raises(
        InputError, match=r"tiny.zip: .*HTTP Error 404.*put tiny.zip into .* by hand"
    ):
        download("tiny", tmp_path)
    assert len(server.asked) == 1


def test_takes_the_next_address(tmp_path, server, offer):
    offer(urls=(f"{server.address}/gone/tiny.zip", f"{server.address}/tiny.zip"))
    download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS


def test_gives_up_on_a_server_that_does_not_answer(tmp_path, server, offer, caplog):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    offer(urls=(f"http://127.0.0.1:{port}/tiny.zip",))
    with pytest.raises(InputError, match=r"expected the whole file, got: .*refused.*at 0 bytes"):
        download("tiny", tmp_path)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 4


def test_says_what_to_do_about_a_certificate(tmp_path, offer, monkeypatch):
    contexts = []

    def refuse(request, *, timeout, context):
        contexts.append(context)
        raise URLError(ssl.SSLCertVerificationError("unable to get local issuer certificate"))

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(InputError, match=r"unable to get local issuer.*use --no-check-certificate"):
        download("tiny", tmp_path)
    with pytest.raises(InputError):
        download("tiny", tmp_path, check_certificate=False)
    modes = [context.verify_mode for context in contexts]
    assert modes == [ssl.CERT_REQUIRED, ssl.CERT_NONE]
    offer(sha256=None)
    with pytest.raises(InputError, match="expected a known sha256 where the certificate is not"):
        download("tiny", tmp_path, check_certificate=False)
    assert len(contexts) == 2


def test_refuses_a_full_disk(tmp_path, server, offer, monkeypatch):
    offer(size=10**9, nested=True)
    (tmp_path / "tiny.zip.part").write_bytes(b"x" * 10)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=2 * 10**9))
    with pytest.raises(InputError, match=r"expected 3\.0 GB of free space .* found 2\.0 GB"):
        download("tiny", tmp_path)
    assert not server.asked


def test_refuses_a_file_as_a_folder(tmp_path, offer):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a folder with room to write"):
        download("tiny", tmp_path / "file")


def test_a_program_for_rar_is_missed_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("ucf101", "hmdb51"):
        with pytest.raises(InputError, match=r"expected a program that reads \.rar files"):
            download(name, tmp_path / "data")


def test_unpacks_archives_in_an_archive(tmp_path, server, offer, monkeypatch):
    """As of HMDB51; tar files of another name, since no program that writes .rar is free."""
    if not shutil.which("bsdtar"):
        pytest.skip("bsdtar is not installed")
    monkeypatch.setattr("hdc.data.official.archives.require_rar_tool", lambda: ["bsdtar"])

    def tarred(files):
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as file:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
        return target.getvalue()

    labels = {
        f"{label}.rar": tarred({f"{label}/a.avi": label.encode()}) for label in ("hug", "kiss")
    }
    server.files["/all.rar"] = tarred(labels)
    offer(urls=(f"{server.address}/all.rar",), size=None, sha256=None, nested=True)
    download("tiny", tmp_path)
    assert contents(tmp_path) == {"hug/a.avi": b"hug", "kiss/a.avi": b"kiss"}
    assert names(tmp_path) == [".all.rar.unpacked", "all.rar", "hug", "kiss"]


def test_a_damaged_archive_gets_no_marker(tmp_path, server, offer):
    server.files["/tiny.zip"] = CONTENT[:-100]
    offer(size=None, sha256=None)
    with pytest.raises(InputError, match=r"tiny.zip: expected a sound archive"):
        download("tiny", tmp_path)
    assert names(tmp_path) == ["tiny.zip"]


def test_some_are_elsewhere_and_others_are_unknown(tmp_path):
    with pytest.raises(InputError, match=r"https://github\.com/cvdfoundation/kinetics-dataset"):
        download("kinetics", tmp_path)
    with pytest.raises(InputError, match=r"jester: expected .* got one whose license a person has"):
        download("jester", tmp_path)
    with pytest.raises(InputError, match=r"expected one of ucf101, hmdb51, kinetics, .*, got ucf"):
        download("ucf", tmp_path)


def test_the_table_is_sound():
    for archives in DATASETS.values():
        for archive in archives:
            assert {url.rpartition("/")[2] for url in archive.urls} == {archive.name}
            assert all(url.startswith("https://") for url in archive.urls)
            assert len(bytes.fromhex(archive.sha256)) == 32


def test_command_line(call, tmp_path, monkeypatch, capsys):
    shown = call("hdc.download", "--help", cwd=tmp_path, check=True).stdout
    assert "UCF101.rar, the videos (6,933.0 MB)" in shown and "kinetics" in shown
    monkeypatch.setattr(sys, "argv", ["download", "kinetics", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: kinetics: expected"):
        module.main()


def test_import_is_light(call, tmp_path):
    code = "import sys, hdc.download; print(*{'torch', 'numpy', 'pandas'} & set(sys.modules))"
    assert call(sys.executable, "-c", code, cwd=tmp_path, check=True).stdout == "\n"
