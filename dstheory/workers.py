"""Work in this process, in several processes (joblib's loky), or on a Dask cluster: the same function on the same parts.

Results come back to this process one by one, in the order in which they are done. Not more parts are sent out than keep all
workers busy, so that what waits in memory does not grow with the number of parts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import islice
from typing import Any

from dstheory.checks import whole_number
from dstheory.errors import DSTheoryError, WorkerDiedError
from dstheory.interrupts import deferred_interrupts, end_with_parent, sheltered_start, unshelter
from dstheory.kernels.parallel import available_threads, limit_threads

_ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx)://)?([^\s:/]+|\[[0-9a-fA-F:]+\]):\d+|inproc://\S+")
_AHEAD = 2  # parts that each thread of a cluster's worker has waiting, so that it never idles


def computed(
    function: Callable[[Any, Any], Any],
    shared: Any,
    parts: Mapping[int, Any],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    timeout: float = 10.0,
    names: Mapping[int, str] | None = None,
    kept: bool = False,
) -> Generator[tuple[int, Any], None, None]:
    """Yield the number of every part and ``function(shared, part)``, in the order in which they are done.

    Whoever does not take all of them closes the generator, which ends the processes or the connection to the cluster.

    Args:
        function: what computes a part; in other processes it is found by its name.
        shared: what all parts need; sent to each worker of a cluster once.
        parts: by number.
        workers: processes; 1 computes here.
        scheduler: address of a Dask scheduler whose workers compute instead.
        timeout: seconds to wait for the scheduler.
        names: what messages call the parts.
        kept: whether what was finished is not lost.

    Raises:
        DSTheoryError: a worker that died, a scheduler that cannot be reached; and what the function raises.

    Example:
        >>> dict(computed(pow, 2, {0: 3, 1: 5}))
        {0: 8, 1: 32}
    """
    if not parts:
        return
    if scheduler is not None:
        yield from _on_cluster(function, shared, parts, scheduler, timeout, names or {}, kept)
    elif workers == 1 or len(parts) == 1:
        for number, part in parts.items():
            yield number, function(shared, part)
    else:
        yield from _in_processes(function, shared, parts, min(workers, len(parts)), kept)


def check_workers(workers: int, scheduler: str | None) -> None:
    """Refuse a number of processes that is none, and processes together with a cluster.

    Raises:
        DSTheoryError: it is so.
    """
    whole_number(workers, "workers", low=1)
    if scheduler is not None and workers != 1:
        raise DSTheoryError("workers and a scheduler were both given: processes here, or a cluster, not both")


def _in_processes(
    function: Callable[[Any, Any], Any], shared: Any, parts: Mapping[int, Any], workers: int, kept: bool
) -> Iterator[tuple[int, Any]]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    threads = max(1, available_threads() // workers)
    try:
        with parallel_config("loky", initializer=_begin, initargs=(os.getpid(), threads), inner_max_num_threads=threads):
            pool = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
            results = None
            try:
                with deferred_interrupts(), sheltered_start():
                    results = pool(delayed(_numbered)(number, function, shared, part) for number, part in parts.items())
                for result in results:  # noqa: UP028  (yield from would close it outside the block below)
                    yield result
            finally:
                with warnings.catch_warnings():  # joblib's: whoever is interrupted knows that some results were not used
                    warnings.simplefilter("ignore", UserWarning)
                    if results is not None:
                        results.close()
    except BrokenProcessPool as error:
        code = re.search(r"\{([^,}]+)", str(error))
        raise WorkerDiedError(
            f"a worker process ended with {code[1] if code else 'an error'} before it was done (out of memory?): "
            f"{'what was finished is kept; ' if kept else ''}start again, with fewer workers"
        ) from None
    finally:
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def _numbered(number: int, function: Callable[[Any, Any], Any], shared: Any, part: Any) -> tuple[int, Any]:
    return number, function(shared, part)


def _begin(parent: int, threads: int) -> None:
    """Prepare a worker process: the parent answers interrupts and ends it, and it ends by itself when its parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unshelter()
    limit_threads(threads)
    end_with_parent(parent)


def _on_cluster(
    function: Callable[[Any, Any], Any],
    shared: Any,
    parts: Mapping[int, Any],
    address: str,
    timeout: float,
    names: Mapping[int, str],
    kept: bool,
) -> Iterator[tuple[int, Any]]:
    # Not joblib's backend for Dask: it waits for ever for a part whose worker was killed, because it calls nobody back on errors.
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise DSTheoryError(
            "a scheduler needs the package distributed, which is not installed: pip install 'dstheory[dask]', or use workers"
        ) from None
    if not _ADDRESS.fullmatch(address):
        raise DSTheoryError(
            f"the scheduler {address!r} is not an address: write tcp://HOST:PORT, as it says itself when it starts"
        )
    with _quiet_logs():
        try:
            client = Client(address, timeout=timeout, set_as_default=False)
        except (OSError, TimeoutError) as error:
            # The first line says it; what follows is the cluster's own bookkeeping.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DSTheoryError(
                f"the scheduler {address} cannot be reached within {timeout:g} s ({reason}): is it running, and is this its "
                f"address?{' What was finished is kept' if kept else ''}"
            ) from None
        with client:
            try:
                client.wait_for_workers(1, timeout=timeout)
            except TimeoutError:
                raise DSTheoryError(
                    f"the scheduler {address} has no workers after {timeout:g} s: start some (dask worker {address}), "
                    "then start again"
                ) from None
            sent = client.scatter(shared, broadcast=True)
            todo = ((number, client.submit(function, sent, part, pure=False)) for number, part in parts.items())
            waiting = {future.key: (number, future) for number, future in islice(todo, _AHEAD * sum(client.nthreads().values()))}
            done = as_completed([future for _, future in waiting.values()], loop=client.loop)
            for future in done:
                try:
                    found = future.result()
                except DSTheoryError:
                    raise
                except Exception as error:  # the cluster, not a setting, is at fault
                    what = names.get(waiting[future.key][0], "a part of the work")
                    raise DSTheoryError(
                        f"the cluster could not compute {what} ({type(error).__name__}: {error})"
                        f"{'; what was finished is kept' if kept else ''}: start again"
                    ) from None
                yield waiting.pop(future.key)[0], found
                for number, following in islice(todo, 1):
                    waiting[following.key] = number, following
                    done.add(following)


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep the cluster's log off standard error: what matters becomes an error with a sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
