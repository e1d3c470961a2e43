"""Mathematical answers compared by Hugging Face's math-verify, in a process that can be ended.

Whether (sqrt(3))/3 is 1/sqrt(3) is a question for a computer algebra system, and such a system may take for ever (9^(9^(9^9))) or
all memory there is. math-verify limits its time by signals, which only work in a main thread and do not end a single long
multiplication. So it runs in a process of its own, started when the first answer needs it, with limits that the operating system
keeps: processor time for each comparison, and memory. A comparison that exceeds them counts as "not the same".

No text is evaluated as code. Only math-verify's parser of LaTeX is used, which is generated from a grammar. Behind it SymPy turns
the text of single numbers into numbers by Python's ``eval``; that function is replaced by one that refuses everything but one
number or one name. The process also may not write files.

Source: https://github.com/huggingface/math-verify (Apache 2.0) and latex2sympy2_extended (MIT).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dstheory.errors import DSTheoryError
from dstheory.interrupts import end_with_parent

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_CODE = """import sys; sys.argv[1] in sys.path or sys.path.insert(0, sys.argv[1])
from dstheory.readers.grading import serve; serve(int(sys.argv[2]), float(sys.argv[3]))"""
_SECONDS = 5.0  # as in math-verify
_MEMORY = 4 << 30  # bytes of addresses; SymPy itself needs a few hundred million
_LONGEST = 1000  # characters of an answer: what is longer is no final answer
_ATOM = re.compile(r"Integer \(\d+ \)|Float \('[\d.eE+-]+' \)|Symbol \('\w+' \)|[A-Za-z]\w* ")  # as SymPy writes it
_NO_LIBRARY = 3  # exit code
_REMEMBERED = 4096  # comparisons: wrong answers repeat


def grader_name() -> str:
    """Return which grader compares mathematics, with its version: its verdicts are part of a result.

    Example:
        >>> grader_name().startswith("math-verify ")
        True
    """
    return f"math-verify {version('math-verify')}"


class Grader:
    """A process that compares answers; started by the first comparison, and again after one that had to be ended.

    Attributes:
        seconds: of processor time that one comparison may take.
        ended: how many comparisons took too much time or memory.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self.seconds = seconds
        self.ended = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def same(self, answer: str, gold: str) -> bool | None:
        """Return whether two answers, in LaTeX without what encloses them, mean the same; None where one cannot be read.

        Args:
            answer: what was found.
            gold: the right one.

        Raises:
            DSTheoryError: math-verify is not there.
        """
        if max(len(answer), len(gold)) > _LONGEST:
            return False
        with self._lock:
            reply = self._ask(json.dumps([answer, gold]).encode() + b"\n")
            if reply is None:  # the process is dead: the limits of the operating system end it
                code = self._stop()
                if code == _NO_LIBRARY:
                    raise DSTheoryError("math-verify, which compares answers, cannot be imported: pip install math-verify")
                self.ended += 1
                return False
            return reply[0]

    def _ask(self, line: bytes) -> list[bool | None] | None:
        if self._process is None or self._owner != os.getpid():  # a fork shares the pipes of its parent
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, _ROOT, str(os.getpid()), str(self.seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt is for the command, which then ends this
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
            reply = process.stdout.readline()
        except BrokenPipeError:
            return None
        return [json.loads(reply)] if reply.endswith(b"\n") else None

    def stop(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._stop()

    def _stop(self) -> int:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return 0
        process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        return code


GRADER = Grader()
atexit.register(GRADER.stop)


@lru_cache(_REMEMBERED)
def same_mathematics(answer: str, gold: str) -> bool | None:
    r"""Return whether two answers in LaTeX mean the same, as math-verify sees it; None where it cannot read one of them.

    Args:
        answer: what was found.
        gold: the right one; comparing is not symmetric, ``x = 3`` may stand for 3.

    Example:
        >>> same_mathematics(r"\\frac{1}{\\sqrt{3}}", r"\\frac{\\sqrt{3}}{3}"), same_mathematics("x^{2}", "2")
        (True, False)
    """
    return GRADER.same(answer, gold)


# ---------------------------------------------------------------------- in the process


def serve(parent: int, seconds: float) -> None:
    """Compare what stands on each line of standard input, until it closes or the parent ends."""
    import logging
    import resource

    end_with_parent(parent)
    logging.disable()
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        import math_verify
    except ImportError:
        os._exit(_NO_LIBRARY)
    refuse_code()
    enlarge_small()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin.buffer:
        answer, gold = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            verdict = _compared(math_verify, answer, gold)
        except MemoryError:
            os._exit(1)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(verdict) + "\n")
        sys.stdout.flush()


def refuse_code() -> None:
    """Make SymPy evaluate nothing but one number or one name, in this whole process."""
    from sympy.parsing import sympy_parser

    evaluate = sympy_parser.eval_expr

    def guarded(code: str, *names: Any) -> Any:
        if not _ATOM.fullmatch(code):
            raise ValueError("neither a number nor a name")
        return evaluate(code, *names)

    sympy_parser.eval_expr = guarded


def enlarge_small() -> None:
    """Make math-verify compare numbers below 0.001, each for itself, by four of their own digits where one is a decimal.

    It rounds decimals to six digits behind the point, also those of pairs, sets and equations, and takes what is below 1e-15 for
    zero: all small numbers were the same. So both are multiplied by the power of ten that makes the smaller one 0.001 or more.
    """
    from math_verify import grader
    from sympy import Basic, Float

    numeric_eq = grader.sympy_numeric_eq

    def enlarged(gold: Any, answer: Any, *precisions: int) -> bool:
        both = [grader.safe_sympy_doit(one) for one in (gold, answer)]
        if all(isinstance(one, Basic) and one.free_symbols for one in both):  # x - 1/2 of an equation: the number in it
            parts = [one.as_independent(*one.free_symbols, as_Add=True) for one in both]
            if parts[0][1] == parts[1][1]:
                both = [number for number, _ in parts]
        if all(isinstance(one, Basic) and one.is_number and one.is_extended_real for one in both):
            sizes = [Decimal(str(one.evalf())).adjusted() for one in both if one.is_finite and one.is_zero is False]
            if sizes and min(sizes) < -3:
                difference = abs((both[0] - both[1]) * 10 ** (-3 - min(sizes)))
                allowed = 5e-7 if any(one.has(Float) for one in both) else 0.0 if difference.is_Rational else 1e-15
                return bool(difference.is_zero or difference.evalf() <= allowed)
        return bool(numeric_eq(gold, answer, *precisions))

    grader.sympy_numeric_eq = enlarged


def _compared(library: Any, answer: str, gold: str) -> bool | None:
    latex = [library.LatexExtractionConfig()]
    right, given = (library.parse(f"\\boxed{{{text}}}", latex, parsing_timeout=None) for text in (gold, answer))
    same = bool(right and given and library.verify(right, given, timeout_seconds=None))
    read = all(any(not isinstance(part, str) for part in parts) for parts in (right, given))  # else it compares texts only
    return same if same or read else None
