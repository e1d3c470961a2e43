"""Worker processes in which claims are loaded and checked, away from the process that the user talks to.

Claims are code, and code may crash, hang, print or exit. A worker reads one request per line and writes one answer per line; each
limits its own processor time, what only waits is ended, and what dies is replaced.

A pool from a library (pebble, loky) does not do: its limits are in time on the wall, in which a busy machine may do next to
nothing; processes that it forks inherit the caller's threads and hash seed, on which the order of SymPy's terms depends; and
processes that it starts anew run the caller's script a second time.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Any

from dstheory.interrupts import end_with_parent

Request = Mapping[str, Any]
Answer = dict[str, Any]
"""What was asked for, or one of: ``error`` (the file does not load), ``stopped`` (out of time), ``died``; with the reason."""

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_CODE = """import sys; sys.argv[1] in sys.path or sys.path.insert(0, sys.argv[1])
from dstheory.claims.workers import serve; serve(int(sys.argv[2]), watched=sys.argv[3] == "watched")"""
_ROOM = {
    "SYMPY_CACHE_SIZE": "20000",  # of results, for each of its functions: a thousand do not outlast one claim
    "MALLOC_TOP_PAD_": str(1 << 26),  # the solver gives its memory back after each question, and the next asks for it again
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
}
"""Memory for time, unless the user's environment says otherwise."""
_BEFORE_COLLECTION = (100_000, 50, 100)
"""Objects before the collector of cycles looks: expressions are many, and trees."""
_TIME_SIGNALS = {int(getattr(signal, name)) for name in ("SIGPROF", "SIGXCPU") if hasattr(signal, name)}
_LOAD_LIMIT = 60.0
"""Seconds of processor time for a file of claims to be imported."""
_SLACK = 1.0
"""Seconds between a claim's own deadline and the end of its process."""
_IDLE_SECONDS = 10.0
"""A request during which the process computes nothing for so long is given up."""
_TICK_SECONDS = 0.25
_LITTLE_SECONDS = 0.02
"""Processor time that counts as having computed: far more than the watching itself uses."""


class Pool(contextlib.AbstractContextManager["Pool"]):
    """A fixed number of workers that share lists of requests; all are killed at the end of the ``with`` block."""

    def __init__(self, workers: int, *, watched: bool = False) -> None:
        self._workers = [_Worker(watched=watched) for _ in range(workers)]
        self._stopped = False
        # Last in, first out: a worker that is already warm is preferred to one that would have to start.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def map(
        self, requests: Sequence[Request], *, at_once: int | None = None, done: Callable[[Request], None] | None = None
    ) -> list[Answer]:
        """The answers, in the order of the requests; ``done(request)`` is called as each arrives.

        At most ``at_once`` workers are used: starting one more costs a second, which a few short requests do not repay.
        """
        with ThreadPoolExecutor(min(at_once or len(self._workers), len(self._workers))) as threads:
            futures = {threads.submit(self._answer, request): request for request in requests}
            try:
                for future in as_completed(futures):
                    if done is not None:
                        done(futures[future])
            except BaseException:  # an interrupt too: nothing is left running, and nothing is started any more
                for future in futures:
                    future.cancel()
                self.stop()
                raise
            return [future.result() for future in futures]

    def stop(self) -> None:
        """Kill all workers."""
        self._stopped = True
        for worker in self._workers:
            worker.stop()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, request: Request) -> Answer:
        worker = self._idle.get()
        try:
            # A thread may just have taken its next request when all of them were stopped.
            return {"stopped": "the run was ended"} if self._stopped else worker.ask(request)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process; started on first use, and again after it was killed or died.

    Args:
        watched: Whether it notes what its verdicts rest on, and says it with them.
    """

    def __init__(self, *, watched: bool = False) -> None:
        self._watched = watched
        self._process: subprocess.Popen[bytes] | None = None
        self._bound_to = ""

    def ask(self, request: Request) -> Answer:
        """Send a request and wait for its answer; a file that leaves its mark on the process is the last that it takes."""
        if self._process is None or self._process.poll() is not None or self._bound_to not in ("", request["path"]):
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, _ROOT, str(os.getpid()), "watched" if self._watched else ""],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # an interrupt goes to the parent, which ends its workers in order
                env={**_ROOM, **os.environ, "PYTHONHASHSEED": "0"},
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**request, "idle_limit": _IDLE_SECONDS, "slack": _SLACK}).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):  # it died, or its pipes were closed by `stop`
            line = b""
        if line.endswith(b"\n"):
            answer: Answer = json.loads(line)
            self._bound_to = request["path"] if answer.pop("bound", False) else ""
            if "stopped" in answer:
                self.stop()
            return answer
        code = process.wait()
        self.stop()
        if -code in _TIME_SIGNALS:
            return {"stopped": "it used up its processor time"}
        return {"died": f"by signal {-code}" if code < 0 else f"with exit code {code}"}

    def stop(self) -> None:
        """Kill the process, if it runs, with everything it started."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # it ends at this moment, or has no group of its own yet
                process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what was still unsent no longer has a reader
                    stream.close()


