"""Where every random draw comes from: a seed, a purpose, and what it is for."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *keys: int | str) -> np.random.Generator:
    """A generator of its own for (seed, purpose, keys), the same on every machine.

    No draw depends on how many draws others made, so the number of workers, the order of videos and
    a resumed run change nothing.
    """
    words = [seed, _number(purpose), *(_number(key) for key in keys)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def torch_seed(seed: int, purpose: str) -> int:
    """A seed for torch's generator, for (seed, purpose)."""
    return int(generator(seed, purpose).integers(2**63))


def _number(key: int | str) -> int:
    """A number from 0 to 2**32 - 1; names by their checksum, which does not change between runs."""
    return zlib.crc32(key.encode()) if isinstance(key, str) else int(key)
