"""Whether a failed job is worth another try, by what its log ends with.

Snakemake counts tries and asks for no reason: on a cluster bad input would be queued again.
"""

import time
from pathlib import Path

from hdc.runtime.lock import HELD
from hdc.study.logs import INPUT_ERROR, last_words


class Failures:
    """What the jobs of a workflow failed of; asked once after each failure."""

    def __init__(self) -> None:
        self._last: dict[Path, str] = {}  # log -> words
        self._began = time.time()

    def are_worth_another_try(self, log: Path) -> bool:
        """Whether the job of a log may come out otherwise the next time.

        Yes after a signal, which ends a job with status 75, after an end without a word (out of
        memory, out of time, a lost node) and while another process writes. No after bad input, and
        after the same error twice.
        """
        if not log.is_file() or log.stat().st_mtime < self._began:
            return True  # it did not even begin, and its log is one of another day
        state, words = last_words(log)
        if state != "failed" or HELD in words:
            return True
        same = self._last.get(log) == words
        self._last[log] = words
        return not (same or words.startswith(INPUT_ERROR))
