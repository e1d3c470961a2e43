"""A key that is given twice in one object is always found, whatever stands around it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.readers import json_values
from dstheory.readers.json_values import NotJSON, decode, decode_lines

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


HELD = (
    '{"a": 1, "a": 2}',
    '{"b": {"a": 1, "a": 2}}',
    '{"b": {"c": {"a": 1, "a": 2}}}',
    '{"b": [{"a": 1}, {"a": 1, "a": 2}]}',
    '{"b": [[{"c": [{"a": 1, "a": 2}]}]]}',
    '{"b": [1, {"a": 1, "a": 2}]}',
    '{"b": [{"a": 1}, ":", {"a": 1, "a": 2}]}',
    '[{"a": 1, "a": 2}]',
    '[[":", {"a": 1, "a": 2}]]',
    '{"\\\\u0022": 1, "a": 1, "a": 2}',
    '{"b": "\\\\u0022:", "a": 1, "a": 2}',
    '{"b": "\\u0022", "a": 1, "a": 2}',
    '{"b": "\\": \\": ", "a": 1, "a": 2}',
    '{"b\\\\": 1, "a": 1, "a": 2}',
)


@pytest.mark.parametrize("before", [0, 20])
@pytest.mark.parametrize("text", HELD)
def test_a_repeated_key_is_found_at_any_depth(text: str, before: int) -> None:
    plain = [re.sub(r'"a": 1, "a": 2', '"a": 1, "z": 2', text), '{"b": [{"a": 1}]}', '{"b": [{"a": {}}]}', '{"b": null}']
    lines = [*plain * before, text]
    assert decode_lines("\n".join(lines).encode()) is None
    with pytest.raises(NotJSON, match="the key 'a' is given twice"):
        decode(text.encode())
    if "\\u0022" not in text:
        assert decode_lines("\n".join(plain).encode()) == [json.loads(line) for line in plain]


def test_looking_for_objects_takes_steps_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many names in the first object do not make all others be asked for each."""
    asked, under = [], json_values._under
    monkeypatch.setattr(json_values, "_under", lambda name, place: asked.append(len(place)) or under(name, place))
    wide = [{f"k{i}": {"a": 1} for i in range(5000)}, *({} for _ in range(100))]
    assert decode_lines("\n".join(map(json.dumps, wide)).encode()) == wide
    assert sum(asked) <= 8 * len(wide)


def _hidden(lines: list[str]) -> bool:
    """Whether an escaped quotation mark hides how many marks there are: such lines are read one by one."""
    return any("\\u0022" in line for line in lines)
