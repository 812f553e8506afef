"""How the synthetic videos look, and how that changes while they run, whatever the motion."""

from typing import Any

import numpy as np

from hdc.data.synthetic.rendering import LIGHT_LOSS

# The most that appearance changes by per frame at a strength of 1: the background's shift (half of
# what the slowest translation moves), hues in turns, and the light's cycles.
DRIFT = 1 / 80
HUE_STEP = 1 / 100
LIGHT_STEPS = (1 / 96, 1 / 32)


def draw_appearance(
    generator: np.random.Generator,
    *,
    change: float,
    directions: int,
    own_direction: int,
    share: float,
) -> dict[str, Any]:
    """Return the columns of a plan on one video's look; the same draws whatever the settings.

    Args:
        generator: gives all draws.
        change: 0 to 1: how fast background, light and colors change.
        directions: how many the background's stripes may have; 0: it has none.
        own_direction: that of this video's motion, from 0.
        share: probability that the stripes have this one, and not any.

    Returns:
        background_x and background_y (the background's shift at frame 0, in frame widths),
        background_hue and shape_hue (at frame 0, in turns), what they advance by per frame
        (background_step_x, background_step_y, background_step_hue, step_shape_hue), and of the
        light light_loss (at its dimmest, as a part of the light), light_phase (in cycles) and
        light_step (in cycles per frame); and where there are stripes, stripes_angle (in degrees)
        and stripes (the same as a name).
    """
    x, y, hue, any_direction, chosen, shape_hue, light_phase, loss = generator.random(8)
    turn, drift, light = generator.random(3)
    steps = generator.uniform(-HUE_STEP, HUE_STEP, size=2)
    slowest, fastest = LIGHT_STEPS
    direction = int(any_direction * directions) if chosen >= share else own_direction
    return {
        "background_x": x,
        "background_y": y,
        "background_hue": hue,
        "background_step_x": change * DRIFT * drift * np.cos(2 * np.pi * turn),
        "background_step_y": change * DRIFT * drift * np.sin(2 * np.pi * turn),
        "background_step_hue": change * steps[0],
        "shape_hue": shape_hue,
        "step_shape_hue": change * steps[1],
        "light_loss": change * LIGHT_LOSS * loss,
        "light_phase": light_phase,
        "light_step": slowest + light * (fastest - slowest),
    } | (_stripes(180 * direction / directions) if directions else {})


def _stripes(angle: float) -> dict[str, Any]:
    return {"stripes_angle": angle, "stripes": f"{angle:03.0f}_degrees"}
