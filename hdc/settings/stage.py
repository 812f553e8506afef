"""How a stage is called: `python -m hdc.<stage> key=value ...`, with help and one-line errors."""

import errno
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from omegaconf import OmegaConf

from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.runtime.signals import EXIT_STATUS, Stopped
from hdc.runtime.slurm import requeue_if_preempted
from hdc.settings.added import held
from hdc.settings.compose import compose_run, settings_text
from hdc.settings.files import allowed, require_allowed
from hdc.settings.schema import Progress

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

OF_STUDY = "study."  # before a setting that a study gives to all its runs
_SINGLE = ("encoder",)  # settings that are single paths, with no keys below them

# What goes wrong outside of the program: no traceback helps.
_OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO,
)  # fmt: skip


def choice(default: Any = MISSING) -> Any:
    """A field for a file of settings by its name, such as `backbone=r3d18`."""
    return field(default=default, metadata={"kind": "choice"})


def argument(meaning: str, *, default: Any = MISSING) -> Any:
    """A field for a file, a number or a switch that a stage is given; its type says which."""
    return field(default=default, metadata={"kind": "argument", "meaning": meaning})


def node(name: str = "") -> Any:
    """A field for a node of settings; `name` where it is not the field's."""
    return field(metadata={"kind": "node", "name": name})


@dataclass(frozen=True, kw_only=True)
class StageJob:
    """What a stage is called with, each value with its type; every stage adds its own fields."""

    progress: Progress
    settings_text: str  # of the nodes that it reads; changes exactly when one of their values does
    settings_record: dict[str, Any]  # choices and nodes as plain values


Job = TypeVar("Job", bound=StageJob)


@dataclass(frozen=True)
class Stage(Generic[Job]):
    """A stage by its name, what it does, and what it is called with."""

    name: str
    about: str
    job: type[Job]

    def _fields(self, kind: str) -> dict[str, Field]:
        return {
            entry.name: entry for entry in fields(self.job) if entry.metadata.get("kind") == kind
        }

    @property
    def choices(self) -> list[str]:
        """The files of settings that it is given by name."""
        return list(self._fields("choice"))

    @property
    def arguments(self) -> dict[str, str]:
        """Its arguments and what each means."""
        return {name: entry.metadata["meaning"] for name, entry in self._fields("argument").items()}

    @property
    def reads(self) -> list[str]:
        """The nodes of settings that it reads."""
        return [entry.metadata["name"] or name for name, entry in self._fields("node").items()]

    def help(self) -> str:
        """The text of `--help`."""
        rows = [(name, f"{CHOICES[name]}: {', '.join(allowed(name))}") for name in self.choices]
        rows += self.arguments.items()
        width = max(len(name) for name, _ in rows) + 1
        lines = [f"  {name + '=':<{width}} {meaning}" for name, meaning in rows]
        nodes = ", ".join((*self.reads, "progress"))
        return "\n".join(
            [
                self.about.strip(),
                "",
                f"usage: python -m hdc.{self.name} key=value ...",
                *lines,
                f"  <node>.<key>=  any setting of {nodes}; wins over the files",
                "  study.<node>.<key>=  a setting of a whole study; the file of a run wins",
            ]
        )

    def run(self, main: Callable[[Job], None]) -> None:
        """Call `main` with what the command line's words say.

        Exits with 1 for bad input, with 75 if a signal stopped work that can go on.
        """
        words = sys.argv[1:]
        if {"-h", "--help"} & set(words):
            print(self.help())
            return
        try:
            main(self.read(words))
        except Stopped as stop:
            print(f"stopped: {stop}", file=sys.stderr)
            requeue_if_preempted()
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

    def read(self, words: Sequence[str]) -> Job:
        """The job that the words of a command line ask for.

        Raises InputError for an unknown, a missing or a wrong argument.
        """
        given, overrides, shared = self._sort(words)
        chosen = {name: given.get(name, _ANY[name]) for name in CHOICES}
        run = compose_run(
            chosen["ablation"],
            backbone=chosen["backbone"],
            data=chosen["data"],
            scale=chosen["scale"],
            protocol=chosen["protocol"],
            overrides=overrides,
            shared=shared,
        )
        values: Any = OmegaConf.to_object(OmegaConf.masked_copy(run, [*self.reads, "progress"]))
        named = {name: chosen[name] for name in self.choices}
        nodes = zip(self._fields("node"), self.reads, strict=True)
        return self.job(
            **given,
            **{name: values[read] for name, read in nodes},
            progress=values["progress"],
            settings_text=settings_text(run, self.reads),
            settings_record=named | held(run, self.reads),
        )

    def _sort(self, words: Sequence[str]) -> tuple[dict[str, Any], list[str], list[str]]:
        """Arguments and choices with their values, words that override settings, and a study's.

        Raises InputError that names everything wrong at once.
        """
        known = (*self.choices, *self.arguments)
        given, overrides, shared, problems = {}, [], [], []
        for word in words:
            key, equals, value = word.partition("=")
            if equals and key.startswith(OF_STUDY):
                shared.append(word.removeprefix(OF_STUDY))
                continue
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
        values, wrong = self._values(given)
        asked = self._fields("choice") | self._fields("argument")
        missing = [
            f"{name}=" for name in asked if asked[name].default is MISSING and name not in given
        ]
        problems += wrong + ([f"missing {', '.join(missing)}"] if missing else [])
        if problems:
            raise InputError(f"{self.name}: {'; '.join(problems)}")
        return values, overrides, shared

    def _values(self, given: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
        """Choices and arguments converted to their types, and what is wrong with any of them."""
        types, values, problems = get_type_hints(self.job), {}, []
        for name, text in given.items():
            try:
                if name in self.choices:
                    require_allowed(name, text, name)
                values[name] = _value(text, types[name], f"{self.name}: {name}")
            except InputError as error:
                problems.append(str(error).removeprefix(f"{self.name}: "))
        return values, problems


def _value(text: str, kind: Any, where: str) -> Any:
    """A word of the command line as a value of a type; an empty word is None where that is allowed.

    Raises InputError for a word that does not fit; `where` names the argument.
    """
    options = get_args(kind) or (kind,)
    if not text and type(None) in options:
        return None
    if int in options and not text.isdecimal():
        raise InputError(f"{where}: expected a whole number, got {text or 'nothing'}")
    if bool in options and text not in ("", "true", "false"):
        raise InputError(f"{where}: expected true or false, got {text}")
    if Path in options and not text:
        raise InputError(f"{where}: expected a path, got nothing")
    if int in options:
        return int(text)
    if bool in options:
        return text == "true"
    return Path(expanded(text, where)) if Path in options else text


def _literal(path: str) -> str:
    """A path as Hydra reads it: bare, `~`, brackets and letters beyond ASCII are errors to it."""
    if path == "null" or path[:1] in ("'", '"'):
        return path
    return "'" + path.replace("'", r"\'") + "'"
