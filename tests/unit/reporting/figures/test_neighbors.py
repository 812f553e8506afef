import io

import numpy as np
import pytest
from PIL import Image

from hdc.data.store import ClipStore, write_manifest
from hdc.reporting.figures import neighbors as neighbor_figure
from hdc.reporting.figures.neighbors import evenly_spaced, fitted, middle_frame, neighbor_picture

SIZES = [(24, 40), (40, 24), (3, 90), (64, 64), (24, 40), (1, 1)]  # height, width
LABELS = [r"$x_1$ and $\frac{", "a_b^c", "a_b^c", "W" * 80, r"$x_1$ and $\frac{", "naïve %s\n{0}"]
NAMES = [f"folder_{n}/{'long_' * n}video.avi" for n in range(6)]


@pytest.fixture
def store(tmp_path):
    """Six videos of all shapes; the middle frame of each has a color of its own, others none."""
    videos, blobs = [], []
    for number, (height, width) in enumerate(SIZES):
        frames = np.zeros((5 + number, height, width, 3), np.uint8)
        frames[len(frames) // 2] = (40 * number + 20, 100, 255 - 40 * number)
        place = {"offset": sum(map(len, blobs)), "bytes": frames.nbytes, "shape": frames.shape[:3]}
        videos.append({"video": NAMES[number], "shard": 0} | place)
        blobs.append(frames.tobytes())
    (tmp_path / "0.bin").write_bytes(b"".join(blobs))
    shards = [{"file": "0.bin", "bytes": sum(map(len, blobs))}]
    facts = {"form": "raw", "short_side": 24, "key_frame_every": 8}
    write_manifest(tmp_path, shards=shards, videos=videos, **facts)
    return ClipStore(tmp_path)


@pytest.fixture
def draw(store):
    def picture(queries=(0, 1), neighbors=((4, 1, 3), (5, 2, 0)), title="hdc: $ _ $"):
        table = np.array(neighbors).reshape(len(queries), -1)
        similarity = np.linspace(1, -1, table.size).reshape(table.shape)
        of = {"queries": queries, "neighbors": table, "similarity": similarity, "title": title}
        return neighbor_picture(store, NAMES, LABELS, **of)

    return picture


@pytest.fixture
def figure(draw, monkeypatch):
    """The figure behind a picture."""
    monkeypatch.setattr(neighbor_figure, "_png", lambda figure: b"")
    monkeypatch.setattr(neighbor_figure, "_grid", keep(neighbor_figure._grid, kept := []))
    draw()
    return kept[0][0]


def keep(function, kept):
    def called(*arguments):
        kept.append(function(*arguments))
        return kept[-1]

    return called


def test_same_input_gives_the_same_bytes(draw):
    assert draw() == draw()
    assert draw() != draw(title="another")
    image = Image.open(io.BytesIO(draw()))
    assert image.format == "PNG" and not image.text


def test_a_panel_for_each_video_with_its_middle_frame(figure, store):
    rows = [0, 4, 1, 3, 1, 5, 2, 0]  # each query, then its neighbors
    assert len(figure.axes) == len(rows)
    for panel, row in zip(figure.axes, rows, strict=True):
        [shown] = panel.images
        assert (shown.get_array() == middle_frame(store, row)).all()
        assert middle_frame(store, row).any()


def test_right_and_wrong_differ_without_color(figure):
    looks = {True: set(), False: set()}
    for places in ((1, 2, 3), (5, 6, 7)):
        for place in places:
            panel = figure.axes[place]
            spine = panel.spines["left"]
            looks["✓ right" in panel.get_xlabel()].add(str(spine.get_linestyle()))
    captions = [panel.get_xlabel().splitlines()[1] for panel in figure.axes]
    assert [caption.split()[1] for caption in captions[1:4]] == ["right", "wrong", "wrong"]
    assert [caption.split()[1] for caption in captions[5:]] == ["wrong", "right", "wrong"]
    assert captions[1].endswith(" 1.00") and captions[7].endswith(" -1.00")
    assert len(looks[True]) == len(looks[False]) == 1 and looks[True] != looks[False]


def test_labels_are_never_math_and_never_overlap(figure):
    assert figure.axes[0].get_xlabel().splitlines()[0] == LABELS[0]
    figure.canvas.draw()
    boxes = []
    for panel in figure.axes:
        assert not panel.xaxis.label.get_parse_math()
        assert len(panel.get_xlabel().splitlines()) == 2
        boxes.append(panel.xaxis.label.get_window_extent())
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0


def test_outlines_keep_their_colors(draw):
    image = Image.open(io.BytesIO(draw())).convert("RGB")
    found = np.array([color for _, color in image.getcolors(maxcolors=2**20)])
    for color in ((0, 158, 115), (213, 94, 0), (0, 0, 0), (255, 255, 255)):
        assert np.abs(found - color).max(axis=1).min() <= 4  # no eye sees less


def test_a_large_picture_gets_fewer_colors(draw, monkeypatch):
    whole = draw()
    monkeypatch.setattr(neighbor_figure, "MOST_BYTES", len(whole) - 1)
    assert len(draw()) < len(whole)


def test_texts_are_shortened_in_the_middle(figure):
    assert fitted(figure, "short", 1.0, {"size": 8}) == "short"
    assert fitted(figure, "two\nlines", 1.0, {"size": 8}) == "two lines"
    shown = fitted(figure, "begin" + "n" * 99 + "end", 1.0, {"size": 8})
    assert shown.startswith("begin") and shown.endswith("end") and "…" in shown


def test_queries_are_evenly_spaced():
    assert evenly_spaced(range(10, 21)) == [10, 12, 14, 16, 18, 20]
    assert evenly_spaced([7, 3, 9]) == [7, 3, 9]
    assert evenly_spaced([5], 6) == [5] and evenly_spaced([], 6) == []
    assert len(set(evenly_spaced(range(1000)))) == 6


def test_fewer_videos_than_asked(draw):
    assert draw(queries=[2], neighbors=[[1]]).startswith(b"\x89PNG")
