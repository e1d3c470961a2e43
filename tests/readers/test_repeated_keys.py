"""A key that is given twice in one object is always found, whatever stands around it."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dstheory.readers import json_values, streams
from dstheory.readers.json_values import LineDecoder, NotJSON, decode, records, shape_of, strings_in, strings_of
from dstheory.readers.streams import line_blocks

texts = st.text(alphabet='a":\\ {}\n\té', max_size=5)
colons = st.sampled_from([":", ": ", " :", "\t:\r"])
KEYS = ["a", '"', "b:", "\\", '\\"', "a ", "{", "é", ""]


@st.composite
def objects(draw: st.DrawFn, depth: int = 0) -> str:
    """An object as text; its keys may repeat."""
    members = []
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=3)):
        name = draw(st.sampled_from([json.dumps(key), '"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"']))
        plain = st.sampled_from(["7", "null", "true", "[1, null]"])
        kinds = [plain, texts.map(json.dumps), texts.map(lambda text: json.dumps([text]))]
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
    assert LineDecoder().decode("\n".join(lines).encode()) == values


@given(st.lists(st.lists(objects(), min_size=1, max_size=3), min_size=2, max_size=4))
def test_a_repeated_key_is_found_whatever_the_lines_before_looked_like(blocks: list[list[str]]) -> None:
    decoder = LineDecoder()
    for lines in blocks:
        try:
            values = [json.loads(line, object_pairs_hook=_strict) for line in lines]
        except KeyError:
            values = None
        found = decoder.decode("\n".join(lines).encode())
        assert found == values
        if found is not None:
            assert json.dumps(found) == json.dumps(values)  # the order of keys too


HELD = (
    '{"a": 1, "a": 2}',
    '{"b": "x\\": ", "a": 1, "a": 2}',
    '{"b": [{"a": 1}, {"a": 1, "c": {"a": 1, "a": 2}}]}',
    '{"b": {"c": "a: 1", "d": [{"a": 1, "a": 2}]}}',
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
    '{"b": "\\u0022\\u0022", "a": 1, "a": 2}',
    '{"b": "\\": \\": ", "a": 1, "a": 2}',
    '{"b\\\\": 1, "a": 1, "a": 2}',
    '{"b\\\\\\"": 1, "c\\\\\\\\": 2, "a": 1, "a": 2}',
    '{"b\\"": "\\"", "a": 1, "a": 2}',
    '{"b" \t\r : "x :", "": 1, "c: d" : "\\\\\\": ", "a": 1, "a": 2}',
    '{"b": "\\\\\\\\\\\\\\": ", "\\\\\\\\\\\\\\\\": 3, "a": 1, "a": 2}',
)


@pytest.mark.parametrize("before", [0, 20])
@pytest.mark.parametrize("text", HELD)
def test_a_repeated_key_is_found_at_any_depth(text: str, before: int) -> None:
    plain = [re.sub(r'"a": 1, "a": 2', '"a": 1, "z": 2', text), '{"b": [{"a": 1}]}', '{"b": [{"a": {}}]}', '{"b": null}']
    lines = [*plain * before, text]
    assert LineDecoder().decode("\n".join(lines).encode()) is None
    assert LineDecoder().decode("\n".join(lines).replace('"a": 2', '"\\u0061": 2').encode()) is None
    decoder = LineDecoder()
    for _ in range(3):  # the file looks like this
        assert decoder.decode("\n".join(plain).encode()) is not None
    assert decoder.decode(text.encode()) is None
    alike = LineDecoder()
    assert alike.decode(plain[0].encode()) is not None
    assert alike.decode(text.encode()) is None
    with pytest.raises(NotJSON, match="the key 'a' is given twice"):
        decode(text.encode())
    assert LineDecoder().decode("\n".join(plain).encode()) == [json.loads(line) for line in plain]


def _strings_of(text: str) -> int:
    """Strings of one value as Python's own reader finds them, keys that are given twice included."""
    keys = 0

    def counted(pairs: list[tuple[str, Any]]) -> list[Any]:
        nonlocal keys
        keys += len(pairs)
        return [value for _, value in pairs]

    def strings(value: Any) -> int:
        return sum(map(strings, value)) if isinstance(value, list) else isinstance(value, str)

    return strings(json.loads(text, object_pairs_hook=counted)) + keys


@given(st.lists(objects(), min_size=1, max_size=3), st.integers(1, 20))
@example(['{"a": ": ", "b": "\\\\", "c" : "x :", "d": "\\": \\\\\\": ", "e\\\\": "!:"}'], 2)
@example(['{"":1}'], 5)
@example(['{"": "\\\\\\\\\\"", "a": "\\\\\\\\\\\\\\""}'], 3)
def test_the_strings_of_a_text_are_counted_wherever_it_is_cut(lines: list[str], part: int) -> None:
    text = "\n".join(lines).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_PART", part)
        strings = sum(map(_strings_of, lines))
        assert strings_in(text) == strings
        assert [strings_in(text, least) for least in range(strings + 1)] == [strings] * (strings + 1)


