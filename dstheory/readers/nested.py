"""Small chains in JSON and TOML: one object per prompt; its keys are the columns of a table, its values are lists over answers.

    format = "dstheory-chain/1"
    gamma = 0.95
    [[prompts]]
    prompt = "2 + 2 = ?"
    answer = ["4", "5"]
    correct = [1, 0]
    sample_probability = [0.55, 0.45]
    stop_probability = [0.8, 0.7]

A single number stands for all answers of the prompt; in the columns of a policy a list of lists holds one list per turn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dstheory.checks import Floats
from dstheory.errors import FileFormatError
from dstheory.readers.chain_table import BY_NAME, COLUMNS, FORMAT, FOUR_REWARDS, POLICIES, ChainTable, check_columns
from dstheory.readers.json_values import NotJSON, NotTOML, decode, decode_toml, sentence
from dstheory.readers.streams import check_utf8, read_whole
from dstheory.texts import brief, is_unicode, nearest, shown

_TOP = ("format", "gamma", "discount_per", "max_turns", "reward", "prompts")
_PROMPT_KEYS = tuple(column.name for column in COLUMNS if column.per != "chain")
_BY_TURN = {
    f"{prefix}{stage}_{kind}" for prefix in POLICIES.values() for stage in ("sample", "stop") for kind in ("probability", "logit")
}
_INFINITE = {"inf": math.inf, "-inf": -math.inf}  # JSON has no infinite numbers; logits may be infinite


class _Bad(Exception):
    """The rest of a sentence about the file being read."""


def read_nested(path: Path, kind: str, source: str) -> ChainTable:
    """Read a JSON or TOML chain.

    Raises:
        FileFormatError: the file is not such a chain; the place and the rule.
    """
    data = read_whole(path, "write so large a chain as a table, .csv or .parquet")
    check_utf8(path, source)
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    if not text.strip():
        raise FileFormatError(f"{source} is empty: needs a chain with at least one prompt and one answer")
    try:
        return _chain_table(decode_toml(text) if kind == "toml" else decode(text), source)
    except NotJSON as error:
        raise FileFormatError(sentence(error, source)) from error
    except NotTOML as error:
        what = str(error)
        raise FileFormatError(f"{source}: not valid TOML: {what[:1].lower()}{what[1:]}; correct that place") from error
    except _Bad as error:
        raise FileFormatError(f"{source}: {error}") from error


def _chain_table(data: Any, source: str) -> ChainTable:
    settings = _settings(data)
    entries = data.get("prompts")
    if not isinstance(entries, list) or not entries:
        raise _Bad("there are no prompts: needs a list named prompts with at least one object in it")
    parsed = [_prompt(entry, f"prompts[{i}]", i) for i, entry in enumerate(entries)]
    names = [name for name, _, _ in parsed]
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        if first.setdefault(name, i) != i:
            raise _Bad(f"prompts[{i}] and prompts[{first[name]}] are both named {shown(name)}: rename one or merge them")
    numbers = _joined([columns for _, _, columns in parsed], settings, source)
    answers = [answer for _, answers, _ in parsed for answer in answers]
    counts = [len(answers) for _, answers, _ in parsed]
    distinct: dict[str, int] = {}
    places = [f"prompts[{i}], answer {k}" for i, n in enumerate(counts) for k in range(n)]
    return ChainTable(
        source,
        tuple(names),
        np.repeat(np.arange(len(names)), counts),
        np.array([distinct.setdefault(answer, len(distinct)) for answer in answers]),
        list(distinct),
        numbers,
        settings,
        where=lambda rows: [places[row] for row in rows],
    )


def _settings(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise _Bad(f"holds {_kind(data)} instead of an object with format, prompts and settings")
    if data.get("format") != FORMAT:
        if "format" in data:
            raise _Bad(f"format is {_kind(data['format'])}: this version of dstheory reads {FORMAT!r}; update one or the other")
        raise _Bad(f'it has no format: a chain file has format = "{FORMAT}"; add that if this is one')
    for key in data:
        if key not in _TOP:
            hint = f"it belongs into every one of the prompts: write {key} there" if key in BY_NAME else nearest(key, _TOP)
            raise _Bad(f"the key {shown(key)} is not known at the top level: {hint}")
    settings: dict[str, Any] = {}
    if data.get("gamma") is not None:
        settings["gamma"] = _number(data["gamma"], "gamma", "")
    if data.get("discount_per") is not None:
        if data["discount_per"] not in ("turn", "stage"):
            raise _Bad(f"discount_per is {shown(data['discount_per'])}: must be turn or stage; use one of the two words")
        settings["discount_per"] = data["discount_per"]
    if data.get("max_turns") is not None:
        turns = _number(data["max_turns"], "max_turns", "")
        settings["max_turns"] = int(turns) if turns.is_integer() else turns
    if data.get("reward") is not None:
        settings["reward"] = _four_rewards(data["reward"])
    return settings


def _four_rewards(reward: Any) -> dict[str, float]:
    if not isinstance(reward, dict):
        raise _Bad(f"reward is {_kind(reward)}: must be an object with {', '.join(FOUR_REWARDS)}")
    for key in reward:
        if key not in FOUR_REWARDS:
            raise _Bad(f"reward has the unknown key {shown(key)}: {nearest(key, FOUR_REWARDS)}")
    missing = [key for key in FOUR_REWARDS if key not in reward]
    if missing:
        raise _Bad(f"reward has no {', '.join(missing)}: needs all four of {', '.join(FOUR_REWARDS)}; add it")
    found = {key: _number(value, f"reward.{key}", "") for key, value in reward.items()}
    for key, number in found.items():
        if not math.isfinite(number):
            raise _Bad(f"reward.{key} is {number}: must be finite; correct that value")
    return found


def _prompt(entry: Any, place: str, index: int) -> tuple[str, list[str], dict[str, Floats]]:
    """Return name, answers and columns, each (n,) or (turns, n), of one prompt."""
    if not isinstance(entry, dict):
        raise _Bad(f"{place} is {_kind(entry)}: must be an object with answer, correct, ...")
    name = entry.get("prompt", str(index))
    if not isinstance(name, str) or not name:
        raise _Bad(f"{place}: prompt is {shown(name)}: must be a text that is not empty; put it into quotes")
    for key in entry:
        if key not in _PROMPT_KEYS:
            hint = "it belongs to the whole chain: write it at the top level" if key in _TOP else nearest(key, _PROMPT_KEYS)
            raise _Bad(f"{place} has the unknown key {shown(key)}: {hint}")
    correct = entry.get("correct")
    if not isinstance(correct, list) or not correct:
        raise _Bad(f"{place}: correct is {_kind(correct)}: must be a list with a 0 or 1 for every answer; add it")
    n = len(correct)
    answers = entry.get("answer", [str(i) for i in range(n)])
    if not isinstance(answers, list) or len(answers) != n or not all(isinstance(answer, str) for answer in answers):
        raise _Bad(
            f"{place}: answer is {_kind(answers)}: must be a list of {n} texts, one for every entry of correct; correct it"
        )
    for text in (name, *answers):
        if not is_unicode(text):
            raise _Bad(
                f"{place}: the name {shown(text)} is not valid Unicode (half of a surrogate pair): correct its \\u escapes"
            )
    columns: dict[str, Floats] = {}
    for key, value in entry.items():
        if BY_NAME[key].kind == "text":
            continue
        if BY_NAME[key].per == "prompt":
            columns[key] = np.full(n, _number(value, key, place))
        elif isinstance(value, list) and any(isinstance(row, list) for row in value):
            if key not in _BY_TURN:
                raise _Bad(
                    f"{place}: {key} is a list of lists: only policies are indexed by turns; give one list over the answers"
                )
            columns[key] = np.array([_list(row, key, f"{place}, turn {turn}", n) for turn, row in enumerate(value)])
        else:
            columns[key] = np.array(_list(value, key, place, n))
    return name, answers, columns


def _list(value: Any, key: str, place: str, n: int) -> list[float]:
    if not isinstance(value, list):
        return [_number(value, key, place)] * n
    if len(value) != n:
        entries = "1 entry" if len(value) == 1 else f"{len(value)} entries"
        raise _Bad(f"{place}: {key} has {entries} but the prompt has {n} answers: give one per answer")
    return [_number(item, key, f"{place}, answer {i}") for i, item in enumerate(value)]


def _number(value: Any, key: str, place: str) -> float:
    at = f" at {place}" if place else ""
    flag = key in BY_NAME and BY_NAME[key].kind == "flag"
    if key.endswith("_logit") and isinstance(value, str) and value in _INFINITE:
        return _INFINITE[value]
    if isinstance(value, bool) and not flag:
        raise _Bad(f"{key} is {str(value).lower()}{at}: must be a number; correct that value")
    if not isinstance(value, (int, float)):
        quotes = ", without quotes" if isinstance(value, str) else ""
        raise _Bad(f"{key} is {_kind(value)}{at}: must be a number{quotes}; correct that value")
    try:
        return float(value)
    except OverflowError as error:
        raise _Bad(
            f"{key}{at} is a whole number of {len(str(abs(value)))} digits: must fit a double; correct that value"
        ) from error


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "missing" if value is None else brief(value)


def _joined(prompts: Sequence[dict[str, Floats]], settings: dict[str, Any], source: str) -> dict[str, Floats]:
    """Join the prompts' columns; a column must be given by all prompts, for the same turns."""
    everywhere: dict[str, int] = {}
    for i, columns in enumerate(prompts):
        for key in columns:
            everywhere.setdefault(key, i)
    check_columns({"prompt", "answer", *everywhere}, source)
    if "reward" in settings:
        for key in ("reward_stop", "reward_resample", "cost"):
            if key in everywhere:
                raise _Bad(f"reward and {key} are both given: use the four numbers or the lists")
    joined: dict[str, Floats] = {}
    for key, giver in everywhere.items():
        for i, columns in enumerate(prompts):
            if key not in columns:
                raise _Bad(f"prompts[{i}] has no {key} but prompts[{giver}] has: give it for all prompts or for none")
        tables = [np.atleast_2d(columns[key]) for columns in prompts]
        turns = {len(table) for table in tables} - {1}
        if len(turns) > 1:
            counts = " and ".join(map(str, sorted(turns)))
            raise _Bad(f"{key} is given for {counts} turns: give it for the same turns in all prompts")
        k = max(turns, default=1)
        whole = np.concatenate([np.broadcast_to(table, (k, table.shape[1])) for table in tables], axis=1)
        joined[key] = whole if turns else whole[0]
    for prefix in POLICIES.values():
        given = {key: len(values) for key, values in joined.items()
                 if values.ndim == 2 and key in _BY_TURN and key.startswith("reference_") == bool(prefix)}  # fmt: skip
        if len(set(given.values())) > 1:
            found = " and ".join(f"{key} for {turns}" for key, turns in given.items())
            raise _Bad(f"{found} turns do not fit together: give both for the same turns, or one for all turns at once")
    return joined


