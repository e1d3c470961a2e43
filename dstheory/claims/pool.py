"""Worker processes with a time limit per request: what does not answer in time is killed, and what dies is replaced."""

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
_START_SECONDS = 120.0
_SLACK_SECONDS = 1.0


class ProcessTimeoutError(Exception):
    """The worker did not answer within the time limit and was killed."""


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
            self._expect("ready", _START_SECONDS)
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.stop()
            raise ProcessDiedError("before it could be asked") from None
        self._expect("started", _START_SECONDS)
        return self._read(float(request["time_limit"]) + _SLACK_SECONDS)

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

    def _expect(self, event: str, seconds: float) -> None:
        while self._read(seconds).get("event") != event:
            continue

    def _read(self, seconds: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                self.stop()
                raise ProcessTimeoutError
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                code = self._process.wait()
                self.stop()
                raise ProcessDiedError(f"by signal {-code}" if code < 0 else f"with exit code {code}")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer


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
