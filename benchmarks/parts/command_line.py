"""The command line of every benchmark: its sizes, and `--quick` for small ones."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

Reader = Callable[[str], Any]  # of a word; what it refuses it says in one line


class CommandLine(argparse.ArgumentParser):
    """A parser whose help is the benchmark's docstring; what is wrong is said in one line."""

    def __init__(self, about: str) -> None:
        super().__init__(
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._sizes: dict[str, tuple[Any, Any]] = {}
        text = "small sizes, done in seconds: shows that it runs; its figures mean nothing"
        self.add_argument("--quick", action="store_true", help=text)

    def size(
        self, name: str, about: str, *, full: Any, quick: Any, kind: Reader | None = None
    ) -> None:
        """A size `--name`: `full` unless it is given, `quick` with `--quick`.

        It is a whole number from 1 on, unless `kind` reads something else.
        """
        self._sizes[name] = (full, quick)
        text = f"{about}; default: {quick} with --quick" + (f", else {full}" if full else "")
        self.add_argument(f"--{name}", type=kind or whole(1), help=text, metavar="N")

    def read(self) -> argparse.Namespace:
        """The options; a size that is not given is the full or the quick one."""
        options = self.parse_args()
        for name, (full, quick) in self._sizes.items():
            if getattr(options, name) is None:
                setattr(options, name, quick if options.quick else full)
        return options

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and one line, without the usage that argparse prints before it."""
        self.exit(2, f"error: {message}; see --help\n")


def whole(least: int) -> Reader:
    """What reads a whole number of at least `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text}"
            )
        return int(text)

    return read


def positive(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return number


def video(text: str) -> Path:
    """The path of a file that is there, an AVI or an MP4."""
    path = Path(text)
    if not path.is_file() or path.suffix not in (".avi", ".mp4"):
        raise argparse.ArgumentTypeError(f"expected an .avi or .mp4 file, got {text}")
    return path
