"""Configurations in shell scripts: the arguments of the one command that starts a trainer. Nothing is run.

Of a command ``--key value``, ``--key=value`` and ``key=value`` are read. A variable stands for what the script itself sets it to,
as text; whole numbers in ``$((...))`` are added, subtracted, multiplied and divided. What a branch sets may hold or not.
"""

from __future__ import annotations

import ast
import operator
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from dstheory.errors import FileFormatError
from dstheory.trainers.entries import ANY_KEY, MOST_SETTINGS, KeyValue, Source, assignment, scalar, together

DEEPEST_SCRIPT = 64  # branches, loops and functions within each other
MOST_PUT = 100_000  # characters of variables, where they are used
LONGEST_VALUE = 10_000  # characters of a variable; longer ones are not followed
LONGEST_LINE = 100_000  # characters of one line of the file

_ASSIGNS = re.compile(r"([A-Za-z_]\w*)(\+?)=(?!\()(.*)", flags=re.DOTALL)
_DECLARES = ("declare", "export", "local", "readonly", "typeset")
_OTHERS = ("cat", "cd", "conda", "echo", "kill", "mkdir", "nvidia-smi", "pip", "pkill", "ray", "set", "sleep", "source", "uv",
           "wandb")  # fmt: skip
_OPENS, _TURNS, _CLOSES = ("case", "for", "if", "select", "until", "while"), ("elif", "else", ";;"), ("done", "esac", "fi", "}")
_SHORT = {"-cd": "--config-dir", "-cn": "--config-name", "-cp": "--config-path"}  # of Hydra
_MARK, _UNSURE = "\x01", "\x02"
_MARKS = re.compile(f" ?{_MARK}\\d+ ?")
"""Where a line of the file begins inside a command of several lines."""
_UNSURES = re.compile(f"{_UNSURE}(\\d+){_UNSURE}")
"""After the value of a variable: the line of a branch that may set it otherwise."""
_ARRAY = re.compile(r"\$\{(\w+)\[[@*]\](?!:[ \d$(])")  # ${A[@]:1:2} is a part of one
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*(?:\[[@*]\][^{}]*)?\})")
_USES = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}$`]*))?\})")
_COMPUTES = re.compile(r"\$\(\(([^()$`]*(?:\([^()$`]*\)[^()$`]*)*)\)\)")
_DOCUMENT = re.compile(r"(?<!<)<<-?[ \t]*['\"\\]?([A-Za-z_]\w*)")
"""What ends a here-document; ``$((1<<N))`` begins none, and no line is N."""
_SUBSHELL = re.compile(r"(?<![^\s;&|])\((?!\()")
_SIGNS = re.compile(r"[;&|]+")
_SHELL = re.compile(r"(^|/)(ba|z)?sh$")
_PARTS = re.compile(r"\$|`")
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip


@dataclass(frozen=True)
class _Command:
    """One command, or the words of one array.

    Attributes:
        program: the words before its arguments; "" for an array, and for arguments of a command that a comment cut off.
        words: its arguments, each with its line.
        line: where it begins.
        blocks: the branches, loops and functions in which it stands.
        array: the name of an array, "" of what is none.
        anew: whether the array begins here, whatever it held.
        document: the line above the here-document in which it stands, 0 outside of all.
    """

    program: str
    words: tuple[tuple[str, int], ...]
    line: int
    blocks: tuple[int, ...]
    array: str = ""
    anew: bool = False
    document: int = 0


@dataclass
class _Block:
    """A branch, loop or function.

    Attributes:
        kind: the word that begins it.
        number: its own, another one for each branch.
        before: the variables that it sets, with what they were before, and the line that sets them.
    """

    kind: str
    number: int
    before: dict[str, tuple[str | None, int]] = field(default_factory=dict)


