"""Files of configurations: keys, values and lines from YAML, JSON, Python and shell scripts. Nothing in them is evaluated.

YAML is read by PyYAML's safe loader from its nodes, which know their lines; aliases, which may stand for more than memory holds,
are counted where they are used. Of Python the call of a trainer's configuration class is read, and of it the arguments, and what
is later assigned to its attributes, where these are literals. Of shell scripts the words are read: ``--key value``,
``--key=value`` and ``key=value``; a variable stands for what the script itself sets it to, as text.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.messages import shown
from dstheory.readers.streams import read_whole
from dstheory.texts import printable

ANY_KEY = "**"  # of what a Python file hands over without names
MOST_SETTINGS = 20_000  # keys that one file sets, aliases written out
DEEPEST_CONFIGURATION = 64  # levels of a YAML or JSON file
LARGEST_CONFIGURATION = 2**20  # bytes: a configuration is a few pages


@dataclass(frozen=True)
class KeyValue:
    """One key that a file sets.

    Attributes:
        key: with dots between the parts of a nested one.
        value: a number, a text, true, false, None, or a list of these.
        line: where it stands, from 1; None where it came from the command line.
    """

    key: str
    value: Any
    line: int | None = None


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes:
        name: of the file, as messages call it.
        entries: in the order of the file.
        text: words by which a program may be recognised: of a script its words, of Python the class called.
        unread: what looks like a setting but has a value that nobody but the shell or Python knows, with its line.
    """

    name: str
    entries: tuple[KeyValue, ...]
    text: str = ""
    unread: tuple[KeyValue, ...] = ()


