"""Whether files of tables say the same on every processor."""

import pandas as pd


def require_same_table(found, expected):
    """Fail unless two files of a table, of one form, are equal.

    Those for readers to the letter; those with all digits but for the last ones, which processors
    and versions of NumPy and SciPy round otherwise.
    """
    if found.suffix != ".csv":
        assert found.read_text() == expected.read_text()
        return
    tables = (pd.read_csv(path) for path in (found, expected))
    pd.testing.assert_frame_equal(*tables, check_exact=False, rtol=1e-9, atol=1e-12)
