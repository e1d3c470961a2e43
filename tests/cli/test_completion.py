"""Tab proposes commands, objectives, claims and experiments, in a shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from dstheory.cli.main import cli


@pytest.mark.parametrize(("words", "incomplete", "some"), [
    ([], "sim", {"simulate"}),
    (["anatomy"], "ins", {"inspect"}),
    (["derive"], "kl-", {"kl-direct"}),
    (["attribute", "--objective"], "dr", {"dr-grpo"}),
    (["simulate", "--objective"], "ppo", {"ppo-clip"}),
    (["signal", "--objective"], "rlo", {"rloo"}),
    (["objectives"], "entr", {"entropy"}),
    (["verify"], "A3", {"A3", "A3-loose", "A3-cap"}),
    (["verify", "--show"], "B5-l", {"B5-loose"}),
    (["reproduce"], "source", {"source-figure"}),
    (["examples"], "my_c", {"my_claim.py"}),
    (["schema"], "anat", {"anatomy"}),
    (["schema", "anatomy"], "ins", {"inspect"}),
    (["sweep"], "--len", {"--length-weight"}),
])  # fmt: skip
def test_what_is_proposed(words: list[str], incomplete: str, some: set[str]) -> None:
    found = ShellComplete(cli, {}, "dstheory", "_DSTHEORY_COMPLETE").get_completions(words, incomplete)
    names = {item.value for item in found if item.type == "plain"}
    assert some <= names
    assert all(name.startswith(incomplete) for name in names)


def test_the_claims_proposed_are_those_that_there_are() -> None:
    from dstheory.claims.runner import list_claims

    found = ShellComplete(cli, {}, "dstheory", "_DSTHEORY_COMPLETE").get_completions(["verify"], "")
    assert {item.value for item in found if item.type == "plain"} == {info["id"] for info in list_claims()}


def test_commands_are_proposed_without_being_imported() -> None:
    code = (
        "import sys; from click.shell_completion import ShellComplete; from dstheory.cli.main import cli\n"
        "assert ShellComplete(cli, {}, 'dstheory', 'X').get_completions([], '')\n"
        "assert not {'numpy', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_of_a_command_loads_no_numerics() -> None:
    code = (
        "import importlib, sys; from dstheory.cli.main import COMMANDS\n"
        "for name in COMMANDS: importlib.import_module('dstheory.cli.' + name.replace('anatomy', 'anatomy.report'))\n"
        "assert not {'numpy', 'sympy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_in_bash(tmp_path: Path) -> None:
    command = tmp_path / "dstheory"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m dstheory.cli.main "$@"\n')
    command.chmod(0o755)
    script = (
        f'PATH={tmp_path}:$PATH; eval "$(_DSTHEORY_COMPLETE=bash_source dstheory)"\n'
        "COMP_WORDS=(dstheory derive kl-); COMP_CWORD=2; _dstheory_completion dstheory; echo ${COMPREPLY[@]}\n"
    )
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "kl-direct" in ran.stdout.split()
