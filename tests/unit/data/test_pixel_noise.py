import numpy as np
import torch
from scipy.stats import kstest

from hdc.data.pixel_noise import normal_noise


def noise(*seeds, count=100_001):
    bits = np.array(seeds, dtype=np.uint32).view(np.int32)
    return normal_noise(torch.from_numpy(bits), count)


def test_it_is_of_the_normal_distribution():
    for seed in (0, 1, 2**31, 2**32 - 1):
        found = noise(seed)[0].double().numpy()
        # 1.95 / sqrt(n) is passed once in a thousand samples; 16 bits add 2e-5.
        assert kstest(found, "norm").statistic < 1.95 / np.sqrt(len(found))
        assert np.abs(found).max() < 4.9


def test_neither_places_nor_seeds_know_of_one_another():
    found = noise(*range(8), 2**31, 2**31 + 1)
    count = found.shape[1]
    pairs = [(a, b) for place, a in enumerate(found) for b in found[:place]]
    pairs += [(row[lag:], row[:-lag]) for row in found for lag in (1, 2, 3, 32, 1024, count // 2)]
    for a, b in pairs:
        assert abs((a * b).mean().item()) < 5 / np.sqrt(len(a))
        assert abs((a.square() * b.square()).mean().item() - 1) < 5 * np.sqrt(8 / len(a))


def test_it_is_the_hash_written_out_in_whole_numbers_of_any_size():
    def hashed(bits):
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            bits = (bits ^ bits >> shift) * factor % 2**32
        return bits ^ bits >> 16

    seed, count = 3_000_000_000, 9
    expected = np.zeros(10)
    for place in range(5):
        bits = hashed((place * 0x9E3779B9 + hashed(seed)) % 2**32)
        radius = np.sqrt(-2 * np.log((bits % 2**16 + 0.5) / 2**16))
        angle = 2 * np.pi * (bits >> 16) / 2**16
        expected[[place, place + 5]] = radius * np.cos(angle), radius * np.sin(angle)
    assert np.allclose(noise(seed, count=count)[0], expected[:count], atol=1e-5)
