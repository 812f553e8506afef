"""What every table of a study says of it: its note, runs that did not train; and the meter."""

import json

import pandas as pd
import pytest
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.reporting.tables.all import all_tables, shortcuts_table

RUN = "runs/r3d18/{}/seed{}/synthetic-split{}/pretrain.json"


@pytest.fixture
def change(tmp_path):
    """Put metrics into the record of a planted pretraining."""

    def write(ablation, seed, split=1, **metrics):
        path = tmp_path / RUN.format(ablation, seed, split)
        record = json.loads(path.read_text())
        record["metrics"] |= metrics
        record["settings"] |= {"pretrain": {"batch_size": 32}}
        path.write_text(json.dumps(record))

    return write


def test_every_table_has_the_note(tmp_path):
    study = plant(tmp_path, note="This is an illustration.")
    assert all(
        "This is an illustration." in table.caption for table in all_tables(read_results(study))
    )


def test_a_run_that_did_not_train_is_named_in_every_table_and_kept(tmp_path, change):
    """Of 32 clips three times chance is 3/32, which is (3/32 - 1/32) / (31/32) = 2/31 corrected."""
    study = plant(tmp_path, splits=(1,))
    change("hdc", 0, steps=9, invariance={"spatial_layer4": 0.01, "temporal_layer4": 1.99 / 31})
    change("hdc", 1, steps=9, invariance={"spatial_layer4": 0.01, "temporal_layer4": 2.01 / 31})
    change("random_init", 0, steps=0, invariance={"temporal_layer4": 0.0})
    for table in all_tables(read_results(study)):
        assert "under three times chance): hdc on r3d18, seed 0, synth" in table.caption
    tables = {table.name: table.numbers for table in all_tables(read_results(study))}
    assert len(tables["finetune"]) == len(tables["retrieval"]) == 2


def test_a_run_whose_embeddings_collapsed_is_named_in_every_table_and_kept(tmp_path, change):
    study = plant(tmp_path, splits=(1,))
    change("hdc", 0, steps=9, spread={"spatial_layer4": 0.5, "temporal_layer4": 0.04})
    change("hdc", 1, steps=9, spread={"spatial_layer4": 0.5, "temporal_layer4": 0.06})
    change("random_init", 0, steps=0, spread={"temporal_layer4": 0.0})
    for table in all_tables(read_results(study)):
        assert "ended under 0.05): hdc on r3d18, seed 0, synthetic-split1." in table.caption
        assert table.caption.count("Collapsed") == 1
    tables = {table.name: table.numbers for table in all_tables(read_results(study))}
    assert len(tables["finetune"]) == len(tables["retrieval"]) == 2


def test_shortcuts_are_averaged_over_seeds_and_blank_where_no_contrast_asks(tmp_path, change):
    study = plant(tmp_path, splits=(1,))
    for seed, share in ((0, 0.25), (1, 0.75)):
        change("hdc", seed, shortcuts={"spatial": {"videos": 64.0, "phase": share}})
        change("random_init", seed, shortcuts={})
    table = shortcuts_table(read_results(study))
    numbers = table.numbers.set_index("ablation")
    assert numbers.loc["hdc", "spatial_phase"] == pytest.approx(0.5)
    assert pd.isna(numbers.loc["random_init", "spatial_phase"])
    assert table.text.set_index("run").loc["hdc", "SC: phase (%)"].startswith("50.0")
