"""How much damage to video files is found.

Damages files, made from the given clean ones (else from generated ones and, where HDC_REAL_DATA
names them and it is not `--quick`, genuine ones), in five ways in equal parts, and asks
`hdc.data.preparation.sandbox` about each. A damaged file is changed if a plain decode gives other
frames than the clean file's, or fails. Prints the share of changed files that are rejected, by
container, and last `files <n> parent_deaths <n> timeouts <n> changed_rejected <share> false_alarms
<n>`.
"""

import hashlib
import os
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from omegaconf import OmegaConf
from parts.command_line import CommandLine, video, whole

from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.sandbox import Decoder
from hdc.runtime.progress import progress
from hdc.settings.compose import compose_run

SECONDS = 60  # for a plain decode
DIED = "parent died"
Damage = Callable[[bytearray, np.random.Generator], bytes]


def truncated(content: bytearray, random: np.random.Generator) -> bytes:
    """Cut off somewhere between a twentieth and nineteen twentieths."""
    return bytes(content[: int(len(content) * random.uniform(0.05, 0.95))])


def flipped(content: bytearray, random: np.random.Generator) -> bytes:
    """One to 64 bits turned over."""
    for place in random.integers(len(content), size=2 ** random.integers(7)):
        content[place] ^= 1 << int(random.integers(8))
    return bytes(content)


def header_damaged(content: bytearray, random: np.random.Generator) -> bytes:
    """One to 16 bytes among those that describe the file replaced by noise."""
    start, length = _header(content)
    for place in start + random.integers(length, size=2 ** random.integers(5)):
        content[place] = int(random.integers(256))
    return bytes(content)


def zeroed(content: bytearray, random: np.random.Generator) -> bytes:
    """A block of 512 to 4,096 bytes replaced by zeros."""
    start, length = _block(content, random)
    content[start : start + length] = bytes(length)
    return bytes(content)


def dropped(content: bytearray, random: np.random.Generator) -> bytes:
    """A block of 512 to 4,096 bytes left out."""
    start, length = _block(content, random)
    return bytes(content[:start] + content[start + length :])


DAMAGES: list[Damage] = [truncated, flipped, header_damaged, zeroed, dropped]


def _header(content: bytearray) -> tuple[int, int]:
    """Start and length of a file's description: an MP4's moov box, an AVI's first 2 KiB."""
    place = content.find(b"moov")
    if content[4:8] == b"ftyp" and place > 0:
        return place, min(2048, len(content) - place)
    return 0, min(2048, len(content))


def _block(content: bytearray, random: np.random.Generator) -> tuple[int, int]:
    length = min(int(2 ** random.uniform(9, 12)), len(content) // 2)
    return int(random.integers(len(content) - length)), length


def oddities(folder: Path, clean: list[Path]) -> None:
    """Files that are no damaged videos: nothing that they hold may harm the reader."""
    content = clean[0].read_bytes()
    (folder / "text.avi").write_text("no video at all\n" * 1000)
    (folder / "empty.avi").touch()
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(100_000))
    (folder / "wrong_container.mp4").write_bytes(content)
    huge = bytearray(content)
    place = huge.find(b"strf")  # the picture's claimed width and height follow
    if place > 0:
        huge[place + 12 : place + 20] = (2**31 - 1).to_bytes(4, "little") * 2
    (folder / "huge.avi").write_bytes(huge)
    with av.open(str(folder / "audio.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), "fltp", "mono")
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))


