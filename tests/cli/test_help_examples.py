"""What the help shows can be typed: the examples of commands that take a second, and what all commands do alike."""

from __future__ import annotations

import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import click
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _of(command: str) -> list[str]:
    epilog = import_module(f"dstheory.cli.{command}").command.epilog
    return re.findall(rf"^\s*dstheory ({command}\b.*)$", epilog, flags=re.MULTILINE)


_QUICK = ("attribute", "explain", "objectives", "optimum", "signal")


@pytest.mark.parametrize("line", [line for command in _QUICK for line in _of(command)])
def test_examples_run(dstheory, tmp_path: Path, line: str) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    if "rollouts.jsonl" in line:
        dstheory("anatomy", "generate", "rollouts.jsonl", "--problems", 20)
    ran = dstheory(*shlex.split(line))
    assert ran.code == 0, ran.err
    if "--json" in line:
        assert ran.result


def _commands() -> dict[tuple[str, ...], click.Command]:
    """All commands, and those of groups, by name."""
    from dstheory.cli.main import COMMANDS

    found: dict[tuple[str, ...], click.Command] = {}
    for name in COMMANDS:
        command = found[name,] = import_module(f"dstheory.cli.{name}").command
        if isinstance(command, click.Group):
            with click.Context(command) as ctx:
                found |= {(name, each): command.get_command(ctx, each) for each in command.list_commands(ctx)}
    return found


COMMANDS = _commands()
SEEDED = [path for path, command in COMMANDS.items() if any("--seed" in p.opts for p in command.params)]


def test_help_holds_no_marks_of_click(dstheory) -> None:
    for path in [(), *COMMANDS]:
        shown = dstheory(*path, "--help")
        assert shown.code == 0, path
        assert shown.out.replace("\n", "").isprintable(), path


@pytest.mark.parametrize("path", SEEDED, ids=" ".join)
def test_a_seed_is_refused_the_same_way_everywhere(dstheory, path: tuple[str, ...]) -> None:
    ran = dstheory(*path, "--seed", -1)
    assert ran.code == 2
    assert "Invalid value for '--seed': -1 is not in the range x>=0." in ran.err


def test_commands_with_a_seed_are_found() -> None:
    some = {("simulate",), ("attribute",), ("sweep",), ("verify",), ("anatomy", "report"), ("arithmetic", "show")}
    assert some <= set(_commands())


@pytest.mark.parametrize("line", ["anatomy", "arithmetic", "derive", "arithmetic evaluate", "reproduce"])
def test_a_command_that_lacks_its_words_is_a_usage_error(dstheory, line: str) -> None:
    ran = dstheory(*line.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


@pytest.mark.parametrize("command", [[], ["arithmetic"]])
def test_lists_of_commands_have_whole_sentences(dstheory, command: list[str]) -> None:
    ran = dstheory(*command, "--help")
    assert ran.code == 0
    assert not re.search(r"(?<!\])\.\.\.$", ran.out, flags=re.MULTILINE)