QUOTING = {
    "words and colons": '{"a": "x: y, 1:2", "b": 1}',
    "quoted keys": '{"a": "{\\"b\\": 1}", "b": 1}',
    "blanks before colons": '{"a": "x : y", "b": 1}',
    "both": '{"a": "x : {\\"b\\": 1}", "b": 1}',
    "quoted twice": '{"a": "{\\"b\\": \\"{\\\\\\"c\\\\\\": 1}\\"}", "b": 1}',
}


@pytest.mark.parametrize("line", QUOTING.values(), ids=list(QUOTING))
def test_texts_that_quote_others_are_read_by_the_fast_way(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = json.loads(line)
    monkeypatch.setattr(json_values.json, "loads", None)  # the slow way is not taken
    assert LineDecoder().decode(f"{line}\n".encode() * 3) == [value] * 3
    assert decode(line) == value


def test_long_runs_of_backslashes_are_looked_at_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a key's end each of them was counted by itself: a quarter of a megabyte took five seconds."""
    passes: list[int] = []
    monkeypatch.setattr(json_values.np, "count_nonzero", lambda mask: passes.append(1) or int(mask.sum()))
    for n in (100, 10_000):
        line = '{"' + "\\\\" * n + '": 1, "a": ": "}'
        assert LineDecoder().decode(line.encode()) == [json.loads(line)]
        assert LineDecoder().decode(line.replace('"a"', '"' + "\\\\" * n + '"').encode()) is None
    assert len(passes) < 100


@pytest.mark.parametrize("again", ['"a"', '"\\u0061"'])
@pytest.mark.parametrize("filling", ["x", "\\\\", ": ", '\\": '])
def test_a_repeated_key_is_found_across_a_long_line_and_the_borders_of_blocks(
    tmp_path: Path, again: str, filling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_values, "_PART", 1000)
    long = filling * 3000
    lines = [json.dumps({"a": 1, "b": [{"c": i}]}) for i in range(40)]
    bad = [f'{{"a": 1, "b": "{long}", {again}: 2}}', f'{{"b": "{long}", "d": [{{"a": 1, {again}: 2}}]}}']
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*lines, bad[0], *lines, bad[1], *lines, f'{{"a": 1, "b": "{long}"}}']))
    for size in (50, 64, 3000, 2**17):
        decoder, found = LineDecoder(), list[Any]()
        monkeypatch.setattr(streams, "BLOCK", size)
        for block in line_blocks(path):
            found += records(block, decoder)[1]
        assert [i for i, value in enumerate(found) if isinstance(value, NotJSON)] == [40, 81]
        assert all(value.reason == "repeated" for value in found if isinstance(value, NotJSON))


SAME = ['{"id": 1, "tries": [{"ok": true, "why": {"n": 1}}, {"ok": false, "why": null}]}', '{"id": 2, "tries": []}']
ODD = {
    "a key more": '{"id": 1, "new": 2, "tries": []}',
    "a key less": '{"tries": []}',
    "another kind": '{"id": 1, "tries": {"ok": true}}',
    "an object for a number": '{"id": {"a": {"b": 1}}, "tries": []}',
    "no object": "7",
    "a null": '{"id": 1, "tries": null}',
}


@pytest.mark.parametrize("line", ODD.values(), ids=list(ODD))
def test_lines_that_look_otherwise_than_those_before_lose_nothing(line: str) -> None:
    decoder = LineDecoder()
    for lines in (SAME, SAME, [*SAME, line], SAME, [line, line], [line, *SAME]):
        assert decoder.decode("\n".join(lines).encode()) == [json.loads(one) for one in lines]


@pytest.mark.parametrize("name", ["é", "答案", "\N{GRINNING FACE}"])
def test_a_key_stays_what_it_is_beside_names_that_are_not_ascii(name: str) -> None:
    """Decoding by a type with such a name, msgspec 0.22 takes an empty key for it."""
    decoder = LineDecoder()
    for value in ({name: 1}, {"": 2}, {"a": {name: 1, "b": 2}}, {"a": {"": 1, "b": 2}}):
        assert decoder.decode(json.dumps(value, ensure_ascii=False).encode()) == [value]


def test_a_text_that_is_null_for_once_is_learnt_too() -> None:
    same, other = b'{"id": "a", "why": ""}\n' * 50, b'{"id": "a", "why": null}\n{"id": "a", "why": "b"}'
    decoder = LineDecoder()
    for data in (same, same, other):
        assert decoder.decode(data) == [json.loads(line) for line in data.splitlines()]
    missed = decoder._unlike
    for data in (same, other, same):
        assert decoder.decode(data) == [json.loads(line) for line in data.splitlines()]
        assert decoder.decode(data.replace(b'"id": "a"', b'"id": "a", "\\u0069d": "b"')) is None
    assert missed == 2  # the first block, and the one with null


