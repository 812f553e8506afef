"""What Snakemake would run, and what it says about a wrong study; nothing is computed here."""

import json
import re

import pytest
import yaml
from official_lists import write_hmdb51, write_kinetics400, write_ucf101

STAGES = ("pretrain", "finetune", "embed", "evaluate")


@pytest.fixture
def plan(call, workplace):
    """The jobs of a dry run by rule, or what it prints if it fails."""

    def run(*words, study="smoke"):
        words = ("--configfile", f"config/{study}.yaml", *words)
        done = call("snakemake", "-n", "--cores", "2", *words, cwd=workplace)
        table = done.stdout.rpartition("Job stats:")[2].partition("Reasons:")[0]
        jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
        return done, jobs

    return run


@pytest.fixture
def study(workplace):
    """Write a study that differs from smoke."""

    def write(**changes):
        smoke = yaml.safe_load((workplace / "config/smoke.yaml").read_text())
        changed = {key: value for key, value in (smoke | changes).items() if value is not None}
        (workplace / "config/changed.yaml").write_text(yaml.safe_dump(changed))
        return "changed"

    return write


def test_the_default_is_the_demo(call, workplace):
    done = call("snakemake", "-n", "--cores", "2", cwd=workplace, check=True)
    assert "results/demo/report.html" in done.stdout
    assert "results/smoke" not in done.stdout


def test_one_study_knows_nothing_of_another(plan):
    done, jobs = plan()
    assert done.returncode == 0, done.stderr
    assert "synthetic-split1" not in done.stdout
    assert jobs["pretrain"] == 16 and jobs["prepare_synthetic_smoke"] == 1 and jobs["report"] == 1


def test_the_plan_comes_before_what_takes_hours(plan):
    """So that `hdc status` can be asked from the beginning."""
    done, _ = plan()
    blocks = re.findall(r"^rule (\w+):\n(.*?)^Shell", done.stdout, re.M | re.S)
    assert [rule for rule, text in blocks if "    priority: 1\n" in text] == ["plan"]


def test_a_file_dropped_into_ablations_adds_exactly_its_own_jobs(plan, study, workplace):
    everything = study(backbones=["r3d18"])
    before, jobs_before = plan(study=everything)
    (workplace / "ablations/low_temperature.yaml").write_text(
        "about:\n  question: Does a stricter contrast help?\n  paper: not in the paper\n"
        "objective:\n  terms: {spatial: {loss: {temperature: 0.05}}}\n"
    )
    after, jobs_after = plan(study=everything)
    added = {rule: count - jobs_before[rule] for rule, count in jobs_after.items()}
    assert {rule for rule, count in added.items() if count} == {*STAGES, "total"}
    assert all(added[stage] == 1 for stage in STAGES)
    outputs = [set(re.findall(r"output: (.*)", done.stdout)) for done in (before, after)]
    assert len(outputs[1] - outputs[0]) == len(STAGES)
    assert all("/low_temperature/" in output for output in outputs[1] - outputs[0])


def test_runs_that_differ_only_in_evaluation_share_a_pretraining(plan, study, workplace):
    (workplace / "ablations/more_neighbours.yaml").write_text(
        "about:\n  question: Do more voters help?\n  paper: not in the paper\n"
        "pretrained_by: hdc\nevaluate:\n  neighbours: 50\n"
    )
    done, jobs = plan(study=study(ablations=["hdc", "more_neighbours"], backbones=["r3d18"]))
    assert done.returncode == 0, done.stderr
    assert jobs["pretrain"] == 1 and jobs["evaluate"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbones": ["r3d19"]}, "backbones: expected one of"),
        ({"ablations": ["hcd"]}, "ablations: expected one of"),
        ({"evaluate_on": {"ucf": [1]}}, "evaluate_on: expected one of"),
        ({"scale": "huge"}, "scale: expected one of"),
        (
            {"evaluate_on": {"weizmann": [1]}},
            "weizmann: expected an existing folder of videos, got",
        ),
        (
            {"pretrain_on": "synthetic_smoke"},
            "pretrain_on: expected same, or synthetic_smoke-split1",
        ),
        ({"study": "data"}, "study: expected a name other than data and published"),
        ({"seed": [0]}, "'seed' was unexpected"),
        ({"seeds": ["x"]}, "seeds.0: 'x' does not match"),
        ({"seeds": None}, "'seeds' is a required property"),
    ],
)
def test_a_wrong_study_stops_before_the_first_job(plan, study, changes, message):
    done, jobs = plan(study=study(**changes))
    assert done.returncode != 0 and not jobs
    printed = done.stdout + done.stderr
    line = next(line for line in printed.splitlines() if message in line)
    assert "Traceback" not in printed
    assert "config/changed.yaml" in line


