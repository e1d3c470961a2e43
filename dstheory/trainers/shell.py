"""The grammar of shell scripts, as far as scripts that start trainers need it: commands, their words, what stands in a branch.

Nothing is run, and nothing has a value yet: :mod:`scripts` says what words come to. Source: the manual of bash 5.2, section 3.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

DEEPEST_SCRIPT = 64  # branches, loops and functions within each other

_BLANK = re.compile(r"[ \t\r]+|\\\r?\n|#[^\n]*|\\[ \t]+(?=#|\r?\n)")
"""Between words; last a backslash that a blank parts from the end of its line, so that the command ends there."""
_PLAIN = re.compile(r"[^\s;&|()<>\"'`$\\]+")
_SETS = re.compile(r"([A-Za-z_]\w*)(?:\[((?:[^][]|\[[^]]*\])*)\])?(\+?)=")
_REDIRECTS = re.compile(r"(?:\d+|\{\w+\})?(<<<|<<-?|<&|<>|<|>>|>\||>&|>)|&>>?")
_SIGN = re.compile(r"&&|\|\||\|&?|;(?![;&])|&(?!>)")
_FUNCTION = re.compile(r"(?:function[ \t]+([\w:.-]+)[ \t]*(?:\([ \t]*\))?|([\w:.-]+)[ \t]*\([ \t]*\))\s*")
_RESERVED = re.compile(r"(?:[a-z]+|[!{}])(?=[\s;&|()<>]|\Z)")
_WITHIN = r"(?<=\s)#[^\n]*|(?<!<)<<-?[ \t]*['\"\\]?(\w++)['\"]?[^\n)]*\n(?:[^\n]*\n){0,200}?\t*\1(?=\n)"
"""In the brackets of a command, what holds signs that are none: comments and here-documents."""
_VARIABLE = re.compile(r"\$(?:\w+|[@*#?$!-])")


class ShellError(ValueError):
    """What is not a shell script, or none that ends; with its line."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


class Piece(NamedTuple):
    """A part of a word: text, or with ``live`` something that the shell puts a value in the place of."""

    text: str
    quoted: bool = False
    live: bool = False


@dataclass(slots=True)
class Word:
    """A word of a command.

    Attributes:
        line: where it begins.
        pieces: its text; of ``A=1`` also the name.
        name: the variable that it sets where it begins a command, "" for none.
        index: which element of an array is set.
        more: whether it is added to what was there, as by ``A+=1``.
        items: the words of an array, None for what is none.
    """

    line: int
    pieces: list[Piece] = field(default_factory=list)
    name: str = ""
    index: str | None = None
    more: bool = False
    items: list[Word] | None = None

    @property
    def plain(self) -> str:
        """Its text if nothing in it is quoted or has a value to be put in."""
        return "" if any(piece.quoted or piece.live for piece in self.pieces) else "".join(piece.text for piece in self.pieces)


@dataclass(slots=True)
class Document:
    """A here-document: its line, whether what stands in it is taken as it stands, and its text."""

    line: int
    quoted: bool
    text: str = ""


@dataclass(slots=True)
class Command:
    """A command.

    Attributes:
        kind: ``simple``, ``test``, ``math``, ``if``, ``case``, ``for``, ``while``, ``group``, ``subshell`` or ``function``.
        line: where it begins.
        words: of a simple one; the name of a function; the variable of a loop and what it runs through.
        parts: the lists of commands in it: of ``if`` the condition first.
        total: whether one of the branches is taken for sure, or whether a loop says what it runs through.
        documents: that it reads.
    """

    kind: str
    line: int
    words: list[Word] = field(default_factory=list)
    parts: list[Sequence] = field(default_factory=list)
    total: bool = False
    documents: list[Document] = field(default_factory=list)


Sequence = list[tuple[str, Command, str]]
"""Commands, each with the sign before and after it."""


def script_of(text: str, line: int = 1) -> Sequence:
    """Return the commands of a script that begins in a line.

    Raises:
        ShellError: it is none.

    >>> [(sign, command.kind, command.line) for sign, command, _ in script_of("[ $A ] && B=1\\nif x; then y; fi")]
    [(';', 'test', 1), ('&&', 'simple', 1), (';', 'if', 2)]
    """
    return _Grammar(text, line).sequence()


