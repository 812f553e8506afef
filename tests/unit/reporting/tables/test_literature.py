"""Published values beside a study's own rows."""

import pandas as pd
import pytest
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.reporting.tables.all import finetune_table, retrieval_table
from hdc.reporting.tables.literature import OURS, published


@pytest.fixture
def results(tmp_path):
    return read_results(plant(tmp_path, data_sets=("ucf101",)))


def published_row(table, **where):
    rows = table.numbers[table.numbers.source != OURS]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_facts_have_their_sources_and_are_shares():
    for kind in ("finetune", "retrieval"):
        table = published(kind)
        assert table.source.str.len().min() > 5 and table.method.notna().all()
        numbers = table.select_dtypes("float").drop(columns="resolution", errors="ignore")
        assert numbers.min().min() > 0.05 and numbers.max().max() < 0.95


def test_the_method_as_published(results):
    """HDC v1 with R(2+1)D-10, pretrained on Kinetics-400: 76.2 on UCF101."""
    table = finetune_table(results)
    row = published_row(table, ablation="HDC v1", backbone="R(2+1)D-10")
    assert row.ucf101_top1 == pytest.approx(0.762)
    assert (row.resolution, row.pretrained_on, row.seeds) == (112, "K400", 0)
    assert "hmdb51_top1" not in table.numbers  # this study has no HMDB51


def test_the_difference_is_ours_less_theirs_where_both_were_made_alike(results):
    """Ours: r3d18 pretrained on UCF101, seeds 0 and 1 have 0.51 and 0.61."""
    table = finetune_table(results)
    alike = published_row(table, ablation="RTT", backbone="3D-ResNet18", pretrained_on="UCF101")
    assert alike.ucf101_top1_less_published == pytest.approx(0.56 - 0.773)
    text = table.text[(table.text.run == "RTT") & (table.text["pretrained on"] == "UCF101")]
    assert text["Δ ucf101 top-1"].tolist() == ["-21.3", ""]  # the other backbone is not ours
    assert pd.isna(published_row(
        table, ablation="RTT", backbone="3D-ResNet18", pretrained_on="K400"
    ).ucf101_top1_less_published)  # fmt: skip


def test_published_values_fill_no_cell_of_ours(results):
    table = finetune_table(results)
    own = table.numbers[table.numbers.source == OURS]
    assert own.ablation.tolist() == ["hdc", "random_init"]
    assert own.ucf101_top1_less_published.isna().all()
    assert own.resolution.tolist() == ["112", "112"]
    assert own.pretrained_on.tolist() == ["ucf101", "none"]


def test_an_imported_encoder_is_pretrained_on_what_its_record_says(results):
    for path, record in results.records.items():
        if "/hdc/" in path and path.endswith("pretrain.json"):
            record["settings"]["encoder"] = "encoders/a.safetensors"
            told = "nothing here; imported, pretrained on Kinetics-400, with labels"
            record["protocol"]["trained_on"] = told
    own = finetune_table(results).numbers.set_index("ablation")
    assert own.pretrained_on["hdc"] == "Kinetics-400, with labels"


def test_retrieval_has_published_rows_of_its_data_sets_only(results):
    table = retrieval_table(results)
    assert set(table.numbers.data) == {"ucf101"}
    row = published_row(table, ablation="PCL (VCP)", backbone="3D-ResNet18")
    assert row.r1 == pytest.approx(0.551)
    assert row.r1_less_published == pytest.approx(0.56 - 0.2 + 0.008 - 0.551)
    assert "Backbone r3d18" not in table.caption and "backbone" in table.text


def test_other_data_sets_have_no_published_rows(tmp_path):
    table = finetune_table(read_results(plant(tmp_path)))
    assert "source" not in table.numbers and len(table.numbers) == 2


def test_a_missing_value_of_ours_leaves_the_difference_blank(tmp_path):
    study = plant(tmp_path, data_sets=("ucf101",))
    for path in tmp_path.glob("runs/r3d18/hdc/**/finetune.json"):
        path.unlink()
    table = finetune_table(read_results(study))
    assert table.numbers.ucf101_top1_less_published.isna().all()
    assert table.text["ucf101 top-1 (%)"][0].startswith("missing [1]")
