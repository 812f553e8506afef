"""What `hdc plan` says of a study before it runs."""

import json
import subprocess
import sys

import pytest
import yaml

from hdc.__main__ import main
from hdc.settings import compose as config

PROFILE = {"group-components": {"prepare": 16, "pretrain": 4, "judge": 4}}


@pytest.fixture(autouse=True)
def place(workplace, monkeypatch):
    """A study of two encoders, each judged once."""
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    config.forget_composed()
    study = yaml.safe_load((workplace / "config/smoke.yaml").read_text())
    study |= {"study": "two", "backbones": ["r3d18"], "ablations": ["hdc"], "seeds": [0, 1]}
    study |= {"ablate_on": ["r3d18"], "skip": []}
    study.pop("comparisons", None)
    (workplace / "config/two.yaml").write_text(yaml.safe_dump(study))
    yield workplace
    config.forget_composed()


def plan(capsys, *words):
    main(["plan", "config/two.yaml", *words])
    return capsys.readouterr().out


def grouped(place, content):
    (place / "mine").mkdir()
    (place / "mine/config.yaml").write_text(content)
    return "--profile", "mine"


def test_it_counts_jobs_and_submissions(capsys, place):
    """plan, report, prepare; two pretrainings and twice three of judging, a group each."""
    found = json.loads(plan(capsys, "--json", *grouped(place, yaml.safe_dump(PROFILE))))
    assert (found["jobs"], found["submissions"]) == (11, 5)
    jobs = {stage["stage"]: stage["jobs"] for stage in found["stages"]}
    judging = dict.fromkeys(("pretrain", "finetune", "embed", "evaluate"), 2)
    assert jobs == {"plan": 1, "prepare": 1, "report": 1} | judging


def test_without_groups_each_job_is_submitted(capsys, place):
    found = json.loads(plan(capsys, "--json", *grouped(place, "jobs: 3\n")))
    assert found["submissions"] == found["jobs"]


def test_sums_are_those_of_the_stages_and_the_chain(capsys):
    found = json.loads(plan(capsys, "--json", "--gpu"))
    for key in ("gpu_hours", "core_hours"):
        assert found[key] == pytest.approx(sum(stage[key] for stage in found["stages"]), abs=0.01)
    chain = sum(link["hours"] for link in found["chain"])
    assert found["longest_chain_hours"] == pytest.approx(chain, abs=0.01)
    assert [link["stage"] for link in found["chain"]][:2] == ["prepare", "pretrain"]
    assert found["chain"][-1]["stage"] == "report"
    assert found["disk_bytes"] == pytest.approx(sum(found["disk"].values()), abs=5)


def test_no_gpu_hours_without_a_gpu_unless_they_are_asked_for(capsys):
    here, there = (json.loads(plan(capsys, "--json", *words)) for words in ((), ("--gpu",)))
    assert (here["device"], there["device"]) == ("processor", "gpu")
    assert there["rates"][0]["clips_per_second"] > here["rates"][0]["clips_per_second"]


def test_what_was_measured_is_said_to_be(capsys, place):
    assert "assumed: r3d18" in plan(capsys)
    record = place / "results/other/runs/r3d18/hdc/seed0/synthetic_smoke-split1/pretrain.json"
    record.parent.mkdir(parents=True)
    run = config.compose_run("hdc", backbone="r3d18", data="synthetic_smoke", scale="smoke")
    settings = {name: config.plain(run[name]) for name in ("backbone", "clip")}
    content = {"metrics": {"clips_per_second": 50.0}, "device": "cpu (x), 1 thread(s)"}
    record.write_text(json.dumps(content | {"settings": settings}))
    text = plan(capsys)
    assert "50 clips/s on a thread, measured: r3d18" in text
    [line] = [line for line in text.splitlines() if line.startswith("pretrain ")]
    assert line.endswith("measured")


def test_the_page_names_the_study_and_the_longest_chain(capsys):
    first, *_, chain = plan(capsys, "--gpu").split("longest chain: ")
    assert first.startswith("study two: 11 jobs, ")
    assert "prepare " in chain and " > report " in chain


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("group-components: {judge: many}\n", "group-components: expected numbers, got"),
        (
            "group-components: {finetune: 3}\n",
            "group-components: expected prepare, pretrain, judge",
        ),
        ("nothing\n", "expected a profile of Snakemake, found other content"),
    ],
)
def test_a_profile_that_does_not_say_how_is_refused(capsys, place, content, message):
    with pytest.raises(SystemExit, match=message):
        plan(capsys, *grouped(place, content))


def test_a_study_that_is_not_there_is_named(place):
    with pytest.raises(SystemExit, match="expected a study"):
        main(["plan", "config/three.yaml"])


def test_torch_is_never_imported(place):
    code = (
        "import sys; from hdc.__main__ import main; main(['plan', 'config/two.yaml', '--gpu']); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=place)
