"""The peers, if they are installed: in float64, with as many threads as this package uses, some in processes of their own."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["HOW_TO_INSTALL", "Worker", "available", "built", "load_jax", "load_torch", "serve"]

HOW_TO_INSTALL = "`make bench` installs it"
_FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-fopenmp", "-fPIC")


def available() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_jax() -> Any:
    """Return jax with 64-bit numbers on the CPU, or None. It runs on all cores that the process may use."""
    if importlib.util.find_spec("jax") is None:
        return None
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    return jax


def load_torch(threads: int) -> Any:
    """Return torch with `threads` threads, or None."""
    if importlib.util.find_spec("torch") is None:
        return None
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    return torch


@functools.cache
def built(source: Path, *flags: str) -> ctypes.CDLL:
    """Compile a file of C with OpenMP and libmvec in a temporary folder, and load it.

    Raises:
        ImportError: there is no gcc, or it does not compile this.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait would take the other contenders' time
    with tempfile.TemporaryDirectory() as folder:
        compiled, library = Path(folder) / "loop.o", Path(folder) / "loop.so"
        # Linked without -ffast-math: with it, loading the library would turn subnormal numbers to 0 in the whole process.
        for command in (
            ["gcc", *_FLAGS, *flags, "-c", str(source), "-o", str(compiled)],
            ["gcc", "-shared", "-fopenmp", str(compiled), "-o", str(library), "-lmvec", "-lm"],
        ):
            try:
                done = subprocess.run(command, check=False, capture_output=True, text=True)
            except OSError as error:
                raise ImportError(f"gcc does not start: {error}") from error
            if done.returncode:
                raise ImportError(f"gcc does not compile {source.name}: {done.stderr.strip().splitlines()[-1]}")
        return ctypes.CDLL(str(library))


class Worker:
    """Contenders in a process of their own, with settings that count from a library's first import on.

    Raises:
        ImportError: the process does not come up; the message says why.
    """

    def __init__(self, module: str, folder: Path, *words: str, python: str = sys.executable, env: Mapping[str, str] = {}) -> None:
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]))
        self._folder = folder
        self._process = subprocess.Popen(
            [python, "-m", module, str(folder), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, "PYTHONPATH": path, **env},
        )  # fmt: skip
        word, _, said = self._answer().partition(" ")
        if word != "ready":
            self.close()
            raise ImportError(said)
        self.names = said.split("|")

    def _answer(self, question: str = "") -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            if question:
                print(question, file=self._process.stdin, flush=True)
            line = self._process.stdout.readline().strip()
        except OSError:
            line = ""
        return line or f"lacks the process ended with status {self._process.wait()}"

    def timed(self, name: str) -> tuple[float, float]:
        """Run one of the contenders; return wall-clock and processor seconds.

        Raises:
            ImportError: it does not run.
        """
        word, _, said = self._answer(f"run {name}").partition(" ")
        if word != "took":
            raise ImportError(said)
        wall, processor = map(float, said.split())
        return wall, processor

    def results(self, name: str) -> tuple[Any, ...]:
        """Run one of the contenders and return what it returns.

        Raises:
            ImportError: it does not run.
        """
        word, _, said = self._answer(f"save {name}").partition(" ")
        if word != "saved":
            raise ImportError(said)
        with np.load(self._folder / said) as file:
            found = tuple(file[key] for key in file.files)
        (self._folder / said).unlink()
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def serve(folder: Path, make: Callable[[Path], Mapping[str, Callable[[], tuple[Any, ...]]]]) -> None:
    """Answer the lines of a :class:`Worker`, as the process that it started."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print

    def say(line: str) -> None:
        print(line.replace("\n", " "), file=answers, flush=True)

    try:
        contenders = make(folder)
    except Exception as error:
        return say(f"lacks {type(error).__name__}: {error}")
    say("ready " + "|".join(contenders))
    for line in sys.stdin:
        word, _, name = line.strip().partition(" ")
        try:
            start = time.perf_counter(), time.process_time()
            found = contenders[name]()
            spent = time.perf_counter() - start[0], time.process_time() - start[1]
            if word == "save":
                file = f"results-{os.getpid()}.npz"
                np.savez(folder / file, *(np.asarray(part.detach() if hasattr(part, "detach") else part) for part in found))
                say(f"saved {file}")
            else:
                say(f"took {spent[0]} {spent[1]}")
        except Exception as error:
            say(f"lacks {type(error).__name__}: {error}")
    return None
