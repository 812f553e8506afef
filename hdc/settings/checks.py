"""Limits of settings; each raises ValueError as `<key>: expected <what>, got <found>`."""

from collections.abc import Iterable
from typing import Any


def require(key: str, value: Any, holds: Any, expected: str) -> None:
    """Refuse `value` unless the condition on it `holds`."""
    if not holds:
        raise ValueError(f"{key}: expected {expected}, got {value}")


def require_positive(node: Any, *keys: str) -> None:
    """Refuse a setting of `node` that is not above 0."""
    for key in keys:
        require(key, getattr(node, key), getattr(node, key) > 0, "a number above 0")


def require_share(node: Any, *keys: str) -> None:
    """Refuse a setting of `node` that is not from 0 to 1."""
    for key in keys:
        require(key, getattr(node, key), 0 <= getattr(node, key) <= 1, "a share from 0 to 1")


def require_choice(key: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuse a value that is not `allowed`."""
    require(key, value, value in allowed, f"one of {', '.join(allowed)}")
