"""The command `hdc`: what is done with a study beside running it."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from hdc.commands import status
from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.runtime.signals import EXIT_STATUS, Stopped

RESULTS = Path("results")
SLURM = Path("workflow/profiles/slurm")
DOCTOR = "Show versions, devices, codecs, and which videos of which data set are there or missing."
STATUS = "Show how a study stands: jobs done, running, failed, stopped or missing, and how far."
PLAN = "Show what a study takes before it runs: jobs, submissions, hours, disk, longest chain."
COMPARE = "Show what differs between two studies: settings, and numbers with paired statistics."
VERIFY = "Compare the frames and lists of a prepared data set with their checksums."
EMBED = "Make vectors of any folder of videos by an encoder: one Parquet file, without a study."
EXPORT = "Make a folder of a run's encoder to give away, with a model card."
PUBLISH = "Copy a study's tables, figures and records to results/published/, to be committed."
MERGE = "Join the finished jobs of a study that ran in parts or on other machines to those here."
STUDY = re.compile(r"\w+")  # a study's or a data set's name; anything else is a folder


def main(words: Sequence[str] | None = None) -> None:
    """Run the subcommand that the words, by default those of the command line, begin with.

    Without any it prints the help. Bad input exits with 1 and one line.
    """
    parser = argparse.ArgumentParser(prog="hdc", description=__doc__)
    parser.add_argument("--version", action="version", version=f"hdc {version('hdc')}")
    commands = parser.add_subparsers(metavar="command")

    command = _command(commands, "doctor", DOCTOR, lambda given: examine(given.studies))
    command.add_argument("studies", nargs="*", help="config/<study>.yaml; default: all")

    command = _command(commands, "status", STATUS, _status, about=status.__doc__)
    where = "name of the folder under results/, or a folder such as results/demo; default: demo"
    command.add_argument("study", nargs="?", default="demo", help=where)
    command.add_argument("--json", action="store_true", help="print the same for scripts")
    again = "print it again every so many seconds, until Ctrl-C"
    command.add_argument("--watch", type=_seconds, metavar="SECONDS", help=again)

    command = _command(commands, "plan", PLAN, _plan)
    command.add_argument("study", type=Path, help="config/<study>.yaml")
    again = "hours on a GPU or on a processor; default: as this machine has"
    command.add_argument("--gpu", action=argparse.BooleanOptionalAction, help=again)
    where = "folder of the profile that says how jobs are grouped; default: workflow/profiles/slurm"
    command.add_argument("--profile", type=Path, default=SLURM, help=where)
    command.add_argument("--json", action="store_true", help="print the same for scripts")

    command = _command(commands, "compare", COMPARE, _compare)
    command.add_argument("first", help="name of a study, or a folder such as results/demo")
    command.add_argument("second", help="another one; differences are second less first")
    command.add_argument("--json", action="store_true", help="print the same for scripts")

    command = _command(commands, "verify", VERIFY, _verify)
    command.add_argument("data", help="name of a data set, or a folder such as results/data/ucf101")

    command = _command(commands, "publish", PUBLISH, _publish)
    command.add_argument("study", help="name of the folder under results/")

    _add_embed(_command(commands, "embed", EMBED, _embed))
    _add_export(_command(commands, "export", EXPORT, _export))

    command = _command(commands, "merge", MERGE, _merge)
    command.add_argument("study", help="name of the folder under results/ that they come into")
    where = "a folder such as /mnt/other/results/demo, or a published copy"
    command.add_argument("sources", nargs="+", metavar="FROM", help=where)
    for what in ("settings", "commits"):
        command.add_argument(
            f"--allow-other-{what}", action="store_true", help=f"also records of other {what}"
        )
    command.add_argument("--dry-run", action="store_true", help="only say what would come over")

    parser.set_defaults(run=lambda _: parser.print_help())
    given = parser.parse_args(words)
    try:
        given.run(given)
    except Stopped as stop:
        print(f"stopped: {stop}", file=sys.stderr)
        sys.exit(EXIT_STATUS)
    except InputError as error:
        sys.exit(f"error: {error}")


def _command(
    commands: argparse._SubParsersAction,
    name: str,
    words: str,
    run: Callable[[argparse.Namespace], None],
    *,
    about: str | None = None,
) -> argparse.ArgumentParser:
    """A subcommand; `run` imports what it needs itself, as each needs something else."""
    form = argparse.RawDescriptionHelpFormatter if about else argparse.HelpFormatter
    command = commands.add_parser(
        name, help=words, description=about or words, formatter_class=form
    )
    command.set_defaults(run=run)
    return command


def _folder(name: str, results: Path = RESULTS) -> Path:
    """The folder in `results` of a study or a data set that is named, or the folder itself."""
    return results / name if STUDY.fullmatch(name) else Path(expanded(name, "folder"))


def _status(given: argparse.Namespace) -> None:
    status.status(_folder(given.study), as_json=given.json, every_seconds=given.watch)


def _seconds(text: str) -> float:
    """A time to wait."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text}")
    return seconds


