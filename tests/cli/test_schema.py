"""What --json prints has a schema, per command: strict, and true of what every command really prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from answers import validator
from cli.test_reproduce import TINY, experiment
from cli.tree import commands

from dstheory.cli.results import RESULTS
from dstheory.cli.schema import schema_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINES = (
    "anatomy generate log.jsonl --problems 25 --json",
    "anatomy generate trainer.jsonl --form trainer --problems 4 --json",
    "anatomy log.jsonl --compare base tuned --out a --report r.html --figure-format svg --json",
    "anatomy trainer.jsonl --out a2 --figure-format svg --json",
    "anatomy export-chain log.jsonl --model base --out chain.json --json",
    "anatomy formats --json",
    "anatomy inspect log.jsonl --json",
    "anatomy schema --json",
    "arithmetic train --updates 1 --problems 2 --group 2 --sizes 4x4 --checkpoint c.npz --json",
    "arithmetic evaluate c.npz --sizes 4x4 --per-size 2 --episodes 2 --json",
    "arithmetic show c.npz --json",
    "attribute --objective reinforce --objective sft+reinforce --json",
    "attribute --all --objective grpo --objective sft --no-figure --json",
    "derive kl-direct --json",
    "derive reinforce --numeric p=0.5,a=1/2,b=1/2,gamma=1 --turns 2 --format json",
    "examples --json",
    "examples my_claim.py --json",
    "explain trl:grpo beta=0.04 --reference 0.5,0.7,0.4 --against trl:rloo --json",
    "explain trl:sft --json",
    "objectives --json",
    "objectives grpo trl:grpo --json",
    "optimum --json",
    "optimum --policy --max-turns 3 --json",
    "reproduce --list --json",
    "reproduce tiny.py --out r --figure-format svg --json",
    "schema --json",
    "schema derive --json",
    "signal --objective grpo --covariance --no-figure --json",
    "signal trl:grpo --no-figure --json",
    "simulate --steps 4 --out s --figure-format svg --json",
    "sweep --grid beta=log:1e-3:1:2 --out w --json",
    "sweep --of simulate --grid optimizer=sgd,adam --steps 4 --out w2 --json",
    "verify my_claim.py --json",
    "verify --list my_claim.py --format json",
    "verify --export coq theorems my_claim.py --json",
)


def test_every_command_has_json_and_a_schema() -> None:
    found = dict(commands())
    names = {name.removesuffix(" report") for name in found}
    assert names == set(RESULTS)
    for name, command in found.items():
        assert any("--json" in p.opts for p in command.params), name


@pytest.mark.parametrize("name", RESULTS)
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(name))


def test_what_commands_print_is_what_their_schemas_say(dstheory, tmp_path: Path, subtests: pytest.Subtests) -> None:
    experiment(tmp_path / "tiny.py", TINY)
    shutil.copy(EXAMPLES / "my_claim.py", tmp_path)  # one file of claims instead of all of the package's
    seen = set()
    for line in LINES:
        with subtests.test(line):
            ran = dstheory(*line.split())
            assert ran.code == 0, ran.err
            assert ran.result
            answer = json.loads(ran.out)
            seen.add(answer["command"])
            assert list(answer) == ["format", "command", "result"]
            assert answer["format"] == "dstheory/1"
            for other in renamed(answer):
                with pytest.raises(jsonschema.ValidationError):
                    validator(answer["command"]).validate(other)
    assert seen == set(RESULTS)


def renamed(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer with one key of the result called otherwise, for each of its keys; free-form results have none."""
    if answer["command"] in ("anatomy schema", "schema"):
        return []
    result = answer["result"]
    return [{**answer, "result": {(f"{key}_" if key == old else key): v for key, v in result.items()}} for old in result]


def test_the_schema_command_lists_and_prints(dstheory) -> None:
    assert dstheory("schema").out.split("\n")[:-1] == list(RESULTS)
    assert json.loads(dstheory("schema", "anatomy", "inspect").out) == schema_of("anatomy inspect")
    ran = dstheory("schema", "nope")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no schema 'nope'" in ran.err


def test_an_error_leaves_standard_output_empty(dstheory) -> None:
    for line, code in (("optimum --beta 0 --json", 2), ("attribute --objective nope --json", 2), ("verify nope --json", 2)):
        ran = dstheory(*line.split())
        assert (ran.code, ran.out) == (code, "")
        assert ran.err
