"""What names a problem, and what it asks.

Ids such as 1, 2, 3 begin anew in every file of some harnesses: two files mean the same problem by a name unless both show what it
asks, and that differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

from dstheory.readers.messages import is_unicode
from dstheory.readers.paths import Place
from dstheory.readers.records import FieldNames, Records, compact, text_or_none

LONGEST_NAME = 80  # characters of a problem's name; of a longer prompt the beginning is kept, and a digest
# Where a record may show what it asks, or at least that it asks something else.
_KEYS = ("question", "input", "prompt", "problem_statement", "query", "instruction", "messages", "problem", "doc", "numbers",
         "target", "gold", "gt", "ground_truth", "task", "data_source")  # fmt: skip


def problem_name(value: Any) -> str:
    """Return the name of a problem: the value itself, a long prompt shortened to its beginning and a digest.

    Example:
        >>> problem_name(7), problem_name("2 + 2?"), problem_name("x" * 1000)[48:60]
        ('7', '2 + 2?', 'xx... bd15df')
    """
    text = value if isinstance(value, str) else compact(value)
    if len(text) <= LONGEST_NAME and is_unicode(text):
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{text[: LONGEST_NAME - 30]}... {digest}".encode("utf-8", "replace").decode()


def question_key(head: Sequence[Any], names: FieldNames) -> str:
    """Return the key under which records show what they ask; "" where there is none, or where it names the problem.

    Example:
        >>> question_key([{"id": 1, "input": "2 + 2?"}], FieldNames()), question_key([{"problem": "a"}], FieldNames())
        ('input', '')
    """
    objects = [record for record in head if isinstance(record, dict)]
    found = next((key for key in _KEYS if any(record.get(key) not in (None, "") for record in objects)), "")
    return "" if found in (names.problem, names.id) else found


def noting_questions(parts: Iterable[Records], names: FieldNames, key: str, questions: dict[str, str]) -> Iterator[Records]:
    """Yield records as they are, and write down what the first of each name asks.

    Args:
        parts: the records.
        names: which key holds what.
        key: under which they show what they ask.
        questions: name of the problem -> what it asks, in short.
    """
    problem, name_of = Place.of(names.problem), Place.of(names.id)
    for numbers, rows in parts:
        for row in rows:
            if isinstance(row, dict):
                value = problem.get(row)
                value = name_of.get(row) if value is None else value
                name = problem_name(value) if isinstance(value, (str, list, dict)) else text_or_none(value)
                if name is not None and name not in questions and row.get(key) not in (None, ""):
                    questions[name] = _digest(row[key])
        yield numbers, rows


def _digest(value: Any) -> str:
    """Return a short text that differs where questions do; of a conversation it is the last word of the user that counts."""
    if isinstance(value, list):
        said = [one.get("content") for one in value if isinstance(one, dict) and one.get("role") == "user"]
        value = said[-1] if said else value
    text = " ".join(value.split()) if isinstance(value, str) else compact(value)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