def test_what_a_study_allows_and_its_protocol_reach_the_stages(plan, study):
    few = {"backbones": ["r3d18"], "ablations": ["hdc"], "skip": []}
    name = study(protocol="vcop", allow_copies=True, allow_pretrain_on_test=True, **few)
    done, _ = plan("--printshellcmds", study=name)
    for stage, words in {
        "pretrain": ["allow_copies=true"],
        "finetune": ["protocol=vcop", "allow_copies=true", "allow_pretrain_on_test=true"],
        "embed": ["protocol=vcop"],
        "evaluate": ["allow_copies=true", "allow_pretrain_on_test=true"],
    }.items():
        command = done.stdout.partition(f"python -m hdc.{stage} ")[2].partition("2>&1")[0]
        assert set(words) <= set(command.split()), stage
    plain, _ = plan("--printshellcmds", study=study(**few))
    assert "allow_copies=false allow_pretrain_on_test=false" in plain.stdout
    assert "protocol=ours" in plain.stdout


def test_a_wrong_setting_of_a_run_stops_before_the_first_job(plan, workplace):
    with (workplace / "ablations/controls/random_init.yaml").open("a") as file:
        file.write("objectve: {temperature: 1}\n")
    done, jobs = plan()
    assert done.returncode != 0 and not jobs
    assert (
        "ablations/controls/random_init.yaml: objectve: expected one of"
        in done.stdout + done.stderr
    )


def test_settings_decide_what_is_done_again(call, workplace):
    """A value reruns the stages that read it, a comment none: by the texts that rules carry."""
    code = (
        "from hdc.settings.compose import *; from hdc.settings.reads import *; "
        "run = compose_run('hdc', "
        "backbone='r3d18', data='synthetic', scale='smoke'); "
        "print([hash(settings_text(run, r)) for r in (PRETRAIN_READS, EVALUATE_READS)])"
    )
    path = workplace / "ablations/paper/hdc.yaml"
    environment = ("env", "PYTHONHASHSEED=0", "python", "-c", code)
    texts = [call(*environment, cwd=workplace, check=True).stdout]
    for addition in ("# a comment\n", "evaluate: {neighbours: 3}\n"):
        path.write_text(path.read_text() + addition)
        texts.append(call(*environment, cwd=workplace, check=True).stdout)
    assert texts[0] == texts[1]
    before, after = (text.strip("[]\n").split(", ") for text in texts[1:])
    assert before[0] == after[0] and before[1] != after[1]


def test_no_shell_stands_between_a_signal_and_a_stage(root):
    """Slurm sends it to the shell, too, which would end at once, and the job with it."""
    rules = [path.read_text() for path in (root / "workflow/rules").glob("*.smk")]
    called = [
        call for text in rules for call in re.findall(r".*python -m hdc\.(?!download).*", text)
    ]
    assert len(called) >= len(STAGES) + 4
    assert all("exec python -m hdc." in call for call in called)


def test_unlocking_after_a_hard_kill_needs_no_cores(call, workplace):
    done = call("snakemake", "--unlock", cwd=workplace, check=True)
    assert "Unlocked" in done.stdout + done.stderr


def test_preparing_takes_all_cores_and_training_half(call, workplace):
    done = call("snakemake", "-n", "--cores", "6", cwd=workplace, check=True)
    threads = dict(re.findall(r"rule (\w+):\n(?:    .*\n)*?    threads: (\d+)", done.stdout))
    assert threads["prepare_synthetic"] == "6" and threads["pretrain"] == "3"


@pytest.fixture(scope="module")
def official_tree(tmp_path_factory, make_video, moving_square):
    """Data sets as people have them: lists of the official numbers, videos of a few labels."""
    root = tmp_path_factory.mktemp("videos")
    video = make_video(root / "any.avi", moving_square(20)).read_bytes()
    names = {
        "ucf101": ("ucf101/UCF-101/{}", write_ucf101(root / "ucf101/ucfTrainTestlist")),
        "hmdb51": ("hmdb51/{}", write_hmdb51(root / "hmdb51/testTrainMulti_7030_splits")),
        "kinetics400": ("kinetics400/train/{}.mp4", write_kinetics400(root / "kinetics400")),
    }
    for place, videos in names.values():
        for name in videos[:120:10]:
            path = root / place.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(video)
    return root


