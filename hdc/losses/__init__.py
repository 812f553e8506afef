"""Losses, one file each: pure functions of embeddings that know no network and no data."""
