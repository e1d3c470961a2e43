"""What --json prints, taken apart: every answer that a test reads is held against the schema of its command."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema

from dstheory.cli.schema import schema_of


@cache
def validator(command: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema_of(command))


def result_of(text: str) -> Any:
    """Return the result in what a command has printed with --json."""

    def refused(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    answer = json.loads(text, parse_constant=refused)
    validator(answer["command"]).validate(answer)
    return answer["result"]
