"""The parameters of `simulate` and of the optimum, in one table: what each is, its type, range, unit, default, where it applies.

Everything else is made of it: the options of the commands and what ``--config`` may set, the grids and fixed values of sweeps,
and the labels of their results. A new parameter is a new row.

Most parameters vary *along a batch*: one array operation serves thousands of settings. The others (an optimiser, a number of
steps) change the computation itself, and are looped over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from dstheory.errors import DSTheoryError, UnknownNameError

Of = Literal["optimum", "simulate"]
Kind = Literal["number", "whole", "choice", "flag", "expression"]
Group = Literal["model", "objective", "settings", "training", "starts"]
"""Options that stand together in the commands."""


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: as in the library and, with hyphens, on the command line.
        long_name: what it is, for labels.
        help: what the command line says of it; empty if it has no option of its own.
        kind: what its values are.
        group: with which options it stands.
        default: its value when it is neither swept nor fixed.
        low, high: the range of numbers, ends included unless ``open_low``, ``open_high``.
        most: the largest whole number that can be paid for; None where larger ones cost nothing.
        costs: what more would cost, and what to do instead.
        choices: the texts allowed, for kind ``choice``.
        optional: whether ``none`` is a value (no cap, no clipping, no renewal).
        endless: whether ``inf`` is a value (the limit).
        sets: the field of objectives that it sets; empty if it sets none.
        own: whether objectives have defaults of their own, which an option that is not given leaves alone.
        batched: whether it varies along a batch.
        minimal: whether it describes the minimal chain M0 only.
        of: whose parameter it is.
        units: for labels; "1" has no unit.
        read: what reads the text of an expression; it raises for one that it cannot read.
    """

    name: str
    long_name: str
    help: str = ""
    kind: Kind = "number"
    group: Group = "model"
    default: Any = None
    low: float = -math.inf
    high: float = math.inf
    most: int | None = None
    costs: str = ""
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False
    endless: bool = False
    sets: str = ""
    own: bool = False
    batched: bool = False
    minimal: bool = False
    of: tuple[Of, ...] = field(default=("optimum", "simulate"))
    units: str = "1"
    read: Callable[[str], object] = str

    def value(self, given: Any, of: Of) -> Any:
        """Return one value in its own type.

        Raises:
            DSTheoryError: it is of another type, or out of range.

        >>> PARAMETERS["max_turns"].value(3.0, "optimum"), PARAMETERS["max_turns"].value("none", "optimum")
        (3, None)
        """
        if self.optional and (given is None or str(given).strip().lower() == "none"):
            return None
        if self.kind == "choice":
            return self._choice(str(given).strip())
        if self.kind == "expression":
            self.read(str(given).strip())
            return str(given).strip()
        if self.kind == "flag":
            return self._flag(given)
        return self._number(given, of)

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            near = get_close_matches(text, self.choices, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise DSTheoryError(f"{self.name} is {text!r}: must be one of {', '.join(self.choices)}{hint}")
        return text

    def _flag(self, given: Any) -> bool:
        text = str(given).strip().lower()
        if text not in ("true", "false"):
            raise DSTheoryError(f"{self.name} is {given!r}: must be true or false")
        return text == "true"

    def _number(self, given: Any, of: Of) -> float | int:
        try:
            number = float(given)
        except (TypeError, ValueError, OverflowError):
            none = ", or none" if self.optional else ", or inf" if self.endless else ""
            raise DSTheoryError(f"{self.name} is {given!r}: must be a number{none}") from None
        if self.endless and number == math.inf:
            return number
        # Without a penalty the optimum is deterministic and not unique; training has no such trouble.
        open_low = self.open_low or (self.name == "beta" and of == "optimum")
        low = f"{'>' if open_low else '>='} {self.low:g}" if self.low > -math.inf else ""
        high = f"{'<' if self.open_high else '<='} {self.high:g}" if self.high < math.inf else ""
        rule = (" and ".join(part for part in (low, high) if part) if math.isfinite(number) else "") or "finite"
        inside = (number > self.low if open_low else number >= self.low) and (
            number < self.high if self.open_high else number <= self.high
        )
        if not (math.isfinite(number) and inside):
            raise DSTheoryError(f"{self.name} is {number:g}: must be {rule}")
        if self.kind == "whole":
            if self.most is not None and number > self.most:
                raise DSTheoryError(f"{self.name} is {number:,.0f}, more than {self.most:,}: {self.costs}")
            if number != int(number):
                raise DSTheoryError(f"{self.name} is {number:g}: must be a whole number {rule}")
            return int(number)
        return number


@dataclass(frozen=True)
class Together:
    """Several parameters that one option sets, separated by commas.

    Attributes:
        name, help, group: as of a parameter.
        parts: the parameters.
        words: how the option calls them.
        default: the option's.
        one_for_all: whether one number may stand for all.
    """

    name: str
    help: str
    parts: tuple[str, ...]
    words: tuple[str, ...]
    group: Group = "objective"
    default: str | None = None
    one_for_all: bool = False


def _model(name: str, long_name: str, help: str = "", **more: Any) -> Parameter:
    return Parameter(name, long_name, help, **{"batched": more.get("kind", "number") == "number", **more})


def _objective(name: str, long_name: str, help: str = "", **more: Any) -> Parameter:
    return _model(name, long_name, help, group="objective", **more)


def _field(name: str, long_name: str, help: str, **more: Any) -> Parameter:
    return _objective(name, long_name, help, sets=name, **more)


def _setting(name: str, long_name: str, help: str, **more: Any) -> Parameter:
    """Return a setting of trainers: a field of objectives that have defaults of their own, and that batches do not vary."""
    return Parameter(name, long_name, help, **{"group": "settings", "of": ("simulate",), "own": True, "sets": name, **more})


def _training(name: str, long_name: str, help: str = "", **more: Any) -> Parameter:
    return Parameter(name, long_name, help, **{"group": "training", "of": ("simulate",), **more})


# The numerics are imported by those who give one of these.
def _read_normaliser(text: str) -> object:
    from dstheory.objectives.parts import normaliser_named

    return normaliser_named(text)


def _read_reward_functions(text: str) -> object:
    from dstheory.objectives.expectation.rewards import reward_terms

    return reward_terms(text)


def read_baseline(text: str) -> str | float:
    """Return the baseline of REINFORCE that a text says.

    Raises:
        DSTheoryError: it is none.

    >>> read_baseline("0.5"), read_baseline("opo")
    (0.5, 'opo')
    """
    if text in ("mean", "opo"):
        return text
    with suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    raise DSTheoryError(f"baseline is {text!r}: must be a finite number, mean or opo")


_INSIDE: dict[str, Any] = {"low": 0.0, "high": 1.0, "open_low": True, "open_high": True}
_UNIT: dict[str, Any] = {"low": 0.0, "high": 1.0}
_BELOW_ONE: dict[str, Any] = {"low": 0.0, "high": 1.0, "open_high": True}
_TOKENS: dict[str, Any] = {"low": 1.0, "units": "tokens"}
_SIMULATE: dict[str, Any] = {"of": ("simulate",)}

TABLE: tuple[Parameter | Together, ...] = (
    _model("p", "P(correct) at the start", "P(correct) at the start (M0).", default=0.55, minimal=True, **_INSIDE),
    _model("a", "P(stop | correct) at the start", "P(stop | correct) at the start (M0).", default=0.8, minimal=True, **_INSIDE),
    _model("b", "P(resample | wrong) at the start", "P(resample | wrong) at the start (M0).", default=0.3, minimal=True,
           **_INSIDE),
    _model("gamma", "discount", "Discount in [0, 1].", default=0.95, **_UNIT),
    _model("discount_per", "what the discount is applied to",
           "Apply the discount once per turn, or also between an answer and its decision.",
           kind="choice", default="turn", choices=("turn", "stage")),
    _model("max_turns", "cap on the number of turns", "Cap on the number of turns; default none.",
           kind="whole", low=1, optional=True, units="turns",
           most=1_000_000, costs="every turn is held and solved; leave it out for no cap"),
    _model("reward_stop_correct", "reward of stopping at a correct answer"),
    _model("reward_resample_correct", "reward of resampling a correct answer"),
    _model("reward_stop_wrong", "reward of stopping at a wrong answer"),
    _model("reward_resample_wrong", "reward of resampling a wrong answer"),
    Together("reward",
             "Four rewards; default 1,0,0,0, a right final answer, or the file's. With them group objectives compare returns; "
             "those that cannot are refused.",
             ("reward_stop_correct", "reward_resample_correct", "reward_stop_wrong", "reward_resample_wrong"),
             ("stop_correct", "resample_correct", "stop_wrong", "resample_wrong"), group="model"),
    _model("resample_cost", "price of a resample",
           "Price of a resample, >= 0; default none. With a price, even 0, a right final answer pays 1, whatever the file "
           "pays, and group objectives compare returns, as with --reward.", low=0.0),
    _model("answer_length", "length of every answer", default=64.0, **_TOKENS),
    _model("answer_length_correct", "length of the correct answer", minimal=True, **_TOKENS),
    _model("answer_length_wrong", "length of the wrong answer", minimal=True, **_TOKENS),
    Together("answer_length", "Tokens of an answer: one number, or CORRECT,WRONG (M0).",
             ("answer_length_correct", "answer_length_wrong"), ("correct", "wrong"), group="model", default="64",
             one_for_all=True),
    _model("decision_length", "length of a decision", "Tokens of a decision.", default=1.0, **_TOKENS),
    _field("length_weight", "length weight lambda",
               "lambda in [0, 1]: l tokens together count l^lambda times; 0, as in libraries, counts them once.", default=0.5,
               **_UNIT),
    _field("reduction", "reduction of stage weights",
               "mean divides both weights by their sum (stage mean, not the token mean of libraries).",
               kind="choice", default="sum", choices=("sum", "mean")),
    _field("beta", "strength of the KL penalty", "Strength of the KL, >= 0; default 0.1 in KL penalties, none in rewards.",
               default=0.1, low=0.0, high=1e100, own=True),
    _objective("objective", "objective", kind="expression", **_SIMULATE),
    _field("alpha", "strength of the entropy bonus",
               "Strength of the entropy bonus (default 0.01) and of SCoRe's bonus (default 10), >= 0.",
               default=0.01, low=0.0, own=True, **_SIMULATE),
    _field("outer_discount", "whether reward-to-go keeps gamma^t",
               "Keep the factor gamma^t in reward-to-go; training code drops it.", kind="flag", default=True, **_SIMULATE),
    _field("states", "whose states a KL is taken at",
           "Whose states the forward KL, or distill's divergence, is taken at; distill's reference is the teacher.",
               kind="choice", default="policy", choices=("policy", "reference"), **_SIMULATE),
    _objective("expert_p", "P(correct) of the demonstrator", default=0.9, **_UNIT, **_SIMULATE),
    _objective("expert_a", "P(stop | correct) of the demonstrator", default=0.95, **_UNIT, **_SIMULATE),
    _objective("expert_b", "P(resample | wrong) of the demonstrator", default=0.9, **_UNIT, **_SIMULATE),
    Together("expert", "The demonstrator of SFT and teacher of distill: P(correct), P(stop | correct), P(resample | wrong).",
             ("expert_p", "expert_a", "expert_b"), ("p", "a", "b"), default="0.9,0.95,0.9"),
    _objective("reference_p", "P(correct) of the reference", minimal=True, **_INSIDE, **_SIMULATE),
    _objective("reference_a", "P(stop | correct) of the reference", minimal=True, **_INSIDE, **_SIMULATE),
    _objective("reference_b", "P(resample | wrong) of the reference", minimal=True, **_INSIDE, **_SIMULATE),
    Together("reference", "The KL's reference on M0; default the start (or the file's reference).",
             ("reference_p", "reference_a", "reference_b"), ("p", "a", "b")),
    _setting("group_size", "responses per prompt", "Responses per prompt of group objectives, or inf; default 8.",
             kind="whole", low=1, endless=True),
    _setting("prompts", "prompts per batch", "Prompts per batch, which count if its tokens or deviation divide, or dead groups "
                                                 "are dropped; or inf (the default).",
             kind="whole", low=1, endless=True),
    _setting("responses", "demonstrations per batch", "Demonstrations per batch, if the batch's tokens divide the loss; or "
                                                      "inf (default).",
             kind="whole", low=1, endless=True),
    _setting("micro_batches", "parts of a batch", "Parts of a batch that are normalised separately; default 1.",
             kind="whole", low=1),
    _setting("accumulate", "how parts are combined", "Average or add the gradients of the parts; default mean.",
             kind="choice", choices=("mean", "sum")),
    _setting("std", "whose standard deviation divides a credit", "Divide credits (advantages) by this standard deviation.",
             kind="choice", choices=("none", "group", "leave-one-out", "batch")),
    _setting("ddof", "degrees of freedom taken off", "1 for a sample's standard deviation (the default), 0 for a population's.",
             kind="whole", low=0, high=1),
    _setting("epsilon", "number added to the standard deviation", "Added to the standard deviation, >= 0; default 0.", low=0.0),
    _setting("normaliser", "what sums over tokens are divided by",
             "responses, response-tokens, group-tokens, batch-tokens or constant:TOKENS, instead of a group objective's own.",
             kind="expression", read=_read_normaliser, sets="normalise_by"),
    _setting("max_tokens", "constant of Dr. GRPO", "The constant that dr-grpo divides by, > 0; default 1024.",
             low=0.0, open_low=True, units="tokens"),
    _setting("dynamic_sampling", "whether dead groups are drawn again", "Draw groups whose rewards are all equal again.",
             kind="flag"),
    _setting("drop_dead", "whether dead groups are left out", "Leave groups whose rewards are all equal out of the batch.",
             kind="flag"),
    _setting("mask_truncated", "how responses at the cap are masked",
             "Mask responses that the cap on turns cuts off: their coefficients, or their tokens in the normaliser as well.",
             kind="choice", choices=("none", "numerator", "both")),
    _setting("baseline_per", "whose mean is the baseline", "The mean of the group's rewards, or per turn of those that reach it.",
             kind="choice", choices=("response", "turn")),
    _setting("baseline", "baseline of REINFORCE", "For reinforce-baseline: a number, mean, or opo; default mean.",
             kind="expression", read=read_baseline),
    _setting("outcome", "what group objectives compare",
             "What group objectives compare: correctness (default), or the return (default with --reward or --resample-cost).",
             kind="choice", choices=("correct", "return")),
    _setting("reward_correct", "weight of correctness", "", sets=""),
    _setting("reward_return", "weight of the chain's return", "", sets=""),
    Together("reward_weights", "Weights of correctness and of the chain's return in the reward of group objectives.",
             ("reward_correct", "reward_return"), ("correct", "return"), group="settings"),
    _setting("reward_functions", "what responses are paid for",
             "Sum of correct, return, turns, tokens, or four numbers as of --reward: 'correct + -0.1*turns + 0.5*0,0,1,0'.",
             kind="expression", read=_read_reward_functions),
    _setting("combine", "where rewards are combined",
             "Combine rewards before credits are formed (default), or their credits, or these divided by the batch's deviation.",
             kind="choice", choices=("before", "after", "after-batch")),
    _setting("clip_low", "how far a ratio may fall below 1", "Clip of the ratio below 1, >= 0.", low=0.0),
    _setting("clip_high", "how far a ratio may rise above 1", "Clip of the ratio above 1, >= 0.", low=0.0),
    _setting("dual_clip", "dual clip", "Ratio above which negative credits are clipped, > 1; default none.", low=1.0,
             open_low=True),
    _setting("ratio_level", "level of the importance ratio", "Which ratio counts: each token's, the response's to the power "
                                                             "1/L, or the response's.",
             kind="choice", choices=("token", "sequence", "sequence-product")),
    _setting("temperature", "temperature of sampling", "Responses come from the logits divided by this, > 0; default 1.",
             low=0.0, open_low=True),
    _setting("importance", "importance weight of what generated",
             "Weigh credits by old/generating probability, per token or response.",
             kind="choice", choices=("none", "token", "sequence", "sequence-mean")),
    _setting("importance_rule", "what happens above the cap", "Truncate the weight at the cap (the default), or mask it above.",
             kind="choice", choices=("truncate", "mask")),
    _setting("importance_cap", "cap of the importance weight", "Cap of the importance weight, > 0; default 2.", low=0.0,
             open_low=True),
    *(_setting(f"{who}_{name}", f"{what} of {long}", "", sets="", minimal=True, **_INSIDE)
      for who, long in (("sampler", "the policy of the ratio's denominator"), ("engine", "the policy that generates"))
      for name, what in (("p", "P(correct)"), ("a", "P(stop | correct)"), ("b", "P(resample | wrong)"))),
    Together("sampler", "On M0: the stale policy that generated the responses, denominator of the ratios; default the policy "
                        "itself.",
             ("sampler_p", "sampler_a", "sampler_b"), ("p", "a", "b"), group="settings"),
    Together("engine", "On M0: the policy of the inference engine that generated the responses; default that of --sampler.",
             ("engine_p", "engine_a", "engine_b"), ("p", "a", "b"), group="settings"),
    _setting("corrected_kl", "whether k3 is multiplied by the ratio", "Multiply k3 by the ratio and differentiate both.",
             kind="flag"),
    _setting("kl_normaliser", "what a KL penalty's tokens are divided by",
             "Normaliser of a KL penalty in a sum; default that of the reward beside it.", kind="expression",
             read=_read_normaliser),
    _setting("kl_baseline", "baseline of a KL in the reward",
             "For k1-reward: subtract nothing (the default), the mean of the others, or the group's.",
             kind="choice", choices=("none", "others", "group")),
    _setting("weight_right", "weight of right demonstrations", "", sets=""),
    _setting("weight_wrong", "weight of wrong demonstrations", "", sets=""),
    Together("demonstration_weights", "Weights of demonstrations that end right and wrong, negative ones too; default 1,1.",
             ("weight_right", "weight_wrong"), ("right", "wrong"), group="settings"),
    _setting("interpolation", "beta of the Jensen-Shannon divergence",
             "For distill, in [0, 1]: 1 the reverse KL (the default), 0 the forward KL, between them Jensen-Shannon's.",
             **_UNIT),
    _setting("pair_loss", "loss of a pair", "For dpo: the function of a pair's log-ratios; default sigmoid.",
             kind="choice", choices=("sigmoid", "sigmoid_norm", "hinge", "ipo_sum", "ipo", "robust", "exo_pair", "discopop",
                                     "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down"), sets="loss"),
    _setting("label_smoothing", "share of wrong preferences",
             "For dpo with the loss sigmoid, robust or exo_pair: share of preferences taken to be wrong, in [0, 0.5); default 0.",
             low=0.0, high=0.5, sets="smoothing"),
    _setting("discopop_tau", "temperature of DiscoPOP", "For dpo with the loss discopop: its temperature, > 0; default "
                                                        "0.05.", low=0.0,
             open_low=True, sets="tau"),
    _training("steps", "training steps", "Training steps.", kind="whole", default=2000, low=1, units="steps",
              most=1_000_000_000, costs="a step takes a microsecond or more; give fewer, with a larger lr"),
    _training("lr", "learning rate", "Learning rate.", default=0.05, low=0.0, open_low=True, batched=True),
    _training("optimizer", "optimizer", " ", kind="choice", default="sgd", choices=("sgd", "momentum", "adam", "natural")),
    _training("momentum", "momentum", "For the optimizer momentum, in [0, 1).", default=0.9, **_BELOW_ONE),
    _training("adam_beta1", "decay of Adam's first moment", "For adam, in [0, 1).", default=0.9, **_BELOW_ONE),
    _training("adam_beta2", "decay of Adam's second moment", "For adam, in [0, 1).", default=0.999, **_BELOW_ONE),
    _training("adam_eps", "Adam's epsilon", "For adam, > 0.", default=1e-8, low=0.0, open_low=True),
    _training("damping", "damping of the natural gradient", "For the optimizer natural, >= 0.", default=1e-8, low=0.0),
    _training("schedule", "learning-rate schedule", "Learning-rate schedule.",
              kind="choice", default="constant", choices=("constant", "linear", "cosine")),
    _training("warmup", "warm-up steps", "Warm-up steps.", kind="whole", default=0, low=0, units="steps",
              most=1_000_000_000, costs="no training has so many steps; give fewer"),
    _training("clip_norm", "bound on the gradient's global norm", "Clip the gradient's global norm; default no clipping.",
              low=0.0, open_low=True, optional=True),
    _training("reference_every", "steps between renewals of the reference", "Set the KL's reference to the current policy "
                                                                            "every so many steps.",
              kind="whole", low=1, optional=True, units="steps",
              most=1_000_000_000, costs="no training has so many steps; leave it out for never"),
    _training("updates_per_batch", "updates on one batch of responses",
              "Updates on each batch of responses; from the second on they are a stale policy's.", kind="whole", default=1, low=1,
              units="steps", most=1_000_000_000, costs="no training has so many steps; give fewer"),
    _training("spread", "standard deviation of the random starts' logits", "Standard deviation of the random starts' logits.",
              group="starts", default=0.5, low=0.0),
    _training("seed", "seed of the random starts", group="starts", kind="whole", default=0, low=0),
)  # fmt: skip

PARAMETERS: dict[str, Parameter] = {row.name: row for row in TABLE if isinstance(row, Parameter)}
TOGETHER: dict[str, Together] = {row.name: row for row in TABLE if isinstance(row, Together)}

FIELDS = {name: row.sets for name, row in PARAMETERS.items() if row.sets}
"""Parameters that objectives have as fields, and the name of the field."""
PAIRS = {"reward_weights": "reward_weights", "demonstration_weights": "weights"}
"""Options of several parameters that are one field of objectives, and its name."""
POLICIES = ("sampler", "engine")
"""Options of several parameters that are a policy, and a field of that name."""


def value_at(settings: Mapping[str, Any], name: str) -> Any:
    """Return a parameter's value, or its default."""
    return settings.get(name, PARAMETERS[name].default)


def lookup_parameter(name: str, of: Of, *, minimal: bool = True) -> Parameter:
    """Return a parameter of the optimum or of `simulate` (hyphens and case do not matter).

    Args:
        name: what to look for.
        of: whose parameter it is to be.
        minimal: whether the chain is M0.

    Raises:
        DSTheoryError: there is no such parameter (the nearest names are given), or it belongs elsewhere.

    >>> lookup_parameter("Length-Weight", "optimum").name
    'length_weight'
    """
    key = name.strip().lower().replace("-", "_")
    known = [row.name for row in PARAMETERS.values() if of in row.of and (minimal or not row.minimal)]
    if key in TOGETHER and key not in PARAMETERS:
        parts = [part for part in TOGETHER[key].parts if part in known]
        if parts:
            raise DSTheoryError(f"{key} is made of several numbers: sweep {', '.join(parts)}")
    if key in ("runs", "run"):
        raise DSTheoryError("random starts are a dimension of their own: fix their number with runs, and sweep something else")
    if key not in PARAMETERS:
        near = get_close_matches(key, known, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(sorted(known))}"
        raise UnknownNameError(f"there is no parameter {name.strip()!r} of {of} to sweep: {hint}")
    found = PARAMETERS[key]
    if of not in found.of:
        raise DSTheoryError(f"{key} is a parameter of {found.of[0]}, not of {of}: sweep another one, or of={found.of[0]!r}")
    if found.minimal and not minimal:
        raise DSTheoryError(f"{key} describes the minimal chain M0; a chain from a file has its policy and lengths in the file")
    return found
