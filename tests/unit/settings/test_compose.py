from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hdc.runtime.errors import InputError
from hdc.settings import compose as config
from hdc.settings.compose import compose_run, settings_text
from hdc.settings.files import CONF, GROUPS, allowed, files
from hdc.settings.reads import PREPARE_READS, PRETRAIN_READS

PLAIN = {"backbone": "r3d18", "data": "synthetic", "scale": "demo"}
CONF_FILES = sorted(CONF.glob("*/*.yaml"))


@pytest.fixture
def ablation(workplace, monkeypatch):
    """Compose a run from the text of its file."""
    monkeypatch.chdir(workplace)
    config.forget_composed()

    def compose(body, overrides=()):
        about = "about: {question: why not, paper: not in the paper}\n"
        Path("ablations/new.yaml").write_text(about + body)
        config.forget_composed()
        return compose_run("new", **PLAIN, overrides=overrides)

    yield compose
    config.forget_composed()


def test_the_later_file_wins():
    demo = compose_run("hdc", **PLAIN)
    assert demo.augment.flip == 0.0  # the data set over augment/default
    assert demo.backbone.width == 0.125  # the scale over the backbone
    assert compose_run("random_init", **PLAIN).pretrain.epochs == 0  # the run over the scale


def test_an_ablation_changes_what_it_says(ablation):
    run = ablation(term("loss: {temperature: 0.5}"))
    assert run.objective.terms.temporal.loss.temperature == 0.5
    changed = settings_text(run, PRETRAIN_READS).splitlines()
    base = settings_text(compose_run("hdc", **PLAIN), PRETRAIN_READS).splitlines()
    assert [new for new, old in zip(changed, base, strict=True) if new != old] == [
        "        temperature: 0.5"
    ]


def term(changes):
    """The text of a run that changes its temporal term."""
    return f"objective: {{terms: {{temporal: {{{changes}}}}}}}\n"


TWINS = "_target_: hdc.losses.barlow_twins.barlow_twins, off_diagonal: 1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "pretrain: {epoch: 3}\n",
            "ablations/new.yaml: pretrain.epoch: expected one of optimizer,",
        ),
        ("pretrian: {epochs: 3}\n", "ablations/new.yaml: pretrian: expected one of about, "),
        ("pretrain: {epochs: many}\n", "ablations/new.yaml: pretrain.epochs: Value 'many' of type"),
        ("backbone: {widht: 2}\n", "ablations/new.yaml: backbone.widht: expected one of width"),
        (
            "objective: {terms: {spatial: {loss: {temperature: -1}}}}\n",
            "ablations/new.yaml: objective.terms.spatial.loss.temperature: expected a number",
        ),
        (
            "pretrain: {compile: true, chunk: 8}\n",
            "ablations/new.yaml: pretrain.compile: expected false beside pretrain.chunk, got True",
        ),
        (
            "pretrain: {optimizer: adam}\n",
            "pretrain.optimizer: expected one of sgd, adamw, got adam",
        ),
        ("objective: {levels: 1}\n", "objective.levels: expected one of views, terms, weighting"),
        (term("weights: []"), "terms.temporal.weights: expected numbers above 0, one a level"),
        (term("pool: x"), "objective.terms.temporal.pool: expected one of space, clip, got x"),
        (term("match: any_time"), "terms.temporal.match: expected null, for whole clips"),
        (term("pool: space"), "match: expected one of same_time, any_time, whole_clip, got None"),
        (term("pairs: [[a, z]]"), "objective.terms.temporal: expected views out of a, b, c, got z"),
        (term("pairs: [[a]]"), "terms.temporal.pairs: expected a list of pairs of view names"),
        (term("loss: null"), "terms.temporal.loss: expected one, for pairs to be compared"),
        (term("loss: {temprature: 1}"), "terms.temporal.loss.temprature: expected one of temperat"),
        (
            term("loss: {_target_: hdc.losses.nt_xent.nt_xnet}"),
            "loss._target_: expected a function of this package or of a file in the working folder",
        ),
        (
            term("loss: {_target_: hdc.losses.vicreg.vicreg, invariance: 1}"),
            "loss.variance: expected a value, which hdc.losses.vicreg.vicreg takes, got none",
        ),
        (
            term("loss: {_target_: hdc.losses.info_nce.info_nce, temperature: 1}"),
            "objective.terms.temporal.queue: expected 1 or more for info_nce, which needs",
        ),
        (
            term("loss: {_target_: hdc.losses.negative_cosine.negative_cosine}"),
            "head.predictor: expected a width for negative_cosine, which compares predictions",
        ),
        (term("head: {predictor: 8}"), "head.predictor: expected null for nt_xent, alike on both"),
        (
            term(f"loss: {{{TWINS}}}, queue: 8"),
            "terms.temporal.queue: expected 0 for barlow_twins, which has no negatives, got 8",
        ),
        (
            term(f"loss: {{{TWINS}}}, negatives: [videos, b]"),
            "terms.temporal.negatives: expected [videos] for barlow_twins, got",
        ),
        (term("negatives: [times]"), "negatives: expected others than times, unless match is same"),
        (term("negatives: [b]"), "negatives: expected videos or times among them, got ['b']"),
        (term("negatives: [videos, b], queue: 8"), "queue: expected 0, beside times or views as n"),
        ("objective: {terms: {spatial: null, temporal: null}}\n", "expected at least one term"),
        (
            term("predict: [a], pairs: [], head: null, loss: null"),
            "expected views with the same `v",
        ),
        ("objective: {views: {a: {order: up}}}\n", "views.a.order: expected one of forward, rever"),
        (
            "objective: {views: {a: {vary: {_target_: hdc.data.variations.pace}}}}\n",
            "objective.views.a.vary.paces: expected a value, which hdc.data.variations.pace takes",
        ),
        ("objective: {views: {a: {input: difference}}}\n", "export_input: expected one of differ"),
        (
            "objective: {export: teacher}\n",
            "export: expected student, without a teacher, got teach",
        ),
        (
            "objective: {teacher: {momentum: 1, schedule: cosine}}\n",
            "objective.teacher.momentum: expected 0 or more, less than 1, got 1",
        ),
        (
            "objective: {normalize: true}\npretrain: {chunk: 8}\n",
            "pretrain.chunk: expected null beside objective.normalize, got 8",
        ),
        ("objective: {views: {a: {crop: x}}}\n", "objective.views.a.crop: Value 'x' of type 'str'"),
        ("augment: {crop_area: [0.9, 0.1]}\n", "augment.crop_area: expected two numbers above 0"),
        ("a: [\n", "expected YAML, found: "),
    ],
)
def test_a_wrong_setting_is_refused_by_file_and_key(ablation, body, message):
    with pytest.raises(InputError) as error:
        ablation(body)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("choice", sorted(PLAIN))