def serve(parent: int, *, watched: bool = False) -> None:
    """Answer requests until standard input closes or the parent has ended: the main function of a worker process."""
    end_with_parent(parent)
    # Whatever a claim prints must not mix with the answers: they get the real standard output, prints go to stderr.
    output = _Output(os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    from dstheory.claims.cache import Watch
    from dstheory.claims.intact import Intact
    from dstheory.claims.sources import is_bundled, load_claims

    watch = Watch() if watched else None
    with contextlib.suppress(ImportError):
        import z3  # noqa: F401  # paid before the clock of the first claim starts; its absence is reported where needed
    from dstheory.claims import checking, steps  # noqa: F401  # calls of a file that imports them are watched, which is slow

    gc.freeze()
    gc.set_threshold(*_BEFORE_COLLECTION)
    loaded: dict[str, Any] = {}
    intact: Intact | None = None
    for line in sys.stdin:
        request = json.loads(line)
        output.expect(request["idle_limit"])
        try:
            path = request["path"]
            own = not is_bundled(Path(path))
            if intact is None and own:
                intact = Intact()
            if path not in loaded:
                _limit(_LOAD_LIMIT)
                loaded[path] = load_claims(Path(path))
            if request["op"] == "list":
                answer: Answer = {"claims": [claim.describe() for claim in loaded[path].values()]}
            else:
                answer = _checked(loaded[path], request)
                if watch is not None:
                    answer["rests"] = watch.rests_on(Path(path))
        except Exception as error:
            answer = {"error": str(error)}
        # All of the package's own files are listed at once; what another file changed was found when that file was asked.
        changed = intact and (own or request["op"] != "list") and intact.changed()
        if changed:
            answer = {"error": f"{Path(path).name} puts something else in the place of {changed}, by which claims are checked; "
                      "leave it out, or put back what was there"}  # fmt: skip
        output.write({**answer, "bound": bool(changed or (intact and intact.guests()))})


class _Output:
    """Where answers go; and a thread that ends the process, with an answer that says so, if a request waits without computing."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._idle_limit: float | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def expect(self, idle_limit: float) -> None:
        """A request begins."""
        self._idle_limit = idle_limit

    def write(self, answer: Answer) -> None:
        """The request ends."""
        self._idle_limit = None
        with self._lock:
            print(json.dumps(answer), file=self._stream, flush=True)

    def _watch(self) -> None:
        used = idle = 0.0
        while True:
            time.sleep(_TICK_SECONDS)
            total, limit = time.process_time(), self._idle_limit
            # By ticks, not by a clock: where the machine lets nothing run, this thread does not either.
            idle += _TICK_SECONDS
            if limit is None or total > used + _LITTLE_SECONDS:
                used, idle = total, 0.0
            elif idle > limit:
                with self._lock:
                    if self._idle_limit is not None:
                        print(json.dumps({"stopped": "it waited without computing"}), file=self._stream, flush=True)
                        os._exit(1)


def _checked(claims: Mapping[str, Any], request: Request) -> Answer:
    from dstheory.claims.checking import check, failure

    _limit(request["time_limit"] + request["slack"])
    options = {name: request[name] for name in ("seed", "examples", "time_limit")}
    try:
        verdict = check(claims[request["id"]], **options)
    except SystemExit as error:
        verdict = failure(request["id"], error)
    return {"verdict": verdict.as_dict()}


def _limit(seconds: float) -> None:
    """Let the system end this process once it has used so much more processor time, whatever it is doing then."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
