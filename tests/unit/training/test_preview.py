import torch

from hdc.encoders.build import build_encoder
from hdc.objectives.build import build_task
from hdc.pretrain import STAGE, clip_batches, read_videos
from hdc.training import preview as module
from hdc.training.preview import preview

CHOICES = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0")


def test_what_is_known_is_not_found_out_again_and_the_picture_is_there(tiny, tmp_path, monkeypatch):
    """A job that goes on: Snakemake has deleted the picture of the one that was stopped."""
    job = STAGE.read([*CHOICES, f"prepared={tiny}", "split=1", "output_dir=unused"])
    videos = read_videos(job)
    batches = clip_batches(job, videos, batch_size=4)
    encoder = build_encoder(job.network, seed=0)
    task = build_task(
        encoder, job.pretrain, job.objective, videos.index.label, seed=0, steps=1, frames=16
    )
    told = {"picture": tmp_path / "views.png", "device": torch.device("cpu")}
    known = preview(task, batches, videos.index, **told)
    assert set(known) == {"parameters", "multiply_adds", "shortcuts"}
    told["picture"].unlink()
    monkeypatch.delattr(module, "shortcuts")
    assert preview(task, batches, videos.index, **told, known=known) is known
    assert told["picture"].stat().st_size > 0
