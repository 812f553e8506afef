"""What the file of a data set may say: who reads its lists, folders of images, no flips."""

import pytest

from hdc.runtime.digest import digest as digest_of
from hdc.runtime.errors import InputError
from hdc.settings.compose import compose_run, settings_text
from hdc.settings.files import allowed
from hdc.settings.reads import PREPARE_READS

PLAIN = {"backbone": "r3d18", "data": "synthetic", "scale": "demo"}


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        ("ucf101", "2444f0102be8277e"),
        ("hmdb51", "d71221dd44d55d94"),
        ("kinetics400", "0d9f93fdf2fa7193"),
        ("weizmann", "8a5bdc8893f1d074"),
        ("synthetic", "5c75e341faeb983b"),
    ],
)
def test_what_prepares_a_data_set_is_as_it_was_when_lists_had_a_name(data, digest):
    """Else Snakemake would prepare it again, and run all that was made of it."""
    run = compose_run("hdc", **(PLAIN | {"data": data}))
    assert digest_of(settings_text(run, PREPARE_READS)) == digest


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ("ucf101", "lists: expected a function as _target_, such as hdc.data.official.ucf101"),
        (
            "{_target_: hdc.nowhere.read}",
            "_target_: expected a function of this package or of a fi",
        ),
        ("{_target_: hdc.data.official.lists.read_json}", "expected a function of (folder, files,"),
        (
            "{_target_: hdc.data.official.jester.read_lists, split: 1}",
            "lists.split: expected one of nothing beside _target_",
        ),
    ],
)
def test_who_reads_published_lists_is_checked_before_anything_runs(lists, message):
    with pytest.raises(InputError) as error:
        compose_run(
            "hdc",
            **(PLAIN | {"data": "ucf101"}),
            overrides=[f"data.official.lists={lists}"],
        )
    assert message in str(error.value) and "data.official.lists" in str(error.value)


FLIPLESS = ("something_something", "diving48", "jester")


@pytest.mark.parametrize("data", allowed("data"))
@pytest.mark.parametrize("protocol", allowed("protocol"))
def test_nothing_is_flipped_where_left_and_right_are_labels(data, protocol):
    """Whatever the protocol; of real videos others are flipped, unless a protocol says not to."""
    run = compose_run("hdc", **(PLAIN | {"data": data, "scale": "paper"}), protocol=protocol)
    still = data in FLIPLESS or data.startswith("synthetic")
    assert run.augment.flip == (0.0 if still else 0.5)
    assert run.finetune.augment.flip == (0.0 if still or protocol == "vcop" else 0.5)


def test_images_are_of_videos_that_are_found():
    words = ["data.images.frames_per_second=12"]
    run = compose_run("hdc", **(PLAIN | {"data": "weizmann"}), overrides=words)
    assert run.data.images.frames_per_second == 12.0
    with pytest.raises(InputError, match=r"data\.images: expected null beside synthetic"):
        compose_run("hdc", **PLAIN, overrides=words)
    with pytest.raises(InputError, match="frames_per_second: expected a number above 0, got 0"):
        compose_run("hdc", **(PLAIN | {"data": "jester"}), overrides=[f"{words[0][:-2]}0"])
