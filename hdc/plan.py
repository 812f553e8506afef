"""Writes down what a study runs: `python -m hdc.plan <the study as JSON> <output>`."""

import json
import sys

from hdc.atomic import write_text
from hdc.errors import InputError
from hdc.study import Study

if __name__ == "__main__":
    try:
        _, study, output = sys.argv
        write_text(output, Study.read(json.loads(study)).plan())
    except InputError as error:
        sys.exit(f"error: {error}")
    except ValueError:
        sys.exit(f"error: {__doc__}")
