"""The command line of every benchmark: its sizes, and `--quick` for small ones."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn


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
        self,
        name: str,
        *,
        full: Any,
        quick: Any,
        help: str,
        kind: Callable[[str], Any] | None = None,
    ) -> None:
        """A size `--name`: `full` unless given, `quick` with `--quick`; by default from 1 on."""
        self._sizes[name] = (full, quick)
        usual = f"default: {full}" if full is not None else "default"
        text = f"{help}; {usual}, quick {quick}"
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


def whole(least: int) -> Callable[[str], int]:
    """What reads a whole number of at least `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text}"
            )
        return int(text)

    return read