def quoted_pieces(text: str, line: int) -> list[Piece]:
    """Return the pieces of a text in which values are put as between double quotes."""
    grammar, pieces = _Grammar(text, line), list[Piece]()
    while grammar.i < len(text):
        pieces += grammar.quotes("")
    return pieces


class _Grammar:
    """Reads a script by its grammar."""

    def __init__(self, text: str, line: int) -> None:
        self.text = text
        self.i = 0
        self.first = line
        self.ends = [found.start() for found in re.finditer("\n", text)]
        self.depth = 0
        self.begun: list[tuple[Document, str, bool]] = []  # here-documents whose text comes after this line

    def line(self) -> int:
        return self.first + bisect_left(self.ends, self.i)

    def error(self, what: str) -> ShellError:
        return ShellError(what, self.line())

    def skip(self, *, lines: bool = False) -> None:
        """Go on to the next word, or the next command."""
        while self.i < len(self.text):
            if found := _BLANK.match(self.text, self.i):
                self.i = found.end()
            elif lines and self.text[self.i] == "\n":
                self.i += 1
                for document, end, tabs in self.begun:
                    self._document(document, end, tabs)
                self.begun = []
            else:
                return

    def _document(self, document: Document, end: str, tabs: bool) -> None:
        lines: list[str] = []
        while self.i < len(self.text):
            stop = self.text.find("\n", self.i)
            stop = len(self.text) if stop < 0 else stop
            line = self.text[self.i : stop].removesuffix("\r")
            line = line.lstrip("\t") if tabs else line
            self.i = stop + 1
            if line == end:
                self.i = min(self.i, len(self.text))
                document.text = "".join(f"{each}\n" for each in lines)
                return
            lines.append(line)
        raise ShellError(f"no line {end} ends the here-document", document.line)

    def at(self, *texts: str) -> bool:
        return self.text.startswith(texts, self.i)

    def reserved(self) -> str:
        """Return the word that stands here if it may be one of the grammar."""
        found = _RESERVED.match(self.text, self.i)
        return found[0] if found else ""

    def take(self, *words: str) -> str:
        """Go on behind one of the words, which must stand here."""
        self.skip(lines=True)
        for word in words:
            if self.at(word):
                self.i += len(word)
                return word
        raise self.error(f"{' or '.join(words)} is missing")

    def sequence(self, *ends: str) -> Sequence:
        """Return the commands up to a word, or sign, that ends them."""
        found: Sequence = []
        sign = ";"
        self.depth += 1
        if self.depth > DEEPEST_SCRIPT:
            raise self.error(f"it nests more than {DEEPEST_SCRIPT} branches")
        while True:
            self.skip(lines=True)
            if self.i >= len(self.text) and not ends:
                break
            if self.i >= len(self.text):
                raise self.error(f"{ends[0]} is missing")
            if self.reserved() in ends or (self.at(")", ";;", ";&") and self.text[self.i : self.i + 1] in [e[0] for e in ends]):
                break
            command = self.command()
            self.skip()
            after = _SIGN.match(self.text, self.i)
            self.i = after.end() if after else self.i
            found.append((sign, command, after[0] if after else ";"))
            sign = found[-1][2]
        self.depth -= 1
        return found

    def command(self) -> Command:
        line, kind = self.line(), self.reserved()
        if kind in ("!", "time"):
            self.take(kind)
            self.skip()
            return self.command()
        made = Command("simple", line)
        reads: dict[str, Callable[[Command], None]] = {
            "if": self._if, "case": self._case, "for": self._loop, "select": self._loop, "while": self._loop,
            "until": self._loop,
        }  # fmt: skip
        if kind in reads:
            self.i += len(kind)
            made.kind = kind
            reads[kind](made)
        elif self.at("((") and self.text[(end := self.closing("(", ")")) - 2] == ")":
            made.kind, made.words = "math", [Word(line, [Piece(self.text[self.i : end], live=True)])]
            self.i = end
        elif kind == "{" or self.at("("):
            made.kind, closes = ("group", "}") if kind == "{" else ("subshell", ")")
            self.i += 1
            made.parts = [self.sequence(closes)]
            self.take(closes)
        elif self.at("[[ ", "[[\t", "[[\n"):
            closed = re.compile(r"\s\]\](?=[\s;&|)]|\Z)").search(self.text, self.i)
            if closed is None:
                raise self.error("]] is missing")
            made.kind, self.i = "test", closed.end()
        elif found := _FUNCTION.match(self.text, self.i):
            self.i = found.end()
            made.kind, made.words = "function", [Word(line, [Piece(found[1] or found[2])])]
            made.parts = [[(";", self.command(), ";")]]
            return made
        simple, begin = made.kind == "simple", self.i
        while True:
            self.skip()
            if self.at("<(", ">("):
                begun, self.i = self.i, self.i + 1
                self.i = self.closing("(", ")")
                made.words.append(Word(line, [Piece(self.text[begun : self.i], live=True)]))
            elif found := _REDIRECTS.match(self.text, self.i):
                self._redirect(found, made)
            elif simple and (word := self.word()) is not None:
                made.words.append(word)
            else:
                break
        if simple and self.i == begin:
            raise self.error(f"{self.text[self.i : self.i + 1]!r} is not expected here")
        if simple and made.words and made.words[0].plain in ("[", "test"):
            made.kind = "test"
        return made

    def _redirect(self, found: re.Match[str], command: Command) -> None:
        """Read where a command reads from or writes to, which is no argument."""
        self.i = found.end()
        self.skip()
        if self.at("<(", ">("):
            self.i += 1
            self.i = self.closing("(", ")")
            return
        begin, line = self.i, self.line()
        word = self.word()
        if word is None:
            raise self.error(f"nothing follows {found[0]}")
        if found[1] in ("<<", "<<-"):
            document = Document(line, any(sign in self.text[begin : self.i] for sign in "'\"\\"))
            self.begun.append((document, "".join(piece.text for piece in word.pieces), found[1] == "<<-"))
            command.documents.append(document)

    def _if(self, made: Command) -> None:
        made.parts = [self.sequence("then")]
        self.take("then")
        made.parts.append(self.sequence("fi", "else", "elif"))
        if (word := self.take("elif", "else", "fi")) == "fi":
            return
        made.total = True
        if word == "else":
            made.parts.append(self.sequence("fi"))
            self.take("fi")
        else:
            other = Command("if", self.line())
            self._if(other)
            made.parts.append([(";", other, ";")])

    def _case(self, made: Command) -> None:
        self.skip()
        self.word()
        self.take("in")
        while True:
            self.skip(lines=True)
            if self.reserved() == "esac":
                break
            self.i += self.at("(")
            while not self.at(")"):
                self.skip()
                pattern = self.word()
                made.total |= pattern is not None and pattern.plain == "*"
                self.skip()
                if not self.at("|", ")"):
                    raise self.error(") is missing")
                self.i += self.at("|")
            self.i += 1
            made.parts.append(self.sequence("esac", ";;"))
            if sign := re.compile(r";;&?|;&").match(self.text, self.i):
                self.i = sign.end()
        self.take("esac")

    def _loop(self, made: Command) -> None:
        if made.kind in ("while", "until"):
            made.kind = "while"
            made.parts = [self.sequence("do")]
        else:
            self.skip()
            if self.at("(("):
                begin, self.i = self.i, self.closing("(", ")")
                names = re.findall(r"([A-Za-z_]\w*)\s*(?:[-+*/%]?=(?!=)|\+\+|--)", self.text[begin : self.i])
                made.words = [Word(made.line, [Piece(name)]) for name in names[:1]]
            else:
                made.words = [self.word() or Word(made.line)]
                self.skip(lines=True)
                if self.reserved() == "in":
                    made.total = made.kind == "for"
                    self.i += 2
                    self.skip()
                    while (word := self.word()) is not None:
                        made.words.append(word)
                        self.skip()
            made.kind = "for"
            self.skip(lines=True)
            self.i += self.at(";")
            made.parts = [[]]
        self.take("do")
        made.parts.append(self.sequence("done"))
        self.take("done")

    def word(self) -> Word | None:
        """Return the word that begins here, None if none does."""
        begin, word = self.i, Word(self.line())
        if sets := _SETS.match(self.text, self.i):
            word.name, word.index, word.more = sets[1], sets[2], bool(sets[3])
            word.pieces.append(Piece(sets[0]))
            self.i = sets.end()
            if self.at("("):
                self.i += 1
                word.items = []
                self.skip(lines=True)
                while (item := self.word()) is not None:
                    word.items.append(item)
                    self.skip(lines=True)
                self.take(")")
                return word
        while self.i < len(self.text):
            char = self.text[self.i]
            if found := _PLAIN.match(self.text, self.i):
                word.pieces.append(Piece(found[0]))
                self.i = found.end()
            elif char == "\\" and self.text[self.i + 1 : self.i + 2] == "\n":
                self.i += 2
            elif char == "\\":
                word.pieces.append(Piece(self.text[self.i + 1 : self.i + 2], quoted=True))
                self.i += 2
            elif char == '"' or self.at('$"'):
                self.i += 1 + (char == "$")
                word.pieces += self.quotes('"') or [Piece("", quoted=True)]
                self.i += 1
            elif char == "'" or self.at("$'"):
                ends = re.compile(r"'((?:[^'\\]|\\.)*)'" if char == "$" else r"'([^']*)'", re.DOTALL)
                found = ends.match(self.text, self.i + (char == "$"))
                if found is None:
                    raise self.error("a quote is not closed")
                word.pieces.append(Piece(found[1], quoted=True, live=char == "$" and "\\" in found[1]))
                self.i = found.end()
            elif char in "$`":
                word.pieces.append(self.value(quoted=False))
            else:
                break
        return word if self.i > begin else None

    def quotes(self, end: str) -> list[Piece]:
        """Return what stands between double quotes, up to the sign that closes them."""
        pieces: list[Piece] = []
        begin = self.i
        while self.i < len(self.text) and (not end or self.text[self.i] != end):
            char = self.text[self.i]
            if found := re.compile(r"[^\"\\$`]+|\"").match(self.text, self.i):
                pieces.append(Piece(found[0], quoted=True))
                self.i = found.end()
            elif char == "\\":
                escaped = self.text[self.i + 1 : self.i + 2]
                kept = "" if escaped == "\n" else escaped if escaped in '$"`\\' else f"\\{escaped}"
                pieces.append(Piece(kept, quoted=True))
                self.i += 2
            else:
                pieces.append(self.value(quoted=True))
        if end and self.i >= len(self.text):
            self.i = begin
            raise self.error("a quote is not closed")
        return pieces

    def value(self, *, quoted: bool) -> Piece:
        """Return the variable, command or computation that begins here, as it stands."""
        begin = self.i
        if self.at("`"):
            found = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL).match(self.text, self.i)
            if found is None:
                raise self.error("a quote is not closed")
            self.i = found.end()
        elif self.at("$(", "${", "$["):
            self.i += 1
            self.i = self.closing(*next(pair for pair in ("()", "{}", "[]") if self.at(pair[0])))
        elif found := _VARIABLE.match(self.text, self.i):
            self.i = found.end() if not found[0][1].isdigit() else self.i + 2
        else:
            self.i += 1
            return Piece("$", quoted)
        return Piece(self.text[begin : self.i], quoted, live=True)

    def closing(self, opens: str, closes: str) -> int:
        """Return the place behind the bracket that closes the one here."""
        depth = 0
        words = rf"{_WITHIN}|" if opens == "(" else ""
        signs = re.compile(rf"{words}\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|[\{opens}\{closes}]", re.DOTALL)
        for found in signs.finditer(self.text, self.i):
            depth += (found[0] == opens) - (found[0] == closes)
            if not depth and found[0] == closes:
                return found.end()
        raise self.error(f"{opens} is not closed")