def read_script(text: str, name: str, programs: Collection[str]) -> Source:
    """Return what a shell script sets.

    Args:
        text: the script.
        name: as messages call it.
        programs: of the trainers that it may start. Where it starts one of them, arguments of other commands are not read.

    Raises:
        FileFormatError: quotes are not closed, there are too many words, or it starts trainers several times, with other
            arguments.
    """
    if any(len(line) > LONGEST_LINE for line in text.splitlines()):
        raise FileFormatError(f"{name} has a line of more than {LONGEST_LINE:,} characters: give the command alone")
    commands = _Reader(text, name).commands
    starts = [c for c in commands if any(starts_program(program, c.program) for program in programs)]
    run = starts[0] if starts else None
    for other in starts[1:]:
        if [word for word, _ in other.words] != [word for word, _ in starts[0].words] or other.program != starts[0].program:
            raise FileFormatError(
                f"{name} starts trainers in line {starts[0].line} and in line {other.line}, with other settings, and one is "
                "read: give a script that starts one, or say whose is meant with --trainer"
            )
    said: list[tuple[KeyValue, bool, bool]] = []
    read = [c for c in commands if c.program or not c.document] if run is None else _of_run(run, commands)
    for (_, blocks), group in groupby(read, lambda command: (command.program, command.blocks)):
        words = tuple(word for command in group for word in command.words)
        sure = run is None or run.blocks[: len(blocks)] == blocks
        said += [(entry, known, sure) for entry, known in _settings(words) if run is not None or entry.key != ANY_KEY]
    entries, unread = together(said)
    return Source(name, entries, " ".join(c.program for c in ([run] if run else commands) if c.program), unread)


def _of_run(run: _Command, commands: Sequence[_Command]) -> list[_Command]:
    """Return the parts of the command that starts a trainer, in order, with its arrays where it names them."""
    arrays: dict[str, list[_Command]] = {}
    doubted: dict[str, int] = {}  # how many parts of an array a branch may have dropped
    earlier: dict[str, list[_Command]] = {}  # what an array held before it began anew, and may name
    over = False
    for command in commands:
        over, name = over or command is run, command.array
        if (over and not run.blocks) or command.document not in (0, run.document):
            continue  # set when it runs already, or for another command
        held = arrays.setdefault(name, [])
        if not command.words:
            earlier.pop(name, None)
        if command.anew and not over and command.blocks == run.blocks[: len(command.blocks)]:
            earlier[name], doubted[name] = held, 0
            held = arrays[name] = []
        elif command.anew and not over:
            begin = doubted.get(name, 0)
            held[begin:] = [_unless(part, command.line) for part in held[begin:]]
            doubted[name] = len(held)
        named = _ARRAY.match(command.words[0][0]) if name and command.words else None
        former = earlier.pop(name, None) if named and named[1] == name else None
        if former and not any(part.words for part in held):
            arrays[name] = former  # which is not copied: a script may do this many times
        else:
            held += former or [command]

    def parts(command: _Command, depth: int) -> Iterator[_Command]:
        begin = 0
        for i, (word, _) in enumerate(command.words):
            named = _ARRAY.match(word)
            if named is None or named[1] not in arrays or depth == DEEPEST_SCRIPT:
                continue
            held = arrays[named[1]]
            first = next((each.words[0][0] for each in held if each.words), "")
            if not first or _is_key(first) or _ARRAY.match(first):
                arrays[named[1]] = []  # once: an array may name itself
                yield replace(command, words=command.words[begin:i])
                for each in held:
                    yield from parts(each, depth + 1)
                begin = i + 1
        yield replace(command, words=command.words[begin:])

    its = (c for c in commands if c is run or not (c.array or c.program or c.document != run.document))
    return [part for c in its for part in parts(c, 0)]


def _unless(part: _Command, line: int) -> _Command:
    """Return a part of an array that a branch may drop, by the line of that."""

    def doubted(word: str) -> str:
        whole = re.fullmatch(r"--[A-Za-z][^=]*", word) or _VARIABLE.fullmatch(word)
        return word if whole else f"{word}{_UNSURE}{line}{_UNSURE}"

    return replace(part, words=tuple((doubted(word), at) for word, at in part.words))


