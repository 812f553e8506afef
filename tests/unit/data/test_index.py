import pandas as pd
import pytest

from hdc.data.index import factor_columns, read_index, read_split, rows_of
from hdc.runtime.errors import InputError


def change(folder, name, edit):
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    edit(table).to_csv(folder / name, index=False)


@pytest.fixture
def prepared(tmp_path):
    rows = [(f"v{i}.avi", "ab"[i % 2], f"g{i // 2}") for i in range(8)]
    listed = pd.DataFrame(rows, columns=["video", "label", "group"])
    listed.to_csv(tmp_path / "listed.csv", index=False)
    parts = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    pd.DataFrame({"video": listed.video, "part": parts}).to_csv(
        tmp_path / "split1.csv", index=False
    )
    usable = listed.drop(index=7).assign(
        path="", frames=9, fps=25.0, width=8, height=8, seconds=1.0, sha256="0", shape="round"
    )
    usable.to_csv(tmp_path / "index.csv", index=False)
    return tmp_path


def test_a_split_lists_the_unusable_too(prepared):
    split = read_split(prepared, 1)
    assert len(split) == 8
    assert split[~split.usable].video.tolist() == ["v7.avi"]
    assert split[split.part == "test"].label.tolist() == ["a", "b"]


def test_rows_of_parts(prepared):
    index, split = read_index(prepared), read_split(prepared, 1)
    assert rows_of(index, split, "train", "val") == [0, 1, 2, 3, 4, 5]
    assert rows_of(index, split, "test") == [6]
    assert factor_columns(index) == ["shape"]


def test_names_that_look_like_numbers_stay_names(prepared):
    change(prepared, "index.csv", lambda table: table.assign(label="007", group="nan"))
    index = read_index(prepared)
    assert set(index.label) == {"007"} and set(index.group) == {"nan"}


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (
            "split1.csv",
            lambda t: pd.concat([t, t[:1]]),
            "every video in one part, found v0.avi twice",
        ),
        ("split1.csv", lambda t: t.assign(part="train"), "expected videos in part val, found none"),
        ("split1.csv", lambda t: t.assign(video="x" + t.video), "listed.csv, found xv0.avi"),
        ("split1.csv", lambda t: t.drop(columns="part"), "expected a column part, found video"),
        ("listed.csv", lambda t: t.assign(group="one"), "every group in one part, found one in se"),
    ],
)
def test_refuses(prepared, name, edit, message):
    change(prepared, name, edit)
    with pytest.raises(InputError, match=message):
        read_split(prepared, 1)


def test_refuses_a_folder_that_is_not_prepared(tmp_path):
    with pytest.raises(
        InputError, match=r"index\.csv: expected a file, found none; run hdc\.prepare"
    ):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "No columns to parse from file"),
        (bytes(range(256)), "expected a table, found damage ("),
        (b"video,label\na,b\nc,d,e,f\n", "Expected 2 fields in line 3, saw 4"),
        (b"\0\1\2", "expected a column video, found "),
    ],
    ids=["empty", "binary", "ragged", "zeros"],
)
@pytest.mark.parametrize("name", ["index.csv", "split1.csv", "listed.csv"])
def test_a_list_that_is_no_table_costs_one_line_with_what_to_do(prepared, name, content, found):
    (prepared / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_split(prepared, 1)
    message = str(caught.value)
    assert message.startswith(f"{prepared / name}: ") and found in message
    assert f"run python -m hdc.prepare data={prepared.name} " in message
    assert message.isprintable()
