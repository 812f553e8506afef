"""What every training begins with: a precision that is sound here, and the state it left before."""

from pathlib import Path

from lightning_fabric import Fabric

from hdc.data.batches import VideoBatches
from hdc.objectives.pretext_task import PretextTask
from hdc.runtime.fabric import precision_name
from hdc.settings.schema import Optimization, Progress
from hdc.training.soundness import EXACT, require_sound
from hdc.training.trainer import Training


def start_training(
    task: PretextTask,
    batches: VideoBatches,
    *,
    stage: str,
    settings: Optimization,
    epochs: int,
    progress: Progress,
    fabric: Fabric,
    folder: Path,
    name: str,
    log_name: str,
) -> Training:
    """A training of `epochs` epochs of these batches, as far as it came before.

    `stage`: whose settings these are. `name`: of all else that decides the result; what precision
    `auto` came to decides it, too. Raises InputError if the precision is wrong here.
    """
    precision = precision_name(fabric)
    if epochs:
        clip, rows = batches.clip, batches.rows[: batches.batch_size // fabric.world_size]
        shape = (len(rows), 3, clip.frames, clip.pixels, clip.pixels)
        require_sound(task, shape, rows, fabric=fabric, key=f"{stage}.precision")
    return Training(
        task,
        settings,
        progress,
        fabric=fabric,
        epochs=epochs,
        steps_per_epoch=batches.steps_per_epoch,
        folder=folder,
        name=name if precision == EXACT else f"{name}-{precision}",
        log_name=log_name,
    )
