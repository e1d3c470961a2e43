"""The defaults in dstheory/trainers/libraries are those of the libraries themselves, read from their own configuration classes.

Needs the libraries, which the other tests do not: `make peers-check` installs them into an environment of their own.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dstheory.trainers import all_trainers, configuration_of

needs_trl = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None,
    reason="TRL is not installed, so there is nothing to compare with; `make peers-check` installs it and runs this",
)
TRL = {
    "trl:grpo": "trl.GRPOConfig",
    "trl:rloo": "trl.RLOOConfig",
    "trl:sft": "trl.SFTConfig",
    "trl:dpo": "trl.DPOConfig",
    "trl:distillation": "trl.trainer.distillation_config.DistillationConfig",
    "trl:gkd": "trl.experimental.gkd.GKDConfig",
}
TRAINERS = all_trainers()


def named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def defaults(path: str) -> dict[str, Any]:
    """Return the default of every field of a dataclass."""
    found = {}
    for field in dataclasses.fields(named(path)):
        made = field.default_factory is not dataclasses.MISSING
        found[field.name] = field.default_factory() if made else field.default
    return found


def test_every_trainer_of_trl_is_compared() -> None:
    assert {name for name in TRAINERS if name.startswith("trl:")} == set(TRL)


@needs_trl
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trainer", TRL)
def test_defaults_are_those_of_trl(trainer: str) -> None:
    here, there = TRAINERS[trainer], defaults(TRL[trainer])
    assert importlib.metadata.version("trl") == here.version
    for name, key in here.keys.items():
        assert name in there
        assert key.default == there[name], name


@needs_trl
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trainer", TRL)
def test_no_key_of_trl_is_unknown(trainer: str) -> None:
    here = TRAINERS[trainer]
    arguments = [*defaults(TRL[trainer]), *defaults("trl.ScriptArguments"), *defaults("trl.ModelConfig")]
    assert [name for name in arguments if name not in here.keys and not here.is_beside(name)] == []


@needs_trl
@pytest.mark.filterwarnings("ignore")
def test_losses_are_those_that_trl_knows() -> None:
    """A name that TRL drops or adds is seen: its help lists the values of loss_type."""
    for trainer, path in (("trl:grpo", "trl.GRPOConfig"), ("trl:dpo", "trl.DPOConfig")):
        (help_text,) = (f.metadata["help"] for f in dataclasses.fields(named(path)) if f.name == "loss_type")
        for word in TRAINERS[trainer].keys["loss_type"].words:
            assert f"'{word}'" in help_text, word


@needs_trl
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trainer", TRL)
def test_arguments_as_they_are_saved_are_the_defaults(trainer: str, tmp_path: Path) -> None:
    """What __post_init__ fills in changes nothing, and no key of a saved file is unknown."""
    made = named(TRL[trainer])(output_dir=str(tmp_path), use_cpu=True, bf16=False)
    saved = tmp_path / "arguments.json"
    saved.write_text(made.to_json_string())
    found = configuration_of(saved, trainer=trainer)
    assert found.training == configuration_of(trainer).training
    assert found.unknown == ()


# ---------------------------------------------------------------------- verl and OpenRLHF: their files are read, not run


def installed(library: str) -> Path | None:
    """Return the folder of a package that is not imported."""
    found = importlib.util.find_spec(library)
    return None if found is None or found.origin is None else Path(found.origin).parent


def leaves(table: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def arguments(source: str) -> dict[str, Any]:
    """Return the default of every argument that a script adds to its parser, as far as it is a literal."""
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument" and node.args):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        default: Any = False if "action" in given else None
        if "default" in given:
            try:
                default = ast.literal_eval(given["default"])
            except ValueError:
                default = NotImplemented
        name = node.args[0]
        if isinstance(name, ast.JoinedStr):  # the same for the actor and the critic
            for who in ("actor", "critic"):
                parts = [part.value if isinstance(part, ast.Constant) else who for part in name.values]
                found["".join(map(str, parts)).lstrip("-")] = default
        elif isinstance(name, ast.Constant):
            found[str(name.value).lstrip("-")] = list(default) if isinstance(default, tuple) else default
    return found


ADDED = ("overlong_buffer_cfg.enable", "overlong_buffer.enable")
"""Ends of verl's keys that its YAML does not have, and that its users add."""


@pytest.mark.skipif(installed("verl") is None, reason="verl is not installed; `make peers-check` installs it and runs this")
def test_defaults_are_those_of_verls_yaml() -> None:
    folder, here = installed("verl"), TRAINERS["verl:ppo"]
    assert folder is not None
    assert importlib.metadata.version("verl") == here.version
    there = dict(leaves(yaml.safe_load((folder / "trainer" / "config" / "_generated_ppo_trainer.yaml").read_text())))
    keys = {name: key for name, key in here.keys.items() if not name.endswith(ADDED)}
    assert {name: key.default for name, key in keys.items()} == {name: there.get(name, "?") for name in keys}
    assert [name for name in there if name not in here.keys and not here.is_beside(name)] == []


@pytest.mark.skipif(installed("openrlhf") is None, reason="OpenRLHF is not installed; `make peers-check` installs and runs this")
@pytest.mark.parametrize(("trainer", "script"), [("ppo", "train_ppo_ray"), ("sft", "train_sft"), ("dpo", "train_dpo")])
def test_defaults_are_those_of_openrlhfs_arguments(trainer: str, script: str) -> None:
    folder, here = installed("openrlhf"), TRAINERS[f"openrlhf:{trainer}"]
    assert folder is not None
    assert importlib.metadata.version("openrlhf") == here.version
    there = arguments((folder / "cli" / f"{script}.py").read_text())
    assert {name: key.default for name, key in here.keys.items()} == {name: there.get(name, "?") for name in here.keys}
    assert [name for name in there if name not in here.keys and not here.is_beside(name)] == []
