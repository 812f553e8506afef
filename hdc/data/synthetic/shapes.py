"""The shapes of the synthetic videos: their outlines, and how far any point lies from them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# The table of distances reaches beyond the outline's circle of radius 1, so that a point outside
# the table, read at the table's rim, still counts as more than half a pixel away from the shape.
TABLE_REACH = 1.25

# Cells along each side of the table: at a radius of 24 pixels a cell is 0.12 pixels wide, so that
# reading the nearest cell misplaces an edge by at most 0.06 pixels.
TABLE_CELLS = 512


@dataclass(frozen=True, eq=False)
class Shape:
    """A closed outline and the smallest turn that leaves it unchanged.

    Attributes:
        outline: corners in order, (corner, 2) as x rightward and y downward. The center of
            rotation is (0, 0); the farthest corner lies at distance 1 from it.
        symmetry: the smallest turn that maps the outline onto itself, in degrees.
    """

    outline: np.ndarray
    symmetry: float


def _shape(corners: list[tuple[float, float]], symmetry: float) -> Shape:
    outline = np.array(corners, dtype=float)
    return Shape(outline / np.linalg.norm(outline, axis=1).max(), symmetry)


def _wheel(radii: list[float], symmetry: float) -> Shape:
    """Return a shape with a corner at each radius, at equal angles, the first pointing up."""
    angles = 2 * np.pi * np.arange(len(radii)) / len(radii)
    corners = zip(radii * np.sin(angles), radii * -np.cos(angles), strict=True)
    return _shape(list(corners), symmetry)


def _heart(corners: int) -> Shape:
    angles = 2 * np.pi * np.arange(corners) / corners
    x = 16 * np.sin(angles) ** 3
    y = -13 * np.cos(angles) + 5 * np.cos(2 * angles) + 2 * np.cos(3 * angles) + np.cos(4 * angles)
    # The curve's own origin lies 2.5 above the middle of the heart.
    return _shape(list(zip(x, y - 2.5, strict=True)), 360.0)


def _cross(arm: float) -> Shape:
    """Return a plus sign whose arms have half the width `arm`, for arms of length 1."""
    corner = [(arm, -arm), (arm, -1.0), (-arm, -1.0)]
    corners = []
    for _ in range(4):
        corners += corner
        corner = [(y, -x) for x, y in corner]
    return _shape(corners, 90.0)


# Every outline can be seen whole from its center, so that a smaller copy of a shape around the
# same center always lies within the larger one.
SHAPES: dict[str, Shape] = {
    "triangle": _wheel([1.0] * 3, 120.0),
    "square": _wheel([1.0] * 4, 90.0),
    "cross": _cross(0.3),
    "star": _wheel([1.0, 0.42] * 5, 72.0),
    "bar": _shape([(-1.0, -0.3), (1.0, -0.3), (1.0, 0.3), (-1.0, 0.3)], 180.0),
    "arrow": _shape(
        [(0.0, -1.0), (0.8, 0.1), (0.3, 0.1), (0.3, 0.9), (-0.3, 0.9), (-0.3, 0.1), (-0.8, 0.1)],
        360.0,
    ),
    "ell": _shape(
        [(-0.8, -1.2), (0.1, -1.2), (0.1, -0.1), (1.2, -0.1), (1.2, 0.8), (-0.8, 0.8)], 360.0
    ),
    "heart": _heart(32),
}


def _distances_to_edges(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return how far each of the points (point, 2) lies from the outline, as (point,)."""
    nearest = np.full(len(points), np.inf)
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        edge = end - start
        along = np.clip((points - start) @ edge / (edge @ edge), 0.0, 1.0)
        gaps = points - start - along[:, None] * edge
        nearest = np.minimum(nearest, np.hypot(gaps[:, 0], gaps[:, 1]))
    return nearest


def _are_inside(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return whether each of the points (point, 2) lies within the outline, as (point,).

    A point lies inside where a ray from it to the right crosses the outline an odd number of times.
    """
    x, y = points.T
    inside = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


@lru_cache(maxsize=len(SHAPES))
def _distance_table(name: str) -> np.ndarray:
    """Return the signed distance to a shape's outline at each cell's center, negative inside.

    The table is flat, (TABLE_CELLS * TABLE_CELLS,) in row order, and covers the square of half the
    side TABLE_REACH around the shape's center.
    """
    centers = ((np.arange(TABLE_CELLS) + 0.5) / TABLE_CELLS * 2 - 1) * TABLE_REACH
    points = np.stack(np.meshgrid(centers, centers), axis=-1).reshape(-1, 2)
    outline = SHAPES[name].outline
    distances = _distances_to_edges(outline, points)
    return np.where(_are_inside(outline, points), -distances, distances).astype(np.float32)


def signed_distance(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the signed distance from points to a shape's outline, negative inside.

    Args:
        name: a name in SHAPES.
        x: rightward offsets from the shape's center, in units of its radius, of any shape.
        y: downward offsets, of the same shape.

    Returns:
        Distances in units of the radius, shaped as `x`, float32. Beyond TABLE_REACH they are those
        of the nearest point within it.

    Raises:
        KeyError: if there is no such shape.
    """
    scale, middle = TABLE_CELLS / (2 * TABLE_REACH), TABLE_CELLS / 2
    column = np.clip(x * scale + middle, 0, TABLE_CELLS - 1).astype(np.int32)
    row = np.clip(y * scale + middle, 0, TABLE_CELLS - 1).astype(np.int32)
    return _distance_table(name).take(row * TABLE_CELLS + column)
