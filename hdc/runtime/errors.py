"""The one error that is the user's to mend."""


class InputError(ValueError):
    """Bad input, in one line: what was expected, what was found, what to do.

    Stages print it without a traceback and exit with status 1; anything else is a bug of ours and
    keeps its traceback.
    """
