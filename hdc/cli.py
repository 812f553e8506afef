"""The command `hdc`: what is done with a study beside running it."""

import argparse
import shutil
import sys
from pathlib import Path

from hdc.errors import InputError

RESULTS = Path("results")
DOCTOR = "Show versions, devices, codecs, and which videos of which data set are there or missing."
PUBLISHED = ("tables/*", "figures/*", "study.json", "runs/**/*.json")


def main() -> None:
    """Run the subcommand that the command line names; bad input exits with 1 and one line."""
    parser = argparse.ArgumentParser(prog="hdc", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    words = {"help": publish.__doc__, "description": publish.__doc__}
    publish_parser = commands.add_parser("publish", **words)
    publish_parser.add_argument("study", help="name of the folder under results/")
    publish_parser.set_defaults(run=lambda given: publish(given.study))
    words = {"help": DOCTOR, "description": DOCTOR}
    doctor_parser = commands.add_parser("doctor", **words)
    doctor_parser.add_argument("studies", nargs="*", help="config/<study>.yaml; default: all")
    doctor_parser.set_defaults(run=lambda given: examine(given.studies))
    given = parser.parse_args()
    try:
        given.run(given)
    except InputError as error:
        sys.exit(f"error: {error}")


def examine(studies: list[str]) -> None:
    """Print what the machine and the data sets look like; exits with 1 if something is wrong."""
    from hdc.doctor import doctor  # late: it imports much

    if not doctor(studies):
        sys.exit(1)


def publish(study: str) -> Path:
    """Copy a study's tables, figures and records to results/published/<study>, to be committed."""
    source, target = RESULTS / study, RESULTS / "published" / study
    if not (source / "report.html").is_file():
        raise InputError(
            f"{source}: expected a finished study with a report, found none; "
            f"run snakemake --cores all --configfile config/{study}.yaml"
        )
    # Beside the target, so that an older copy is replaced by a whole one.
    fresh, old = target.with_name(f".{study}.new"), target.with_name(f".{study}.old")
    for folder in (fresh, old):
        shutil.rmtree(folder, ignore_errors=True)
    files = [path for pattern in PUBLISHED for path in sorted(source.glob(pattern))]
    for path in files:
        copy = fresh / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    print(f"{target}: {len(files)} files")
    return target


if __name__ == "__main__":
    main()