def _plan(given: argparse.Namespace) -> None:
    from hdc.commands.forecast import show_forecast

    show_forecast(given.study, gpu=given.gpu, profile=given.profile, as_json=given.json)


def _compare(given: argparse.Namespace) -> None:
    from hdc.commands.compare import compare

    print(compare(_folder(given.first), _folder(given.second), as_json=given.json))


def _verify(given: argparse.Namespace) -> None:
    from hdc.data.integrity import verify

    if not verify(_folder(given.data, RESULTS / "data")):
        sys.exit(1)


def _add_embed(command: argparse.ArgumentParser) -> None:
    """What `hdc embed` is told."""
    encoder = "encoder.safetensors, or the folder of a run or of hdc export"
    command.add_argument("encoder", type=_path, help=encoder)
    command.add_argument("folder", type=_path, help="folder of videos, with folders in it or not")
    output = "file to write; default: %(default)s; <output>.partial/ is there meanwhile"
    command.add_argument("--output", type=_path, default="features.parquet", help=output)
    page = "also write a page of nearest neighbors, such as neighbors.html"
    command.add_argument("--page", type=_path, metavar="FILE", help=page)
    pattern = (
        "regular expression on paths below the folder: which files, and (?P<label>...) of each"
    )
    command.add_argument("--pattern", help=pattern)
    own = "default: as the encoder was trained"
    command.add_argument("--frames", type=_count, help=f"of a clip; {own}")
    command.add_argument("--stride", type=_count, help=f"frames from one to the next; {own}")
    command.add_argument("--pixels", type=_count, help=f"height and width of a clip; {own}")
    command.add_argument("--clips", type=_count, help="of a video, spread evenly; default: 10")
    crop = "side of the central square, of the shorter side; default: 0.875"
    command.add_argument("--crop", type=_share, help=crop)


def _add_export(command: argparse.ArgumentParser) -> None:
    """What `hdc export` is told."""
    run = "folder of a run's encoder, such as results/demo/runs/r3d18/hdc/seed0/synthetic-split1"
    command.add_argument("run_folder", metavar="run", type=_path, help=run)
    folder = "is made; may hold an earlier export"
    command.add_argument("folder", type=_path, help=folder)
    data = "of the videos that it was trained on: an identifier such as cc-by-4.0, or words"
    command.add_argument("--license", metavar="LICENSE", help=data)


def _path(text: str) -> Path:
    """A file or a folder."""
    try:
        return Path(expanded(text, "path"))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not 0 < int(text) < 1e6:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text}")
    return int(text)


def _share(text: str) -> float:
    """A share of something."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0, at most 1, got {text}")
    return share


def _embed(given: argparse.Namespace) -> None:
    from hdc.commands.embed_folder import FolderJob, embed_folder

    named = vars(given).copy()
    del named["run"]
    embed_folder(FolderJob(**named))


def _export(given: argparse.Namespace) -> None:
    from hdc.commands.export import export

    export(given.run_folder, given.folder, license=given.license)


def _publish(given: argparse.Namespace) -> None:
    from hdc.commands.publish import publish

    publish(given.study)


def _merge(given: argparse.Namespace) -> None:
    from hdc.commands.merge import merge

    merge(
        given.study,
        [_folder(source) for source in given.sources],
        allow_other_settings=given.allow_other_settings,
        allow_other_commits=given.allow_other_commits,
        dry_run=given.dry_run,
    )


def examine(studies: list[str]) -> None:
    """Print what the machine and the data sets look like; exits with 1 if something is wrong."""
    from hdc.commands.doctor import doctor  # late: it imports much

    if not doctor(studies):
        sys.exit(1)


if __name__ == "__main__":
    main()
