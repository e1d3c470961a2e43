"""Worker processes: each limits its own processor time, what only waits is killed, and what dies is replaced."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Pool", "ProcessDiedError", "ProcessTimeoutError"]

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_CODE = "import sys; sys.argv[1] in sys.path or sys.path.insert(0, sys.argv[1])\nfrom dstheory.claims.worker import main; main()"
_IDLE_SECONDS = 10.0
_TICK_SECONDS = 0.25
_WALL_SECONDS = 3600.0
"""A last resort where a process cannot be asked how much processor time it has used."""


class ProcessTimeoutError(Exception):
    """The worker used up its processor time, or waited for something without computing, and was ended."""


class ProcessDiedError(Exception):
    """The worker ended without answering."""


class _Worker:
    """One process; started on first use, restarted after it was killed or died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def start(self) -> None:
        """Start the process without waiting for it."""
        self._buffer = b""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, _ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt goes to the parent, which ends its workers in order
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        if self._process is None or self._process.poll() is not None:
            self.start()
            self._expect_ready()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.stop()
            raise ProcessDiedError("before it could be asked") from None
        return self._read()

    def stop(self) -> None:
        """Kill the process, if it runs, with everything it started."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # what was still unsent no longer has a reader
        self._process = None

    def _expect_ready(self) -> None:
        while self._read().get("event") != "ready":
            continue

    def _read(self) -> dict[str, Any]:
        """The next answer. The process limits its own processor time; here only one that waits for ever is ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        start = busy_at = time.monotonic()
        used = _processor_seconds(self._process.pid)
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], _TICK_SECONDS)
            if not ready:
                now, before = time.monotonic(), used
                used = _processor_seconds(self._process.pid)
                if used is None or before is None or used > before:
                    busy_at = now
                if now - busy_at > _IDLE_SECONDS or now - start > _WALL_SECONDS:
                    self.stop()
                    raise ProcessTimeoutError("it waited without computing")
                continue
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                code = self._process.wait()
                self.stop()
                if -code in _TIME_SIGNALS:
                    raise ProcessTimeoutError("it used up its processor time")
                raise ProcessDiedError(f"by signal {-code}" if code < 0 else f"with exit code {code}")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer


_TIME_SIGNALS = {int(getattr(signal, name)) for name in ("SIGPROF", "SIGXCPU") if hasattr(signal, name)}


def _processor_seconds(pid: int) -> float | None:
    """Processor time that a process has used so far; None where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


class Pool:
    """A fixed number of workers that share a list of requests.

    Parameters
    ----------
    workers
        How many processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = [_Worker() for _ in range(workers)]
        # Last in, first out: a worker that is already warm is preferred to one that would have to start.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def map(
        self,
        requests: Sequence[Mapping[str, Any]],
        handle: Callable[[Mapping[str, Any], dict[str, Any] | Exception], None],
        *,
        at_once: int | None = None,
    ) -> None:
        """Answer all requests; ``handle(request, answer)`` is called as each is done, with the exception if it failed.

        At most ``at_once`` workers are used: starting one more costs a second, which a few short requests do not repay.
        """
        with ThreadPoolExecutor(min(at_once or len(self._workers), len(self._workers))) as threads:
            futures = [threads.submit(self._one, request, handle) for request in requests]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                self.stop()
                raise

    def stop(self) -> None:
        """Kill all workers."""
        for worker in self._workers:
            worker.stop()

    @classmethod
    @contextmanager
    def running(cls, workers: int) -> Iterator[Pool]:
        """A pool that is stopped at the end of the block, whatever happens in it."""
        pool = cls(workers)
        try:
            yield pool
        finally:
            pool.stop()

    def _one(
        self, request: Mapping[str, Any], handle: Callable[[Mapping[str, Any], dict[str, Any] | Exception], None]
    ) -> None:
        worker = self._idle.get()
        try:
            answer: dict[str, Any] | Exception = worker.ask(request)
        except (ProcessTimeoutError, ProcessDiedError) as error:
            answer = error
        finally:
            self._idle.put(worker)
        handle(request, answer)