def generate(folder: Path, *, files: int = 12) -> list[Path]:
    """Clean videos: AVI with B-frames and MP4 with H.264, of many sizes; also of one frame."""
    paths = []
    for number in range(files):
        random = np.random.default_rng(number)
        codec, suffix = (("mpeg4", "avi"), ("libx264", "mp4"))[number % 2]
        width, height = (int(side) for side in 2 * random.integers(40, 90, size=2))
        count = 1 if number < 2 else int(random.integers(40, 90))
        picture = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        picture = picture.repeat(8, 0).repeat(8, 1)[:height, :width]
        paths.append(folder / f"clean{number}.{suffix}")
        with av.open(str(paths[-1]), "w") as container:
            stream = container.add_stream(codec, rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.max_b_frames = 2
            for step in range(count):
                image = np.roll(picture, (step, 2 * step), axis=(0, 1))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    return paths


def genuine() -> list[Path]:
    """The genuine clips, where there are any."""
    folder = Path(os.environ.get("HDC_REAL_DATA", "nowhere"))
    return sorted(path for name in ("clips", "weizmann") for path in folder.glob(f"{name}/**/*.*"))


def plain_decode(path: str) -> str:
    """A checksum of all frames by a decode without any precaution; the error's name if it fails."""
    checksum = hashlib.sha256()
    try:
        with av.open(path, metadata_errors="ignore") as container:
            for frame in container.decode(video=0):
                checksum.update(f"{frame.width} {frame.height}".encode())
                for plane in frame.planes:
                    checksum.update(bytes(plane))
    except Exception as error:
        return type(error).__name__
    return checksum.hexdigest()


def plain_checksum(path: Path) -> str:
    """`plain_decode` in a process of its own; `died` or `late` if it does not come back."""
    context = get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=lambda: theirs.send(plain_decode(str(path))))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(SECONDS) else "late"
    except EOFError:
        return "died"
    finally:
        child.kill()
        child.join()


def verdict(decoder: Decoder, path: Path) -> str:
    """Why a file is rejected; empty if it is not, DIED if asking harms the one who asks."""
    try:
        decoder.pack(path)
    except RejectedVideo as rejection:
        return str(rejection)
    except Exception:
        traceback.print_exc()
        return DIED
    return ""


def main(files: int, seed: int, clean: list[Path], *, with_genuine: bool) -> str:
    """Damage, ask, count; returns the last line."""
    random = np.random.default_rng(seed)
    settings = OmegaConf.to_object(
        compose_run("hdc", backbone="r3d18", data="weizmann", scale="demo")
    )
    changed, rejected, missed = Counter(), Counter(), Counter()
    alarms = 0
    with (
        tempfile.TemporaryDirectory() as name,
        Decoder(settings.decoding, settings.store, "h264") as decoder,
    ):
        folder = Path(name)
        clean = clean or [*generate(folder), *(genuine() if with_genuine else [])]
        for path in clean:
            reason = verdict(decoder, path)
            alarms += bool(reason)
            print(f"false alarm: {path.name}: {reason}") if reason else None
        sums = {path: plain_checksum(path) for path in clean}
        (folder / "odd").mkdir()
        oddities(folder / "odd", clean)
        reasons = [verdict(decoder, path) for path in sorted((folder / "odd").iterdir())]
        by_suffix = [[path for path in clean if path.suffix == s] for s in (".avi", ".mp4")]
        by_suffix = [paths for paths in by_suffix if paths]
        for number in progress(range(files), total=files, unit="file", what="damaging"):
            sources = by_suffix[number // len(DAMAGES) % len(by_suffix)]
            source = sources[int(random.integers(len(sources)))]
            damage = DAMAGES[number % len(DAMAGES)]
            path = folder / f"damaged{source.suffix}"
            path.write_bytes(damage(bytearray(source.read_bytes()), random))
            reasons.append(verdict(decoder, path))
            if plain_checksum(path) != sums[source]:
                changed[source.suffix] += 1
                rejected[source.suffix] += bool(reasons[-1])
                missed[source.suffix, damage.__name__] += not reasons[-1]
        deaths = reasons.count(DIED)
        timeouts = sum("takes longer" in reason for reason in reasons)
    for suffix in sorted(changed):
        by_damage = {kind: n for (of, kind), n in missed.items() if of == suffix and n}
        share = rejected[suffix] / changed[suffix]
        print(f"{suffix[1:]} changed {changed[suffix]} rejected {share:.3f} missed {by_damage}")
    share = sum(rejected.values()) / max(1, sum(changed.values()))
    return (
        f"files {files} parent_deaths {deaths} timeouts {timeouts} "
        f"changed_rejected {share:.3f} false_alarms {alarms}"
    )


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    command_line.size("files", "damaged files", full=1000, quick=100)
    command_line.add_argument("--seed", type=whole(0), default=0, help="of all draws; default: 0")
    command_line.add_argument("clean", nargs="*", type=video, metavar="FILE", help="a clean video")
    given = command_line.read()
    print(main(given.files, given.seed, given.clean, with_genuine=not given.quick))