def test_an_unknown_choice_is_refused_with_the_allowed_ones(choice):
    with pytest.raises(InputError, match=f"{choice}: expected one of .*, got nonsense"):
        compose_run("hdc", **(PLAIN | {choice: "nonsense"}))


def test_a_wrong_override_is_refused():
    with pytest.raises(InputError, match=r"pretrain.epoch: expected one of optimizer"):
        compose_run("hdc", **PLAIN, overrides=["pretrain.epoch=1"])


def test_a_run_has_its_own_learning_rate_where_the_scale_says_so(ablation):
    rates = "+learning_rates.coupled=0.03"
    assert compose_run("coupled", **PLAIN, overrides=[rates]).pretrain.learning_rate == 0.03
    assert compose_run("hdc", **PLAIN, overrides=[rates]).pretrain.learning_rate == 0.1
    by_hand = [rates, "pretrain.learning_rate=0.5"]
    assert compose_run("coupled", **PLAIN, overrides=by_hand).pretrain.learning_rate == 0.5
    again = ablation(
        "pretrained_by: coupled\nobjective: {terms: {spatial: null}}\n", overrides=[rates]
    )
    assert again.pretrain.learning_rate == 0.03  # or it could not be pretrained by coupled
    own = ["+learning_rates.new=0.03"]
    assert ablation("pretrain: {learning_rate: 0.2}\n", overrides=own).pretrain.learning_rate == 0.2
    with pytest.raises(InputError, match=r"learning_rates: expected one of .*, got couple$"):
        compose_run("hdc", **PLAIN, overrides=["+learning_rates.couple=0.03"])


@pytest.mark.parametrize("data", allowed("data"))
@pytest.mark.parametrize("scale", allowed("scale"))
def test_every_file_composes(data, scale):
    compose_run("hdc", backbone="r3d18", data=data, scale=scale)


@pytest.mark.parametrize("protocol", allowed("protocol"))
def test_a_protocol_decides_over_the_defaults_and_a_scale_over_it(protocol):
    found = {
        scale: compose_run("hdc", **(PLAIN | {"scale": scale}), protocol=protocol).finetune
        for scale in ("paper", "demo")
    }
    rates = {"ours": 0.01, "vcop": 0.001, "rspnet": 0.1}
    rates |= {"frozen_attentive": 0.01, "frozen_linear": 0.01}  # not that of their heads
    assert found["paper"].learning_rate == rates[protocol]
    assert found["demo"].learning_rate == 0.05
    assert found["demo"].augment.flip == 0.0  # the data set's labels know left from right


