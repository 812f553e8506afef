"""From a file to packed pieces: against slices of the decoded whole."""

from types import SimpleNamespace

import pytest

from hdc.data import h264
from hdc.data.preparation import packing
from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.decode import decode_video
from hdc.data.preparation.packing import Cut, Receiver, pack_file
from hdc.data.preparation.pieces import piece_name


@pytest.fixture
def pack(prepare_settings):
    """Pack a file; bytes and facts by the number of its pieces."""

    def run(path, cut=Cut(), form="raw", **changes):  # noqa: B008
        settings = prepare_settings(store__short_side=24, **changes)
        found = SimpleNamespace(bytes={}, facts={}, starts=0, largest=0)

        def chunk(piece, content):
            found.bytes[piece] = found.bytes.get(piece, b"") + content
            found.largest = max(found.largest, len(content))

        def end(piece, before, facts):
            found.bytes[piece] = before + found.bytes[piece]
            found.facts[piece] = facts

        def again():
            found.starts += 1
            found.bytes.clear()
            found.facts.clear()

        to = Receiver(lambda header: None, chunk, end, again)
        try:
            pack_file(path, cut, settings.decoding, None, settings.store, form, to)
        except RejectedVideo as verdict:
            found.fault = str(verdict)
        return found

    return run


@pytest.fixture
def whole(prepare_settings):
    return lambda path: decode_video(path, prepare_settings().decoding, short_side=24).frames


@pytest.fixture
def video(tmp_path, make_video, moving_square):
    """Four seconds."""
    return make_video(tmp_path / "a.mp4", moving_square(100), codec="libx264", b_frames=2)


def test_spans_are_slices_of_the_whole(video, pack, whole):
    """Apart, side by side, one within another and beyond the end."""
    spans = [(0, 0.4), (0.2, 3), (1, 1.2), (1.2, 1.24), (3.6, 9), (8, 9)]
    found, frames = pack(video, Cut(spans=spans)), whole(video)
    for number, (first, last) in enumerate([(0, 10), (5, 75), (25, 30), (30, 31), (90, 100)]):
        assert found.bytes[number] == frames[first:last].tobytes()
        assert found.facts[number]["frames"] == last - first
        assert found.facts[number]["seconds"] == pytest.approx((last - first) / 25)
    assert set(found.facts) == set(range(5))  # of the last there is nothing


def test_a_piece_as_h264_is_that_of_its_frames_alone(video, pack, whole, prepare_settings):
    found = pack(video, Cut(spans=[(0.5, 1.5)]), form="h264")
    store = prepare_settings().store
    assert found.bytes[0] == h264.pack(whole(video)[13:38], store)


def test_equal_pieces_make_up_the_whole(video, pack, whole):
    found, frames = pack(video, Cut(seconds=1.3)), whole(video)
    assert b"".join(found.bytes[n] for n in range(3)) == frames.tobytes()
    counts = [found.facts[n]["frames"] for n in range(3)]
    assert sum(counts) == 100 and max(counts) - min(counts) <= 1  # four seconds are three of 1.33


def test_a_file_that_does_not_say_how_long_it_is(tmp_path, make_video, moving_square, pack):
    """Pieces of the asked length, and a shorter last one."""
    path = make_video(tmp_path / "a.h264", moving_square(60), codec="libx264", container="h264")
    found = pack(path, Cut(seconds=1.0))
    assert [found.facts[n]["frames"] for n in range(3)] == [25, 25, 10]


def test_another_rate_takes_the_nearest_frames(video, pack, whole):
    found, frames = pack(video, store__fps=10.0), whole(video)
    nearest = [round(25 * at / 10 - 1e-6) for at in range(40)]
    assert found.bytes[0] == frames[nearest].tobytes()
    assert found.facts[0]["fps"] == 25.0  # of the file
    assert found.facts[0]["frames"] == 40 and found.facts[0]["seconds"] == 4.0
    double = pack(video, store__fps=50.0)
    assert double.facts[0]["frames"] == 200 and double.facts[0]["seconds"] == 4.0
    part = pack(video, Cut(spans=[(1, 2)]), store__fps=10.0)
    assert part.bytes[0] == frames[nearest[10:20]].tobytes()


def test_permuted_stamps_are_a_matter_of_order(tmp_path, make_video, moving_square, pack, whole):
    path = make_video(tmp_path / "a.avi", moving_square(50), codec="libx264", b_frames=2)
    found, frames = pack(path, store__fps=5.0), whole(path)
    assert found.starts == 1  # begun by the stamps, then again by the rate
    assert found.bytes[0] == frames[::5].tobytes()
    assert pack(path).starts == 0  # nothing needs the time


def test_stamps_that_vary_are_followed(tmp_path, make_video, moving_square, pack, whole):
    stamps = [*range(10), *range(20, 40, 2)]  # half as many a second after a pause
    path = make_video(tmp_path / "a.mkv", moving_square(20), codec="libx264", stamps=stamps)
    found, frames = pack(path, store__fps=25.0), whole(path)
    # By hand; where two are equally near it is the earlier.
    expected = [*range(10), *[9] * 5, *[10] * 7, *[n for n in range(11, 20) for _ in (0, 1)]]
    assert found.bytes[0] == frames[expected].tobytes()


def test_chunks_stay_small_however_long_the_video(
    tmp_path, make_video, moving_square, pack, monkeypatch
):
    monkeypatch.setattr(packing, "CHUNK", 10_000)
    found = pack(make_video(tmp_path / "a.avi", moving_square(100)))
    assert len(found.bytes[0]) == 100 * 24 * 32 * 3
    assert found.largest < 10_000 + 24 * 32 * 3


def test_pieces_before_a_damage_are_done(tmp_path, make_video, moving_square, pack):
    path = make_video(tmp_path / "a.avi", moving_square(100))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 5])
    found = pack(path, Cut(spans=[(0, 1), (3.5, 4)]))
    assert set(found.facts) == {0} and found.fault.startswith("truncated: the header claims 100")


def test_what_lies_behind_the_last_piece_is_not_decoded(video, pack, monkeypatch):
    counted = []
    image = packing.frame_source

    def counting(*words, **more):
        source = image(*words, **more)
        counted.append(source)
        return source

    monkeypatch.setattr(packing, "frame_source", counting)
    pack(video, Cut(spans=[(0.2, 0.6)]))
    assert counted[0].count == 16


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        (12, 15.5, "a b.mp4#12-15.5"),
        (0, 0.04, "a b.mp4#0-0.04"),
        (3599.9999, 7200.1234, "a b.mp4#3600-7200.123"),
    ],
)
def test_a_piece_is_called_by_its_span(start, end, name):
    assert piece_name("a b.mp4", start, end) == name
