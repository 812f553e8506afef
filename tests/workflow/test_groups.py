"""What is submitted to a cluster together, and what `hdc plan` says of it before."""

import json
import re

import pytest
import yaml

GROUPS = ("--group-components", "prepare=2", "pretrain=4", "judge=5")


@pytest.fixture(scope="module")
def place(module_workplace):
    """A study of 12 encoders, on a data set in three parts."""
    smoke = yaml.safe_load((module_workplace / "config/smoke.yaml").read_text())
    smoke |= {
        "study": "many", "backbones": ["r3d18"], "ablate_on": ["r3d18"], "seeds": [0, 1, 2, 3],
        "ablations": ["equal_weights", "frozen_weights", "hdc"], "skip": [],
        "evaluate_on": {"mine": [1]},
    }  # fmt: skip
    smoke.pop("comparisons", None)
    (module_workplace / "config/many.yaml").write_text(yaml.safe_dump(smoke))
    (module_workplace / "config/data").mkdir()
    (module_workplace / "config/data/mine.yaml").write_text(
        "defaults: [synthetic_smoke, _self_]\nstore: {shard_videos: 40}\n"
    )
    return module_workplace


@pytest.fixture(scope="module")
def dry(place, call):
    """A dry run: what it prints, with words beside the study."""

    def run(*words):
        study = ("--configfile", "config/many.yaml")
        return call("snakemake", "-n", "--cores", "2", *study, *words, cwd=place, check=True).stdout

    return run


@pytest.fixture(scope="module")
def submitted(dry):
    """The jobs of each group, and those of none, by rule."""
    text = dry(*GROUPS)
    blocks = re.split(r"^(?=\[.*\] Group job |rule |localrule )", text, flags=re.M)
    groups = {}
    for block in blocks:
        if named := re.match(r"\[.*?\] Group job (\S+)", block):
            groups[named[1]] = re.findall(r"^    rule (\w+):", block, re.M)
    total = int(re.search(r"^total +(\d+)$", text, re.M)[1])
    return groups, total


def test_without_being_asked_nothing_is_grouped(dry):
    assert "Group job" not in dry()


def test_encoders_are_judged_together_each_whole(submitted):
    groups, _ = submitted
    judged = [rules for name, rules in groups.items() if name.startswith("judge-many-")]
    # 8 encoders, 5 and 3; then those of frozen_weights, which wait for others
    assert sorted(len(rules) for rules in judged) == [9, 12, 15]
    for rules in judged:
        assert rules.count("finetune") == rules.count("embed") == rules.count("evaluate")


def test_pretrainings_and_parts_are_together(submitted):
    groups, _ = submitted
    sizes = {kind: sorted(len(rules) for name, rules in groups.items() if name.startswith(kind))
             for kind in ("pretrain-many-", "prepare-mine-")}  # fmt: skip
    assert sizes == {"pretrain-many-": [4, 4, 4], "prepare-mine-": [1, 2]}


def test_hdc_plan_counts_what_snakemake_would_submit(submitted, place, call):
    groups, total = submitted
    (place / "profile").mkdir(exist_ok=True)
    numbers = dict(word.split("=") for word in GROUPS[1:])
    profile = {"group-components": {name: int(number) for name, number in numbers.items()}}
    (place / "profile/config.yaml").write_text(yaml.safe_dump(profile))
    words = ("plan", "config/many.yaml", "--profile", "profile", "--json")
    plan = json.loads(call("hdc", *words, cwd=place, check=True).stdout)
    assert plan["jobs"] == total - 1  # `all` is no job
    assert plan["submissions"] == total - 1 - sum(map(len, groups.values())) + len(groups)


def test_the_large_study_is_fewer_than_a_hundred_submissions(place, call):
    words = ("plan", "config/synthetic_grid.yaml", "--json")
    plan = json.loads(call("hdc", *words, cwd=place, check=True).stdout)
    assert plan["jobs"] > 1200 and plan["submissions"] <= 100


def test_another_kind_of_group_is_refused(place, call):
    words = ("--configfile", "config/many.yaml", "--group-components", "finetune=3")
    done = call("snakemake", "-n", "--cores", "2", *words, cwd=place)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "group-components: expected prepare, pretrain, judge, got finetune" in said
