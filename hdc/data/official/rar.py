"""Programs that read .rar files, which no library does alone: what each lists, how it unpacks."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import NamedTuple

from hdc.runtime.errors import InputError

FILE, FOLDER = "a file", "a folder"
# unar first: it is free software and reads solid archives, which bsdtar and a 7z without its part
# that is not free do not.
INSTALL = "apt-get install unar (or unrar, libarchive-tools or 7zip)"


class Entry(NamedTuple):
    """What an archive says about one of its members."""

    name: str
    kind: str  # FILE, FOLDER, or in words what else it is


class ToolError(Exception):
    """A program could not read an archive; the text is its complaint."""


class DamageError(ToolError):
    """A program found that a file in an archive has another checksum than it should have."""


def require_rar_tool() -> list[str]:
    """The installed programs that read .rar files.

    Raises InputError, which names what to install, if there is none.
    """
    tools = [tool for tool in RAR_TOOLS if shutil.which(tool)]
    if not tools:
        raise InputError(
            f"expected a program that reads .rar files, found none of {', '.join(RAR_TOOLS)}; "
            f"{INSTALL}"
        )
    return tools


def run(command: list[str]) -> str:
    """What a program prints; raises ToolError, or DamageError, if it fails."""
    # Names come as UTF-8, and messages in English. No password is asked for.
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()
        complaint = text.split("\n")[0].strip().removeprefix(f"{command[0]}: ")
        damaged = re.search("checksum|CRC failed", text, re.IGNORECASE)
        kind = DamageError if damaged else ToolError
        raise kind(complaint or f"exit status {done.returncode}")
    return done.stdout.decode(errors="surrogateescape")


def _list_bsdtar(archive: str) -> list[Entry]:
    names = _lines(run(["bsdtar", "-tf", archive]))
    lines = _lines(run(["bsdtar", "-tvf", archive]))
    kinds = [{"-": FILE, "d": FOLDER}.get(line[:1], "a link or a device") for line in lines]
    entries = _entries(names, kinds)
    # The line of a hard link goes on after the name, and has the mode of a file.
    pairs = zip(entries, lines, strict=True)
    return [
        entry if line.endswith(entry.name) else Entry(entry.name, "a link") for entry, line in pairs
    ]


def _list_unrar(archive: str) -> list[Entry]:
    names = _lines(run(["unrar", "lb", "-c-", "-p-", "--", archive]))
    text = run(["unrar", "lt", "-c-", "-p-", "--", archive])
    kinds = {"File": FILE, "Directory": FOLDER}
    types = re.findall(r"^ +Type: (.*)$", text, re.MULTILINE)
    return _entries(names, [kinds.get(kind, kind) for kind in types])


def _list_7z(archive: str) -> list[Entry]:
    text = run(["7z", "l", "-slt", "-ba", "-p", "--", archive])
    names, kinds = [], []
    for block in re.split(r"\n\n+", text.strip("\n")):
        fields = dict(re.findall(r"^([A-Z][A-Za-z ]*) = ?(.*)$", block, re.MULTILINE))
        mode = fields.get("Attributes", "").split(" ")[-1][:1]
        link = fields.get("Symbolic Link") or fields.get("Hard Link") or mode in set("lbcps")
        names.append(fields.get("Path", ""))
        kinds.append(
            "a link or a device" if link else FOLDER if fields.get("Folder") == "+" else FILE
        )
    return _entries(names, kinds)


def _list_unar(archive: str) -> list[Entry]:
    try:
        contents = json.loads(run(["lsar", "-j", archive]))["lsarContents"]
        return [Entry(str(fields["XADFileName"]), _unar_kind(fields)) for fields in contents]
    except (json.JSONDecodeError, KeyError) as error:  # it garbles names of an unknown encoding
        raise ToolError(f"lists names that cannot be read ({error})") from error


def _unar_kind(fields: dict) -> str:
    kinds = ("IsLink", "IsHardLink", "IsCharacterDevice", "IsBlockDevice", "IsFIFO")
    if any(fields.get(f"XAD{kind}") for kind in kinds):
        return "a link or a device"
    return FOLDER if fields.get("XADIsDirectory") else FILE


def _lines(text: str) -> list[str]:
    # splitlines() would also split at characters that may be part of a name.
    return text.removesuffix("\n").split("\n")


def _entries(names: list[str], kinds: list[str]) -> list[Entry]:
    if len(names) != len(kinds):
        raise ToolError("lists names with line breaks")
    return [Entry(name, kind) for name, kind in zip(names, kinds, strict=True)]


# Of each program, what lists an archive and the words that unpack it. bsdtar last: of files stored
# without compression it compares no checksum.
RAR_TOOLS: dict[str, tuple[Callable[[str], list[Entry]], Callable[[str, str], list[str]]]] = {
    "unar": (_list_unar, lambda archive, to: ["-q", "-s", "-D", "-o", to, archive]),
    "unrar": (
        _list_unrar,
        lambda archive, to: ["x", "-idq", "-o-", "-c-", "-p-", "--", archive, f"{to}/"],
    ),
    "7z": (_list_7z, lambda archive, to: ["x", "-bd", "-y", "-p", f"-o{to}", "--", archive]),
    "bsdtar": (
        _list_bsdtar,
        lambda archive, to: ["-xf", archive, "-C", to, "--no-same-owner", "--no-same-permissions"],
    ),
}
