"""Reading rollout logs: JSON lines, tables, conversations, plain transcripts."""

from __future__ import annotations
