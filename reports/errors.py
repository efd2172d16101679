"""What a reader of results can get wrong, said in one message."""


class ReportError(Exception):
    """A directory cannot be read as a result; the message says what is wrong, where, and what is expected."""
