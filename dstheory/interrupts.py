"""How a command ends when it is told to, by Ctrl-C, ``kill`` or a closed terminal, whatever it is doing at that moment.

Python runs a signal's handler between two instructions of the main thread, and the handler raises an exception. That alone does
not end a process for certain:

* an exception that is raised in a weakref callback, a finaliser or a function called from C is printed and forgotten;
* a library may catch it, or turn it into another one;
* while the main thread is in compiled code, no handler runs at all.

Three things together do. The handler raises :class:`Interrupted`, so that every ``with`` and ``finally`` on the stack cleans up.
An exception that was forgotten, of which :data:`sys.unraisablehook` tells, is raised again. And a thread, which the operating
system's part of the handler wakes through a pipe, ends the process :data:`GRACE` seconds after the signal if it has not ended by
then, or at once after a second signal; that leaves behind what a killed process leaves, and the next run of the command removes
it. The one thing that none of them can interrupt is compiled code that does not let other threads run; ours does.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

_POSIX = hasattr(signal, "setitimer")  # elsewhere Ctrl-C does what Python makes of it
SIGNALS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGTERM") if hasattr(signal, name))
GRACE = 0.8
"""Seconds that a process has for cleaning up."""
_SAME = 0.2  # seconds within which a second signal is the first one, sent to the process and to its group
_AGAIN = 0.01  # seconds after which a forgotten exception is raised again
_PATIENCE = 5.0  # seconds that steps which must happen together may take before the process is ended between them
_POLL = 0.2  # seconds between two looks at whether the parent is alive

_together = threading.RLock()  # held during steps that must happen together
_owed: dict[object, Callable[[], object]] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_owed.clear)  # what is cleaned up is the parent's


class Interrupted(KeyboardInterrupt):
    """The process was told to end."""


@dataclass
class Told:
    """Which signal told the process to end; None so far."""

    number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 + the number of the signal, as shells have it."""
        return 128 + (signal.SIGINT if self.number is None else self.number)


@contextmanager
def handled(*, impatient: bool = True) -> Iterator[Told]:
    """End the block by :class:`Interrupted` when the process is told to end, and the process if that does not end the block.

    Signals that the process ignores (``nohup``) stay ignored. Outside the main thread the block just runs.

    Args:
        impatient: whether a second signal ends the process at once.
    """
    told = Told()
    if threading.current_thread() is not threading.main_thread() or not _POSIX:
        yield told
        return

    def first(number: int, frame: FrameType | None) -> None:
        if told.number is None:
            told.number = number
            raise Interrupted

    def again(number: int, frame: FrameType | None) -> None:
        if not over:
            raise Interrupted

    def forgotten(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        else:
            hook(unraisable)

    over = False
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watch = threading.Thread(target=_watch, args=(reading, impatient), daemon=True)
    hook, woken = sys.unraisablehook, signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    found = {each: signal.getsignal(each) for each in SIGNALS}
    previous = {each: handler for each, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    alarm = signal.getsignal(signal.SIGALRM)
    try:
        watch.start()
        sys.unraisablehook = forgotten
        signal.signal(signal.SIGALRM, again)
        for each in previous:
            signal.signal(each, first)
        yield told
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)  # the block has ended: nothing is to be raised again
        for each, handler in (*previous.items(), (signal.SIGALRM, alarm)):
            signal.signal(each, handler)
        sys.unraisablehook = hook
        signal.set_wakeup_fd(woken)
        os.close(writing)  # which ends the thread
        if told.number is not None:
            for key in reversed(_owed.copy()):
                settle(key)


def _watch(reading: int, impatient: bool) -> None:
    """End the process if it outlives a signal; return when the other end of the pipe is closed."""
    number, began = 0, 0.0
    while True:
        left = max(0.0, began + GRACE - time.monotonic()) if number else None
        if not select.select([reading], [], [], left)[0]:
            _end(number, _PATIENCE)
        sent = os.read(reading, 1)
        if not sent:
            os.close(reading)
            return
        if sent[0] not in SIGNALS:
            continue
        if not number:
            number, began = sent[0], time.monotonic()
        elif impatient and time.monotonic() > began + _SAME:
            _end(number, _SAME)


def _end(number: int, patience: float) -> NoReturn:
    """End this process, not between steps that must happen together if they end soon."""
    _together.acquire(timeout=patience)
    cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar hides it
    with contextlib.suppress(OSError):
        os.write(2, f"{cursor}interrupted: unfinished files are removed when the same command is given again\n".encode())
    os._exit(128 + number)


@contextmanager
def deferred_interrupts(*, patient: bool = True) -> Iterator[None]:
    """Let Ctrl-C and its like inside the block take effect at its end: for the few steps that must happen together.

    Args:
        patient: whether a process that has used up its seconds for cleaning up still waits for that end.
    """
    together = _together if patient else contextlib.nullcontext()
    if threading.current_thread() is not threading.main_thread():
        with together:
            yield  # only the main thread is ever interrupted
        return
    pending: list[tuple[int, FrameType | None]] = []
    previous: dict[int, Any] = {}
    with together:
        try:
            for each in (*SIGNALS, *([signal.SIGALRM] if _POSIX else [])):
                handler = signal.getsignal(each)
                if callable(handler):
                    previous[each] = handler
                    signal.signal(each, lambda *what: pending.append(what))
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            if pending:  # whatever else the block raised
                previous[pending[0][0]](*pending[0])


def owe(key: object, clean_up: Callable[[], object]) -> None:
    """Remember what is to be cleaned up, in one :func:`deferred_interrupts` with the step that makes it necessary.

    A signal may come in the very moment when a ``finally`` begins, before its first line. What is owed is then done by
    :func:`handled`, when no signal is raised any more.

    Args:
        key: what it is about.
        clean_up: does it.
    """
    _owed[key] = clean_up


def settle(key: object) -> None:
    """Do what is owed, if anything is, undisturbed by signals."""
    with deferred_interrupts():
        clean_up = _owed.pop(key, None)
        if clean_up is not None:
            clean_up()


@contextmanager
def sheltered_start() -> Iterator[None]:
    """Start processes that Ctrl-C, which goes to all processes of a terminal, does not reach before they are ready for it.

    A process that it reaches while it imports ends with a traceback. So the signal is blocked in this thread, what is started
    inherits that, and calls :func:`unshelter` when it is ready. Other threads still take the signal for this process.
    """
    if not _POSIX:
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # Python 3.11 and 3.12 unblock the signal where they start it, with the first process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unshelter() -> None:
    """Let Ctrl-C reach this process again, which was started in :func:`sheltered_start`."""
    if _POSIX:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def end_with_parent(parent: int) -> None:
    """End this process soon after its parent has ended, in whatever way; with all of its group if it leads one."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL)
        if _POSIX and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(2 * GRACE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
