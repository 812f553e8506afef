"""Gaussian noise that follows from a seed and a place alone: the same on every device."""

import math

import torch
from jaxtyping import Float, Int32
from torch import Tensor

# A hash of 32 bits: Ellis, "Prospecting for hash functions" (2018), called lowbias32.
_FACTORS = (0x7FEB352D, 0x846CA68B - 2**32)  # as signed numbers, which products of int32 wrap to
_GOLDEN_RATIO = 0x9E3779B9 - 2**32  # neighbouring places begin far apart (Knuth)


def normal_noise(seeds: Int32[Tensor, " clip"], count: int) -> Float[Tensor, "clip count"]:
    """`count` numbers a clip of the standard normal distribution (Box and Muller, 1958).

    Two numbers share a hash, so they have 16 bits of randomness each and end at 4.8.
    """
    pairs = (count + 1) // 2
    places = torch.arange(pairs, dtype=torch.int32, device=seeds.device) * _GOLDEN_RATIO
    bits = _hashed(places + _hashed(seeds).unsqueeze(1))
    share = (bits & 0xFFFF).float().add_(0.5).mul_(2**-16)  # in 0 to 1, never at its ends
    angle = (bits >> 16).float().mul_(2 * math.pi * 2**-16)
    radius = share.log_().mul_(-2).sqrt_()
    halves = [angle.cos().mul_(radius), angle.sin_().mul_(radius)]
    return torch.cat(halves, dim=1)[:, :count]


def _hashed(bits: Int32[Tensor, "*shape"]) -> Int32[Tensor, "*shape"]:
    """Each number hashed; a shift to the right brings in the sign, which the masks take out."""
    bits = bits ^ (bits >> 16).bitwise_and_(0xFFFF)
    bits.mul_(_FACTORS[0])
    bits.bitwise_xor_((bits >> 15).bitwise_and_(0x1FFFF))
    bits.mul_(_FACTORS[1])
    return bits.bitwise_xor_((bits >> 16).bitwise_and_(0xFFFF))
