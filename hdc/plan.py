"""Writes down what a study runs."""

import argparse
import json
import sys

from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError
from hdc.study.impossible_runs import without_impossible_runs
from hdc.study.study import Study


def main() -> None:
    """Write the plan that the command line asks for; bad input exits with 1 and one line."""
    parser = argparse.ArgumentParser(prog="python -m hdc.plan", description=__doc__)
    parser.add_argument("study", help="the content of config/<study>.yaml as JSON")
    parser.add_argument("output", help="the file to write, such as results/<study>/study.json")
    given = parser.parse_args()
    try:
        study = json.loads(given.study)
    except ValueError as error:
        sys.exit(f"error: study: expected JSON, found another text: {error}")
    try:
        write_text(given.output, without_impossible_runs(Study.read(study)).plan())
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
