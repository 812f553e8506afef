"""Of a group that fails or is started again, what is done since Snakemake began stays."""

import asyncio
import os
from types import SimpleNamespace

import pytest

from hdc.runtime.group_jobs import Undone, made_since, note_start, sparing

START = 1000.0


@pytest.fixture
def file(tmp_path):
    """A file of an age."""

    def write(name, time):
        path = tmp_path / name
        path.write_text("")
        os.utime(path, (time, time))
        return str(path)

    return write


def test_the_start_is_by_the_clock_of_the_folder(tmp_path):
    start = note_start(tmp_path / "hidden/started")
    (tmp_path / "later").write_text("")
    assert made_since([tmp_path / "later"], start)


def test_a_job_is_done_if_all_its_files_are_there_and_none_is_older(file, tmp_path):
    new, old = file("new", START), file("old", START - 1)
    assert made_since([new], START)
    assert not made_since([new, old], START)
    assert not made_since([new, str(tmp_path / "missing")], START)


def test_what_is_done_is_not_forced_again(file):
    new, old = file("new", START), file("old", START - 1)
    forced = Undone({"before"}, START)
    forced.update([new])
    forced.update([old, new])
    assert forced == {"before", old, new}


def end(jobs, **options):
    """What became of the jobs of a group: each one's outputs with how it ended."""
    ended = []

    def job(output):
        async def postprocess(**said):
            ended.append((output, said))

        return SimpleNamespace(output=output, postprocess=postprocess)

    async def whole(group, **said):
        ended.append(("whole", said))

    group = SimpleNamespace(toposorted=[[job(output) for output in jobs]])
    asyncio.run(sparing(whole, START)(group, **options))
    return ended


def test_a_group_that_fails_ends_job_by_job(file):
    new, old = [file("new", START)], [file("old", START - 1)]
    as_asked = {"check_output_mtime": False, "handle_log": True}
    assert end([new, old], error=True, handle_log=True) == [
        (new, {"error": False} | as_asked),
        (old, {"error": True} | as_asked),
    ]


def test_a_group_that_is_done_ends_as_snakemake_has_it(file):
    assert end([[file("old", START - 1)]], handle_touch=True) == [("whole", {"handle_touch": True})]
