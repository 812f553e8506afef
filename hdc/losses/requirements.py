"""What several losses ask of their arguments; `loss` is the name to complain in."""

from torch import Tensor


def require_pairs(loss: str, first: Tensor, second: Tensor, *, videos: int = 1) -> None:
    """Raise ValueError unless both are (*group, video, dim), alike, of at least `videos` videos."""
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(
            f"{loss} needs two equal shapes (video, dim), got {tuple(first.shape)} "
            f"and {tuple(second.shape)}"
        )
    if first.shape[-2] < videos:
        noun = "video" if videos == 1 else "videos"
        raise ValueError(f"{loss} needs at least {videos} {noun} per batch, got {first.shape[-2]}")


def require_temperature(loss: str, temperature: float | int) -> None:
    """Raise ValueError unless the temperature is above 0."""
    if not temperature > 0:
        raise ValueError(f"{loss} needs a temperature above 0, got {temperature}")


def require_weights(loss: str, **weights: float | int) -> None:
    """Raise ValueError unless each weight is 0 or above."""
    for name, weight in weights.items():
        if not weight >= 0:
            raise ValueError(f"{loss} needs a weight {name} of 0 or above, got {weight}")