# ---------------------------------------------------------------------- writing


def write_nested(rows: ChainTable, kind: str, path: Path) -> None:
    """Write rows (sorted by prompt) as a JSON or TOML chain."""
    import tomli_w

    ends = np.cumsum(rows.counts)
    prompts: list[dict[str, Any]] = []
    for x, name in enumerate(rows.prompts):
        part = slice(int(ends[x] - rows.counts[x]), int(ends[x]))
        entry: dict[str, Any] = {"prompt": name, "answer": [rows.answer_name(row) for row in range(part.start, part.stop)]}
        for column in COLUMNS:
            if column.name in rows.numbers:
                values = rows.numbers[column.name][..., part]
                entry[column.name] = _plain(values[0].item() if column.per == "prompt" else values.tolist(), kind)
        prompts.append(entry)
    data: dict[str, Any] = {"format": FORMAT, **rows.settings, "prompts": prompts}
    path.write_bytes((tomli_w.dumps(data) if kind == "toml" else _json(data)).encode())


def _plain(value: Any, kind: str) -> Any:
    """Whole numbers without decimals; infinite ones as text where JSON is written."""
    if isinstance(value, list):
        return [_plain(item, kind) for item in value]
    if math.isinf(value):
        return value if kind == "toml" else str(value)
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _json(data: dict[str, Any]) -> str:
    """One line per key and per prompt's key, so that lists stay readable."""

    def line(key: str, value: Any) -> str:
        return f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"

    prompts = [
        "    {\n" + ",\n".join(f"      {line(key, value)}" for key, value in entry.items()) + "\n    }"
        for entry in data["prompts"]
    ]
    top = [f"  {line(key, value)}" for key, value in data.items() if key != "prompts"]
    body = '  "prompts": [\n' + ",\n".join(prompts) + "\n  ]"
    return "{\n" + ",\n".join([*top, body]) + "\n}\n"
