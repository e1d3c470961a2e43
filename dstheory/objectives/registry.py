"""The one registry of objectives: it drives the command line, the gradient checks, the documentation and the tests.

What libraries and papers call an objective, and what they then compute, stands here as well: names of theirs are aliases of ours.
A library's name says where its default comes from, not what it computes; an alias is one of our objectives with settings, named
by what is computed. Versions: TRL 1.16.0 (compared token by token, docs/checked_against_trl.md), verl 0.9.1 and OpenRLHF 0.11.2
from PyPI; NeMo-RL, open-instruct and slime as of the commits that the files in trainers/libraries name. Prompts per batch and
group sizes are the user's own. What a whole configuration computes, `dstheory explain` says.

Source: the libraries' documentation and observed behaviour; papers by arXiv number.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dstheory.about import ABOUT, FAMILIES, parse
from dstheory.errors import DSTheoryError, UnknownNameError
from dstheory.objectives.base import Objective, WeightedSum
from dstheory.user_files import import_file, module_name


@dataclasses.dataclass(frozen=True)
class Alias:
    """One name of a library or a paper.

    Attributes:
        objective: our name.
        source: library and version, or paper.
        computed: what is computed under that name.
        settings: what differs from our defaults; a setting that is given beside the name does not change it.
        refused: settings that mean something else under this name, and what to write instead.

    >>> ALIASES["trl:grpo"].objective, ALIASES["trl:grpo"].source, ALIASES["trl:grpo"].settings["epsilon"]
    ('dapo-batch', 'TRL 1.16.0', 0.0001)
    """

    objective: str
    source: str
    computed: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)


_TRL, _VERL, _RLHF = "TRL 1.16.0", "verl 0.9.1", "OpenRLHF 0.11.2"
_NEMO, _OPEN, _SLIME = "NeMo-RL, 22 August 2026", "open-instruct, 20 August 2026", "slime 0.3.1"
_TRL_KL: dict[str, Any] = {"epsilon": 1e-4, "corrected_kl": True}
_TRL_STD: dict[str, Any] = {**_TRL_KL, "clip_high": 0.2}
_VERL_STD: dict[str, Any] = {"epsilon": 1e-6, "clip_high": 0.2}
_RLHF_STD: dict[str, Any] = {"epsilon": 1e-9, "clip_high": 0.2}
_RLHF_CENTRED: dict[str, Any] = {"std": False, "clip_high": 0.2}

ALIASES: dict[str, Alias] = {
    "trl:grpo": Alias("dapo-batch", _TRL, "GRPOTrainer's defaults: group std, tokens of the batch, beta 0; not GRPO as "
                      "published. With beta > 0 k3 times the ratio, differentiated: k2's coefficient", _TRL_STD),
    "trl:dapo": Alias("dapo-batch", _TRL, "loss_type='dapo', the default: group std, tokens of the batch", _TRL_STD),
    "trl:bnpo": Alias("dapo-batch", _TRL, "loss_type='bnpo': group std, tokens of the local batch", _TRL_STD),
    "trl:grpo-loss": Alias("grpo", _TRL, "loss_type='grpo': group std, 1/L_i; with beta > 0 its penalty is k2-loss on the policy",
                           _TRL_KL),
    "trl:dr-grpo": Alias("dr-grpo", _TRL, "loss_type='dr_grpo': a constant length, but the group std is kept",
                         {**_TRL_KL, "std": True}),
    "trl:cispo": Alias("cispo", _TRL, "loss_type='cispo' with epsilon_high=5: the ratio is truncated at 5, not at 1 + 5; tokens "
                       "of the batch", {**_TRL_KL, "clip_high": 4.0, "over": "batch"}),
    "trl:gspo": Alias("gspo", _TRL, "importance_sampling_level='sequence' with loss_type='grpo'",
                      {**_TRL_KL, "clip_low": 0.2, "clip_high": 0.2}),
    "trl:luspo": Alias("dr-grpo", _TRL, "loss_type='luspo' on the policy: group std, sums over tokens, means over responses",
                       {**_TRL_KL, "std": True, "max_tokens": 1.0}),
    "trl:sapo": Alias("grpo", _TRL, "loss_type='sapo' on the policy, where its gate of the ratio is 1: group std, 1/L_i",
                      _TRL_KL),
    "trl:rloo": Alias("rloo", _TRL, "RLOOTrainer on policy without its KL; its default adds k1-reward with beta 0.05",
                      refused={"beta": "RLOOTrainer's KL is in the reward: write 'trl:rloo + k1-reward'"}),
    "trl:sft": Alias("sft-token-mean", _TRL, "SFTTrainer's default: mean over the tokens of the batch"),
    "trl:dft": Alias("dft", _TRL, "SFTTrainer, loss_type='dft'"),
    "trl:distillation": Alias("distill", _TRL, "DistillationTrainer's default: the reverse KL of whole distributions, of which "
                              "this is the expected gradient"),
    "trl:dpo": Alias("dpo", _TRL, "DPOTrainer: sigmoid loss over pairs", {"beta": 0.1}),
    "verl:grpo": Alias("dapo-batch", _VERL, "adv_estimator=grpo with the default token-mean: group std, tokens of the batch",
                       _VERL_STD),
    "verl:dapo": Alias("dapo-batch", _VERL, "its recipe of DAPO: group std, tokens of the batch, clip 0.2/0.28, groups without "
                       "variance drawn again; without its punishment of overlong responses",
                       {**_VERL_STD, "clip_high": 0.28, "dynamic_sampling": True}),
    "verl:seq-mean-token-sum": Alias("dr-grpo", _VERL, "adv_estimator=grpo with seq-mean-token-sum: group std, sums over tokens",
                                     {"epsilon": 1e-6, "std": True, "max_tokens": 1.0}),
    "verl:seq-mean-token-mean": Alias("grpo", _VERL, "adv_estimator=grpo with seq-mean-token-mean: group std, 1/L_i",
                                      {"epsilon": 1e-6}),
    "verl:low-var-kl": Alias("k3-loss", _VERL, "use_kl_loss with kl_loss_type=low_var_kl, divided as the reward is"),
    "verl:mse": Alias("k2-loss", _VERL, "use_kl_loss with kl_loss_type=mse (k2), divided as the reward is"),
    "verl:kl-in-reward": Alias("k1-reward", _VERL, "use_kl_in_reward with kl_penalty=kl, where no standard deviation divides it"),
    "verl:opo": Alias("reinforce-baseline", _VERL, "adv_estimator=opo: the mean reward weighted by length as baseline; the "
                      "default token-mean divides by E[L] in large batches", {"baseline": "opo"}),
    "verl:dr-grpo": Alias("dr-grpo", _VERL, "norm_adv_by_std_in_grpo=False with seq-mean-token-sum-norm"),
    "verl:rloo": Alias("rloo", _VERL, "adv_estimator=rloo; the default token-mean divides by E[L] in large batches"),
    "verl:reinforce-plus-plus": Alias("reinforce-pp", _VERL, "adv_estimator=reinforce_plus_plus, whitened over tokens"),
    "verl:gae": Alias("ppo-clip", _VERL, "adv_estimator=gae: PPO with a critic, token-mean", {"clip_high": 0.2}),
    "verl:gspo": Alias("gspo", _VERL, "loss_mode=gspo"),
    "openrlhf:ppo": Alias("ppo-clip", _RLHF, "PPO with a critic"),
    "openrlhf:reinforce": Alias("reinforce-pp", _RLHF, "advantage_estimator=reinforce: REINFORCE++, k1 in the reward"),
    "openrlhf:grpo": Alias("dapo-batch", _RLHF, "advantage_estimator=group_norm: group std, tokens of the batch, beta 0",
                           _RLHF_STD),
    "openrlhf:group-norm": Alias("dapo-batch", _RLHF, "group std, tokens of the batch, beta 0", _RLHF_STD),
    "openrlhf:dr-grpo": Alias("dapo-batch", _RLHF, "advantage_estimator=dr_grpo: no std, but tokens of the batch, not a constant",
                              _RLHF_CENTRED),
    "openrlhf:reinforce-baseline": Alias("dapo-batch", _RLHF, "R minus the group's mean, tokens of the batch; then whitened "
                                         "over its tokens, in large batches one number for all responses", _RLHF_CENTRED),
    "openrlhf:rloo": Alias("rloo", _RLHF, "advantage_estimator=rloo; its token-mean divides by E[L] in large batches"),
    "openrlhf:gspo": Alias("gspo", _RLHF, "policy_loss_type=gspo with group_norm",
                           {"epsilon": 1e-9, "clip_low": 0.2, "clip_high": 0.2}),
    "openrlhf:sft": Alias("sft-token-mean", _RLHF, "train_sft: mean over the tokens of the batch"),
    "openrlhf:dpo": Alias("dpo", _RLHF, "sigmoid loss over pairs", {"beta": 0.1}),
    "nemo-rl:rloo": Alias("rloo", _NEMO, "normalize_rewards=false with the leave-one-out baseline; its token-level loss divides "
                          "by E[L] in large batches"),
    "open-instruct:grpo": Alias("dapo-batch", _OPEN, "advantage_normalization_type=centered, the default: no std, tokens of the "
                                "batch, groups without variance left out; its reward of 10 for a correct answer is 1 here",
                                {"std": False, "clip_high": 0.272, "drop_dead": True}),
    "open-instruct:standard": Alias("dapo-batch", _OPEN, "advantage_normalization_type=standard: the group's population std, "
                                    "tokens of the batch, groups without variance left out",
                                    {"ddof": 0, "epsilon": 1e-8, "clip_high": 0.272, "drop_dead": True}),
    "slime:grpo": Alias("grpo", _SLIME, "advantage_estimator=grpo: group std, 1/L_i, beta 0", {"epsilon": 1e-6}),
    "slime:gspo": Alias("gspo", _SLIME, "advantage_estimator=gspo: group std, ratio of the response, 1/L_i",
                        {"epsilon": 1e-6, "clip_low": 0.2, "clip_high": 0.2}),
    "slime:cispo": Alias("cispo", _SLIME, "advantage_estimator=cispo: group std, ratio truncated to 1 +- eps_clip, 1/L_i",
                         {"epsilon": 1e-6, "clip_low": 0.2, "clip_high": 0.2, "normalise_by": "response-tokens"}),
    "slime:sft": Alias("sft-sequence-mean", _SLIME, "loss_type=sft_loss: mean over each demonstration's tokens"),
    "paper:grpo": Alias("grpo", "arXiv 2402.03300", "group std, 1/L_i, k3 in the loss", {"group_size": 64, "beta": 0.04}),
    "paper:dr-grpo": Alias("dr-grpo", "arXiv 2503.20783", "no std, a constant length"),
    "paper:dapo": Alias("dapo", "arXiv 2503.14476", "group std, tokens of the group, groups without variance drawn again, clip "
                        "0.2/0.28, no KL; without its punishment of overlong responses", {"group_size": 16, "beta": 0.0}),
    "paper:cispo": Alias("cispo", "arXiv 2506.13585", "group std, clipped and detached ratio, tokens of the group, no KL",
                         {"beta": 0.0}),
    "paper:gspo": Alias("gspo", "arXiv 2507.18071", "ratio of the response to the power 1/L"),
    "paper:score": Alias("score-per-attempt", "arXiv 2409.12917", "two attempts, progress between them paid with alpha 10, "
                         "credit per attempt; without its KL", {"alpha": 10.0}),
}  # fmt: skip

LACKING: dict[str, str] = {
    "trl:vespo": f"VESPO weighs responses by a function of their importance ratio ({_TRL})",
    "trl:gkd": "its default is distill with interpolation 0.5, on a mixture of the policy's and other responses: dstheory "
    f"explain trl:gkd ({_TRL})",
    "verl:gdpo": f"each of several rewards is normalised by itself ({_VERL})",
    "verl:grpo-passk": f"credits of the best of a group ({_VERL})",
    "verl:optimal-token-baseline": f"a baseline per token ({_VERL})",
    "verl:geo-mean": f"the geometric mean of clipped ratios ({_VERL})",
    "verl:remax": f"the reward of a greedy response as baseline ({_VERL})",
    "nemo-rl:grpo": f"its default divides by the standard deviation of the other responses where they differ: dstheory "
    f"explain nemo-rl:grpo ({_NEMO})",
}
"""Names of libraries for objectives that this package does not have, and what they are."""


REGISTRY: dict[str, type[Objective]] = {}
_T = TypeVar("_T", bound=type[Objective])


_DECLARED = ("name", "family", "title", "formula", "balance", "balanced_when", "ascends")


def register(cls: _T) -> _T:
    """Enter an objective's class under its name; what :data:`~dstheory.about.ABOUT` says of it becomes its class attributes.

    Raises:
        TypeError: a declaration is missing, or the name is taken.

    >>> register(type("Nameless", (), {}))
    Traceback (most recent call last):
        ...
    TypeError: objective Nameless does not declare name, family, title, formula, balance, balanced_when, ascends
    """
    if cls.__dict__.get("name") in ABOUT:
        for key, value in dataclasses.asdict(ABOUT[cls.name]).items():
            setattr(cls, key, value)
    missing = [field for field in _DECLARED if not isinstance(getattr(cls, field, None), str)]
    if missing:
        raise TypeError(f"objective {cls.__name__} does not declare {', '.join(missing)}")
    if cls.name in REGISTRY:
        raise TypeError(f"objective {cls.name!r} is registered twice, by {REGISTRY[cls.name].__name__} and {cls.__name__}")
    if cls.family not in FAMILIES:
        raise TypeError(f"objective {cls.name!r} declares the family {cls.family!r}: must be one of {', '.join(FAMILIES)}")
    REGISTRY[cls.name] = cls
    return cls


def listed() -> list[type[Objective]]:
    """Return the registered classes by family, in the order of :data:`~dstheory.about.ABOUT`, those of users after them.

    >>> [cls.name for cls in listed()][:3]
    ['reinforce', 'reward-to-go', 'advantage']
    """
    order = {name: i for i, name in enumerate(ABOUT)}
    return sorted(REGISTRY.values(), key=lambda cls: (FAMILIES.index(cls.family), order.get(cls.name, len(order))))


def lookup(name: str) -> type[Objective]:
    """Return the class registered under a name, or under an alias (case and ``_``/``-`` do not matter).

    Raises:
        DSTheoryError: no such objective; the nearest names are given.

    >>> lookup("KL_direct").__name__
    'ReverseKLDirect'
    >>> lookup("trl:grpo").__name__  # named by what is computed
    'DAPOBatch'
    """
    key = _key(name)
    if key in LACKING:
        raise UnknownNameError(f"{key} is not an objective of this package: {LACKING[key]}; see dstheory objectives")
    if key in ALIASES:
        key = ALIASES[key].objective
    if key not in REGISTRY:
        load_installed()
    if key not in REGISTRY:
        near = get_close_matches(key, [*REGISTRY, *ALIASES], n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(sorted(REGISTRY))}"
        raise UnknownNameError(f"there is no objective {name!r}: {hint}")
    return REGISTRY[key]


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def build(expression: str, settings: Mapping[str, Any], require: Callable[[str, str], Any] | None = None) -> Objective:
    """Build an objective, or a sum of objectives, from names and a common set of settings.

    Args:
        expression: names joined by ``+``, each with an optional factor: ``"reinforce + 0.1*entropy"``. Parsed, never evaluated.
        settings: values by field name (``reference``, ``demonstrations``, ``beta``, ``length_weight``, ...); each objective takes
            those that it has a field for, unless its name fixes them (:func:`unused` tells which it does not take). In a sum with
            a KL penalty ``beta`` is the penalty's, and the other terms keep theirs.
        require: called as ``require(objective, field)`` to make a setting that is missing.

    Raises:
        DSTheoryError: an unknown name, a factor that is no number, a setting that the objective needs and that is missing, or one
            that means something else under a library's name.

    >>> build("2*reinforce", {}).title
    '2 x REINFORCE, return form'
    """
    terms: list[Objective] = []
    factors: list[float] = []
    for factor, name in parse(expression):
        factors.append(factor)
        taken = {key: value for key, value in settings.items() if value is not None and key not in _left_out(expression, name)}
        if lookup(name).family == "penalty":  # its normaliser is not that of a reward beside it
            names = ("kl_normaliser", "normaliser", *(("normalise_by",) if _alone(expression) else ()))
            taken["normaliser"] = next((taken[key] for key in names if key in taken), None)
        alias = ALIASES.get(_key(name))
        for key, instead in ({} if alias is None else alias.refused).items():
            if key in taken and np.any(taken[key]):
                raise DSTheoryError(f"{_key(name)} takes no {key}: {instead}")
        terms.append(_make(lookup(name), taken if alias is None else {**taken, **alias.settings}, require))
    if len(terms) == 1 and factors[0] == 1.0:
        return terms[0]
    return WeightedSum(tuple(terms), tuple(factors))


def unused(expression: str, setting: str) -> dict[str, str]:
    """Return the terms of an expression that do not take a setting, and why, in words that follow their names.

    >>> unused("paper:grpo + entropy", "beta")
    {'paper:grpo': 'fixes beta 0.04', 'entropy': 'has no beta'}
    >>> unused("dapo-batch + k3-loss", "beta")
    {'dapo-batch': 'leaves it to the penalty beside it'}
    """
    found = {}
    for _, name in parse(expression):
        alias = ALIASES.get(_key(name))
        if alias is not None and setting in alias.settings:
            found[name] = f"fixes {setting.replace('_', '-')} {alias.settings[setting]}"
        elif setting == "normalise_by" and "inherited" in _fields(lookup(name)):
            if not _alone(expression):
                found[name] = "is divided as the reward beside it is, or by --kl-normaliser"
        elif (setting if setting != "kl_normaliser" else "inherited") not in _fields(lookup(name)):
            found[name] = f"has no {'normaliser' if setting == 'normalise_by' else setting.replace('_', '-')}"
        elif setting in _left_out(expression, name):
            found[name] = "leaves it to the penalty beside it"
    return found


def _alone(expression: str) -> bool:
    """Return whether an expression is of penalties alone, so that there is no reward whose normaliser they could share."""
    return all(lookup(name).family == "penalty" for _, name in parse(expression))


def _left_out(expression: str, name: str) -> tuple[str, ...]:
    """Return the settings that a term leaves to others: beta, where the sum has a KL penalty and the term is none."""
    if lookup(name).family == "penalty":
        return ()
    penalties = [cls for _, other in parse(expression) if (cls := lookup(other)).family == "penalty" and "beta" in _fields(cls)]
    return ("beta",) if penalties else ()


def _fields(cls: type[Objective]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def _make(cls: type[Objective], settings: Mapping[str, Any], require: Callable[[str, str], Any] | None) -> Objective:
    given: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in settings and settings[field.name] is not None:
            given[field.name] = settings[field.name]
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            if require is None:
                raise DSTheoryError(f"objective {cls.name!r} needs the setting {field.name!r}")
            given[field.name] = require(cls.name, field.name)
    return cls(**given)


GROUP = "dstheory.objectives"


_FILES: dict[str, Path] = {}
"""Users' files, by the names of the objectives that they register."""


