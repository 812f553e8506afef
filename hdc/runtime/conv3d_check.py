"""Whether bf16 works on a device: one `Conv3d` in it against fp32, in value, time and memory."""

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

TOLERANCE = 0.02  # relative; a sound bf16 layer is off by 0.002 to 0.004, a broken one by far more
SLOW = 1.5  # bf16 / fp32; where tensor cores are used it is about a half
LARGE = 2.0
_REPEATS = 3
# A batch of the first stage of R3D-18. Wrong results were seen above 2 ** 31 bytes only, so as many
# clips as half of the free memory holds, up to the size of the bug report (pytorch#163539).
_GPU_CLIP, _GPU_CLIPS = (64, 16, 56, 56), 576
_CPU_CLIP, _CPU_CLIPS = (8, 4, 14, 14), 2
_BYTES_PER_VALUE = 20  # of clips, outputs in both precisions, and cuDNN's copies of them


@dataclass(frozen=True)
class Conv3dCheck:
    """A `Conv3d` with its weight gradient, under bf16 autocast against fp32 (TF32 as it is set)."""

    forward_error: float  # relative, of the clip that is off most
    gradient_error: float  # relative
    time_ratio: float  # bf16 / fp32
    memory_ratio: float | None  # of the peaks; None on a processor
    warning: str | None


def check_conv3d(device: "torch.device") -> Conv3dCheck:
    """Value, time and memory of one `Conv3d` in bf16 against fp32, on a GPU or a processor.

    bf16 was silently wrong with cuDNN 9.8 to 9.10, and 4 to 20 times as slow in torch 2.9.
    """
    import torch

    forward, gradient, duration, memory = _compare(device)
    if device.type == "cuda":
        torch.cuda.empty_cache()  # other processes may need it
    problems = []
    for error, what in ((forward, "output"), (gradient, "weight gradient")):
        if not error <= TOLERANCE:  # so that NaN is a problem, too
            problems.append(f"is off by {error:.1%} in its {what}")
    if duration > SLOW:
        problems.append(f"takes {duration:.1f} times as long")
    if memory is not None and memory > LARGE:
        problems.append(f"takes {memory:.1f} times the memory")
    warning = (
        f"bf16 {' and '.join(problems)}; install a torch with cuDNN 9.15 or newer, "
        "or set precision to 32-true"
    )
    return Conv3dCheck(forward, gradient, duration, memory, warning if problems else None)


def _compare(device: "torch.device") -> tuple[float, float, float, float | None]:
    """Errors of output and weight gradient, and ratios of time and peak memory."""
    import torch

    clip, most = (_GPU_CLIP, _GPU_CLIPS) if device.type == "cuda" else (_CPU_CLIP, _CPU_CLIPS)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        most = max(1, min(most, free // 2 // (_BYTES_PER_VALUE * torch.Size(clip).numel())))
    channels = clip[0]
    generator = torch.Generator(device).manual_seed(0)
    clips = torch.randn(most, *clip, device=device, generator=generator)
    weight = torch.randn(channels, channels, 3, 3, 3, device=device, generator=generator)
    weight /= (27 * channels) ** 0.5

    exact, exact_gradient, *_ = _step(clips, weight, bf16=False)
    rounded, rounded_gradient, *_ = _step(clips, weight, bf16=True)
    # Clip by clip: the wrong values of the report were some of many.
    forward = torch.stack([_distance(*pair) for pair in zip(rounded, exact, strict=True)]).max()
    gradient = _distance(rounded_gradient, exact_gradient)
    del exact, rounded
    steps = [
        [_step(clips, weight, bf16=bf16)[2:] for bf16 in (True, False)] for _ in range(_REPEATS)
    ]
    duration = median(ours[0] / theirs[0] for ours, theirs in steps)
    memory = None
    if device.type == "cuda":
        memory = median(ours[1] / theirs[1] for ours, theirs in steps)
    return forward.item(), gradient.item(), duration, memory


def _step(
    clips: "torch.Tensor", weight: "torch.Tensor", *, bf16: bool
) -> tuple["torch.Tensor", "torch.Tensor", float, int]:
    """Output, gradient of half its sum of squares, seconds and peak memory beyond what was held."""
    import torch

    device = clips.device
    weight = weight.clone().requires_grad_()
    held = peak = 0
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
    started = time.perf_counter()
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        output = torch.nn.functional.conv3d(clips, weight, padding=1)
    output.backward(output.detach())
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        peak = torch.cuda.max_memory_allocated(device) - held
    return output.detach(), weight.grad, time.perf_counter() - started, peak


def _distance(result: "torch.Tensor", expected: "torch.Tensor") -> "torch.Tensor":
    return (result.float() - expected).norm() / expected.norm()
