"""How a command ends: with one of the exit codes below, and one sentence on standard error about whatever went wrong."""

from __future__ import annotations

import atexit
import gc
import io
import os
import reprlib
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from dstheory.cli.show import echo
from dstheory.errors import DSTheoryError, UnknownNameError, system_sentence
from dstheory.interrupts import handled
from dstheory.texts import printable, shortened

# The table of docs/exit_codes.md and of `dstheory --help`.
EXIT_CODES = {
    0: "fine",
    1: "an error in input or run; nothing half-written is left",
    2: "usage: an option, a value or a name that the command does not know",
    3: "verify: a claim got another verdict than recorded, or Coq refuses its proof",
    4: "verify: a claim could not be decided",
    129: "the terminal was closed (SIGHUP)",
    130: "interrupted by Ctrl-C (SIGINT)",
    141: "the reader of standard output, such as `head`, closed it",
    143: "terminated by kill (SIGTERM)",
}
_OUTPUT = "standard output"
_CLOSED_PIPE = 141  # 128 + SIGPIPE
_BEFORE_COLLECTION = 50_000  # objects before the collector of cycles looks: most are functions and classes, which stay


def run_to_exit(command: Callable[[], Any]) -> NoReturn:
    """Run a command and exit with its code."""
    gc.set_threshold(_BEFORE_COLLECTION)
    os.environ["MPLBACKEND"] = "agg"  # commands write figures and open no windows, whatever is set for other programs
    with handled() as told:
        try:
            code: int | None = _code_of(command)
        except KeyboardInterrupt:
            code = None
        except Exception:
            if told.number is None:
                raise
            code = None  # it is what a library, ended half-way, made of the interrupt
        if code is None or told.number is not None:
            _say("interrupted: complete files were kept, unfinished ones removed")
            code = told.exit_code
        _flush_or_discard()
    if told.number is not None:
        os._exit(code)  # nothing that a library does at exit may hold it up
    # There is nothing left to clean up: a Ctrl-C from here on ends the process without a word.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
    atexit.register(gc.freeze)  # nor is what ends with the process worth a search for cycles
    sys.exit(code)


def _code_of(command: Callable[[], Any]) -> int:
    """Run a command; return its exit code, whatever happens but an interrupt."""
    try:
        _prepare_streams()
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warn
                returned = command()
        except click.exceptions.Exit as exit_:
            returned = exit_.exit_code
        sys.stdout.flush()
        return returned if isinstance(returned, int) else 0
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        usage = f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n\n" if context else ""
        _say(f"{usage}Error: {_with_remedy(error)}")
        return error.exit_code
    except DSTheoryError as error:
        return _failed(str(error), code=2 if isinstance(error, UnknownNameError) else 1)
    except BrokenPipeError:
        return _CLOSED_PIPE
    except SystemExit as exit_:
        if isinstance(exit_.__context__, BrokenPipeError):  # what rich makes of it
            return _CLOSED_PIPE
        return _failed(f"a module of yours ended the command by sys.exit({exit_.code!r}): remove that line")
    except OSError as error:
        return _failed(_sentence(error))
    except UnicodeEncodeError as error:
        return _failed(f"{reprlib.repr(error.object)} holds what is not text in UTF-8: give it in UTF-8")
    except ValueError as error:
        if "embedded null" not in str(error):
            raise
        return _failed("a name holds a null character: no file can be called so")
    except MemoryError as error:
        return _failed(f"there is not enough memory ({str(error) or 'no more is free'}): make the problem smaller, or free some")


def _with_remedy(error: click.ClickException) -> str:
    """Return what click says, how files are given, and the names that it suggests by likeness: click sorts them by letters."""
    near = getattr(error, "possibilities", None)
    if not near:
        message = error.format_message()
        if not isinstance(error, click.UsageError) or not error.ctx or "extra argument" not in message:
            return message
        flags = {flag for param in error.ctx.command.params for flag in param.opts}
        taken = [f"{flag} FILE" for flag in ("--mdp", "--config", "--module") if flag in flags]
        return f"{message}. Files are given by {', '.join(taken)}." if taken else message
    *first, last = near
    return f"{error.message} Did you mean {', '.join(first)}{' or ' if first else ''}{last}?"


@contextmanager
def as_usage(kind: type[DSTheoryError] = DSTheoryError) -> Iterator[None]:
    """Make errors of what is done here with values of options errors of usage: it is the call that is wrong."""
    try:
        yield
    except kind as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from error


class _StandardOutput(io.FileIO):
    """Standard output, whose errors say that they are about it."""

    def write(self, data: Any, /) -> Any:
        """Write; see :class:`io.FileIO`."""
        try:
            return super().write(data)
        except OSError as error:
            error.filename = _OUTPUT
            raise


def _prepare_streams() -> None:
    """Let standard output take any text; let no file that is opened later take the place of a closed stream."""
    closed = sys.stdout is None
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    if closed:
        sys.stdout = sys.stderr
        raise DSTheoryError("standard output is closed: redirect it to /dev/null if it is not needed")
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_StandardOutput(sys.stdout.fileno(), "w", closefd=False)),
            encoding=sys.stdout.encoding,
            errors="backslashreplace",  # names of files need not be text
            line_buffering=sys.stdout.line_buffering,
            write_through=sys.stdout.write_through,
        )


def _flush_or_discard() -> None:
    """Write what is still in the buffers; what cannot be written is dropped, about which an error has been reported already."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _sentence(error: OSError) -> str:
    if error.filename == _OUTPUT:
        return f"cannot write {system_sentence(error)}, or redirect it elsewhere"
    if error.filename is None:
        try:
            os.getcwd()
        except FileNotFoundError:
            return "the current directory was deleted: change to another one"
    return system_sentence(error)


def _warn(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Say a warning in one sentence: where in the code it was raised is nothing that a user of commands can change."""
    _say(f"warning: {printable(message)}")


def _failed(message: str, code: int = 1) -> int:
    _say(f"error: {printable(message)}")  # one sentence, whatever line ends a label or a name holds
    return code


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        echo(shortened(text), err=True)
