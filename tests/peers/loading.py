"""The modules of verl and OpenRLHF whose functions are called, without what they import and these functions never use.

verl is imported as its users import it. Importing `openrlhf.models` would import DeepSpeed, PEFT and vLLM: packages are entered
without running their `__init__`, and `deepspeed` and OpenRLHF's launcher of Ray actors are empty modules.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any


def installed(name: str) -> Path | None:
    """Return the folder of a package, None where it is not installed."""
    spec = importlib.util.find_spec(name)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


@cache
def verl() -> Any:
    """Return verl's module of advantages, policy losses and penalties."""
    return importlib.import_module("verl.trainer.ppo.core_algos")


def _stand_in(name: str, folder: Path | None = None, **members: Any) -> None:
    module = ModuleType(name)
    module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
    if folder is not None:
        module.__path__ = [str(folder)]
    for member, value in members.items():
        setattr(module, member, value)
    sys.modules.setdefault(name, module)


@cache
def openrlhf() -> tuple[Any, Any, Any]:
    """Return OpenRLHF's losses, its KL estimators, and the module that makes its advantages."""
    folder = installed("openrlhf")
    assert folder is not None
    _stand_in("deepspeed")
    for package in ("models", "utils", "trainer", "trainer.ppo_utils", "trainer.ray"):
        _stand_in(f"openrlhf.{package}", folder.joinpath(*package.split(".")))
    _stand_in("openrlhf.trainer.ray.launcher", RayActorGroup=object)
    names = ("models.loss", "models.utils", "trainer.ppo_utils.experience_maker")
    losses, estimators, advantages = (importlib.import_module(f"openrlhf.{name}") for name in names)
    return losses, estimators, advantages


def openrlhf_controller() -> Any:
    """Return OpenRLHF's controller of an adaptive KL."""
    openrlhf()
    return importlib.import_module("openrlhf.trainer.ppo_utils.kl_controller").AdaptiveKLController
