"""A server of archives, which knows how to misbehave, and a data set `tiny` that it has."""

import dataclasses
import hashlib
import io
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hdc.data.official.addresses import DATASETS, Archive


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; knows ranges, and how to misbehave."""

    def do_GET(self):
        server, asked = self.server, self.headers["Range"]
        server.asked.append((self.path, asked))
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        start = start if server.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = len(content)
        if server.breaks:
            server.breaks -= 1
            stop = (start + stop) // 2
        self.wfile.write(content[start:stop])

    def log_message(self, *words):
        pass


@contextmanager
def serving(handler=Handler):
    """A server with `files` to serve; it notes in `asked` each path and range."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.files, server.asked, server.ranges, server.breaks = {}, [], True, 0
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def zipped(files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return target.getvalue()


VIDEOS = {f"UCF-101/{number}.avi": bytes([number]) * 40_000 for number in range(3)}
CONTENT = zipped(VIDEOS)


def offering(server, monkeypatch):
    """Make a data set `tiny` of one archive that the server has; returns what changes it."""

    def change(**changes):
        archive = Archive(
            about="the videos",
            urls=(f"{server.address}/tiny.zip",),
            size=len(CONTENT),
            sha256=hashlib.sha256(CONTENT).hexdigest(),
        )
        monkeypatch.setitem(DATASETS, "tiny", (dataclasses.replace(archive, **changes),))

    server.files["/tiny.zip"] = CONTENT
    change()
    return change


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.avi")}


def names(folder):
    return sorted(path.name for path in folder.iterdir())
