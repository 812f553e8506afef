"""One writer: a lock on a folder that lives as long as its process."""

import atexit
import fcntl
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import IO, Any

from hdc.runtime.errors import InputError

BEAT_SECONDS = 30.0
BEATS = 4  # that another host may miss before it is taken for dead
# A lock of another host that has not been renewed for so long is taken over: hosts may not see each
# other's locks, and a machine that was taken away renews nothing.
STALE_SECONDS = 600.0
HELD = "expected no other writer"  # how a process says that another one holds the lock


class Lock:
    """Held from construction to `release` or the end of the process, which may take it twice.

    The kernel drops it with the process, so a dead process on this host never blocks anyone.
    Raises InputError that names host and process of the holder.
    """

    _held: dict[Path, IO[str]] = {}  # noqa: RUF012  (of this process: the same lock for all)

    def __init__(self, path: Path, *, stale_seconds: float = STALE_SECONDS) -> None:
        self.path = path.resolve()
        if self.path in self._held:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(file)
            file.close()
            raise self._refusal(holder) from None
        except OSError as error:
            file.close()
            raise InputError(
                f"{self.path}: expected a file system with locks, found {error}; put results/ on "
                "another, or have it mounted with them"
            ) from error
        holder = _read(file)
        if self._is_held_elsewhere(holder, stale_seconds):
            file.close()
            raise self._refusal(holder)
        file.truncate(0)
        me = {"host": socket.gethostname(), "process": os.getpid(), "since": time.ctime()}
        file.write(json.dumps(me))
        file.flush()
        self._held[self.path] = file
        # Other hosts cannot see that a process has ended; so it says so itself, if it can.
        atexit.register(self._release_own, os.getpid())
        threading.Thread(target=self._beat, daemon=True).start()

    def _is_held_elsewhere(self, holder: dict[str, Any], stale_seconds: float) -> bool:
        """Whether a process of another host renews the lock, watched for some beats if need be.

        A job whose node has failed is started again on another one long before its lock is old.
        """
        if not holder or holder["host"] == socket.gethostname():
            return False
        seen, until = self.path.stat().st_mtime, time.monotonic() + BEATS * BEAT_SECONDS
        if time.time() - seen < stale_seconds:
            who = f"process {holder.get('process')} on {holder.get('host')}"
            print(f"{self.path.parent}: watching whether {who} still writes", flush=True)
        while time.time() - seen < stale_seconds and time.monotonic() < until:
            time.sleep(min(1.0, BEAT_SECONDS))
            if self.path.stat().st_mtime != seen:
                return True
        return False

    def _beat(self) -> None:
        """Renew the file's time, for processes on other hosts."""
        while self.path in self._held:
            try:
                os.utime(self.path)
            except FileNotFoundError:  # the folder was deleted; the lock itself lives on
                return
            time.sleep(BEAT_SECONDS)

    def _refusal(self, holder: dict) -> InputError:
        who = f"process {holder.get('process')} on {holder.get('host')}"
        return InputError(
            f"{self.path.parent}: {HELD}, found {who}, at work since "
            f"{holder.get('since')}; wait for it, or stop it"
        )

    def _release_own(self, process: int) -> None:
        """Let others write at the end of the process that took it, not of a fork of it."""
        if os.getpid() == process:
            self.release()

    def release(self) -> None:
        """Let others write."""
        file = self._held.pop(self.path, None)
        if file is not None:
            self.path.unlink(missing_ok=True)
            file.close()


def holder(path: Path, *, stale_seconds: float = STALE_SECONDS) -> dict[str, Any] | None:
    """Who holds a lock: host, process and since when; None if nobody does. Only looks.

    The kernel is not asked for the lock, not even for a shared one that is given back at once: a
    process that starts in that moment would be refused. On this host the holder has to live and to
    have the file open; on another one the file has to be fresh.
    """
    try:
        with path.open() as file:
            writer, facts = _read(file), os.fstat(file.fileno())
    except OSError:
        return None
    if not {"host", "process"} <= writer.keys():  # of a process that is just taking it
        return None
    if writer["host"] == socket.gethostname():
        return writer if _has_open(writer["process"], facts) else None
    return writer if time.time() - facts.st_mtime < stale_seconds else None


def _has_open(process: int, file: os.stat_result) -> bool:
    """Whether a process of this host has a file open; where that cannot be seen, whether it lives.

    The number of a process that has ended may have been given to another.
    """
    descriptors = Path("/proc") / str(process) / "fd"
    try:
        os.kill(process, 0)  # sends nothing
        return any(_is_same(path, file) for path in descriptors.iterdir())
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or a system without /proc
        return True


def _is_same(path: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), file)
    except OSError:  # closed by now
        return False


def _read(file: IO[str]) -> dict[str, Any]:
    """Who wrote a lock; nothing for a new one."""
    file.seek(0)
    try:
        content = json.loads(file.read())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
