"""How a stage is called: `python -m hdc.<stage> key=value ...`, with help and one-line errors."""

import errno
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from omegaconf import OmegaConf

from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.runtime.signals import EXIT_STATUS, Stopped
from hdc.settings.compose import allowed, compose_run, plain, require_allowed, settings_text

CHOICES = {
    "scale": "sizes and budgets",
    "data": "data set",
    "backbone": "network",
    "ablation": "run",
    "protocol": "fine-tuning and testing as published",
}
# A choice that a stage does not ask for still has to be something; it changes nothing it reads.
_ANY = {"scale": "demo", "data": "synthetic", "backbone": "r3d18", "ablation": "hdc"}
_ANY |= {"protocol": "ours"}

_SINGLE = ("encoder",)  # settings with none below them; each is a path

# What the arguments of stages are; the rest are words.
PATHS = (
    "folder", "output_dir", "output", "prepared", "measured", "encoder", "features", "study",
    "checkpoint", "mapping", "videos",
)  # fmt: skip
NUMBERS = ("seed", "split", "shard", "shards")
SWITCHES = ("allow_missing", "allow_copies", "allow_pretrain_on_test")

# What goes wrong outside of the program: no traceback helps.
_OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO,
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """What a stage takes: choices, arguments of its own (name -> meaning), nodes of settings."""

    name: str
    about: str
    choices: Sequence[str]
    arguments: dict[str, str]
    reads: Sequence[str]
    optional: Sequence[str] = ()  # arguments that may be left out, which is the same as empty

    def help(self) -> str:
        """The text of `--help`."""
        rows = [(name, f"{CHOICES[name]}: {', '.join(allowed(name))}") for name in self.choices]
        rows += self.arguments.items()
        lines = [f"  {name + '=':<12} {meaning}" for name, meaning in rows]
        nodes = ", ".join((*self.reads, "progress"))
        return "\n".join(
            [
                self.about.strip(),
                "",
                f"usage: python -m hdc.{self.name} key=value ...",
                *lines,
                f"  <node>.<key>=  any setting of {nodes}; wins over the files",
            ]
        )

    def run(self, main: Callable[[SimpleNamespace, SimpleNamespace], None]) -> None:
        """Call `main(settings, arguments)` on the command line's words.

        Exits with 1 for bad input, with 75 if a signal stopped work that can go on.
        """
        words = sys.argv[1:]
        if {"-h", "--help"} & set(words):
            print(self.help())
            return
        try:
            main(*self.read(words))
        except Stopped as stop:
            print(f"stopped: {stop}", file=sys.stderr)
            sys.exit(EXIT_STATUS)
        except KeyboardInterrupt:
            print("stopped: by SIGINT", file=sys.stderr)
            sys.exit(128 + signal.SIGINT)
        except (InputError, FileNotFoundError) as error:
            sys.exit(f"error: {error}")
        except OSError as error:
            if error.errno not in _OF_THE_DISK:
                raise
            sys.exit(f"error: {error}; mend that and run the same again")

    def read(self, words: Sequence[str]) -> tuple[SimpleNamespace, SimpleNamespace]:
        """The settings this stage reads, one attribute a node, and its arguments as texts.

        `settings.record` holds choices and settings as plain values, `settings.text` as one text.
        Raises InputError for an unknown or a missing argument.
        """
        given, overrides = self._sort(words)
        chosen = {name: given.pop(name, _ANY[name]) for name in CHOICES}
        run = compose_run(
            chosen["ablation"],
            backbone=chosen["backbone"],
            data=chosen["data"],
            scale=chosen["scale"],
            protocol=chosen["protocol"],
            overrides=overrides,
        )
        nodes = (*self.reads, "progress")
        values: Any = OmegaConf.to_object(OmegaConf.masked_copy(run, list(nodes)))
        settings = SimpleNamespace(**{node: values[node] for node in nodes})
        settings.text = settings_text(run, self.reads)
        named = {name: chosen[name] for name in self.choices}
        settings.record = named | {node: plain(run[node]) for node in self.reads}
        return settings, SimpleNamespace(**given, **named)

    def _sort(self, words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """Arguments and choices by name, and the words that override a setting.

        Raises InputError that names everything wrong at once.
        """
        known = (*self.choices, *self.arguments)
        given, overrides, problems = {}, [], []
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                problems.append(f"expected key=value, got {word}; see --help")
            elif key in known:
                given[key] = value
            elif key in self.reads and key in _SINGLE:
                overrides.append(f"{key}={_literal(value)}")
            elif key.split(".")[0] in (*self.reads, "progress") and "." in key:
                overrides.append(word)
            else:
                problems.append(
                    f"expected one of {', '.join(known)} or a setting of "
                    f"{', '.join((*self.reads, 'progress'))}, got {key}"
                )
        given = dict.fromkeys(self.optional, "") | given
        if "protocol" in self.choices:  # the only choice that has a default
            given = {"protocol": _ANY["protocol"]} | given
        problems += self._wrong_values(given)
        missing = [f"{name}=" for name in known if name not in given]
        if missing:
            problems.append(f"missing {', '.join(missing)}")
        if problems:
            raise InputError(f"{self.name}: {'; '.join(problems)}")
        paths = given.keys() & set(PATHS)
        given |= {name: expanded(given[name], f"{self.name}: {name}") for name in paths}
        return given, overrides

    def _wrong_values(self, given: dict[str, str]) -> Iterator[str]:
        """What is wrong with each argument that is given."""
        for name in self.choices:
            if name in given:
                try:
                    require_allowed(name, given[name], name)
                except InputError as error:
                    yield str(error)
        for name in NUMBERS:
            if given.get(name) and not given[name].isdecimal():
                yield f"{name}: expected a whole number, got {given[name]}"
        for name in SWITCHES:
            if given.get(name) not in (None, "", "true", "false"):
                yield f"{name}: expected true or false, got {given[name]}"


def _literal(path: str) -> str:
    """A path as Hydra reads it: bare, `~`, brackets and letters beyond ASCII are errors to it."""
    if path == "null" or path[:1] in ("'", '"'):
        return path
    return "'" + path.replace("'", r"\'") + "'"
