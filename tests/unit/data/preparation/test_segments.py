import pandas as pd
import pytest

from hdc.data.preparation.segments import list_segments
from hdc.runtime.errors import InputError


@pytest.fixture
def listed(tmp_path):
    """List the pieces that a text names of three files, the last two of the same name."""

    def read(text, encoding="utf-8"):
        path = tmp_path / "pieces.csv"
        path.write_bytes(text.encode(encoding))
        names = ["a.mp4", "x/b.mp4", "y/b.mp4"]
        rows = [(name, f"person {name[0]}", f"/videos/{name}") for name in names]
        return list_segments(path, pd.DataFrame(rows, columns=["video", "group", "path"]))

    return read


def test_pieces_in_the_order_of_their_starts(listed):
    text = "label,video,start,end,annotator\nrun,x/b.mp4,3,4.5,me\nrun,a.mp4,0,1,you\n"
    text += 'walk,x/b.mp4,0.5,2,me\nwalk,"x/b.mp4",1,9,"me, too"\n'
    pieces, files = listed(text)
    assert pieces.to_dict("list") == {
        "video": ["a.mp4#0-1", "x/b.mp4#0.5-2", "x/b.mp4#1-9", "x/b.mp4#3-4.5"],
        "label": ["run", "walk", "walk", "run"],
        "group": ["person a", "person x", "person x", "person x"],
        "path": ["/videos/a.mp4", *["/videos/x/b.mp4"] * 3],
    }
    assert files.video.tolist() == ["a.mp4", "x/b.mp4"]
    assert files.path.tolist() == ["/videos/a.mp4", "/videos/x/b.mp4"]
    assert files.spans.tolist() == [[(0, 1)], [(0.5, 2), (1, 9), (3, 4.5)]]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_as_programs_write_it(listed, separator):
    """With a mark before the first letter, ends of lines and paths of other systems."""
    lines = ["video,start,end,label", r"C:\films\a.mp4,0,1,run", "a.mp4,1,2,run"]
    text = "\ufeff" + "\r\n".join(lines).replace(",", separator) + "\r\n"
    pieces, _ = listed(text)
    assert pieces.video.tolist() == ["a.mp4#0-1", "a.mp4#1-2"]


def test_files_that_are_not_there_or_not_clear(listed):
    pieces, files = listed("video,start,end,label\nb.mp4,0,1,run\nc.mp4,0,1,run\na.mp4,0,1,run\n")
    assert pieces.path.tolist() == ["/videos/a.mp4", "", ""]
    assert files.path.tolist() == ["/videos/a.mp4", "", ""]
    assert files.video.tolist() == ["a.mp4", "b.mp4", "c.mp4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pieces.csv: expected a column video, found ''"),
        ("video,start,stop,label\n", "expected a column end, found 'video,start,stop,label'"),
        ("video,start,end,label\n", "pieces.csv: expected a line for each piece, found none"),
        ("{}a.mp4,x,1,run\n", "line 2: start: expected seconds such as 12.5, got 'x'"),
        ("{}a.mp4,0,inf,run\n", "line 2: end: expected seconds such as 12.5, got 'inf'"),
        ("{}a.mp4,0\n", "line 2: end: expected seconds such as 12.5, got ''"),
        ("{}a.mp4,0,1,run\na.mp4,2,1,run\n", "line 3: expected a start from 0 on, before the end"),
        ("{}a.mp4,-1,1,run\n", "line 2: expected a start from 0 on, before the end, got -1"),
        ("{}a.mp4,0,1, \n", "line 2: expected a label, found none"),
        ("{},0,1,run\n", "line 2: expected a video, found none"),
        ("{}a.mp4,0,1,run\na.mp4,0.0,1.0,walk\n", "line 3: expected every piece once, found a.mp4"),
        ("{}a.mp4,0,1,run\na.mp4,1,2,run\na.mp4,2,3,jump\n", "2 videos a label, found 1 of jump"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(listed, text, message):
    with pytest.raises(InputError) as error:
        listed(text.replace("{}", "video,start,end,label\n"))
    assert message in str(error.value)


def test_a_list_that_is_no_text_or_not_there(listed, tmp_path):
    with pytest.raises(InputError, match=r"pieces\.csv: expected UTF-8, found .*; save it as such"):
        listed("video,start,end,label\nä.mp4,0,1,run\n", encoding="latin-1")
    with pytest.raises(InputError, match=r"segments: .*/no\.csv: expected a file, found none"):
        list_segments(tmp_path / "no.csv", pd.DataFrame(columns=["video", "group", "path"]))
