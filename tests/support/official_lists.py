"""Writes lists of the official form and numbers, with names of our own making."""

import json
from pathlib import Path

UCF101_TEST = (3783, 3734, 3696)
HMDB51_LABELS = 51


def write_ucf101(folder: Path) -> list[str]:
    """101 labels of 25 groups; returns the 13,320 videos, sorted.

    Groups 1 to 7 are tested in split 1, 8 to 14 in 2, 15 to 21 in 3, as published. One label is
    written in two ways, as in the official lists, and lines end in CRLF.
    """
    labels = ["HandstandPushups", *(f"Label{number:03d}" for number in range(100))]
    names = {label: label for label in labels} | {"HandstandPushups": "HandStandPushups"}
    clips = {}  # (label, group) -> number of clips
    shares = (*(range(7 * k + 1, 7 * k + 8) for k in range(3)), range(22, 26))
    totals = (*UCF101_TEST, 13320 - sum(UCF101_TEST))
    for groups, total in zip(shares, totals, strict=True):
        places = [(label, group) for label in labels for group in groups]
        for number, place in enumerate(places):
            clips[place] = total // len(places) + (number < total % len(places))
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {label: number for number, label in enumerate(labels, start=1)}
    write_lines(folder / "classInd.txt", [f"{n} {label}" for label, n in numbers.items()])
    videos = {
        (label, group): [
            f"{label}/v_{names[label]}_g{group:02d}_c{clip:02d}.avi" for clip in range(1, count + 1)
        ]
        for (label, group), count in clips.items()
    }
    for split, tested in enumerate(shares[:3], start=1):
        test = [v for (_, group), found in videos.items() if group in tested for v in found]
        train = [
            f"{v} {numbers[label]}"
            for (label, group), found in videos.items()
            if group not in tested
            for v in found
        ]
        write_lines(folder / f"testlist{split:02d}.txt", test)
        write_lines(folder / f"trainlist{split:02d}.txt", train)
    return sorted(v for found in videos.values() for v in found)


def write_hmdb51(folder: Path) -> list[str]:
    """51 labels, each with 70 train, 30 test and some unused clips; returns all 6,766, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for number in range(HMDB51_LABELS):
        label = f"label_{number:02d}"
        unused = 1666 // HMDB51_LABELS + (number < 1666 % HMDB51_LABELS)
        # Five clips a source; such names must never meet a shell or a pattern.
        names = [
            f"Film_(a!)[b]&#;+{clip // 5}_{label}_f_cm_np{clip % 12}_le_med_{clip}.avi"
            for clip in range(100 + unused)
        ]
        videos += [f"{label}/{name}" for name in names]
        for split in range(3):
            parts = [2] * 30 + [1] * 70 + [0] * unused
            turned = parts[-40 * split :] + parts[: -40 * split] if split else parts
            rows = [f"{name} {part} " for name, part in zip(names, turned, strict=True)]
            write_lines(folder / f"{label}_test_split{split + 1}.txt", rows)
    return sorted(videos)


def write_kinetics400(folder: Path, *, videos: int = 246534, part: str = "train") -> list[str]:
    """A csv of 400 labels; returns the videos as `<id>_<start>_<end>`, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"{part[:2]}-{number:07d}_" for number in range(videos)]  # eleven characters, as theirs
    rows = [
        f'"label {n % 400}",{name},{n % 50},{n % 50 + 10},{part},0' for n, name in enumerate(ids)
    ]
    header = "label,youtube_id,time_start,time_end,split,is_cc"
    (folder / f"kinetics-400_{part}.csv").write_text("\n".join([header, *rows]) + "\n")
    return sorted(f"{name}_{n % 50:06d}_{n % 50 + 10:06d}" for n, name in enumerate(ids))


def write_lines(path: Path, lines: list[str]) -> None:
    """With CRLF ends, as distributed."""
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())


def spread(labels: int, videos: int) -> list[int]:
    """The number of a label for each of some videos, all as often as can be."""
    return [number % labels for number in range(videos)]


def write_something_something(
    folder: Path, *, labels: int = 174, train: int = 168913, test: int = 24777, prefix: bool = True
) -> dict[str, list[str]]:
    """JSON lists; returns the videos of each part. `prefix`: as in the first package.

    The list of labels has no brackets, templates have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = "something-something-v2-" if prefix else ""
    templates = [f"Putting [something] into [thing {number}]" for number in range(labels)]
    plain = {text.replace("[", "").replace("]", ""): str(n) for n, text in enumerate(templates)}
    (folder / f"{start}labels.json").write_text(json.dumps(plain))
    videos = {}
    for part, name, count in (("train", "train", train), ("test", "validation", test)):
        ids = [str(100 * number + len(part)) for number in range(count)]
        rows = [
            {
                "id": video,
                "label": f"putting a cup into box {label}",
                "template": templates[label],
                "placeholders": ["a cup", f"box {label}"],
            }
            for video, label in zip(ids, spread(labels, count), strict=True)
        ]
        (folder / f"{start}{name}.json").write_text(json.dumps(rows))
        videos[part] = ids
    (folder / f"{start}test.json").write_text(json.dumps([{"id": "7"}]))
    return videos


def write_diving48(
    folder: Path, *, labels: int = 48, train: int = 15027, test: int = 1970
) -> dict[str, list[str]]:
    """JSON lists of version 2 beside one of version 1; returns the videos of each part."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [["Back", "15som", f"{number:02d}Twis", "FREE"] for number in range(labels)]
    (folder / "Diving48_vocab.json").write_text(json.dumps(words))
    (folder / "Diving48_train.json").write_text("[]")
    videos = {}
    for part, count in (("train", train), ("test", test)):
        videos[part] = [f"-{part[:2]}y_{number % 7}abcde_{number:05d}" for number in range(count)]
        rows = [
            {"vid_name": video, "label": label, "start_frame": 0, "end_frame": 99}
            for video, label in zip(videos[part], spread(labels, count), strict=True)
        ]
        (folder / f"Diving48_V2_{part}.json").write_text(json.dumps(rows))
    return videos


def write_jester(
    folder: Path, *, labels: int = 27, train: int = 118562, test: int = 14787
) -> dict[str, list[str]]:
    """Lists of `<id>;<label>`; returns the videos of each part."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"Swiping, {number} Fingers" for number in range(labels)]
    write_lines(folder / "jester-v1-labels.csv", names)
    videos = {}
    for part, name, count in (("train", "train", train), ("test", "validation", test)):
        videos[part] = [str(100 * number + len(part)) for number in range(count)]
        rows = zip(videos[part], spread(labels, count), strict=True)
        write_lines(
            folder / f"jester-v1-{name}.csv", [f"{video};{names[label]}" for video, label in rows]
        )
    write_lines(folder / "jester-v1-test.csv", ["7"])
    return videos
