"""A download that would write where it must not, or more than there should be."""

import os

import pytest
from archive_server import CONTENT, VIDEOS, Handler, contents, names, offering, serving

from hdc import download as module
from hdc.download import download
from hdc.runtime.errors import InputError


class Overflow(Handler):
    """Serves a file and goes on if it overflows; never says how large the whole is."""

    def do_GET(self):  # noqa: N802, its name is the library's
        self.server.asked.append((self.path, self.headers["Range"]))
        offset = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if offset else 200)
        if offset:
            self.send_header("Content-Range", f"bytes {offset}-/*")
        if not self.server.overflows:
            self.send_header("Content-Length", str(len(CONTENT) - offset))
        self.end_headers()
        self.wfile.write(CONTENT[offset:])
        if self.server.overflows:
            self.endless()

    def endless(self):
        try:
            while self.wfile.write(bytes(2**20)):
                pass
        except OSError:
            self.server.stopped = True


@pytest.fixture
def server():
    with serving(Overflow) as server:
        server.overflows = True
        yield server


@pytest.fixture
def offer(server, monkeypatch):
    monkeypatch.setattr(module, "WAITS", (0, 0, 0, 0))
    return offering(server, monkeypatch)


@pytest.fixture
def largest(monkeypatch):
    """The size of the largest file that was written to, in bytes, as first item."""
    monkeypatch.setattr(module, "CHUNK", 1000)
    found, unlink = [0], module.Path.unlink

    def look(path, **words):
        found[0] = max(found[0], path.stat().st_size)
        unlink(path, **words)

    monkeypatch.setattr(module.Path, "unlink", look)
    return found


@pytest.mark.parametrize("begun", [0, 5000])
def test_no_more_is_written_than_there_should_be(tmp_path, server, offer, largest, begun):
    if begun:
        (tmp_path / "tiny.zip.part").write_bytes(CONTENT[:begun])
    match = rf"tiny\.zip: expected {len(CONTENT)} bytes, was sent more; .* put tiny.zip into"
    with pytest.raises(InputError, match=match):
        download("tiny", tmp_path)
    assert begun < largest[0] <= len(CONTENT)
    assert names(tmp_path) == [] and len(server.asked) == 1


def test_the_next_address_is_asked_after_one_that_sends_too_much(tmp_path, server, offer):
    with serving() as other:
        other.files["/tiny.zip"] = CONTENT
        offer(urls=(f"{server.address}/tiny.zip", f"{other.address}/tiny.zip"))
        download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS and other.asked == [("/tiny.zip", None)]


def test_a_part_of_unknown_whole_is_completed(tmp_path, server, offer):
    """The length of what is sent is not that of the file."""
    server.overflows = False
    (tmp_path / "tiny.zip.part").write_bytes(CONTENT[:5000])
    download("tiny", tmp_path)
    assert contents(tmp_path) == VIDEOS and server.asked == [("/tiny.zip", "bytes=5000-")]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_is_not_written_through(tmp_path, server, offer, link):
    (tmp_path / "data").mkdir()
    (tmp_path / "mine").write_bytes(CONTENT[:100])
    link(tmp_path / "mine", tmp_path / "data/tiny.zip.part")
    match = r"tiny.zip.part: expected the beginning of a download, found a link.*; delete it"
    with pytest.raises(InputError, match=match):
        download("tiny", tmp_path / "data")
    assert (tmp_path / "mine").read_bytes() == CONTENT[:100] and not server.asked


def test_a_link_to_nowhere_is_not_written_through(tmp_path, server, offer):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/tiny.zip.part").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected the beginning of a download, found a link"):
        download("tiny", tmp_path / "data")
    assert names(tmp_path) == ["data"] and not server.asked


def test_a_link_to_a_whole_archive_is_taken(tmp_path, server, offer):
    """It is only read."""
    (tmp_path / "data").mkdir()
    (tmp_path / "mine").write_bytes(CONTENT)
    (tmp_path / "data/tiny.zip").symlink_to(tmp_path / "mine")
    download("tiny", tmp_path / "data")
    assert contents(tmp_path / "data") == VIDEOS and not server.asked