def test_lines_with_lists_of_texts_and_objects_are_learnt_too() -> None:
    """The strings of such objects were not counted: each of the first blocks was decoded twice, and learnt anew."""
    line = '{"arguments": [["Q: 1 + 1?", {"until": ["\\n"], "n": 1}]], "n": [1, {"a": "b"}, null], "ok": 1}'
    decoder, held = LineDecoder(), json.loads(line)
    for _ in range(3):
        assert decoder.decode(f"{line}\n".encode() * 9) == [held] * 9
    assert (decoder._unlike, decoder._alike) == (1, 2)
    assert decoder.decode(line.replace('"n": 1', '"n": 1, "n": 1').encode()) is None
    assert decoder.decode(line.replace('"a": "b"', '"a": "b", "a": "b"').encode()) is None


@pytest.mark.parametrize(
    ("values", "strings"),
    [
        ([json.loads(line) for line in SAME], 2 + 4 + 1 + 2),
        ([{"a": [{"b": 1}, {"b": 2}, {"b": "c"}]}, {"a": []}], 2 + 4),
        ([{"a": {"b": [{"c": 1}]}}, {}], 3),
        ([{"a": "", "b": None}, {"a": "x", "b": "y"}, {"a": "x", "b": ""}], 6 + 3 + 2),
        ([{"a": 1, "b": ["x"]}, {"a": "x", "b": []}, {"a": None, "b": ["x", None, 3, ""]}], 6 + 1 + 1 + 2),
        (["a", "b"], 2),
        ([["a", 1], ["b"], []], 2),
        ([{"a": {"b": 1}}, {"c": None}, {"c": {"d": {"e": 1, "f": None}}}, {"a": {"b": "2"}, "c": {"d": {"e": 1}}}], 13),
        ([{"a": {"b": 1}, "x": 1}, {"c": None}, {"c": {"d": {"e": 1}}}, {"a": {"b": 2}, "c": {"d": {"e": 1}}}], 12),
        ([{f"q{i}": {"a": [i]} for i in range(n)} for n in (100, 3, 0)], 206),
        ([{f"q{i}": str(i) for i in range(n)} for n in (100, 3, 0)], 206),
        ([{f"q{i}": [str(i)] * i for i in range(n)} for n in (100, 3, 0)], 103 + 4950 + 3),
    ],
)
def test_strings_are_counted_by_shape_as_one_by_one(values: list[Any], strings: int) -> None:
    assert shape_of(values).strings(values) == strings_of(values) == strings_in(json.dumps(values).encode()) == strings
    odd = [*values, 7, {"y": ["z"]}]
    assert shape_of(odd).strings(odd) <= strings_of(odd) == strings + 2


def test_looking_for_objects_takes_steps_in_proportion() -> None:
    """Many names in the first object do not make all others be asked for each."""
    wide = [{f"k{i}": {"a": 1} for i in range(5000)}, *({} for _ in range(100))]
    few = [{f"k{i}": {"a": 1}} for i in range(20)]
    for values in (wide, few):
        assert shape_of(values).type.__origin__ is dict
        assert LineDecoder().decode("\n".join(map(json.dumps, values)).encode()) == values


def _kind(value: Any) -> Any:
    return type(value) if isinstance(value, NotJSON) else value


@given(st.lists(st.tuples(st.sampled_from(['{"a": 1}', '{"b": [1,\n2]}', '{\n"c": {}}', '[{}\n]', "7", ""]),
                          st.sampled_from(["\n", "\n", "\n", "", "\r\n", " \n", "\n\n"])), min_size=1, max_size=5))  # fmt: skip
@example([('{\n"c": {}}', "\n"), ('{"a": 1}', ""), ('{"a": 1}', "")])
@example([("", "\r\n"), ('{"a": 1}', ""), ('{"a": 1}', "")])
@example([("", "\n"), ('{\n"c": {}}', "\n"), ('{"a": 1}', ""), ('{"a": 1}', "")])
def test_lines_are_what_they_are_one_by_one(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str]]) -> None:
    """A value that goes on in the next line is refused, also where another line holds one value too many."""
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(("".join(chain.from_iterable(parts)) + "\n").encode())
    numbers, values = list[int](), list[Any]()
    for block in line_blocks(path):
        some, found = records(block, LineDecoder())
        numbers += some
        values += map(_kind, found)
    alone = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                alone.append((number, decode(line)))
            except NotJSON:
                alone.append((number, NotJSON))
    assert list(zip(numbers, values, strict=True)) == alone
