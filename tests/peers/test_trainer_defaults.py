"""The defaults in dstheory/trainers/libraries are those of the libraries themselves, read from their own configuration classes.

Needs the libraries, which the other tests do not: `make peers-check` installs them into an environment of their own.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.util
from typing import Any

import pytest

from dstheory.trainers import libraries

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
TRAINERS = {trainer.id: trainer for library in libraries() for trainer in library.trainers.values()}


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
