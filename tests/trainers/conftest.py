"""The command line in this process, as in tests/cli."""

from __future__ import annotations

from cli.conftest import dstheory

__all__ = ["dstheory"]
