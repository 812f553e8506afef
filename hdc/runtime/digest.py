"""Short names for texts and files."""

import hashlib


def digest(content: str | bytes) -> str:
    """A name of 16 hexadecimal digits that changes whenever the content does."""
    content = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()[:16]
