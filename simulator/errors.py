"""Errors that a person or a program can cause."""


class TimeshareError(Exception):
    """Base of every error caused by input; its text says what, where and what would be right."""


class InvariantError(RuntimeError):
    """The simulator contradicts itself: a defect of the simulator or a plug-in, never of the input."""