def read_source(path: Path, classes: Collection[str] = ()) -> Source:
    """Return what a file sets.

    Args:
        path: the file.
        classes: names of the classes one of which a Python file must call, once: what others are called with is not read.

    Raises:
        DSTheoryError: it cannot be read.
        FileFormatError: it is none of the four syntaxes, too large, or Python that calls none of the classes, or several.
    """
    try:
        data = read_whole(path, "a configuration is a few pages of text")
    except OSError as error:
        why = error.strerror or error
        raise DSTheoryError(f"cannot read the configuration {printable(path)}: {why}; check the name") from error
    name = path.name
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05") or path.suffix in (".bin", ".pt", ".pkl"):
        raise FileFormatError(
            f"{printable(name)} is a pickle, which could run any program when it is read: "
            "write it as JSON with training_args.to_json_string()"
        )
    if len(data) > LARGEST_CONFIGURATION:
        raise FileFormatError(
            f"{printable(name)} has {len(data):,} bytes, more than {LARGEST_CONFIGURATION:,}: give a configuration"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{printable(name)} is no UTF-8 text (byte {error.start}): give the configuration") from error
    readers: dict[str, Callable[[str, str], Source]] = {
        ".yaml": _yaml, ".yml": _yaml, ".json": _json, ".py": partial(_python, classes=classes),
        ".sh": _shell, ".bash": _shell, ".txt": _shell,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        begins = text.lstrip()
        words = begins.startswith("#!") or re.search(r"(^|\s)--\w", text) is not None
        reader = _json if begins.startswith("{") else _shell if words else _yaml
    source = reader(text, printable(name))
    if len(source.entries) > MOST_SETTINGS:
        raise FileFormatError(f"{source.name} sets {len(source.entries):,} keys: a configuration sets at most {MOST_SETTINGS:,}")
    return source


def assignment(text: str) -> KeyValue | None:
    """Return ``key=value`` as an entry, with Hydra's leading ``+`` left out; None if it is none.

    >>> assignment("actor.kl_loss_coef=1e-3")
    KeyValue(key='actor.kl_loss_coef', value=0.001, line=None)
    """
    found = re.fullmatch(r"\+{0,2}([A-Za-z_][\w.\-]*)=(.*)", text, flags=re.DOTALL)
    return None if found is None else KeyValue(found[1], scalar(found[2]))


def scalar(text: str) -> Any:
    """Return the number, boolean, null, list or text that a word of a command line stands for.

    >>> scalar("1e-3"), scalar("True"), scalar("none"), scalar("dapo"), scalar("[1, 2.5]")
    (0.001, True, None, 'dapo', [1, 2.5])
    """
    plain = text.strip().strip("'\"")
    word = plain.lower()
    if word in ("true", "false"):
        return word == "true"
    if word in ("null", "none", "~"):
        return None
    if len(plain) <= 64:
        if re.fullmatch(r"[-+]?\d+", plain):
            return int(plain)
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", plain):
            return float(plain)
        if re.fullmatch(r"[-+]?\.?inf(inity)?", word):
            return float(word.replace(".", ""))
    if plain.startswith("[") and plain.endswith("]") and len(plain) <= 4096:
        inside = plain[1:-1].strip()
        return [scalar(part) for part in inside.split(",")] if inside else []
    return plain


# ---------------------------------------------------------------------- YAML and JSON


def _yaml(text: str, name: str) -> Source:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):  # without recursion, which composing is not
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST_CONFIGURATION:
                raise RecursionError
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise FileFormatError(f"{name} is nested too deeply: a configuration has a few levels") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark is not None else name
        what = printable(str(getattr(error, "problem", None) or error).splitlines()[0])
        raise FileFormatError(f"{where}: no YAML ({what}): correct it") from error
    if not isinstance(root, yaml.MappingNode):
        raise FileFormatError(f"{name} is no YAML mapping of keys to values: give the configuration itself")
    entries = list(_limited(_nodes(root, "", name, 0), name))
    values = {entry.key: entry.value for entry in entries}

    def referred(value: Any) -> Any:
        for _ in range(8):  # a reference to a reference, not to itself
            found = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
            if found is None or found[1] not in values:
                break
            value = values[found[1]]
        return value

    entries = [replace(entry, value=referred(entry.value)) for entry in entries]
    unread = tuple(entry for entry in entries if isinstance(entry.value, str) and "${" in entry.value)
    return Source(name, tuple(entry for entry in entries if entry not in unread), unread=unread)


_MERGE = "tag:yaml.org,2002:merge"


def _limited(entries: Iterator[KeyValue], name: str) -> Iterator[KeyValue]:
    for count, entry in enumerate(entries):
        if count >= MOST_SETTINGS:
            raise FileFormatError(f"{name} sets more than {MOST_SETTINGS:,} keys: no configuration does")
        yield entry


def _refuse_again(seen: dict[str, bool], key: str, nested: bool, where: str) -> None:
    """Refuse a key that is given twice and holds keys: programs read the last one alone, in which those of the first are not set.

    Args:
        seen: the keys before it at the same place, and whether they hold keys; it is added to them.
        key: the key.
        nested: whether it holds keys.
        where: its place in the file.
    """
    if key in seen and (nested or seen[key]):
        raise FileFormatError(f"{where}: {shown(key)} is given twice, and keys are in it: put them all under one")
    seen[key] = nested


def _nodes(node: yaml.MappingNode, above: str, name: str, depth: int) -> Iterator[KeyValue]:
    if depth > DEEPEST_CONFIGURATION:
        raise FileFormatError(f"{name} is nested more than {DEEPEST_CONFIGURATION} levels deep: a configuration has a few")
    seen: dict[str, bool] = {}
    own = {key.value for key, _ in node.value if key.tag != _MERGE and isinstance(key, yaml.ScalarNode)}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == _MERGE:  # what is merged stands below what the mapping itself says
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(merged, yaml.MappingNode):
                    others = [(k, v) for k, v in merged.value if k.value not in own]
                    yield from _nodes(yaml.MappingNode(merged.tag, others), above, name, depth + 1)
            continue
        if not isinstance(key, yaml.ScalarNode):
            raise FileFormatError(f"{name}, line {line}: a key is a list or a mapping: give it a name")
        full = f"{above}{key.value}"
        nested = isinstance(value, yaml.MappingNode) and bool(value.value)
        _refuse_again(seen, key.value, nested, f"{name}, line {line}")
        if nested:
            yield from _nodes(value, f"{full}.", name, depth + 1)
        else:
            yield KeyValue(full, _value(value, name), line)


def _value(node: yaml.Node, name: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        known = node.tag.removeprefix("tag:yaml.org,2002:")
        if known not in ("str", "int", "float", "bool", "null", "timestamp"):
            line = node.start_mark.line + 1
            raise FileFormatError(f"{name}, line {line}: the tag {shown(node.tag)} is not read: write the value itself")
        # YAML 1.1 takes 1e-3 for a text; the libraries take it for a number, as YAML 1.2 does.
        if node.style in ("'", '"') or known == "null":
            return None if known == "null" else node.value
        if known == "bool":
            return node.value.lower() in ("true", "yes", "on")
        return scalar(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, name) if isinstance(item, yaml.ScalarNode) else "..." for item in node.value[:1000]]
    return None


class _Object(dict[str, Any]):
    """A JSON object that knows its keys in the order of the text, those that stand there twice too."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _json(text: str, name: str) -> Source:
    try:
        document = json.loads(
            text, parse_int=lambda digits: int(digits) if len(digits) < 19 else float(digits), object_pairs_hook=_Object
        )
    except RecursionError as error:
        raise FileFormatError(f"{name} is nested too deeply: a configuration has a few levels") from error
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise FileFormatError(f"{name}{'' if line is None else f', line {line}'}: no JSON ({error}): correct it") from error
    if not isinstance(document, _Object):
        raise FileFormatError(f"{name} is no JSON object of keys and values: give the configuration itself")

    after = 0  # keys stand in the order in which they are walked

    def walk(table: _Object, above: str, depth: int) -> Iterator[KeyValue]:
        nonlocal after
        seen: dict[str, bool] = {}
        for key, value in table.pairs:
            found = re.compile(re.escape(json.dumps(key)) + r"\s*:").search(text, after)
            after = after if found is None else found.end()
            line = None if found is None else text.count("\n", 0, found.start()) + 1
            nested = isinstance(value, _Object) and bool(value) and depth < DEEPEST_CONFIGURATION
            _refuse_again(seen, key, nested, name if line is None else f"{name}, line {line}")
            if nested:
                yield from walk(value, f"{above}{key}.", depth + 1)
            else:
                yield KeyValue(f"{above}{key}", value, line)

    return Source(name, tuple(_limited(walk(document, "", 0), name)))


# ---------------------------------------------------------------------- Python


def _python(text: str, name: str, classes: Collection[str]) -> Source:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise FileFormatError(f"{name}{where}: no Python ({type(error).__name__}): correct it, or give YAML") from error
    call, called = _configuration_call(tree, name, classes)
    assignments = list(_assignments(tree))
    configs = {target.id for target, value in assignments if isinstance(target, ast.Name) and value is call}
    said: list[tuple[str, ast.expr | ast.stmt]] = [one for keyword in call.keywords for one in _arguments(keyword)]
    said += [(target.attr, value) for target, value in assignments if isinstance(target, ast.Attribute)
             and isinstance(target.value, ast.Name) and target.value.id in configs]  # fmt: skip
    entries: list[KeyValue] = []
    unread: list[KeyValue] = []
    known: dict[str, bool] = {}  # what is said last holds
    for key, value in reversed(said):
        try:
            entry, literal = KeyValue(key, ast.literal_eval(value), value.lineno), True
        except (ValueError, RecursionError, MemoryError):
            entry, literal = KeyValue(key, ast.unparse(value)[:60], value.lineno), False
        if known.setdefault(key, literal) == literal:
            (entries if literal else unread).append(entry)
    return Source(name, tuple(reversed(entries)), called, tuple(reversed(unread)))


def _configuration_call(tree: ast.Module, name: str, classes: Collection[str]) -> tuple[ast.Call, str]:
    """Return the one call of a class, also where it was imported under another name, and the class's own name."""
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    own = {alias.asname: alias.name for alias in imports if alias.asname}
    calls = [(node, own.get(_called(node), _called(node))) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = sorted(((call, called) for call, called in calls if called in classes), key=lambda one: one[0].lineno)
    if not found:
        which = " or ".join(sorted(classes)) or "class of this trainer"
        raise FileFormatError(
            f"{name} calls no {which}: of Python only the arguments of a trainer's configuration class are read; give YAML, JSON "
            "or a script"
        )
    if len(found) > 1:
        where = " and ".join(f"{called} in line {call.lineno}" for call, called in found[:2])
        several = len({called for _, called in found}) > 1
        remedy = "say whose is meant with --trainer" if several else "give a file that calls it once"
        raise FileFormatError(f"{name} calls {where}, and one configuration is read: {remedy}")
    return found[0]


def _assignments(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr | ast.stmt]]:
    """Yield what is assigned to and its value, line by line; of ``c.beta *= 2`` the whole, which is no literal."""
    kinds = (ast.Assign, ast.AnnAssign, ast.AugAssign)
    for node in sorted((node for node in ast.walk(tree) if isinstance(node, kinds)), key=lambda node: node.lineno):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if node.value is not None:
                yield target, node if isinstance(node, ast.AugAssign) else node.value


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else str(getattr(call.func, "attr", ""))


def _arguments(keyword: ast.keyword) -> list[tuple[str, ast.expr]]:
    """Return the names and values of one argument by name; ``**`` is the name where only Python knows them."""
    if keyword.arg is not None:
        return [(keyword.arg, keyword.value)]
    if not isinstance(keyword.value, ast.Dict):
        return [(ANY_KEY, keyword.value)]
    pairs = zip(keyword.value.keys, keyword.value.values, strict=True)
    return [(str(key.value), value) if isinstance(key, ast.Constant) else (ANY_KEY, keyword.value) for key, value in pairs]


# ---------------------------------------------------------------------- shell

_SETS = re.compile(
    r"^\s*(?:export\s+|local\s+|declare\s+(?:-\w+\s+)?)?([A-Za-z_]\w*)="
    r"(\"[^\"$`]*\"|'[^']*'|[^\s\"'$`();&|]*)\s*(?:#.*)?$"
)
_OTHERS = ("cd", "conda", "echo", "export", "kill", "mkdir", "nvidia-smi", "pip", "pkill", "ray", "set", "sleep", "source",
           "wandb")  # fmt: skip
_MARK = "\x01"
_MARKS = re.compile(f" ?{_MARK}\\d+ ?")
"""Where a line of the file begins inside a command of several lines."""
_USES = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}$`]*))?\})")
_PARTS = re.compile(r"\$|`")