def starts_program(program: str, words: str) -> bool:
    """Return whether the words before a command's arguments start a program.

    >>> starts_program("trl grpo", "trl grpo"), starts_program("main_ppo", "python3 -m my.main_ppo")
    (True, False)
    """
    return re.search(rf"(?<![\w.]){re.escape(program)}(?![\w])", words) is not None


class _Reader:
    """Reads a script line by line.

    Attributes:
        commands: what it has read.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.commands: list[_Command] = []
        self.variables: dict[str, str] = {}
        self.blocks: list[_Block] = []
        self.begun = 0  # blocks and branches so far
        self.words = 0
        self.put = 0  # characters of variables
        self.brackets = 0  # of an array that are open
        self.array = ""  # its name
        self.sign = ""  # between the command before and this one
        self.tested = False  # whether the command before is a test
        self.document = 0  # the line above the here-document that is read
        self.changed: dict[str, str | None] = {}  # in it, with what they were before
        outside = self.blocks
        for line, logical, document in _logical_lines(text.replace(_MARK, "").replace(_UNSURE, "")):
            if document != self.document:  # what is set in it holds in it
                for variable, value in self.changed.items():
                    self._put(variable, value)
                self.changed.clear()
                outside = outside if self.document else self.blocks
                self.blocks = [_Block(block.kind, block.number) for block in outside] if document else outside
                self.document = document
            try:
                self._read(logical, line)
            except ValueError as error:
                if isinstance(error, FileFormatError):
                    raise
                if self.document:
                    continue  # no script, or none that can be run
                raise FileFormatError(f"{name}, line {line}: no shell command ({error}): close the quotes") from error

    def _known(self, text: str) -> str:
        """Return a line in which variables that are known have their values."""

        def put(found: re.Match[str]) -> str:
            value = self.variables.get(found[1] or found[2], found[3] if found[3] is not None else found[0])
            self.put += len(value)
            if self.put > MOST_PUT:
                raise FileFormatError(f"{self.name} uses variables of more than {MOST_PUT:,} characters: give the command alone")
            return value

        def compute(found: re.Match[str]) -> str:
            unsure = "".join(dict.fromkeys(_UNSURES.findall(found[1])))
            plain = _UNSURES.sub("", found[1])
            plain = re.sub(r"[A-Za-z_]\w*", lambda word: self.variables.get(word[0], word[0]), plain)
            number = _whole(_UNSURES.sub("", plain)) if len(plain) <= 200 else None
            unsure = next(iter(_UNSURES.findall(plain)), unsure)
            return found[0] if number is None else f"{number}{f'{_UNSURE}{unsure}{_UNSURE}' if unsure else ''}"

        return _COMPUTES.sub(compute, _USES.sub(put, text))

    def _read(self, text: str, line: int) -> None:
        """Read one line that may hold several commands."""
        for part, sign in _commands(text):
            at, command = line, list[tuple[str, int]]()
            words = shlex.split(self._known(part), comments=True)
            self.words += len(words)
            if self.words > 10 * MOST_SETTINGS:
                raise FileFormatError(f"{self.name} has more than {10 * MOST_SETTINGS:,} words: give the command alone")
            for i, word in enumerate(words):
                if word.startswith(_MARK):
                    at = int(word[1:])
                    continue
                at += words[i - 1].count("\n") * (i > 0)
                if self.brackets or "=(" in word:
                    self._array(_MARKS.sub("", word), at, alone=len(words) == 1)
                elif word in ("&&", "||", "|", ";"):  # for another shell
                    self._command(command, self.sign)
                    command, self.sign = [], word
                else:
                    command.append((word, at))
            self._command(command, self.sign)
            self.sign, line = sign, line + part.count("\n")
            line = max([line, *(int(number) for number in re.findall(f"{_MARK}(\\d+)", part))])
            if sign == ";;":
                self._turn("case")
        self.sign = ""

    def _command(self, parts: list[tuple[str, int]], after: str) -> None:
        """Read one command, or what one array holds: words, each with its line; and the sign before it."""
        while parts and (parts[0][0] in ("then", "do", "else", "!", "{", "time", "function", *_OPENS, *_TURNS, *_CLOSES)
                         or re.fullmatch(r"\w+\(\)", parts[0][0]) or self._is_pattern(parts[0][0])):  # fmt: skip
            word, line = parts.pop(0)
            if word == "function":
                word = f"{parts.pop(0)[0].removesuffix('()')}()" if parts else word
            if word in _OPENS or word.endswith("()"):
                self._open(word)
                if word in ("for", "select") and parts:
                    self._assign(parts[0][0], None, line)
                if word in ("for", "select", "case"):
                    parts = parts[3:] if word == "case" and len(parts) > 2 and self._is_pattern(parts[2][0]) else []
            elif word in _TURNS:
                self._turn("if")
            elif word in _CLOSES:
                self._close()
        if not parts or (self.blocks and self.blocks[-1].kind == "case" and len(parts) == 1 and parts[0][0].startswith("-")):
            return  # such as the first of the patterns -n|--number)
        line = parts[0][1]
        declares = parts[0][0] in _DECLARES
        sets = [word for word, _ in parts[declares:] if not (declares and word.startswith("-"))]
        if all(_ASSIGNS.fullmatch(word) for word in sets):
            branch = self._may_be_left_out(after)
            if branch:
                self._open("&&")
            for word in sets:
                name, more, value = _ASSIGNS.fullmatch(word).groups()  # type: ignore[union-attr]
                self._assign(name, self.variables.get(name, f"${name}") + value if more else value, line)
            if branch:
                self._close()
            return
        self.tested = parts[0][0] in ("[", "[[", "test")
        if (first := _ASSIGNS.fullmatch(parts[0][0])) and (first[3].count("`") % 2 or first[3].count("(") != first[3].count(")")):
            self._assign(first[1], None, line)  # to what a command says
            return
        if parts[0][0] in ("read", "unset"):
            for word, _ in parts[1:]:
                self._assign(word, None, line)
        while _ASSIGNS.fullmatch(parts[0][0]):
            parts.pop(0)  # set for this command alone
        words = [word for word, _ in parts]
        pairs = zip(words, words[1:], words[2:], strict=False)
        inside = next((text for shell, how, text in pairs if _SHELL.search(shell) and re.fullmatch("-[a-z]*c", how)), None)
        if inside is not None:  # a script in quotes
            for _, logical, _ in _logical_lines(inside):
                self._read(logical, line)
            return
        begin = _first_argument(words)
        arguments = tuple((_MARKS.sub("", word), at) for word, at in parts[begin:])
        goes_on = words[0].startswith("--") or ((made := assignment(words[0])) is not None and "." in made.key)
        self._add("" if goes_on else " ".join(words[:begin] or words[:2]), arguments, line)

    def _array(self, word: str, line: int, *, alone: bool) -> None:
        """Read one word of an array."""
        if not self.brackets:
            if self._may_be_left_out(self.sign):
                self._open("&&")
            name = word.partition("=")[0]
            self.array = name.removesuffix("+")
            self._add("", (), line, self.array, anew=name == self.array)
        self.brackets += word.count("(") - word.count(")")
        last = self.brackets <= 0 or (alone and word == ")")
        self.brackets = 0 if last else self.brackets
        if plain := re.sub(r"^\w+\+?=\(", "", word).removesuffix(")" if last else ""):
            self._add("", ((plain, line),), line, self.array)
        if last and self.blocks and self.blocks[-1].kind == "&&":
            self._close()

    def _may_be_left_out(self, sign: str) -> bool:
        """Return whether a command after a sign may be, by what the command before it says."""
        return sign == "||" or (sign == "&&" and self.tested)

    def _add(self, program: str, words: tuple[tuple[str, int], ...], line: int, array: str = "", *, anew: bool = False) -> None:
        blocks = tuple(block.number for block in self.blocks)
        self.commands.append(_Command(program, words, line, blocks, array, anew, self.document))

    def _is_pattern(self, word: str) -> bool:
        """Return whether a word is what a branch of a case is taken for."""
        return word.endswith(")") and "(" not in word and bool(self.blocks) and self.blocks[-1].kind == "case"

    def _assign(self, name: str, value: str | None, line: int) -> None:
        """Set a variable; None where nobody knows to what."""
        if self.document:
            self.changed.setdefault(name, self.variables.get(name))
        for block in self.blocks:
            block.before[name] = (block.before[name][0] if name in block.before else self.variables.get(name), line)
        self._put(name, value if value is None or len(value) <= LONGEST_VALUE else None)  # A=$A$A doubles it

    def _put(self, name: str, value: str | None) -> None:
        self.variables.pop(name, None)
        if value is not None:
            self.variables[name] = value

    def _open(self, kind: str) -> None:
        if len(self.blocks) >= DEEPEST_SCRIPT:
            raise FileFormatError(f"{self.name} nests more than {DEEPEST_SCRIPT} branches: give the command alone")
        self.begun += 1
        self.blocks.append(_Block(kind, self.begun))

    def _turn(self, kind: str) -> None:
        """Go on to the next branch of the innermost block, if it is of a kind."""
        if self.blocks and self.blocks[-1].kind == kind:
            self._close()
            self._open(kind)

    def _close(self) -> None:
        """Leave the innermost block: what it has set has its value from before, and only may have it."""
        if not self.blocks:
            return
        for name, (before, line) in self.blocks.pop().before.items():
            self._put(name, None if before is None else f"{_UNSURES.sub('', before)}{_UNSURE}{line}{_UNSURE}")


def _settings(words: tuple[tuple[str, int], ...]) -> Iterator[tuple[KeyValue, bool]]:
    """Yield the settings among the arguments of a command, with whether their values are known."""
    i = 0
    while i < len(words):
        word, line = words[i]
        word = _SHORT.get(word, word)
        i += 1
        if re.match(r"--[A-Za-z]", word):
            key, sign, value = word[2:].partition("=")
            values = [value] if sign else []
            while not sign and i < len(words) and not _is_key(words[i][0]):
                values.append(words[i][0])
                i += 1
            values = [v for v in values if v != "\\" and not v.isspace()]
            unless = next((int(at) for v in values for at in _UNSURES.findall(v)), None)
            values = [_UNSURES.sub("", v) for v in values]
            found = True if not values else scalar(values[0]) if len(values) == 1 else [scalar(v) for v in values]
            entry = KeyValue(key.replace("-", "_") if "." not in key else key, found, line, unless)
            yield entry, not any(_PARTS.search(v) for v in values)
        else:
            if _VARIABLE.fullmatch(word) and not (i > 1 and re.fullmatch(r"\d?[<>]+", words[i - 2][0])):
                yield KeyValue(ANY_KEY, word, line), False
                continue
            unless = next((int(at) for at in _UNSURES.findall(word)), None)
            made = assignment(_UNSURES.sub("", word))
            if made is not None and not made.key.isupper():
                yield KeyValue(made.key, made.value, line, unless), not _PARTS.search(word)


def _first_argument(parts: list[str]) -> int:
    """Return at which word of a command its program's arguments begin: at the first where no program is seen."""
    begin = parts.index("--") + 1 if "--" in parts else 0
    for i, part in enumerate(parts[begin:], start=begin):
        if part in ("-m", "--module") or (part.endswith(".py") and "=" not in part):
            return i + (1 if part.endswith(".py") else 2)
    if parts[0] in _OTHERS and not begin:
        return len(parts)
    if re.fullmatch(r"\w+(\.\w+)+", parts[begin] if begin < len(parts) else ""):  # a module, as a here-document names it
        return begin + 1
    return begin + 2 if parts[begin : begin + 1] == ["trl"] else begin


