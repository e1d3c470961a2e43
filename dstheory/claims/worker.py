"""The process in which claims are loaded and checked: reads one request per line, writes one answer per line.

Claims are code, and code may crash, hang, print or exit. It does so here, away from the process that the user talks to.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

__all__ = ["main"]

_SLACK = 1.0
"""Seconds between a claim's own deadline and the end of its process."""


def main() -> None:
    """Serve requests until standard input closes."""
    # Whatever a claim prints must not mix with the answers: they get the real standard output, prints go to stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    from dstheory.claims.defaults import LOAD_LIMIT
    from dstheory.claims.loading import load_claims

    with contextlib.suppress(ImportError):
        import z3  # noqa: F401  # paid before the clock of the first claim starts; its absence is reported where needed

    loaded: dict[str, Any] = {}
    _write(answers, {"event": "ready"})
    for line in sys.stdin:
        request = json.loads(line)
        path = Path(request["path"])
        try:
            if request["path"] not in loaded:
                _limit(LOAD_LIMIT)
                loaded[request["path"]] = load_claims(path)
            claims = loaded[request["path"]]
            if request["op"] == "check":
                _limit(request["time_limit"] + _SLACK)
                answer = _check(claims, request)
            else:
                answer = _describe(claims)
        except Exception as error:
            answer = {"error": str(error)}
        _write(answers, answer)


def _describe(claims: dict[str, Any]) -> dict[str, Any]:
    return {"claims": [claim.describe() for claim in claims.values()]}


def _check(claims: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    from dstheory.claims.checking import check, failure

    try:
        verdict = check(
            claims[request["id"]],
            seed=request["seed"],
            examples=request["examples"],
            time_limit=request["time_limit"],
        )
    except SystemExit as error:
        verdict = failure(request["id"], error)
    return {"verdict": verdict.as_dict()}


def _limit(seconds: float) -> None:
    """Let the system end this process once it has used so much more processor time, whatever it is doing then."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _write(stream: IO[str], message: dict[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
