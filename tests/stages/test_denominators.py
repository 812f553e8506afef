"""Every listed test video is in every denominator: unreadable, too short and missing ones, too."""

import json

import pandas as pd
import pytest

from hdc.data.index import MISSING
from hdc.data.store import MANIFEST, read_manifest
from hdc.runtime.digest import digest
from hdc.runtime.sealed import write_sealed

CHOICES = ("scale=smoke", "data=weizmann", "backbone=r3d18", "ablation=hdc", "seed=0")
LABELS, PEOPLE = ("jump", "wave"), "abcdefgh"
KEYS = ("video", "label", "group")
UNREADABLE, SHORT, GONE = "jump/a_jump.avi", "wave/a_wave.avi", "jump/z_jump.avi"


@pytest.fixture(scope="module")
def prepared(call, root, make_video, moving_square, tmp_path_factory):
    """A prepared folder; in split 1 one test video of each of the three kinds, and usable ones."""
    videos, folder = (tmp_path_factory.mktemp(name) for name in ("videos", "prepared"))
    for number, label in enumerate(LABELS):
        for person in PEOPLE:
            name = f"{label}/{person}_{label}.avi"
            count = 3 if name == SHORT else 20
            make_video(videos / name, moving_square(count, seed=1000 * number + ord(person)))
    (videos / UNREADABLE).write_bytes(b"no video at all")
    call("hdc.prepare", "data=weizmann", f"folder={videos}", "data.folder.folds=2",
         "store.short_side=20", f"output_dir={folder}", cwd=root, check=True)  # fmt: skip
    split = pd.read_csv(folder / "split1.csv")
    if (split.part[split.video == UNREADABLE] != "test").all():  # the folds are drawn
        split = pd.read_csv(folder / "split2.csv")
    # As a published list would have it, of which one video was not there.
    append = {
        "split1.csv": {"video": GONE, "part": "test"},
        "listed.csv": {"video": GONE, "label": "jump", "group": "z"},
        "rejected.csv": {"video": GONE, "reason": MISSING},
    }
    for name, row in append.items():
        table = split if name == "split1.csv" else pd.read_csv(folder / name)
        table = pd.concat([table, pd.DataFrame([row])])
        table.to_csv(folder / name, index=False)
    manifest = read_manifest(folder)
    manifest["lists"] |= {name: digest((folder / name).read_bytes()) for name in append}
    write_sealed(folder / MANIFEST, manifest)
    return folder


@pytest.fixture(scope="module")
def judged(call, root, prepared, tmp_path_factory):
    output = tmp_path_factory.mktemp("judged")
    shared = (f"prepared={prepared}", "split=1", f"output_dir={output}")
    encoder = f"encoder={output}/encoder.safetensors"
    quick = ("finetune.batch_size=4", "pretrain.batch_size=4")
    call("hdc.pretrain", *CHOICES, *shared, quick[1], "pretrain.epochs=0", cwd=root, check=True)
    call("hdc.finetune", *CHOICES, *shared, quick[0], encoder, cwd=root, check=True)
    call("hdc.embed", *CHOICES[:4], shared[0], shared[2], encoder, cwd=root, check=True)
    features = f"features={output}/features.safetensors"
    choices = [word for word in CHOICES if not word.startswith("backbone")]
    call("hdc.evaluate", *choices, *shared, encoder, features, cwd=root, check=True)
    return output


def test_rows_are_those_of_the_list(judged, prepared):
    split = pd.read_csv(prepared / "split1.csv")
    listed = split.video[split.part == "test"].tolist()
    assert {UNREADABLE, SHORT, GONE} <= set(listed)
    predictions = pd.read_csv(judged / "predictions.csv", keep_default_na=False)
    outcomes = pd.read_csv(judged / "outcomes.csv")
    assert predictions.video.tolist() == outcomes.video.tolist() == listed
    unusable = predictions.video.isin([UNREADABLE, GONE])
    assert (predictions.predicted[unusable] == "").all()
    assert (predictions.predicted[~unusable] != "").all()  # the short one was looped
    judged_all = [name for name in outcomes if not name.startswith(("time_", *KEYS))]
    assert (outcomes.loc[unusable, judged_all] == 0).all(axis=None)  # time: of some videos alone


def test_every_share_is_of_the_whole_list(judged, prepared):
    split = pd.read_csv(prepared / "split1.csv")
    listed = int((split.part == "test").sum())
    finetuned = json.loads((judged / "finetune.json").read_text())
    predictions = pd.read_csv(judged / "predictions.csv", keep_default_na=False)
    right = (predictions.predicted == predictions.label).sum()
    assert finetuned["metrics"]["top1"] == right / listed
    assert finetuned["metrics"]["top5"] == (listed - 2) / listed  # two labels: always among five
    assert finetuned["metrics"]["clip_top5"] == (listed - 2) / listed
    assert sum(map(sum, finetuned["metrics"]["confusion"]["counts"])) == listed
    evaluated = json.loads((judged / "evaluate.json").read_text())
    assert evaluated["metrics"]["retrieval"]["layer4"]["r50"] == (listed - 2) / listed
    for record in (finetuned, evaluated):
        assert record["protocol"]["test_videos"] == listed
        assert record["protocol"]["unusable_test_videos"] == 2
        assert record["protocol"]["missing_videos"] == {"test": 1}