def _is_key(word: str) -> bool:
    """Return whether a word of a command line begins another setting."""
    return bool(re.match(r"--[A-Za-z]", word)) or word in (">", "<", *_SHORT) or assignment(word) is not None


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a line, each with the sign after it."""
    text = re.sub(r"\d?>&\d|&>>?", " > ", text)
    begin, quote, brackets, shells, i = 0, "", 0, 0, 0
    while i < len(text):
        char = text[i]
        if char == "\\" and quote != "'":
            i += 1
        elif quote or char in "\"'`":
            quote = ("" if char == quote else quote) if quote else char
        elif char == "#" and (not i or text[i - 1].isspace()):
            i = len(text) if (end := text.find("\n", i)) < 0 else end
        elif not brackets and ((opens := _SUBSHELL.match(text, i)) or (char == ")" and shells)):
            yield text[begin:i], ";"
            shells += 1 if opens else -1
            begin = i + 1
        elif char in "()":
            brackets = max(0, brackets - 1) if char == ")" else brackets + (text[i - 1 : i] in ("$", "(") or brackets > 0)
        elif char in ";&|" and not brackets:
            sign = _SIGNS.match(text, i)[0]  # type: ignore[index]
            yield text[begin:i], sign
            i += len(sign) - 1
            begin = i + 1
        i += 1
    yield text[begin:], ""


def _whole(text: str) -> int | None:
    """Return what whole numbers with + - * / % and brackets come to, None for anything else.

    >>> _whole("1024 * (2 + 6)"), _whole("2 ** 9"), _whole("a")
    (8192, None, None)
    """
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, ZeroDivisionError, KeyError):
        return None


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < 10**12:
        return node.value
    if isinstance(node, ast.BinOp):
        return int(_OPERATORS[type(node.op)](_value(node.left), _value(node.right)))
    raise ValueError


def _logical_lines(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield number, line, and the number above the here-document in which it stands, 0 outside of all.

    Lines that end in a backslash, or inside quotes, are joined to the next.
    """
    held, begin, state, size = list[str](), 0, "", 0
    lines, ends, document = text.splitlines(), list[str](), 0
    last = {line.strip(): number for number, line in enumerate(lines, start=1)}
    for number, line in enumerate(lines, start=1):
        if ends and line.strip() == ends[0]:
            if held:
                yield begin, "".join(held), document
            held, begin, state, size = [], 0, "", 0
            del ends[0]
            continue
        begin = begin or number
        goes_on = line.endswith("\\")
        line = line[:-1] if goes_on else line
        state, size = _state_after(line, state), size + len(line) + 1
        held.append(line)
        if goes_on:
            held.append(f" {_MARK}{number + 1} ")
        elif state in ("'", '"') and size < 10_000:
            held.append("\n")
        else:
            logical, inside = "".join(held), document if ends else 0
            yield begin, logical, inside
            if not ends:
                ends = [end for end in _DOCUMENT.findall(logical) if last.get(end, 0) > number]
                document = number
            held, begin, state, size = [], 0, "", 0
    if (rest := "".join(held)).strip():
        yield begin, rest, document if ends else 0


def _state_after(line: str, state: str) -> str:
    r"""Return the quote that is open behind a line, # in a comment, "" elsewhere, as shlex reads it; before it is another state.

    >>> _state_after("echo 'a", ""), _state_after("b' \"c\"", "'"), _state_after("don\\'t # don't", "")
    ("'", '', '#')
    """
    skip = False
    for char in line:
        if skip or state == "#":
            skip = False
        elif char == "\\" and state != "'":
            skip = True
        elif state:
            state = "" if char == state else state
        elif char in "'\"#":
            state = char
    return state
