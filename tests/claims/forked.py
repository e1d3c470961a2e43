"""Workers of claims, forked from a process that has imported what they need: a start costs a small part of the usual one.

What workers answer is tested with these; that they start by themselves, by the tests that run whole commands or check all claims.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

KIND = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
LOADED = ["pytest", "claims.preloaded"]  # every process of multiprocessing imports what has started the tests
# Runs before the worker's own code, and is a text as that is: which files ask is watched there, and a text is none.
FIRST = """
import os, sys
os.setsid()
os.dup2(read.fileno(), 0)
os.dup2(write.fileno(), 1)
read.close(), write.close()
sys.stdin = open(0)
os.closerange(3, 1024)  # among them what keeps alive the process that forks, whose end is a worker's
os.environ.clear()
os.environ.update(env)
if words[-1] != "watched":
    from claims.preloaded import lend
    lend()
sys.argv = ["-c", *(str(os.getppid()) if word == parent else word for word in words)]
"""
_together = threading.Lock()


class Forked:
    """Stands in for ``subprocess.Popen([sys.executable, "-P", "-c", code, ...], stdin=PIPE, stdout=PIPE, env=...)``."""

    def __init__(self, command: Sequence[str], *, env: dict[str, str], **_: Any) -> None:
        code, *words = command[command.index("-c") + 1 :]
        context: Any = multiprocessing.get_context(KIND)
        (read, to), (of, write) = context.Pipe(duplex=False), context.Pipe(duplex=False)
        names = {"read": read, "write": write, "env": env, "words": words, "parent": str(os.getpid()), "__name__": "__main__"}
        self._process = context.Process(target=exec, args=(FIRST + code, names), daemon=True)
        loading = {**env, "PYTHONPATH": os.pathsep.join(sys.path)}
        with _together, patch.dict(os.environ, loading, clear=True):  # the one that forks hashes as workers do
            if KIND == "forkserver":
                context.set_forkserver_preload(LOADED)
            self._process.start()
        self.pid = self._process.pid
        self.stdin, self.stdout = os.fdopen(os.dup(to.fileno()), "wb"), os.fdopen(os.dup(of.fileno()), "rb")
        for end in (read, to, of, write):
            end.close()

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode
