"""Where data sets may be downloaded, and what is known of each archive."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Archive:
    """One file to download, and what is known of it."""

    about: str
    urls: Sequence[str]  # tried in this order; all end with the same file name
    size: int | None  # bytes
    sha256: str | None
    nested: bool = False  # holds archives, each of which is unpacked, too

    @property
    def name(self) -> str:
        """The name of the file."""
        return PurePosixPath(urlsplit(self.urls[0]).path).name


# By the module beside this one that reads the lists.
# sha256: pytorch/vision, torchvision/prototype/datasets/_builtin, ucf101.py at 0675649a, hmdb51.py
# at 1c025f16. Of UCF101TrainTestSplits the size and the same sha256 stand in tensorflow/datasets,
# tensorflow_datasets/url_checksums/ucf101.txt. None is known from the authors themselves.
DATASETS: dict[str, tuple[Archive, ...]] = {
    # First the addresses of the authors' server that torchvision and TensorFlow Datasets use, then
    # those that fiftyone uses; docs of many projects name both. Many report that the server's
    # certificate cannot be verified: see --no-check-certificate.
    "ucf101": (
        Archive(
            about="the videos",
            urls=(
                "https://www.crcv.ucf.edu/data/UCF101/UCF101.rar",
                "https://www.crcv.ucf.edu/datasets/human-actions/ucf101/UCF101.rar",
            ),
            size=6_932_971_618,  # the server's Content-Length, as two public scripts record it
            sha256="ca8dfadb4c891cb11316f94d52b6b0ac2a11994e67a0cae227180cd160bd8e55",
        ),
        Archive(
            about="the official lists for recognition",
            urls=(
                "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                "https://www.crcv.ucf.edu/wp-content/uploads/2019/03/"
                "UCF101TrainTestSplits-RecognitionTask.zip",
            ),
            size=113_943,
            sha256="5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
        ),
    ),
    # The authors' own address, the second of each, is reported dead (voxel51/fiftyone pull request
    # 6528 of November 2025, and others since). The first is an account that several projects take
    # for the authors' laboratory. Neither could be confirmed; the sha256 judges what comes.
    "hmdb51": (
        Archive(
            about="the videos, an archive for each label",
            urls=(
                "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main/hmdb51_org.rar",
                "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar",
            ),
            # A log of wget, in kiyoon/PyVideoAI-examples, 01-Prepare_HMDB51.ipynb.
            size=2_124_008_126,
            sha256="9e714a0d8b76104d76e932764a7ca636f929fff66279cda3f2e326fa912a328e",
            nested=True,
        ),
        Archive(
            about="the official lists",
            urls=(
                "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main/test_train_splits.rar",
                "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/test_train_splits.rar",
            ),
            size=None,  # about 200 kB
            sha256="229c94f845720d01eb3946d39f39292ea962d50a18136484aa47c1eba251d2b7",
        ),
    ),
}
_LICENSED = (
    "expected a data set that anyone may fetch, got one whose license a person has to accept; get "
    "it from https://developer.qualcomm.com/software/ai-datasets/"
)
ELSEWHERE = {
    "kinetics": "expected a data set of a few archives, got one of hundreds; get it with the "
    "scripts of https://github.com/cvdfoundation/kinetics-dataset (k400_downloader.sh, then "
    "k400_extractor.sh; likewise k600 and k700_2020)",
    "something_something": f"{_LICENSED}something-something",
    "diving48": "expected a data set whose archives have known checksums, got one without; get it "
    "from http://www.svcl.ucsd.edu/projects/resound/dataset.html",
    "jester": f"{_LICENSED}jester",
}