def load_module(path: str | Path) -> None:
    """Import a Python file that registers objectives; importing the same file again does nothing.

    Raises:
        DSTheoryError: there is no such file, or it does not import.

    >>> load_module("objective.txt")
    Traceback (most recent call last):
        ...
    dstheory.errors.DSTheoryError: objective.txt is not a Python file: give the file in which your objective is registered
    """
    file = Path(path).resolve()
    if file.suffix != ".py" or not file.is_file():
        raise DSTheoryError(f"{path} is not a Python file: give the file in which your objective is registered")
    if module_name("objectives", file) in sys.modules:
        return
    before = set(REGISTRY)
    try:
        import_file("objectives", file)
    except Exception as error:
        raise DSTheoryError(f"{path} does not import: {type(error).__name__}: {error}") from error
    _FILES.update(dict.fromkeys(REGISTRY.keys() - before, file))


def files_of(expression: str) -> list[Path]:
    """Return the files that :func:`load_module` read and that register objectives of an expression."""
    return [_FILES[key] for _, name in parse(expression) if (key := _key(name)) in _FILES]


@functools.cache
def load_installed() -> tuple[str, ...]:
    """Import the modules that installed packages announce; return their names.

    Raises:
        DSTheoryError: one of them does not import.
    """
    import importlib.metadata  # takes longer than all else of finding an objective of this package

    found = []
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            raise DSTheoryError(f"the objectives of the package entry {point.name!r} do not import: {error}") from error
        found.append(point.name)
    return tuple(found)
