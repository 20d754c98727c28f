"""Why a condition has no answer."""


class ConditionError(Exception):
    """The condition can't be read, doesn't fit the value's type, or failed; `str(error)` is one line."""
