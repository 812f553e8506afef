from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from hdc.runtime.errors import InputError
from hdc.settings import compose as config
from hdc.settings.compose import CONF, allowed, compose_run, settings_text
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
    run = ablation("objective: {temperature: 0.5}\n")
    assert run.objective.temperature == 0.5
    changed = settings_text(run, PRETRAIN_READS).splitlines()
    base = settings_text(compose_run("hdc", **PLAIN), PRETRAIN_READS).splitlines()
    assert [new for new, old in zip(changed, base, strict=True) if new != old] == [
        "  temperature: 0.5"
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "pretrain: {epoch: 3}\n",
            "ablations/new.yaml: pretrain.epoch: expected one of epochs, ba",
        ),
        ("pretrian: {epochs: 3}\n", "ablations/new.yaml: pretrian: expected one of about, "),
        ("pretrain: {epochs: many}\n", "ablations/new.yaml: pretrain.epochs: Value 'many' of type"),
        ("backbone: {widht: 2}\n", "ablations/new.yaml: backbone.widht: expected one of width"),
        ("objective: {temperature: -1}\n", "objective.temperature: expected a number above 0, got"),
        (
            "pretrain: {compile: true, chunk: 8}\n",
            "ablations/new.yaml: pretrain.compile: expected false beside pretrain.chunk, got True",
        ),
        (
            "pretrain: {optimizer: adam}\n",
            "pretrain.optimizer: expected one of sgd, adamw, got adam",
        ),
        ("objective: {levels: 1}\n", "objective.spatial_weights: expected 1 numbers above 0"),
        (
            "objective: {temporal: {pooling: x}}\n",
            "objective.temporal.pooling: expected one of spa",
        ),
        (
            "objective: {temporal: {pairs: [[a, z]]}}\n",
            "objective.pairs: expected views out of a, b",
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
    with pytest.raises(InputError, match=r"pretrain.epoch: expected one of epochs"):
        compose_run("hdc", **PLAIN, overrides=["pretrain.epoch=1"])


def test_a_run_has_its_own_learning_rate_where_the_scale_says_so(ablation):
    rates = "+learning_rates.coupled=0.03"
    assert compose_run("coupled", **PLAIN, overrides=[rates]).pretrain.learning_rate == 0.03
    assert compose_run("hdc", **PLAIN, overrides=[rates]).pretrain.learning_rate == 0.1
    by_hand = [rates, "pretrain.learning_rate=0.5"]
    assert compose_run("coupled", **PLAIN, overrides=by_hand).pretrain.learning_rate == 0.5
    again = ablation("pretrained_by: coupled\nobjective: {spatial: null}\n", overrides=[rates])
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
    whole = config._by_hydra((*choices.items(), ("ablation", ablation)), ())
    assert OmegaConf.to_yaml(run) == OmegaConf.to_yaml(whole)
    assert OmegaConf.is_struct(run)


@pytest.mark.parametrize(
    "body",
    [
        "defaults: [coupled_longer, _self_]\n",
        "# @package _global_\npretrain: {epochs_factor: 1.5}\n",
    ],
)
def test_a_file_that_asks_hydra_for_more_gets_it(ablation, body):
    run = ablation(body)
    assert run.pretrain.epochs_factor == 1.5 and run.about.question == "why not"
