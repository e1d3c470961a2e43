"""Files of configurations: keys, values and lines from YAML, JSON, Python and shell scripts. Nothing in them is evaluated.

YAML is read by PyYAML's safe loader from its nodes, which know their lines; aliases, which may stand for more than memory holds,
are counted where they are used.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.streams import read_whole
from dstheory.texts import printable, shown
from dstheory.trainers.entries import MOST_SETTINGS, KeyValue, Source, scalar
from dstheory.trainers.python_files import read_python
from dstheory.trainers.scripts import read_script

DEEPEST_CONFIGURATION = 64  # levels of a YAML or JSON file
LARGEST_CONFIGURATION = 2**20  # bytes: a configuration is a few pages
MOST_BEGINNINGS = 6  # files of which each begins with the next
_OWN = "_self_"  # Hydra: where among the files that a file names its own keys stand; after all of them if it does not say


def read_source(path: Path, programs: Collection[str] = (), further: Collection[str] = ()) -> Source:
    """Return what a file sets, and before it a YAML file that it begins with, where that is there.

    Args:
        path: the file.
        programs: of trainers: names of configuration classes, one of which a Python file must call, once, and of programs that
            a script may start. What others are called with is not read.
        further: keys that name the file that this one begins with, beside this one or where the command runs.

    Raises:
        DSTheoryError: it cannot be read.
        FileFormatError: it is none of the four syntaxes, too large, Python that calls none of the classes, or several, or a
            script that starts several of the programs, or files begin with each other in a circle.
    """
    return _referred(_with_beginning(path, programs, further, 0))


def _with_beginning(path: Path, programs: Collection[str], further: Collection[str], depth: int) -> Source:
    """Return what a file sets, after what the file sets that it begins with; references are not followed yet."""
    source = _read(path, programs)
    begins_with = ((entry, found) for entry in source.entries if entry.key in further if (found := _places(entry, source, path)))
    named, places = next(begins_with, (None, {}))
    if named is None:
        return source
    if depth == MOST_BEGINNINGS:
        where = f"{source.name}, {named.place}"
        raise FileFormatError(f"{where}: more than {MOST_BEGINNINGS} files begin with another: is it a circle?")
    unknown = {entry.key for entry in source.unread if entry.unless is None}
    branches = {entry.key: entry.unless for entry in source.unread if entry.key not in unknown}
    rest = [name for name in _names(named) if name not in places]
    own = [replace(entry, value=rest) if entry is named else entry for entry in source.entries if entry is not named or rest]
    together: list[KeyValue] = []
    order = [name for name in _names(named) if name in places or name == _OWN]
    for name in order if _OWN in order else [*order, _OWN]:  # the later ones hold
        if name == _OWN:
            together = [*_under(together, own), *own]
            continue
        first = _with_beginning(places[name], (), further, depth + 1)
        theirs = [replace(entry, file=entry.file or first.name, unless=branches.get(entry.key, named.unless))
                  for entry in first.entries if entry.key not in unknown]  # fmt: skip
        together = [*_under(together, first.entries), *theirs]
    said = {entry.key for entry in together if entry.file} & branches.keys()
    unread = tuple(entry for entry in source.unread if entry.key not in said)
    return replace(source, entries=tuple(together), unread=unread)


def _under(begins: Sequence[KeyValue], entries: Sequence[KeyValue]) -> list[KeyValue]:
    """Return what others begin with, without what stands below their keys, or in a section that they replace (NeMo-RL)."""
    keys = {entry.key for entry in entries}
    keys |= {found[1] for entry in entries if entry.value is True and (found := re.fullmatch(r"([^.]+)\._override_", entry.key))}
    return [entry for entry in begins if not _within(entry.key, keys)]


def _names(entry: KeyValue) -> list[str]:
    return [str(name) for name in entry.value] if isinstance(entry.value, list) else [str(entry.value)]


def _places(entry: KeyValue, source: Source, path: Path) -> dict[str, Path]:
    """Return where the YAML files are that a value names, those that are found: beside a file, or where the command runs.

    Hydra's ``--config-name`` names one in its folder ``--config-path``, without its end; where nobody knows the folder, beside.
    Its ``defaults`` name files without their ends, too.
    """
    folder = ""
    if entry.key == "config_name":
        folders = [each for each in (*source.entries, *source.unread) if each.key in ("config_path", "config_dir")]
        if not folders:  # the library's own
            return {}
        folder = str(folders[-1].value) if folders[-1] in source.entries else ""
    found: dict[str, Path] = {}
    for name in _names(entry):
        file = name if name.endswith((".yaml", ".yml")) or entry.key == "config" else f"{name}.yaml"
        if re.fullmatch(r"[\w.][\w./+-]{0,300}\.ya?ml", file):
            places = [place for place in (path.parent / folder / file, Path(folder) / file) if place.is_file()]
            found |= {each: places[0] for each in [name] if places}
    return found


def _within(key: str, others: Collection[str]) -> bool:
    """Return whether a key stands below one of others, which then has a value and no keys."""
    parts = key.split(".", DEEPEST_CONFIGURATION)
    return any(".".join(parts[:n]) in others for n in range(1, len(parts)))


def _read(path: Path, programs: Collection[str]) -> Source:
    try:
        data = read_whole(path, "a configuration is a few pages of text")
    except OSError as error:
        why = error.strerror or error
        remedy = "check the name, or give a trainer, such as trl:grpo"
        raise DSTheoryError(f"cannot read the configuration {printable(path)}: {why}; {remedy}") from error
    name = path.name
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05") or path.suffix in (".bin", ".pt", ".pkl"):
        raise FileFormatError(
            f"{printable(name)} is a pickle, which could run any program when it is read: "
            "write it as JSON with training_args.to_json_string()"
        )
    if path.suffix.lower() == ".ipynb":
        data = _code(data, printable(name)).encode("utf-8", "replace")
    if len(data) > LARGEST_CONFIGURATION:
        raise FileFormatError(
            f"{printable(name)} has {len(data):,} bytes, more than {LARGEST_CONFIGURATION:,}: give a configuration"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{printable(name)} is not a UTF-8 text (byte {error.start}): give the configuration") from error
    classes = [program for program in programs if program.endswith("Config")]
    script = partial(read_script, programs=programs)
    if path.suffix.lower() == ".toml":
        what = f"{printable(name)} is TOML, which no trainer that is covered reads"
        raise FileFormatError(f"{what}: give YAML, JSON, Python or a script")
    readers: dict[str, Callable[[str, str], Source]] = {
        ".yaml": _yaml, ".yml": _yaml, ".json": _json, ".py": partial(read_python, classes=classes),
        ".ipynb": partial(read_python, classes=classes), ".sh": script, ".bash": script, ".slurm": script, ".txt": script,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        begins = text.lstrip()
        words = begins.startswith("#!") or re.search(r"(^|\s)--\w", text) is not None
        reader = _json if begins.startswith("{") else script if words else _yaml
    source = replace(reader(text, printable(name)), whole=text)
    if len(source.entries) > MOST_SETTINGS:
        raise FileFormatError(f"{source.name} sets {len(source.entries):,} keys: a configuration sets at most {MOST_SETTINGS:,}")
    return source


def _code(data: bytes, name: str) -> str:
    """Return the code of a notebook, one cell after another; what IPython reads, and not Python, is left out."""
    try:
        cells = json.loads(data)["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        texts = [source if isinstance(source, str) else "".join(source) for source in sources]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise FileFormatError(f"{name} is no notebook: it has no cells of code; give the configuration itself") from error
    magic = partial(_MAGIC.sub, lambda found: f"{found[1]}pass" + "\n" * found[0].count("\n"))  # which keeps its lines
    return "\n".join("\n" * text.count("\n") if _OTHER_CELL.match(text) else magic(text) for text in texts)


_OTHER_CELL = re.compile(r"\s*%%(?!capture\b|time\b|timeit\b)")  # of bash, or of a file
_MAGIC = re.compile(r"^([ \t]*)(?:\w+[ \t]*=[ \t]*)?[!%](?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


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
        raise FileFormatError(f"{where}: not valid YAML ({what}): correct it") from error
    if not isinstance(root, yaml.MappingNode):
        raise FileFormatError(f"{name} is not a YAML mapping of keys to values: give the configuration itself")
    return Source(name, tuple(_limited(_nodes(root, "", name, 0), name)))


def _referred(source: Source) -> Source:
    """Return a source in which references ``${key}`` have the values of their keys, and others are unread."""
    values = {entry.key: entry.value for entry in source.entries}

    def referred(value: Any) -> Any:
        for _ in range(8):  # a reference to a reference, not to itself
            found = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
            if found is None or found[1] not in values:
                break
            value = values[found[1]]
        return value

    entries = [replace(entry, value=referred(entry.value)) for entry in source.entries]
    holds = {entry.key: entry for entry in entries}
    open_keys = {key for key, entry in holds.items() if isinstance(entry.value, str) and "${" in entry.value}
    known = tuple(entry for entry in entries if entry.key not in open_keys and "${" not in str(entry.value)[:4096])
    return replace(source, entries=known, unread=(*source.unread, *(holds[key] for key in holds if key in open_keys)))


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
    seen: dict[str, bool] = {}
    for key, value in _merged(node, name, depth):
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise FileFormatError(f"{name}, line {line}: a key is a list or a mapping: give it a name")
        full = f"{above}{key.value}"
        nested = isinstance(value, yaml.MappingNode) and bool(value.value)
        _refuse_again(seen, key.value, nested, f"{name}, line {line}")
        if nested:
            yield from _nodes(value, f"{full}.", name, depth + 1)
        elif not isinstance(value, yaml.MappingNode):  # an empty one sets nothing
            yield KeyValue(full, _value(value, name), line)


def _merged(node: yaml.MappingNode, name: str, depth: int) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the keys and values of a mapping, after those that it merges and does not say itself.

    Where several that are merged say a key, the first holds by YAML and the last by PyYAML 6.0.4, so that these are refused.

    Source: https://yaml.org/type/merge.html.
    """
    if depth > DEEPEST_CONFIGURATION:
        raise FileFormatError(f"{name} is nested more than {DEEPEST_CONFIGURATION} levels deep: a configuration has a few")
    own = [(key, value) for key, value in node.value if key.tag != _MERGE]
    said = {str(key.value) for key, _ in own}
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for merges in (value for key, value in node.value if key.tag == _MERGE):
        for each in merges.value if isinstance(merges, yaml.SequenceNode) else [merges]:
            for key, value in _merged(each, name, depth + 1) if isinstance(each, yaml.MappingNode) else []:
                word = str(key.value)
                if word in found and found[word][1].value != value.value:
                    raise FileFormatError(
                        f"{name}, line {merges.start_mark.line + 1}: two mappings that are merged have different values for "
                        f"{shown(word)}, and which of them holds depends on the version of PyYAML: write the one that is meant"
                    )
                if word not in said:
                    found[word] = key, value
    node.value = [*found.values(), *own]  # merged once: it may be merged many times
    return list(node.value)


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
    return [_value(item, name) if isinstance(item, yaml.ScalarNode) else "..." for item in node.value[:1000]]


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
        raise FileFormatError(f"{name} is not a JSON object of keys and values: give the configuration itself")

    after = 0  # keys stand in the order in which they are walked
    ends = [found.start() for found in re.finditer("\n", text)]

    def walk(table: _Object, above: str, depth: int) -> Iterator[KeyValue]:
        nonlocal after
        seen: dict[str, bool] = {}
        for key, value in table.pairs:
            found = re.compile(re.escape(json.dumps(key)) + r"\s*:").search(text, after)
            after = after if found is None else found.end()
            line = None if found is None else bisect_left(ends, found.start()) + 1
            nested = isinstance(value, _Object) and bool(value) and depth < DEEPEST_CONFIGURATION
            _refuse_again(seen, key, nested, name if line is None else f"{name}, line {line}")
            if nested:
                yield from walk(value, f"{above}{key}.", depth + 1)
            else:
                yield KeyValue(f"{above}{key}", value, line)

    return Source(name, tuple(_limited(walk(document, "", 0), name)))
