import pytest
import yaml
from official_lists import write_hmdb51

from hdc.commands.doctor import doctor


@pytest.fixture
def study(workplace, monkeypatch, capsys):
    """Let the doctor look at a study of official data in the working folder; rc and lines."""
    monkeypatch.chdir(workplace)

    def examine(*, allow_missing=False, asked=True):
        config = yaml.safe_load((workplace / "config/paper.yaml").read_text())
        config |= {"data": {"hmdb51": "hmdb51"}, "allow_missing": allow_missing}
        config |= {"ablations": ["hdc"], "comparisons": []}  # composing all takes seconds
        (workplace / "config/mine.yaml").write_text(yaml.safe_dump(config))
        well = doctor(["config/mine.yaml"] if asked else [])
        return well, capsys.readouterr().out.splitlines()

    return examine


def test_versions_devices_and_codecs(study):
    well, lines = study(asked=False)
    assert well  # data that nobody asked for may be absent
    for start in (
        "ok python: 3.",
        "ok torch: ",
        "ok av: 18.",
        "ok decoders: mpeg4, h264",
        "ok CUDA",
    ):
        assert any(line.startswith(start) for line in lines), start
    assert any(line.startswith("-- config/weizmann.yaml: weizmann: ") for line in lines)


def test_videos_are_counted_against_the_published_numbers(study, workplace):
    well, lines = study()
    assert not well and "!! config/mine.yaml: hmdb51: " in lines[-1]
    names = write_hmdb51(workplace / "hmdb51/lists")
    (workplace / "hmdb51" / names[0]).parent.mkdir()
    (workplace / "hmdb51" / names[0]).touch()
    well, lines = study()
    assert not well
    assert "hmdb51: 1 of 6,766 videos found, as published, 51 labels, 3 splits" in lines[-2]
    assert f"6,765 missing, such as {names[1]}" in lines[-2]
    assert lines[-1] == "ok config/mine.yaml: hmdb51: not prepared yet"
    well, lines = study(allow_missing=True)
    assert well and lines[-2].startswith("-- ")


def test_what_is_no_study(workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    assert not doctor(["config/nowhere.yaml"])
    assert "!! config/nowhere.yaml: expected a study, found: " in capsys.readouterr().out
