"""The cluster: stretches of a sweep sent to a Dask scheduler, a few ahead of what its workers can do at once.

Results come back to this process, which alone writes files: the cluster needs no disk in common with it.

Source: derived here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dstheory.dynamics.sweeps.evaluate import Plan
from dstheory.dynamics.sweeps.grid import Tile
from dstheory.errors import DSTheoryError

__all__ = ["over_dask"]

Tables = dict[str, Any]
_ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx)://)?([^\s:/]+|\[[0-9a-fA-F:]+\]):\d+|inproc://\S+")
_AHEAD = 2  # stretches that each thread of a worker has waiting, so that it never idles


def over_dask(
    plan: Plan, work: Mapping[int, Sequence[Tile]], compute: Callable[..., Tables], address: str, timeout: float
) -> Iterator[tuple[int, Tables]]:
    """Yield the tables of every stretch of tiles, computed by the workers of a Dask scheduler.

    Raises:
        DSTheoryError: distributed is not installed; the scheduler cannot be reached in ``timeout`` seconds, or has no workers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise DSTheoryError(
            "a scheduler needs the package distributed, which is not installed: pip install 'dstheory[dask]', or use workers"
        ) from None
    if not _ADDRESS.fullmatch(address):
        raise DSTheoryError(f"the scheduler {address!r} is no address: write tcp://HOST:PORT, as it says itself when it starts")
    with _quiet_logs():
        try:
            client = Client(address, timeout=timeout, set_as_default=False)
        except (OSError, TimeoutError) as error:
            # The first line says it; what follows is the cluster's own bookkeeping.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DSTheoryError(
                f"the scheduler {address} cannot be reached within {timeout:g} s ({reason}): is it running, and is this its "
                "address? What was finished is kept"
            ) from None
        with client:
            try:
                client.wait_for_workers(1, timeout=timeout)
            except TimeoutError:
                raise DSTheoryError(
                    f"the scheduler {address} has no workers after {timeout:g} s: start some (dask worker {address}), "
                    "then start the sweep again"
                ) from None
            shared = client.scatter(plan, broadcast=True)
            todo = iter(work.items())
            numbers: dict[Any, int] = {}

            def submit() -> list[Any]:
                item = next(todo, None)
                if item is None:
                    return []
                future = client.submit(compute, shared, item[1], pure=False)
                numbers[future.key] = item[0]
                return [future]

            first = [future for _ in range(_AHEAD * sum(client.nthreads().values())) for future in submit()]
            done = as_completed(first, loop=client.loop)
            for future in done:
                try:
                    tables = future.result()
                except Exception as error:
                    raise _failure(error) from None
                yield numbers.pop(future.key), tables
                done.update(submit())


def _failure(error: Exception) -> Exception:
    """Return a sentence where the cluster, not a setting, is at fault."""
    if isinstance(error, DSTheoryError):
        return error
    return DSTheoryError(f"the cluster could not compute a part of the sweep ({type(error).__name__}: {error}); what was "
                         "finished is kept: start again")  # fmt: skip


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep the cluster's log off standard error: what matters becomes an error with a sentence."""
    import logging

    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
