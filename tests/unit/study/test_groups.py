"""Which encoders are pretrained and judged together on a cluster."""

import pytest

from hdc.runtime.errors import InputError
from hdc.settings import compose as config
from hdc.study.groups import JUDGE, LONGEST_SECONDS, PRETRAIN, group_jobs, group_parts
from hdc.study.study import Study

STUDY = {
    "study": "many", "scale": "smoke", "pretrain_on": "same", "backbones": ["r3d18"],
    "ablations": ["hdc", "coupled", "random_init"], "seeds": [0, 1, 2],
    "evaluate_on": {"synthetic_smoke": [1]},
}  # fmt: skip
ABOUT = "about:\n  question: Why not?\n  paper: not in the paper\n"


@pytest.fixture(autouse=True)
def place(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    config.forget_composed()
    yield workplace
    config.forget_composed()


def grouped(*, most=None, seconds=lambda *_: 60.0, **changes):
    """Groups of a study, by kind: lists of `<ablation>/<seed>` in the order of their names."""
    study = Study.read(STUDY | changes)
    found = {}
    for (kind, folder), name in group_jobs(study, most or {}, seconds).items():
        assert name.startswith(f"{kind}-many-")
        found.setdefault((kind, name), []).append("/".join(folder.split("/")[4:6]))
    return {
        kind: [runs for (of, _), runs in sorted(found.items()) if of == kind] for kind, _ in found
    }


def test_nothing_is_grouped_unless_it_is_asked_for():
    assert grouped() == {}
    assert [*grouped(most={JUDGE: 2})] == [JUDGE]


def test_each_encoder_is_in_one_group_of_as_many_as_are_asked_for():
    found = grouped(most={PRETRAIN: 4, JUDGE: 5})
    every = {f"{run}/seed{seed}" for run in STUDY["ablations"] for seed in STUDY["seeds"]}
    for kind, sizes in ((PRETRAIN, [4, 4]), (JUDGE, [5, 4])):
        assert [len(group) for group in found[kind]] == sizes
    assert {run for group in found[JUDGE] for run in group} == every
    assert len({run for group in found[PRETRAIN] for run in group}) == 8  # one alone is no group


def test_a_group_takes_no_longer_than_a_working_day():
    third = grouped(most={JUDGE: 9}, seconds=lambda *_: LONGEST_SECONDS / 3)
    assert [len(group) for group in third[JUDGE]] == [3, 3, 3]
    longer = grouped(most={PRETRAIN: 9, JUDGE: 9}, seconds=lambda *_: LONGEST_SECONDS * 2)
    assert PRETRAIN not in longer and len(longer[JUDGE]) == 9


def test_runs_of_one_encoder_are_pretrained_once_and_judged_each(place):
    (place / "ablations/voters.yaml").write_text(
        f"{ABOUT}pretrained_by: hdc\nevaluate:\n  neighbours: 5\n"
    )
    found = grouped(most={PRETRAIN: 9, JUDGE: 9}, ablations=["hdc", "voters"])
    assert found[PRETRAIN] == [["hdc/seed0", "hdc/seed1", "hdc/seed2"]]
    assert len(found[JUDGE][0]) == 6


def test_what_waits_for_another_pretraining_comes_in_a_later_group():
    found = grouped(most={PRETRAIN: 9}, ablations=["frozen_weights", "equal_weights", "hdc"])
    waiting = [{run.split("/")[0] for run in group} for group in found[PRETRAIN]]
    assert waiting == [{"equal_weights", "hdc"}, {"frozen_weights"}]


def test_a_pretraining_on_several_gpus_is_a_job_of_its_own(place):
    (place / "ablations/wide.yaml").write_text(f"{ABOUT}progress: {{devices: 2}}\n")
    found = grouped(most={PRETRAIN: 9, JUDGE: 9}, ablations=["hdc", "wide"])
    assert {run.split("/")[0] for group in found[PRETRAIN] for run in group} == {"hdc"}
    assert len(found[JUDGE][0]) == 6


def test_what_takes_how_long_is_asked_of_each_run_with_its_evaluations():
    asked = []
    grouped(most={JUDGE: 9}, seeds=[0], seconds=lambda *words: asked.append(words) or 1.0)
    judged = [
        (run.ablation, [one.folder for one in of]) for kind, run, of in asked if kind == JUDGE
    ]
    assert sorted(run for run, _ in judged) == sorted(STUDY["ablations"])
    assert all(len(folders) == 1 for _, folders in judged)


def test_another_kind_is_refused():
    with pytest.raises(
        InputError, match="group-components: expected prepare, pretrain, judge, got"
    ):
        grouped(most={"finetune": 3})


def test_parts_of_a_data_set_are_grouped_in_order():
    names = group_parts("ucf101", {"prepare": 3}, 7)
    assert [names.index(name) for name in dict.fromkeys(names)] == [0, 3, 6]
    assert group_parts("ucf101", {}, 7) == []