def _shell(text: str, name: str) -> Source:
    variables: dict[str, str] = {}
    words: list[tuple[str, int]] = []
    programs: list[str] = []

    def put(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[2], found[3] if found[3] is not None else found[0])

    for line, logical in _logical_lines(text.replace(_MARK, "")):
        known = _USES.sub(put, logical)
        assigned = _SETS.match(known)
        if assigned is not None:
            variables[assigned[1]] = assigned[2].strip("\"'")
            continue
        try:
            parts = shlex.split(known, comments=True)
        except ValueError as error:
            raise FileFormatError(f"{name}, line {line}: no shell command ({error}): close the quotes") from error
        programs += parts
        at, begin = line, _first_argument(parts)
        for i, part in enumerate(parts):
            at = int(part[1:]) if part.startswith(_MARK) else at + parts[i - 1].count("\n") * (i > 0)
            if i < begin or part.startswith(_MARK):
                continue
            word = _MARKS.sub("", part)
            word = word.split("=(", 1)[1] if "=(" in word else word.removeprefix("(")
            words.append((word.removesuffix(")") if word.startswith("--") else word, at))
            if len(words) > 10 * MOST_SETTINGS:
                raise FileFormatError(f"{name} has more than {10 * MOST_SETTINGS:,} words: give the command alone")
    entries: list[KeyValue] = []
    unread: list[KeyValue] = []
    i = 0
    while i < len(words):
        word, line = words[i]
        i += 1
        if re.match(r"--[A-Za-z]", word):
            key, sign, value = word[2:].partition("=")
            values = [value] if sign else []
            while not sign and i < len(words) and not _is_key(words[i][0]):
                values.append(words[i][0])
                i += 1
            values = values[: values.index(")")] if ")" in values else values
            values = [v for v in values if v != "\\"]
            found: Any = True if not values else scalar(values[0]) if len(values) == 1 else [scalar(v) for v in values]
            entry = KeyValue(key.replace("-", "_") if "." not in key else key, found, line)
            (unread if any(_PARTS.search(v) for v in values) else entries).append(entry)
        elif (assigned_entry := assignment(word)) is not None and not assigned_entry.key.isupper():
            entry = KeyValue(assigned_entry.key, assigned_entry.value, line)
            (unread if _PARTS.search(word) else entries).append(entry)
    return Source(name, tuple(entries), " ".join(word for word in programs if word[:1] != _MARK), tuple(unread))


def _first_argument(parts: list[str]) -> int:
    """Return at which word of a command its program's arguments begin: at the first where no program is seen."""
    begin = parts.index("--") + 1 if "--" in parts else 0
    first = next((part for part in parts if part[:1] != _MARK), "")
    for i, part in enumerate(parts[begin:], start=begin):
        if part == "-m" or (part.endswith(".py") and "=" not in part):
            return i + (2 if part == "-m" else 1)
    return len(parts) if first in _OTHERS and not begin else begin


def _is_key(word: str) -> bool:
    """Return whether a word of a command line begins another setting, or another command."""
    return bool(re.match(r"--[A-Za-z]", word)) or word in ("&&", "||", "|", ";", "&", ">", "2>&1") or assignment(word) is not None


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number, line), with lines that end in a backslash, or inside quotes, joined to the next."""
    held, begin = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        begin = begin or number
        held += line
        if held.endswith("\\"):
            held = f"{held[:-1]} {_MARK}{number + 1} "
            continue
        try:
            shlex.split(held, comments=True)
        except ValueError:
            if len(held) < 10_000:
                held += "\n"
                continue
        yield begin, held
        held, begin = "", 0
    if held.strip():
        yield begin, held
