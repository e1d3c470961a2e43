"""Every command with its options, in this process: exit code, sentence, JSON, and nothing left behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import re
import shutil
import sys
import unittest.mock
import warnings
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
from fuzz.engine import CORPUS, Input, Target, Wrong, check_message, plain
from fuzz.mutations import NUMBERS, TEXTS, encoded, mutated

from dstheory.cli.main import cli, main

FILES = {"chain.json": "chain/nested.json", "chain.csv": "chain/rows.csv", "log.jsonl": "log/records.jsonl",
         "attempts.csv": "log/attempts.csv", "game.jsonl": "log/game.jsonl", "chat.jsonl": "log/chat.jsonl",
         "settings.toml": "config/simulate.toml"}  # fmt: skip
WORDS = (*FILES, "out", "nowhere.json", "reinforce", "grpo", "reinforce+0.1*kl", "kl", "sft+", "beta", "beta=0:1:3", "lr=1,2",
         "p=geom:1:2:3", "m", "n", "task", "difficulty", "model", "problem", "cap=max", "1,2", "0.5,0.5,0.5", "2x3",
         "countdown", "--json", "--", "-", "")  # fmt: skip
# What multiplies the work that is asked for; a large number there is no fault.
_WORK = re.compile(
    r"--(steps|runs|updates|problems|resamples|cap|trials|max-turns|turns|answers|group|group-size|chunk|examples|warmup|workers|"
    r"cell|grid|sizes|jobs|longer|log-every|renew-every|concentration)$"
)
_NUMPY = re.compile(r"encountered in|divide by zero|invalid value|overflow")


@cache
def parameters(path: tuple[str, ...]) -> list[click.Parameter]:
    """Return the parameters of a command."""
    found: Any = cli
    for name in path:
        found = found.get_command(click.Context(found), name)
    return list(found.params)


def command_of(words: Sequence[str]) -> tuple[str, ...]:
    """Return which command a command line names."""
    if not words:
        return ()
    if words[0] in ("anatomy", "arithmetic"):
        known = ("export-chain", "generate", "schema") if words[0] == "anatomy" else ("train", "evaluate")
        rest = next((word for word in words[1:2] if word in known), "report" if words[0] == "anatomy" else "train")
        return words[0], rest
    return (words[0],)


def refused(words: Sequence[str]) -> str:
    """Return why a command line is not tried here: it would run code of a file, leave the folder, or ask for hours of work."""
    if any("/" in word.replace("1/2", "") or ".." in word or "~" in word or "\0" in word or ".py" in word for word in words):
        return "leaves the folder"
    if any(word.startswith(("--module", "--scheduler", "--workers", "--jobs", "--checkpoint=", "--m", "--sch", "--w")) and
           word not in ("--mdp", "--max-turns", "--momentum", "--model", "--max-unusable", "--markers", "--mask", "--method",
           "--warmup")
           for word in words):  # fmt: skip
        return "runs other code"
    for word, value in zip(words, [*words[1:], ""], strict=True):
        name, _, own = word.partition("=")
        if _WORK.match(name) and any(float(n) > 30 for n in re.findall(r"\d{1,300}(?:[eE]\d{1,2})?", own or value)):
            return "asks for much work"
    if any(word.partition("=")[0] == "--follow" for word in words):
        return "waits for a log that grows"
    if len(words) > 40 or sum(word.startswith("--grid") for word in words) > 3:
        return "asks for much work"
    return ""


def check(path: Path) -> str:
    words = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    return run_command([word for word in words[:-1] if words] or [""], path.parent)


def run_command(words: list[str], parent: Path, files: dict[str, bytes] | None = None) -> str:
    """Run a command line in a folder of its own and ask everything that must hold."""
    if not files:
        why = refused(words)
        if why:
            return why
    if words[:1] in (["verify"], ["reproduce"]):
        words = [words[0], "--list", *words[1:]]  # not at the end, where it may stand behind "--"
    folder = parent / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, source in FILES.items():
        shutil.copy(CORPUS / source, folder / name)
    for name, data in (files or {}).items():
        (folder / name).write_bytes(data)
    before = _listing(folder)
    code, out, err = _run(words, folder)
    after = _listing(folder)
    shutil.rmtree(folder)
    if code not in (0, 1, 2, 3, 4):
        raise Wrong(f"exit code {code}", err)
    for text in (out, err):
        if "Traceback" in text:
            raise Wrong("a traceback is printed", text[-2000:])
        for line in text.split("\n"):
            if line.strip():
                check_message(line.replace("\t", " "), 20_000)
    numpy_said = next((line for line in err.split("\n") if line.startswith("warning: ") and _NUMPY.search(line)), "")
    if numpy_said:
        raise Wrong("a warning of NumPy is printed", f"{words}: {numpy_said}")
    if code and not err.strip():
        raise Wrong("a command fails without a word", str(words))
    if code == 1 and not err.rstrip("\n").split("\n")[-1].startswith("error: "):
        raise Wrong("a command fails without a sentence", err)
    asked = set(words) if "--overwrite" in words else set()
    changed = [name for name, data in before.items() if after.get(name) != data and name not in asked]
    if changed:
        raise Wrong("a file that was there has changed", f"{words}: {changed}")
    left = sorted(set(after) - set(before))
    if any(".partial" in name or ".old" in name or ".unfinished" in name for name in left):
        raise Wrong("something half-written is left behind", f"{words}: {left}")
    if code == 2 and left:
        raise Wrong("a refused command leaves something behind", f"{words}: {left}\n{err}")
    asked = "--json" in words and not words[words.index("--json") - 1].startswith("--")  # else it may be that option's value
    if code == 0 and asked and not {"--help", "-h", "--version"} & set(words):
        _strict(out, words)
    return plain(f"{'-'.join(command_of(words))} {code} {[name.split('/')[0] for name in left][:3]} {err[-300:]}")


def _listing(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def _run(words: list[str], folder: Path) -> tuple[int, str, str]:
    """Return exit code and both outputs; figures are drawn for one in eight command lines, since they take most of the time."""
    out, err = io.StringIO(), io.StringIO()
    drawn = zlib.crc32("\n".join(words).encode("utf-8", "surrogatepass")) % 8 == 0
    here = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("default")
            stack.enter_context(unittest.mock.patch.object(sys, "argv", ["dstheory", *words]))
            if not drawn:
                stack.enter_context(unittest.mock.patch("matplotlib.figure.Figure.savefig", _not_drawn))
            try:
                main()
            except SystemExit as stop:
                return int(stop.code or 0), out.getvalue(), err.getvalue()
    finally:
        os.chdir(here)
    raise Wrong("a command does not end by an exit code")


def _not_drawn(figure: Any, target: Any, **options: Any) -> None:
    if isinstance(target, io.StringIO):
        target.write("<svg/>")
    elif hasattr(target, "write"):
        target.write(b"<svg/>")
    else:
        Path(target).write_bytes(b"")


def _strict(out: str, words: list[str]) -> None:
    def constant(name: str) -> Any:
        raise Wrong("--json prints no strict JSON", f"{words}: {name}")

    try:
        answer = json.loads(out, parse_constant=constant)
    except ValueError as error:
        raise Wrong("--json prints no JSON", f"{words}: {error}: {out[:300]}") from error
    if list(answer) != ["format", "command", "result"]:
        raise Wrong("--json prints something else than one answer", f"{words}: {out[:300]}")


# ---------------------------------------------------------------------- inputs


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    """Change words of a command line: other values, more options, fewer words; rarely any bytes."""
    words = one.data.decode("utf-8", "surrogateescape").split("\n")[:-1]
    if rng.random() < 0.05:
        return Input(one.suffix, mutated(rng, one.data, [], WORDS))
    for _ in range(rng.choice((1, 1, 2, 3))):
        what = rng.randrange(6)
        if what == 0 and len(words) > 1:
            del words[rng.randrange(1, len(words))]
        elif what == 1 and len(words) > 1:
            words[rng.randrange(1, len(words))] = rng.choice((*NUMBERS[:40], *WORDS))
        elif what == 2 and words:
            words.insert(rng.randrange(1, len(words) + 1), rng.choice((*WORDS, *TEXTS[:40])))
        elif what == 3 and len(words) > 2:
            i = rng.randrange(1, len(words))
            words[i] = rng.choice((*NUMBERS, *TEXTS))
        else:
            with contextlib.suppress(AttributeError, TypeError):
                words += _option(rng, parameters(command_of(words)))
    return Input(one.suffix, b"".join(encoded_word(word) + b"\n" for word in words))


def encoded_word(word: str) -> bytes:
    return (
        encoded(word.replace("\n", " "))
        if max(word, default="") < "\udc80"
        else word.encode(
            "utf-8",
            "surrogateescape",
        )
    )


def _option(rng: random.Random, known: list[click.Parameter]) -> Iterator[str]:
    """Yield an option of the command and a value, of its type or not."""
    option = rng.choice([param for param in known if isinstance(param, click.Option)])
    yield rng.choice([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return
    for _ in range(option.nargs):
        kind = option.type
        if rng.random() < 0.25:
            yield rng.choice((*NUMBERS[:40], *WORDS))
        elif isinstance(kind, click.Choice):
            yield str(rng.choice(list(kind.choices)))
        elif isinstance(kind, click.types.IntParamType):
            yield rng.choice(("0", "1", "2", "3", "7", "-1"))
        elif isinstance(kind, click.types.FloatParamType):
            yield rng.choice(("0", "1", "0.5", "0.01", "-1", "1e-9", "1e9", "1e300", "1e-320", "nan", "inf", "0.9999999999"))
        else:
            yield rng.choice(WORDS)


COMMAND = Target("command", check, mutate, seconds=8.0, weight=3.0)


# ---------------------------------------------------------------------- configuration files

_BOUNDED = (("simulate", "--config", "given.toml", "--steps", "2", "--runs", "2", "--warmup", "0", "--out", "out", "--json"),
            ("optimum", "--config", "given.toml", "--json"),
            ("attribute", "--config", "given.toml", "--objective", "reinforce", "--json"),
            ("sweep", "--config", "given.toml", "--grid", "beta=0.1,0.2", "--steps", "2", "--runs", "1", "--out", "out"),
            ("arithmetic", "train", "--config", "given.toml", "--updates", "1", "--problems", "2", "--group", "2", "--cap", "2",
             "--sizes", "4x4", "--checkpoint", "run.ckpt"))  # fmt: skip
_CONFIG_WORDS = ("p", "a", "b", "gamma", "beta", "lr", "steps", "optimizer", "objective", "reward", "expert", "max-turns",
                 "sizes", "credit", "policy", "json", "true", "false", '"none"', "[1, 2]", "{a = 1}", "1979-05-27", "07:32:00",
                 "'''", "inf", "seed", "out")  # fmt: skip


def check_config(path: Path) -> str:
    data = path.read_bytes()
    if re.search(rb"module|/|\.\.|\.py|scheduler|workers|checkpoint|chunk|\bmdp|grid", data):
        return "not tried"
    words = _BOUNDED[zlib.crc32(data) % len(_BOUNDED)]
    if re.search(rb"\d{3}|e\d", data) and words[0] in ("attribute", "optimum") and re.search(rb"turns", data):
        return "asks for much work"
    return run_command(list(words), path.parent, {"given.toml": data})


def mutate_config(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    return Input(one.suffix, mutated(rng, one.data, [other.data for other in pool], _CONFIG_WORDS))


CONFIG = Target("config", check_config, mutate_config, seconds=8.0, weight=1.0)
