"""The command `hdc`: what is done with a study beside running it."""

import argparse
import sys
from collections.abc import Callable

from hdc.errors import InputError

DOCTOR = "Show versions, devices, codecs, and which videos of which data set are there or missing."
PUBLISH = "Copy a study's tables, figures and records to results/published/, to be committed."
COMPARE = "Show what differs between two studies: settings, and numbers with paired statistics."


def main() -> None:
    """Run the subcommand that the command line names; bad input exits with 1 and one line."""
    parser = argparse.ArgumentParser(prog="hdc", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = _command(commands, "doctor", DOCTOR, lambda given: examine(given.studies))
    command.add_argument("studies", nargs="*", help="config/<study>.yaml; default: all")

    command = _command(commands, "compare", COMPARE, _compare)
    command.add_argument("first", help="a folder such as results/demo")
    command.add_argument("second", help="another one; differences are second less first")
    command.add_argument("--json", action="store_true", help="print JSON, for scripts")

    command = _command(commands, "publish", PUBLISH, _publish)
    command.add_argument("study", help="name of the folder under results/")

    given = parser.parse_args()
    try:
        given.run(given)
    except InputError as error:
        sys.exit(f"error: {error}")


def _command(
    commands: argparse._SubParsersAction,
    name: str,
    words: str,
    run: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    """A subcommand; what it runs imports its own, for each needs something else."""
    command = commands.add_parser(name, help=words, description=words)
    command.set_defaults(run=run)
    return command


def _publish(given: argparse.Namespace) -> None:
    from hdc.publish import publish

    publish(given.study)


def _compare(given: argparse.Namespace) -> None:
    from hdc.comparison import compare

    print(compare(given.first, given.second, as_json=given.json))


def examine(studies: list[str]) -> None:
    """Print what the machine and the data sets look like; exits with 1 if something is wrong."""
    from hdc.doctor import doctor  # late: it imports much

    if not doctor(studies):
        sys.exit(1)


if __name__ == "__main__":
    main()
