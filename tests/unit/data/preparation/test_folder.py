"""Patterns of a user's own folder that are wrong, or never end."""

import pytest

from hdc.data.preparation.folder import list_folder
from hdc.runtime.errors import InputError


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "missing ), unterminated subpattern"),
        ("(?P<label>a{99999999999})", "the repetition number is too large"),
        ("(?P<other>a)", "expected a group"),
        (r"(?P<label>(a+)+)\.avi", "expected a regular expression that ends, found one that is"),
    ],
)
def test_a_pattern_that_cannot_be_followed_is_refused(tmp_path, monkeypatch, pattern, message):
    monkeypatch.setattr("hdc.runtime.patterns.SECONDS", 0.05)
    (tmp_path / f"{'a' * 60}.mp4").touch()
    with pytest.raises(InputError) as error:
        list_folder(tmp_path, pattern)
    assert str(error.value).startswith(f"data.folder.pattern: {message}")