def official_study(workplace, tree, study, **changes):
    """A copy of a study's file that names the generated tree."""
    config = yaml.safe_load((workplace / f"config/{study}.yaml").read_text()) | changes
    config["data"] = {name: str(tree / name) for name in config["data"]}
    (workplace / "config/official.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    ("study", "parts"),
    [("ucf101", {"ucf101": 27}), ("paper", {"ucf101": 27, "hmdb51": 14, "kinetics400": 494})],
)
def test_studies_of_official_data_sets(plan, workplace, official_tree, study, parts):
    official_study(workplace, official_tree, study, allow_missing=True)
    done, jobs = plan(study="official")
    assert done.returncode == 0, done.stderr
    for name, count in parts.items():
        assert jobs[f"prepare_{name}_part"] == count and jobs[f"prepare_{name}"] == 1
    assert jobs["finetune"] == jobs["evaluate"] > 100


@pytest.mark.parametrize(
    ("study", "first", "listed"), [("ucf101", "ucf101", "13,320"), ("paper", "hmdb51", "6,766")]
)
def test_missing_videos_stop_a_study_with_their_number(
    plan, workplace, official_tree, study, first, listed
):
    official_study(workplace, official_tree, study, ablations=["hdc"], comparisons=[])
    done, jobs = plan(study="official")
    assert done.returncode != 0 and not jobs
    printed = done.stdout + done.stderr
    line = next(line for line in printed.splitlines() if "listed videos" in line)
    assert f"data: {first}: " in line and f"expected {listed} listed videos, found " in line
    assert line.count(".avi") == 10 and "allow_missing: true" in line
    assert "Traceback" not in printed


def one_run(workplace, study):
    """Leave one run of a study, where its data alone matter."""
    path = workplace / f"config/{study}.yaml"
    few = {"ablations": ["hdc"], "backbones": ["r3d18"], "seeds": [0], "comparisons": []}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | few))


def test_downloads_run_only_when_asked_for_and_fail_aloud(call, workplace):
    """Where an archive lies in the folder but is not what it should be, nothing is fetched."""
    one_run(workplace, "ucf101")
    folder = workplace / "videos/ucf101"
    folder.mkdir(parents=True)
    (folder / "UCF101.rar").write_text("not an archive")
    words = ("--cores", "1", "--configfile", "config/ucf101.yaml")
    done = call("snakemake", "download", *words, cwd=workplace)
    assert done.returncode != 0
    assert "UCF101.rar: expected " in done.stderr or "reads .rar files, found none" in done.stderr
    done = call("snakemake", "-n", *words, cwd=workplace)
    assert "rule download" not in done.stdout + done.stderr


def test_videos_that_come_later_are_prepared(call, workplace, make_video, moving_square):
    """Prepared without most of its videos, a data set is prepared again when more are there."""
    one_run(workplace, "ucf101")
    with (workplace / "ablations/paper/hdc.yaml").open("a") as file:
        file.write("store: {shard_videos: 7000}\n")  # two parts
    names = write_ucf101(workplace / "videos/ucf101/lists")
    for name in names[:4]:
        make_video(workplace / "videos/ucf101" / name, moving_square(12))
    words = ("--cores", "2", "--configfile", "config/ucf101.yaml", "--config", "allow_missing=True")
    target = "results/data/ucf101/index.csv"
    call("snakemake", target, *words, cwd=workplace, check=True)
    done = call("snakemake", target, "-n", *words, cwd=workplace, check=True)
    assert "Nothing to be done" in done.stdout + done.stderr
    for name in names[4:6]:
        make_video(workplace / "videos/ucf101" / name, moving_square(12))
    done = call("snakemake", target, "-n", *words, cwd=workplace, check=True)
    assert re.search(r"prepare_ucf101 +1", done.stdout)
    strict = call("snakemake", target, "-n", *words[:4], cwd=workplace)
    assert "found 13,314 of them missing" in strict.stdout + strict.stderr


def test_a_study_says_how_long_it_takes_and_takes_seeds_from_the_command_line(
    call, study, workplace
):
    name = study(study="changed", duration="a moment", backbones=["r3d18"], ablations=["hdc"])
    words = ("results/changed/study.json", "--cores", "1", "--config", "seeds=[3,4]")
    done = call(
        "snakemake", *words, "--configfile", f"config/{name}.yaml", cwd=workplace, check=True
    )
    assert "Study changed: a moment" in done.stderr
    plan = json.loads((workplace / words[0]).read_text())
    assert sorted({one["seed"] for one in plan["evaluations"]}) == [3, 4]