@pytest.mark.parametrize("path", CONF_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_value_says_whose_it_is(path):
    for line in path.read_text().splitlines():
        key, _, value = line.split("  #")[0].partition(":")
        if value.strip() and not key.strip().startswith(("#", "_target_")):
            words = ("# paper: ", "# peer: ", "# assumed: ")
            assert any(word in line for word in words), f"{path}: {line}"


@pytest.mark.parametrize("path", CONF_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_prepare_reads_belongs_to_the_data_set(path):
    if path.parent.name not in ("data", "decoding", "store"):
        assert not set(PREPARE_READS) & set(yaml.safe_load(path.read_text()) or {})


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[3].glob("hdc/**/*.py")), ids=str)
def test_only_stages_and_their_borders_know_hydra(path):
    if path.parent.name != "settings":
        assert "import hydra" not in (text := path.read_text()) and "from hydra" not in text
        assert "omegaconf" not in text


@pytest.mark.parametrize("ablation", allowed("ablation"))
def test_a_run_is_what_hydra_makes_of_all_its_files_at_once(ablation):
    choices = {"backbone": "c3d", "data": "ucf101", "protocol": "ours", "scale": "paper"}
    run = compose_run(ablation, **choices)
    [path] = files("ablation")[ablation]
    if "_target_" in path.read_text():
        return  # what stood beside another `_target_` would stay
    chosen = [f"{GROUPS.get(choice, choice)}={name}" for choice, name in choices.items()]
    chosen += [f"+{path.parent}@_global_={ablation}", f"hydra.searchpath=[file://{Path.cwd()}]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        whole = compose("config", chosen)
    assert OmegaConf.to_yaml(run) == OmegaConf.to_yaml(whole)
    assert OmegaConf.is_struct(run)


def test_what_stood_beside_a_replaced_target_does_not_stay(ablation):
    other = "_target_: hdc.losses.barlow_twins.barlow_twins, off_diagonal: 0.1"
    run = ablation(f"objective: {{terms: {{spatial: {{loss: {{{other}}}}}}}}}\n")
    assert set(run.objective.terms.spatial.loss) == {"_target_", "off_diagonal"}
    assert set(run.objective.terms.temporal.loss) == {"_target_", "temperature"}
    words = ["objective.terms.temporal.loss={_target_: hdc.losses.nt_xent.nt_xent, temperature: 1}"]
    assert ablation("", overrides=words).objective.terms.temporal.loss.temperature == 1
    words = [f"objective.terms.temporal.loss={{{other}}}"]
    assert "temperature" not in ablation("", overrides=words).objective.terms.temporal.loss
    words = ["~objective.terms.spatial"]
    assert list(ablation("", overrides=words).objective.terms) == ["temporal"]


@pytest.mark.parametrize("choice", ["hdc", "tclr_local"])
def test_what_was_added_later_and_says_nothing_is_not_held(choice):
    """So that a finished run stays finished when a setting is added."""
    run = compose_run(choice, **PLAIN)
    text, held = settings_text(run, ["objective"]), config.plain(run.objective)
    assert "queue" not in text and "queue" not in held["terms"]["spatial"]
    assert run.objective.terms.spatial.queue == 0
    assert ("negatives" in text) == (choice == "tclr_local")


def test_a_node_that_was_added_later_and_says_nothing_is_not_held():
    reads = ["inference", "time_probes"]
    texts = [
        settings_text(compose_run("hdc", **PLAIN, overrides=words), reads)
        for words in ([], ["time_probes.strides=[1,2,4]"], ["time_probes.videos=9"])
    ]
    assert texts[0] == texts[1] == settings_text(compose_run("hdc", **PLAIN), ["inference"])
    assert texts[2] == texts[0] + "time_probes:\n  videos: 9\n"


@pytest.mark.parametrize(
    "body",
    [
        "defaults: [coupled_longer, _self_]\n",
        "defaults: [coupled_longer]\n",
    ],
)
def test_a_run_may_build_on_another(ablation, body):
    run = ablation(body)
    assert run.pretrain.epochs_factor == 1.5 and run.about.question == "why not"


def test_who_asks_for_flips_gets_them_and_the_record_says_so(ablation):
    run = compose_run("hdc", **(PLAIN | {"data": "jester"}), overrides=["augment.flip=0.5"])
    assert (run.augment.flip, run.finetune.augment.flip) == (0.5, 0.0)
    assert config.plain(ablation("augment: {flip: 0.25}\n").augment)["flip"] == 0.25
