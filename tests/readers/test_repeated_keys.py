"""A key that is given twice in one object is always found, whatever stands around it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dstheory.readers.json_values import decode_lines

texts = st.text(alphabet='a":\\ {}\n\té', max_size=5)
colons = st.sampled_from([":", ": ", " :", "\t:\r"])
KEYS = ["a", '"', "b:", "\\", '\\"', "a ", "{"]


@st.composite
def objects(draw: st.DrawFn, depth: int = 0) -> str:
    """An object as text; its keys may repeat."""
    members = []
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=3)):
        name = draw(st.sampled_from([json.dumps(key), '"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"']))
        kinds = [st.integers(0, 9).map(str), texts.map(json.dumps), texts.map(lambda text: json.dumps([text]))]
        value = draw(st.one_of(*kinds, objects(depth + 1)) if depth < 2 else st.one_of(*kinds))
        members.append(name + draw(colons) + value)
    return "{" + ", ".join(members) + draw(st.sampled_from(["}", " }"]))


def _strict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise KeyError
    return dict(pairs)


@given(st.lists(objects(), min_size=1, max_size=3))
def test_a_repeated_key_is_found_in_any_text(lines: list[str]) -> None:
    try:
        values = [json.loads(line, object_pairs_hook=_strict) for line in lines]
    except KeyError:
        values = None
    found = decode_lines("\n".join(lines).encode())
    assert found == values if found is not None or values is None else _hidden(lines)


def _hidden(lines: list[str]) -> bool:
    """Whether an escaped quotation mark hides how many marks there are: such lines are read one by one."""
    return any("\\u0022" in line for line in lines)
