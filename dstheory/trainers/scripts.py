"""Configurations in shell scripts: the arguments of the one command that starts a trainer. Nothing is run.

The script is followed as bash would, without arguments and in an environment that sets none of its variables: what variables
and arrays come to, functions where they are called, whole numbers in ``$((...))``. What a branch does may hold or not: the value
before it is shown. What only a program, a file or the environment knows stays as it is written, and is not known.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

from dstheory.errors import FileFormatError
from dstheory.trainers import shell
from dstheory.trainers.entries import ANY_KEY, MOST_SETTINGS, KeyValue, Source, assignment, scalar, together
from dstheory.trainers.shell import DEEPEST_SCRIPT, Command, Document, Piece, ShellError, Word

MOST_PUT = 100_000  # characters of variables, where they are used
MOST_WORDS = 10 * MOST_SETTINGS  # of commands and arrays, each time one is made
LONGEST_VALUE = 10_000  # characters of a variable; longer ones are not followed
LONGEST_SCRIPT_LINE = 100_000  # characters of one line of the file

_DECLARES = ("declare", "export", "local", "readonly", "typeset")
_ENDS = ("break", "continue", "exec", "exit", "return")
_OTHERS = (":", "cat", "cd", "chmod", "cp", "echo", "grep", "kill", "ls", "mkdir", "mv", "nvidia-smi", "pip", "pkill", "printf",
           "rm", "sleep", "tee")  # fmt: skip
"""Programs that start no other."""
_KEEP = (":", "mapfile", "read", "readarray")  # what runs no here-document
_LAUNCHERS = ("conda", "ray", "uv", "wandb")  # that have arguments of their own before a program's
_MACHINE = re.compile(r"(^|/)(activate|[\w.]*rc|[\w.]*profile)$|/etc/|/init/")  # files that set no variable of a run
_SHORT = {"-cd": "--config-dir", "-cn": "--config-name", "-cp": "--config-path"}  # of Hydra
_SHELL = re.compile(r"(^|/)(ba|z)?sh$")
_BLANK = "\0"  # in what is not known, which is not taken apart
_OUTER = "\u02d1"  # a letter behind the names that a here-document has from the shell that writes it
_LIVE = re.compile(r"\$|`")
_MANY = re.compile(r"\$\{\w+\[[@*]\][^{}]*\}")
_LIVE_ALONE = re.compile(r"\$(\w+|\{[^{}]*\}|\(.*\))|`.*`", re.DOTALL)
_BRACES = re.compile(r"\$\{(#?)(\w+|[@*])(?:\[([^]]*)\])?(?:(:?[-=+?])(.*)|(.*))\}", re.DOTALL)
_PUT = re.compile(r"\\\$|\$\(\(.*?\)\)|\$\{?#?[A-Za-z_]\w*")
_CHANGES = re.compile(r"([A-Za-z_]\w*)\s*(?:\+\+|--|(?:[-+*/%&|^]|<<|>>)?=(?!=))|(?:\+\+|--)\s*([A-Za-z_]\w*)")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


@dataclass(frozen=True, slots=True)
class _Part:
    """A word as a command gets it, or a value of a variable.

    Attributes:
        text: with what is not known as it is written.
        line: where it stands.
        known: whether the text is all that it comes to.
        unless: the line of a branch that makes it another, None where there is none.
        maybe: whether a branch alone adds it.
    """

    text: str
    line: int
    known: bool = True
    unless: int | None = None
    maybe: bool = False


@dataclass(slots=True)
class _Value:
    """What a variable holds: one part, or the parts of an array, and after them those that it may have; and who set it."""

    parts: list[_Part]
    line: int

    def words(self) -> list[str]:
        return [word for part in self.parts for word in part.text.split()]


_OUTSIDE = _Value([], 0)
"""Of the environment."""
_Layer = dict[str, _Value]


@dataclass(frozen=True)
class _Run:
    """One command: the words before its arguments, and these; none before what follows a command that has ended."""

    program: str
    words: tuple[_Part, ...]
    line: int


def read_script(text: str, name: str, programs: Collection[str]) -> Source:
    """Return what a shell script sets.

    Args:
        text: the script.
        name: as messages call it.
        programs: of the trainers that it may start. Where it starts one of them, arguments of other commands are not read.

    Raises:
        FileFormatError: it is not a script, there are too many words, or it starts trainers several times, with other arguments.
    """
    if any(len(line) > LONGEST_SCRIPT_LINE for line in text.splitlines()):
        raise FileFormatError(f"{name} has a line of more than {LONGEST_SCRIPT_LINE:,} characters: give the command alone")
    starts = re.compile(_pattern(*programs) if programs else r"(?!)")
    try:
        reader = _Reader(name, starts)
        text += "\n" * text.endswith("\\")  # bash drops a backslash at the end, as before a new line
        reader.read(text.replace(_BLANK, "").replace(_OUTER, ""), 1)
        reader.read_what_is_not_called()
    except ShellError as error:
        raise FileFormatError(f"{name}, line {error.line}: no shell command ({error}): correct it") from error
    except RecursionError as error:
        raise FileFormatError(f"{name} nests too many branches and functions: give the command alone") from error
    runs = [i for i, run in enumerate(reader.runs) if starts.search(run.program)]
    first = reader.runs[runs[0]] if runs else None
    for other in (reader.runs[i] for i in runs[1:]):
        if first is not None and ([w.text for w in other.words], other.program) != ([w.text for w in first.words], first.program):
            raise FileFormatError(
                f"{name} starts trainers in line {first.line} and in line {other.line}, with other settings, and one is "
                "read: give a script that starts one, or say whose is meant with --trainer"
            )
    return _source(name, reader.runs, runs[0] if runs else None)


def _pattern(*programs: str) -> str:
    return rf"(?<![\w.])(?:{'|'.join(map(re.escape, programs))})(?!\w)"


def starts_program(program: str, words: str) -> bool:
    """Return whether the words before a command's arguments start a program.

    >>> starts_program("trl grpo", "trl grpo"), starts_program("main_ppo", "python3 -m my.main_ppo")
    (True, False)
    """
    return re.search(_pattern(program), words) is not None


def _source(name: str, runs: Sequence[_Run], start: int | None) -> Source:
    """Return what the command that starts a trainer is given, or where none does what all are."""
    if start is None:
        entries, unread = together([said for run in runs for said in _settings(run.words) if said[0].key != ANY_KEY])
        return Source(name, entries, " ".join(run.program for run in runs if run.program), unread)
    said = list(_settings(runs[start].words))
    has = {entry.key for entry, _, _ in said}
    for cut in takewhile(lambda run: not run.program, runs[start + 1 :]):  # bash does not pass these on
        for entry, _, _ in _settings(cut.words):
            value = entry.value if entry.key in has else f"{entry.value} after the end of the command"
            said.append((replace(entry, value=value), False, entry.key not in has))
    entries, unread = together(said)
    return Source(name, entries, runs[start].program, unread)


class _Reader:
    """Follows a script.

    Attributes:
        runs: the commands that it comes to.
    """

    def __init__(self, name: str, starts: re.Pattern[str]) -> None:
        self.name = name
        self.starts = starts
        self.runs: list[_Run] = []
        self.layers: list[_Layer] = [{}]  # of variables: one for each branch in which we are
        self.local: list[_Layer] = []  # what they were outside, for each function in which we are
        self.functions: dict[str, Command] = {}
        self.called: set[str] = set()
        self.calls: list[str] = []  # in which we are
        self.exported: set[str] = set()
        self.sourced = 0  # the line of a file that may set any variable
        self.left = False  # whether a branch may have left the function or the loop
        self.words = 0
        self.put = 0

    # ------------------------------------------------------------------ commands

    def read(self, text: str, line: int) -> str:
        """Follow a text; return the word that ended it, "" if none did."""
        return self._sequence(shell.script_of(text, line))

    def read_what_is_not_called(self) -> None:
        """Follow functions that are called from elsewhere, if at all."""
        for name in [name for name in self.functions if name not in self.called]:
            if not any(self.starts.search(run.program) for run in self.runs):
                self._branches([partial(self._call, name, [], 0)], total=False)

    def _sequence(self, commands: shell.Sequence) -> str:
        tested = False
        for sign, command, after in commands:
            tested = tested and sign in ("&&", "||")
            if {"|", "|&"} & {sign, after} or after == "&":  # in a shell of its own
                self._apart(partial(self._command, command))
            elif sign == "||" or (sign == "&&" and tested):
                self._branches([partial(self._command, command)], total=False)
            elif ended := self._command(command):
                return ended
            tested = tested or command.kind in ("test", "math") or sign == "||"
        return ""

    def _command(self, command: Command) -> str:
        """Follow a command; return the word that ends the list in which it stands, "" if none does."""
        ended, parts = "", [partial(self._sequence, part) for part in command.parts]
        match command.kind:
            case "simple":
                ended = self._simple(command.words, command.line, command.documents)
            case "math":
                self._number(command.words[0].pieces[0].text[2:-2], command.line)
            case "if":
                ended = self._sequence(command.parts[0]) or self._branches(parts[1:], total=command.total)
            case "case":
                ended = self._branches(parts, total=command.total)
            case "for" | "while":
                ended = self._loop(command)
            case "group":
                ended = self._sequence(command.parts[0])
            case "subshell":
                self._apart(parts[0])
            case "function":
                self.functions[command.words[0].plain] = command.parts[0][0][1]
        for document in command.documents:
            if not any(word.plain in _KEEP for word in command.words):
                self._document(document)
        return ended

    def _layer(self, follow: Callable[[], str]) -> tuple[_Layer, str]:
        """Follow commands; return what they set, which does not hold yet, and how they ended."""
        self.layers.append({})
        depth = len(self.layers)
        try:
            ended = follow()
        finally:
            layer = self.layers[depth - 1]
            del self.layers[depth - 1 :]
        return layer, ended

    def _apart(self, follow: Callable[[], str]) -> None:
        """Follow commands of which nothing is left."""
        left = self.left
        self._layer(follow)
        self.left = left

    def _branches(self, branches: Sequence[Callable[[], str]], *, total: bool) -> str:
        """Follow branches of which at most one is taken, or just one."""
        layers: list[_Layer] = [] if total else [{}]
        ended = ""
        for branch in branches:
            layer, ended = self._layer(branch)
            if ended not in ("exec", "exit"):
                layers.append(layer)
                self.left |= ended != ""
        self._join(layers)
        return "" if layers else ended

    def _join(self, layers: Sequence[_Layer]) -> None:
        """Set what one of the layers sets, which of them nobody knows."""
        for name in dict.fromkeys(name for layer in layers for name in layer):
            was = self._get(name)
            self.layers[-1][name] = self._either(name, was, [layer.get(name, was) for layer in layers])

    def _either(self, name: str, was: _Value, values: Sequence[_Value]) -> _Value:
        """Return one of several values: that from before, if it is one of them."""
        texts = [[(part.text, part.maybe) for part in value.parts] for value in values]
        same = all(one == texts[0] for one in texts) and all(part.known for part in values[0].parts)
        others = [value for value in values if value is not was]
        if not others or (same and _OUTSIDE not in values):
            return values[0]
        line = others[0].line
        texts_alone = all(value.parts and all(part.maybe for part in value.parts[1:]) for value in values)
        self._count((len(was.parts) + sum(len(other.parts) for other in others)) // 16)  # which is done at once
        if len(others) == len(values) or was is _OUTSIDE:
            keys = [part for value in others if any(map(_is_key, value.words())) for part in value.parts]
            arrays = not texts_alone and all(not value.parts or _is_key(value.parts[0].text) for value in values)
            before = [] if arrays and _OUTSIDE not in values else self._unknown(name, line).parts
            return _Value([*before, *(replace(part, maybe=True) for part in keys)], line)
        more: list[_Part] = []
        if texts_alone:
            first, more = was.parts[0], was.parts[1:]
            for other in others:
                new = other.parts[0]
                adds = new.text.startswith(f"{first.text} ") and first.text != ""
                more.append(_Part(new.text[len(first.text) :] if adds else new.text, other.line, new.known, maybe=True))
                more += [part for part in other.parts[1:] if part not in more]
            return _Value([replace(first, unless=line), *more], line)
        begin = min(sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(was.parts, other.parts, strict=False)))
                    for other in others)  # fmt: skip
        for other in others:
            more += [replace(part, maybe=True, line=max(part.line, other.line)) for part in other.parts[begin:]]
        return _Value([*was.parts[:begin], *(replace(part, unless=line) for part in was.parts[begin:]), *more], line)

    def _once(self, follow: Callable[[], str]) -> str:
        """Follow commands that may be left before their end."""
        before, self.left = self.left, False
        layer, ended = self._layer(follow)
        self._join([layer, {}] if self.left else [layer])
        self.left = before
        return ended

    def _loop(self, command: Command) -> str:
        names = [word.plain for word in command.words[:1]]
        through = [part for word in command.words[1:] for part in self._expand(word)]
        once = command.total and len(through) == 1 and through[0].known and not through[0].maybe

        def turn() -> str:
            for name in names:
                self._set(name, _Value(through, command.line) if once else self._unknown(name, command.line))
            return self._sequence([*command.parts[0], *command.parts[1]])

        if once:
            ended = self._once(turn)
            return "" if ended in ("break", "continue") else ended
        runs = len(self.runs)
        layer, _ = self._layer(turn)  # the first time to see what the next begins with
        del self.runs[runs:]
        self._join([layer, {}])
        self._branches([turn], total=False)
        for name in names if through else []:
            self._set(name, self._unknown(name, command.line))
        return ""

    def _call(self, name: str, arguments: list[_Part], line: int) -> str:
        if name in self.calls or len(self.calls) >= DEEPEST_SCRIPT:
            raise ShellError(f"the function {name} calls itself, which is not followed", line)
        self.called.add(name)
        self.calls.append(name)
        self.local.append({"@": self._get("@")})

        def body() -> str:
            self._set("@", _Value(arguments, max(line, 1)) if line else _OUTSIDE)
            ended = self._command(self.functions[name])
            for variable, value in self.local[-1].items():
                self._set(variable, value)
            return ended

        ended = self._once(body)
        self.local.pop()
        self.calls.pop()
        return ended if ended in ("exec", "exit") else ""

    def _document(self, document: Document) -> None:
        """Follow a here-document, which may be a script."""
        text, has = document.text, _Layer()

        def put(name: re.Match[str]) -> str:
            has[f"{name[0]}{_OUTER}"] = self._get(name[0])
            return f"{name[0]}{_OUTER}"

        if not document.quoted:  # $A is that of this shell, and \$A that of the shell that runs it
            text = _PUT.sub(lambda at: "$" if at[0][0] == "\\" else re.sub(r"[A-Za-z_]\w*", put, at[0]), text)
        with suppress(ShellError):  # no script, or none that can be run
            self._inside(text, document.line + 1, has)

    def _inside(self, text: str, line: int, has: _Layer | None = None) -> None:
        """Follow a script that another shell runs, which has what is exported, and what else it has."""
        outside, functions = self.layers, self.functions
        self.layers, self.functions = [{name: self._get(name) for name in self.exported} | (has or {})], {}
        try:
            self._apart(partial(self.read, text, line))
        finally:
            self.layers, self.functions = outside, functions

    def _simple(self, words: list[Word], line: int, documents: list[Document]) -> str:
        begin = next((i for i, word in enumerate(words) if not word.name), len(words))
        if begin == len(words):
            for word in words:
                self._assign(word)
            return ""
        if (verb := words[begin].plain) in _DECLARES:
            self._declare(verb, words[begin + 1 :])
            return ""
        parts = [part for word in words[begin:] for part in self._expand(word)]
        self._count(len(parts))
        if not parts:
            return ""
        texts = [part.text for part in parts]
        verb, rest = texts[0], texts[1:]
        if verb in self.functions:
            return self._call(verb, parts[1:], line)
        match verb:
            case "unset" | "read" | "mapfile" | "readarray" | "getopts" | "let":
                whole = documents[0] if documents and verb == "read" and "-d" in rest else None
                self._forget(verb, rest, line, whole)
            case "printf" if rest[:1] == ["-v"]:
                self._forget("read", rest[1:2], line, None)
            case "set" if "--" in rest:
                self._set("@", _Value(parts[rest.index("--") + 2 :], line))
            case "shift":
                if (given := self._get("@")) is not _OUTSIDE:
                    number = int(rest[0]) if rest and rest[0].isdigit() else 1
                    self._set("@", _Value(given.parts[number:], line))
            case "source" | ".":
                if not _MACHINE.search(" ".join(rest)):
                    self.sourced = line
            case "eval":
                self.sourced = self.sourced if all(part.known for part in parts) else line
                return self.read(" ".join(rest), line)
            case _ if verb in _ENDS:
                if verb == "exec" and not rest:
                    return ""
                if verb == "exec":
                    self._start(parts[1:])
                return verb
            case _:
                self._start(parts)
        return ""

    def _forget(self, verb: str, words: list[str], line: int, whole: Document | None) -> None:
        """Set what a command sets to what nobody knows, or to the whole of a here-document; unset makes it empty."""
        read = None
        if whole is not None:
            read = self._text([Piece(whole.text)] if whole.quoted else shell.quoted_pieces(whole.text, line), line)
        for word in words:
            name = re.match(r"([A-Za-z_]\w*)(\[.*\])?", word)
            if name is not None and verb == "unset" and name[2] is None:
                self._set(name[1], _Value([], line))
            elif name is not None:
                self._set(name[1], self._unknown(name[1], line) if read is None else _Value([read], line))

    def _declare(self, verb: str, words: list[Word]) -> None:
        flags = "".join(word.plain for word in words if word.plain.startswith(("-", "+")))
        for word in words:
            name = word.name or word.plain
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                continue
            if self.local and verb in ("local", "declare", "typeset") and "g" not in flags:
                self.local[-1].setdefault(name, self._get(name))
            if verb == "export" or "x" in flags:
                self.exported.add(name)
            if "n" in flags:  # another name of a variable, which changes with it
                self.sourced = word.line
            if re.search("[Ainlu]", flags):
                self._set(name, self._unknown(name, word.line))
            elif word.name:
                self._assign(word)
            elif verb == "local":
                self._set(name, _Value([], word.line))

    def _start(self, parts: list[_Part]) -> None:
        """Add a command, or follow the script that it is given in quotes."""
        words = [part.text for part in parts]
        triples = zip(words, words[1:], parts[2:], strict=False)
        inside = next((part for sh, how, part in triples if _SHELL.search(sh) and re.fullmatch("-[a-z]*c", how)), None)
        if inside is None and words[0] not in _OTHERS:
            inside = next((part for part in parts if re.search(r"\s", part.text) and self.starts.search(part.text)), None)
        if inside is not None:
            self._inside(re.sub(r"^--[\w-]+=", "", inside.text), inside.line)
            return
        begin = self._first_argument(words)
        goes_on = words[0].startswith("--") or ((made := assignment(words[0])) is not None and "." in made.key)
        program = "" if goes_on else " ".join(words[:begin] or words[:2])
        others = words[0] in _OTHERS
        self.runs.append(_Run(words[0] if others else program, () if others else tuple(parts[begin:]), parts[0].line))

    def _first_argument(self, words: list[str]) -> int:
        """Return at which word of a command its program's arguments begin: at the first where no program is seen."""
        begin = words.index("--") + 1 if "--" in words else 0
        for i, word in enumerate(words[begin:], start=begin):
            if word in ("-m", "--module") or (word.endswith(".py") and "=" not in word):
                return i + (1 if word.endswith(".py") else 2)
        for i, word in enumerate(words[begin:], start=begin):
            if self.starts.fullmatch(" ".join(words[i : i + 2])):
                return i + 2
            if self.starts.fullmatch(word) and not (i and words[i - 1].startswith("--")):
                return i + 1
        if re.fullmatch(r"\w+(\.\w+)+", words[begin] if begin < len(words) else ""):  # a module
            return begin + 1
        return len(words) if words[0] in _LAUNCHERS and not begin else begin

    # ------------------------------------------------------------------ variables

    def _count(self, words: int) -> None:
        self.words += words
        if self.words > MOST_WORDS:
            raise FileFormatError(f"{self.name} has more than {MOST_WORDS:,} words: give the command alone")

    def _get(self, name: str) -> _Value:
        return next((layer[name] for layer in reversed(self.layers) if name in layer), _OUTSIDE)

    def _set(self, name: str, value: _Value) -> None:
        self.layers[-1][name] = value

    def _unknown(self, name: str, line: int) -> _Value:
        return _Value([_Part(f"${name}", line, known=False)], line)

    def _assign(self, word: Word) -> None:
        name, line, was = word.name, word.line, self._get(word.name)
        if word.items is not None:
            if any(item.plain.startswith("[") for item in word.items):  # elements by their numbers, or names
                self._set(name, self._unknown(name, line))
                return
            parts = [part for item in word.items for part in self._expand(item)]
            self._count(len(parts))
            if not word.more:
                self._set(name, _Value(parts, line))
            elif self.layers[-1].get(name) is was:
                was.parts += parts
                was.line = line
            else:
                self._count(len(was.parts) // 16)
                before = self._unknown(name, line) if was is _OUTSIDE else was
                self._set(name, _Value([*before.parts, *parts], line))
            return
        new, place = self._text(word.pieces[1:], line), 0
        more = [part for piece in word.pieces[1:] if piece.live for part in self._others(piece)]
        if word.index is not None:
            number = self._number(word.index, line)
            known = number is not None and number.known and word.more is False and not any(part.maybe for part in was.parts)
            place = int(number.text) if known and number is not None else -1
            if not 0 <= place <= len(was.parts) or was is _OUTSIDE:
                self._set(name, self._unknown(name, line))
                return
        if word.more:
            old = self._unknown(name, line).parts[0] if was is _OUTSIDE else next(iter(was.parts), _Part("", line))
            unless = old.unless if new.unless is None else new.unless
            new = _Part(old.text + new.text, line, old.known and new.known, unless)
            more += self._others(Piece(f"${name}"))
        if len(new.text) > LONGEST_VALUE:  # A=$A$A doubles it
            new = self._unknown(name, line).parts[0]
        kept = more if was is _OUTSIDE or (not place and all(part.maybe for part in was.parts[1:])) else was.parts[place + 1 :]
        self._set(name, _Value([*was.parts[:place], new, *kept], line))

    def _others(self, piece: Piece) -> list[_Part]:
        """Return what a branch may make of a variable, beside its value."""
        named = re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", piece.text)
        others = self._get(named[1]).parts[1:] if named else []
        return others if all(part.maybe for part in others) else []

    def _text(self, pieces: list[Piece], line: int) -> _Part:
        """Return what pieces come to where they are not taken apart."""
        word = Word(line, [Piece(piece.text, quoted=True, live=piece.live) for piece in pieces])
        return self._joined(self._expand(word), line)

    def _expand(self, word: Word) -> list[_Part]:
        """Return the words that one word comes to."""
        found: list[_Part] = []
        begun: _Part | None = None

        def add(text: str, like: _Part) -> None:
            nonlocal begun
            old = begun if begun is not None and begun.text else _Part("", like.line, maybe=like.maybe)
            unless = old.unless if like.unless is None else like.unless
            begun = _Part(old.text + text, old.line, old.known and like.known, unless, old.maybe)

        def close() -> None:
            nonlocal begun
            found.extend([] if begun is None else [begun])
            begun = None

        plain = _Part("", word.line)
        bare = "".join(piece.text for piece in word.pieces if not (piece.live or piece.quoted))
        braces = re.search(r"\{[^{}]*(,|\.\.)[^{}]*\}", bare) is not None
        for piece in word.pieces:
            if not piece.live:
                if piece.text or piece.quoted:
                    add(piece.text, plain)
                continue
            values = self._values(piece, word.line)
            if len(word.pieces) == 1 and not piece.quoted and values:
                values = self._with_others(values, self._others(piece))
            self.put += sum(len(part.text) for part in values[:1])
            if self.put > MOST_PUT:
                raise FileFormatError(f"{self.name} uses variables of more than {MOST_PUT:,} characters: give the command alone")
            for i, part in enumerate(values):
                if i:
                    close()
                if piece.quoted:
                    add(part.text, part)
                    continue
                for k, text in enumerate(re.split(r"[ \t\n]+", part.text)):
                    if k:
                        close()
                    if text:
                        add(text, part if part.known else replace(part, known=_LIVE.search(text) is None))
        close()
        return [replace(part, known=False) for part in found] if braces else found

    @staticmethod
    def _with_others(values: list[_Part], others: list[_Part]) -> list[_Part]:
        """Return the words that a variable comes to, and those that it may, where one of them is a key."""
        words = [word for part in [*values, *others] for word in part.text.split()]
        if not others or (values[0].text and not any(map(_is_key, words))):
            return values
        if all(part.text.startswith(" ") for part in others):  # they are only added
            values = [replace(part, unless=None) for part in values]
        return [*values, *others]

    def _values(self, piece: Piece, line: int) -> list[_Part]:
        """Return what is put in the place of a variable: one part, those of an array, or what is written where nobody knows."""
        unknown = [_Part(re.sub(r"\s", _BLANK, piece.text), line, known=False)]
        if piece.text.startswith("$(("):
            number = self._number(piece.text[3:-2], line)
            return unknown if number is None else [number]
        named = re.fullmatch(r"\$(\w+|[@*])", piece.text)
        found = named or _BRACES.fullmatch(piece.text)
        if found is None:
            return unknown
        counts, name, index, how, other, rest = ("", named[1], None, None, "", "") if named else found.groups()
        index, name = (name, "@") if name in ("@", "*") else (index, name)
        value, many = self._get("@" if name.isdigit() else name), index in ("@", "*")
        if name.isdigit() and value is not _OUTSIDE:
            value = _Value(value.parts[int(name) - 1 : int(name)] if name != "0" else unknown, line)
        elif name == "@" and value is _OUTSIDE:  # the script is given none
            value = _Value([], line)
        values = value.parts if many else self._element(value, index or "0", line)
        if values is None or (not many and any(part.text == f"${name}" and not part.known for part in values)):
            return unknown
        if 0 < value.line < self.sourced:
            values = [replace(part, unless=self.sourced) for part in values]
        sure = value is not _OUTSIDE and all(part.known and not part.maybe for part in values)
        if counts:
            size = len(values) if many else len("".join(part.text for part in values))
            return [_Part(str(size), line)] if sure and not rest and not how else unknown
        if how and (sure or value is _OUTSIDE):
            return self._otherwise(unknown, name, value, values, how, other or "", line)
        if value is _OUTSIDE or how or (rest and not (sure and not values)):
            return unknown
        spaces = not many and not piece.quoted and any(re.search(r"\W", part.text) for part in values)
        if (spaces or (index == "*" and piece.quoted)) and self._get("IFS") is not _OUTSIDE:
            return unknown
        if index == "*" and piece.quoted:
            return [self._joined(values, line)]
        if many:
            return [replace(part, text=piece.text) if part.text == f"${name}" and not part.known else part for part in values]
        return values or [_Part("", line)]

    def _element(self, value: _Value, index: str, line: int) -> list[_Part] | None:
        """Return one element of an array, none where it has none there, None where nobody knows which it is."""
        number = _Part("0", line) if index == "0" else self._number(index, line)
        if value is _OUTSIDE and index == "0":
            return []
        if number is None or value is _OUTSIDE or number.text.startswith("-"):
            return None
        place = int(number.text)
        parts = [replace(part, unless=part.unless or number.unless) for part in value.parts[place : place + 1]]
        before = any(not part.known for part in value.parts[:place])  # it may be several, or none
        return None if before or any(part.maybe for part in value.parts[: place + 1]) else parts

    def _otherwise(
        self, unknown: list[_Part], name: str, value: _Value, values: list[_Part], how: str, other: str, line: int
    ) -> list[_Part]:
        """Return what a variable comes to that has another value where it has none, as ``${A:-1}``."""
        empty = not values or (":" in how and all(not part.text for part in values))
        if how[-1] in "+?" and empty:
            return [_Part("", line)] if how[-1] == "+" else unknown
        if empty != (how[-1] in "-="):
            return values
        within = other[1:-1] if len(other) > 1 and other[0] == other[-1] and other[0] in "'\"" else other
        text = self._text(shell.quoted_pieces(within, line), line)
        doubt = self.sourced or None if value is _OUTSIDE else next((part.unless for part in values), None)
        text = replace(text, unless=text.unless or doubt)
        if how[-1] == "=" and name.isidentifier():
            self._set(name, _Value([text], line))
        return [text] if text.known else unknown

    @staticmethod
    def _joined(parts: list[_Part], line: int) -> _Part:
        unless = next((part.unless for part in parts if part.unless is not None), None)
        return _Part(" ".join(part.text for part in parts), line, all(part.known for part in parts), unless)

    def _number(self, text: str, line: int) -> _Part | None:
        """Return what a computation with whole numbers comes to, None where nobody knows."""
        inner = self._text(shell.quoted_pieces(text, line), line)
        for names in _CHANGES.findall(inner.text):
            name = names[0] or names[1]
            self._set(name, self._unknown(name, line))
        unless = [inner.unless]

        def put(word: re.Match[str]) -> str:
            (part, *_) = self._values(Piece(f"${word[0]}", quoted=True, live=True), line) or [_Part("0", line)]
            unless.append(part.unless)
            return f"({part.text})" if part.known and part.text else word[0]

        number = _whole(re.sub(r"\b[A-Za-z_]\w*", put, inner.text)) if len(inner.text) <= 200 and inner.known else None
        return None if number is None else _Part(str(number), line, unless=next((at for at in unless if at is not None), None))


def _settings(words: Sequence[_Part]) -> Iterator[tuple[KeyValue, bool, bool]]:
    """Yield the settings among the arguments of a command, with whether their values are known and whether they are given."""
    i = 0
    while i < len(words):
        part = _as_written(words[i])
        text, i = _SHORT.get(part.text, part.text), i + 1
        key, sign, value = text.partition("=")
        if not part.known and (_LIVE.search(key) if sign or key.startswith("--") else _LIVE_ALONE.fullmatch(key)):
            yield KeyValue(ANY_KEY, part.text, part.line), False, True
        elif re.match(r"--[A-Za-z]", key):
            values = [replace(part, text=value)] if sign else []
            while not sign and i < len(words) and not _is_key(words[i].text) and (words[i].maybe or not part.maybe):
                if not words[i].known and (_LIVE_ALONE if values else _MANY).fullmatch(words[i].text):
                    break  # it may be keys
                values.append(_as_written(words[i]))
                i += 1
            values = [one for one in values if not one.text.isspace()]
            doubts = [one.line if one.maybe and not part.maybe else one.unless for one in (part, *values)]
            read = [scalar(one.text) for one in values if part.maybe or not one.maybe]
            found = True if not read else read[0] if len(read) == 1 else read
            name = key[2:] if "." in key else key[2:].replace("-", "_")
            unless = next((line for line in doubts if line is not None), None)
            yield KeyValue(name, found, part.line, unless), all(one.known for one in (part, *values)), not part.maybe
        elif text.startswith("~"):  # Hydra deletes the key
            yield KeyValue(key[1:], part.text, part.line), False, True
        elif (made := assignment(text)) is not None and not made.key.isupper():
            yield KeyValue(made.key, made.value, part.line, part.unless), part.known, not part.maybe


def _as_written(part: _Part) -> _Part:
    return replace(part, text=part.text.replace(_BLANK, " ").replace(_OUTER, ""))


def _is_key(word: str) -> bool:
    """Return whether a word of a command line begins another setting."""
    return bool(re.match(r"--[A-Za-z]|~\w", word)) or word in _SHORT or assignment(word) is not None


def _whole(text: str) -> int | None:
    """Return what whole numbers with + - * / % and brackets come to as bash has it, None for anything else.

    >>> _whole("1024 * (2 + 6)"), _whole("-7 / 2"), _whole("2 ** 9"), _whole("a")
    (8192, -3, None, None)
    """
    if "#" in text:  # 2#101 is of the base 2, and a comment here
        return None
    try:
        return _result(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, ZeroDivisionError, KeyError):
        return None


def _result(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < 10**12:
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_result(node.operand)
    if not isinstance(node, ast.BinOp):
        raise ValueError
    left, right = _result(node.left), _result(node.right)
    if isinstance(node.op, (ast.Div, ast.Mod)):  # towards zero
        whole = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return whole if isinstance(node.op, ast.Div) else left - whole * right
    return int(_OPERATORS[type(node.op)](left, right))
