"""Optical flow: of shifted pictures, as clips show it, in views, and beside the frames."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from hdc.data.augment import MOTION_UNIT, augment
from hdc.data.draws import Draw
from hdc.data.flow_bytes import BOUND, LEVELS, STILL, earlier, flow_shown, to_bytes
from hdc.data.integrity import verify
from hdc.data.optical_flow import optical_flow
from hdc.data.reordered import reordered
from hdc.data.store import ClipStore
from hdc.data.tracks import FlowTrack
from hdc.flow import STAGE, main
from hdc.runtime.errors import InputError

ORDERS = ([0, 1, 2, 3], [0, 2, 4, 6], [5, 4, 3, 2], [2, 2, 2], [4, 0, 6], [3])


@pytest.fixture(scope="module")
def shifted():
    """Frames of one soft texture that moves 2 pixels to the right and 1 up in every frame."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 100), np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    frames = [texture[10 + t : 58 + t, 30 - 2 * t : 94 - 2 * t] for t in range(6)]
    return np.repeat(np.stack(frames)[..., None], 3, axis=3)


def pixels(flow):
    """Bytes as pixels a frame."""
    return (flow.astype(float) - STILL) * (BOUND / LEVELS)


def test_a_shift_is_found(shifted):
    flow = optical_flow(shifted)
    assert flow.shape == (6, 48, 64, 2)
    assert np.abs(np.median(pixels(flow), axis=(1, 2)) - [2.0, -1.0]).max() < 0.1
    assert np.array_equal(flow[-1], flow[-2])
    assert (optical_flow(shifted[:1]) == STILL).all()


def test_frames_that_are_too_small_for_the_method(shifted):
    flow = optical_flow(np.ascontiguousarray(shifted[:, :8, :12]))
    assert flow.shape == (6, 8, 12, 2)


def test_bytes_are_clipped():
    assert to_bytes(np.array([0.0, 2 * BOUND, -2 * BOUND, BOUND / LEVELS])).tolist() == [
        STILL,
        255,
        1,
        STILL + 1,
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_what_a_clip_shows_of_flow(order):
    """Against a loop over its frames."""
    flow = np.random.default_rng(1).integers(100, 157, (7, 2, 3, 2), np.uint8)
    wanted = []
    for now, later in zip(order, [*order[1:], None], strict=True):
        if later is None:  # the last one's as before it
            wanted.append(wanted[-1] if wanted else np.full((2, 3, 2), STILL))
            continue
        levels = (later - now) * (flow[min(now, later)].astype(int) - STILL)
        wanted.append(np.clip(levels, -LEVELS, LEVELS) + STILL)
    numbers = torch.tensor(order)
    shown = flow_shown(torch.from_numpy(flow)[earlier(numbers)], numbers)
    assert np.array_equal(shown.numpy(), np.stack(wanted))
    again = reordered(torch.from_numpy(flow)[None], numbers[None])
    assert torch.equal(again[0], shown)


def test_frames_are_put_in_order():
    clips = torch.arange(2 * 3 * 3).view(2, 3, 1, 1, 3).byte()
    order = torch.tensor([[2, 0], [1, 1]])
    assert torch.equal(reordered(clips, order), torch.stack([clips[0, [2, 0]], clips[1, [1, 1]]]))


def test_a_view_of_flow_by_hand():
    flow = torch.full((1, 2, 8, 16, 2), STILL, dtype=torch.uint8)
    flow[..., 0] += 25  # to the right
    flow[..., 1] -= 50  # up
    stored = 25 * BOUND / LEVELS  # pixels
    draw = Draw(0, 4, 4, 8, flip=True, hue=0.3, greyscale=True, noise=0.5, blur_sigma=1.0)
    seen = augment(flow, [draw], pixels=6)
    assert seen.shape == (1, 2, 2, 6, 6)
    assert torch.allclose(seen[:, 0], torch.tensor(-stored * 6 / 8 / MOTION_UNIT), atol=1e-5)
    assert torch.allclose(seen[:, 1], torch.tensor(-2 * stored * 6 / 4 / MOTION_UNIT), atol=1e-5)


@pytest.fixture(params=["raw", "h264"])
def prepared(request, tmp_path, moving_square, prepare_settings):
    """Two short videos as a data set is prepared, in both forms."""
    from hdc.data.h264 import pack
    from hdc.data.store import write_manifest

    frames, content, videos = [moving_square(9, seed=seed) for seed in range(2)], b"", []
    for number, video in enumerate(frames):
        raw = request.param == "raw"
        blob = video.tobytes() if raw else pack(video, prepare_settings().store)
        place = {"shard": 0, "offset": len(content), "bytes": len(blob), "crc32": number}
        videos.append({"video": f"v{number}"} | place | {"shape": video.shape[:3]})
        content += blob
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "0.bin").write_bytes(content)
    shards = [{"file": "0.bin", "bytes": len(content)}]
    layout = {"form": request.param, "short_side": 48, "key_frame_every": 4}
    write_manifest(folder, **layout, shards=shards, videos=videos)
    main(job(folder))
    return folder


def job(folder):
    return STAGE.read(["data=synthetic_smoke", f"prepared={folder}"])


def test_the_track_gives_back_the_flow_of_the_frames(prepared):
    frames, track = ClipStore(prepared), FlowTrack(prepared, ["v0", "v1"])
    numbers = np.array([1, 3, 5, 7])
    for row in range(2):
        flow = optical_flow(frames.clip(row, np.arange(9)))
        steps = np.clip(2 * (flow[[1, 3, 5, 5]].astype(int) - STILL), -LEVELS, LEVELS)
        gap = np.abs(track.clip(row, numbers).astype(int) - (steps + STILL))
        assert gap.max() == 0 if track.manifest["form"] == "raw" else gap.mean() < 6
    assert verify(prepared / "flow")


def test_only_what_is_missing_is_computed(prepared, monkeypatch, capsys):
    monkeypatch.setattr(
        "hdc.data.preparation.flow_shards.optical_flow",
        lambda frames: pytest.fail("computed again"),
    )
    main(job(prepared))
    monkeypatch.undo()
    [path] = (prepared / "flow/shards").glob("*.bin")
    path.write_bytes(b"cut")
    main(job(prepared))
    assert verify(prepared / "flow")


def test_a_track_that_is_missing_or_of_other_frames_is_refused(prepared):
    manifest = prepared / "store.json"
    content = json.loads(manifest.read_text())
    content.pop("checksum")
    manifest.write_text(json.dumps(content | {"short_side": 47}))
    with pytest.raises(InputError, match=r"of these frames, found that of others; run python -m"):
        FlowTrack(prepared)
    shutil.rmtree(prepared / "flow")
    with pytest.raises(InputError, match="expected optical flow, found none; run python -m hdc"):
        FlowTrack(prepared)
