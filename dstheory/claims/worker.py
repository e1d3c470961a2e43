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

_GRACE = 10


def main() -> None:
    """Serve requests until standard input closes."""
    # Whatever a claim prints must not mix with the answers: they get the real standard output, prints go to stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    from dstheory.claims.loading import load_claims

    with contextlib.suppress(ImportError):
        import z3  # noqa: F401  # paid before the clock of the first claim starts; its absence is reported where needed

    loaded: dict[str, Any] = {}
    _write(answers, {"event": "ready"})
    for line in sys.stdin:
        request = json.loads(line)
        # If the parent is gone it cannot stop a runaway claim; the alarm then ends this process.
        _alarm(request["time_limit"])
        _write(answers, {"event": "started"})
        path = Path(request["path"])
        try:
            if request["path"] not in loaded:
                loaded[request["path"]] = load_claims(path)
            claims = loaded[request["path"]]
            answer = _check(claims, request) if request["op"] == "check" else _describe(claims)
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


def _alarm(seconds: float) -> None:
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + _GRACE)


def _write(stream: IO[str], message: dict[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
