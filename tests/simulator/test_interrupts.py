"""Ctrl-C is answered, whoever swallows it."""

from __future__ import annotations

import ctypes
import os
import signal

import pytest

from simulator.interrupts import interrupts_kept

CALLBACK = ctypes.CFUNCTYPE(None)


def interrupt():
    """Do as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


def within(work, reached):
    """Do some work in the block; note that its end was reached."""
    with interrupts_kept():
        work()
        reached.append(True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_in_a_callback_from_c_is_raised_in_the_end():
    """The callback prints and forgets it; the block's end does not."""
    reached = []
    with pytest.raises(KeyboardInterrupt):
        within(CALLBACK(interrupt), reached)
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_elsewhere_is_raised_at_once():
    """As without the block."""
    reached = []
    with pytest.raises(KeyboardInterrupt):
        within(interrupt, reached)
    assert not reached


def test_without_an_interrupt_nothing_happens():
    """The handler is put back."""
    with interrupts_kept():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
